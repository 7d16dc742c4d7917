"""A debrand rule: what is changed in one source, why, and which differences that must make in the built RPMs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from buildfarm.domain.brand import Allow
from buildfarm.domain.compare.policy import Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Append ``suffix`` to the Release."""

    suffix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Replace a literal text or a regular expression, exactly ``count`` times.

    ``where`` is ``spec`` or a glob over the names of the sources.
    """

    where: str
    find: str
    new: str
    regex: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """Replace, add or delete one source file; ``op`` says which, ``content`` is what it becomes.

    ``rename`` gives a replaced file (and its Source line) another name.
    """

    op: str
    name: str
    content: bytes = b""
    rename: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changelog:
    """A new topmost changelog entry; its date is the rule's."""

    author: str
    lines: tuple[str, ...]


Action = Release | Replace | SourceFile | Changelog


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule file. ``digest`` covers the rule, its date and every file it refers to; ``file`` is for messages.

    ``rename`` maps the vendor's RPM names to ours; ``expect`` is what the comparison accepts; ``allow`` what the scan does.
    """

    source: str
    why: str
    date: date
    actions: tuple[Action, ...]
    digest: str
    file: str
    targets: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    allow: tuple[Allow, ...] = ()

    @property
    def suffix(self) -> str:
        """What the rule appends to the Release; empty if nothing."""
        return "".join(action.suffix for action in self.actions if isinstance(action, Release))

    def applies_to(self, target: str) -> bool:
        """Whether the rule is for ``target`` (no list: for all)."""
        return not self.targets or target in self.targets
