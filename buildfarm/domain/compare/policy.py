"""What a comparison is told from outside: how strict pairs are, whose brand, which sources were
debranded.
"""

from __future__ import annotations

import enum
import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date

from buildfarm.domain.core.verdict import CodeCause


class Mode(enum.StrEnum):
    """``GATE``: Release must be equal once the suffix is off.

    ``NAMED``: a person chose the files, a note suffices.
    """

    GATE = "gate"
    NAMED = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One line of a debrand rule's ``expect:``: a finding of this kind at this path is foreseen.

    ``kind`` and ``path`` are globs; see :mod:`buildfarm.domain.compare.expect` for what a glob
    never covers.
    """

    kind: str
    path: str = "**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A person's decision that a difference is acceptable, until ``expires`` (that day still
    counts).

    ``source`` and ``rpm`` are globs over the source's and the RPM's name; ``kind``, ``path`` and
    ``subject`` over the finding's, ``target`` over the target's name. ``authority`` is ``anyone``
    or ``security``, who may waive setuid bits, capabilities and polkit files.
    """

    id: str
    owner: str
    reason: str
    expires: date
    kind: str
    source: str = "*"
    rpm: str = "*"
    path: str = "**"
    subject: str = "*"
    target: str = "*"
    authority: str = "anyone"

    def covers_target(self, name: str) -> bool:
        """Return whether it holds for a target; one for certain targets holds for no comparison
        that names none.

        >>> from datetime import date

        from buildfarm.domain.core.verdict import CodeCause
        >>> waiver = Waiver(id="w", owner="o", reason="r", expires=date(2030, 1, 1), kind="tag", target="reef-*")
        >>> waiver.covers_target("reef-9"), waiver.covers_target("")
        (True, False)
        """
        return fnmatch.fnmatchcase(name, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePolicy:
    """Everything a comparison must know beside the RPMs.

    ``suffix`` is a regular expression for what debranding appends to Release; ``header_tags`` are
    the values our RPMs carry, by upper-case tag (``VENDOR``); ``renames`` map the vendor's names to
    ours; ``debranded`` are the sources a rule changed (our names); ``expectations`` are by our
    source name. ``today`` decides about waivers. ``both_sides``: disassemble what differs, and ask
    abidiff. ``causes`` are those for which code that differs is COMPATIBLE.
    """

    mode: Mode = Mode.GATE
    suffix: str = ""
    header_tags: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    debranded: frozenset[str] = frozenset()
    expectations: Mapping[str, tuple[Expectation, ...]] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    today: date | None = None
    both_sides: bool = True
    causes: frozenset[CodeCause] = frozenset(CodeCause)

    def without_suffix(self, release: str) -> str:
        """The Release (or EVR) with our suffix taken off its end.

        >>> ComparePolicy(suffix=suffix_pattern(".farm")).without_suffix("5.el9_4.3.farm.1")
        '5.el9_4.3'
        """
        return re.sub(f"(?:{self.suffix})$", "", release) if self.suffix else release

    @property
    def digest(self) -> str:
        """SHA-256 over everything here that findings depend on; waivers and the day are applied
        later.
        """
        form = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name not in ("waivers", "today")
        }
        return hashlib.sha256(json.dumps(form, sort_keys=True, default=_plain).encode()).hexdigest()

    def renamed(self, name: str) -> str:
        """Our name for a vendor's RPM or source."""
        return self.renames.get(name, name)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Expectation):
        return [value.kind, value.path]
    raise TypeError(f"a policy holds no {type(value).__name__}")


def suffix_pattern(suffix: str) -> str:
    """The regular expression for a literal suffix and the counters a rule may put after it.

    >>> re.fullmatch(suffix_pattern(".farm"), ".farm.2") is not None
    True
    >>> suffix_pattern("")
    ''
    """
    return rf"{re.escape(suffix)}(?:\.\d+)*" if suffix else ""
