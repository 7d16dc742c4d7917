"""Bootstrap conditions: options of a spec that let it build without its own cycle, and the choice
of members that use them.

A spec is read as text here and never expanded: a condition found is only a name to try. The
requirements under it are those in the header of the SRPM that a worker makes under this condition.
A source built so is *provisional*: the build tag takes it so that the rest of its cycle can be
built, users never get it, and it is built again without the condition
(:mod:`buildfarm.domain.selfhosting.seeds`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

_NAME = r"(?:\w+_)?bootstrap(?:ping)?(?:_\w+)?"
_BCOND_WITH = re.compile(rf"^[ \t]*%bcond_with[ \t]+(?P<name>{_NAME})\b", re.MULTILINE)
_BCOND = re.compile(rf"^[ \t]*%bcond[ \t]+(?P<name>{_NAME})[ \t]+(?P<default>\S.*)$", re.MULTILINE)
_ON_ALREADY = re.compile(rf"^[ \t]*%bcond_without[ \t]+(?P<name>{_NAME})\b", re.MULTILINE)
_WITH_OPTION = re.compile(rf"%\{{[!?]*_with_(?P<name>{_NAME})\b")
_MACRO = re.compile(
    rf"%\{{(?:[!?]+|(?:un)?defined\s+)(?P<name>{_NAME})\b|%(?:un)?defined\s+(?P<bare>{_NAME})\b"
)
_FIXED = re.compile(rf"^[ \t]*%(?:global|define)[ \t]+(?P<name>{_NAME})\b", re.MULTILINE)
_CHANGELOG = re.compile(r"^%changelog\b.*\Z", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_OPTION = re.compile(r"--with (?P<with>\w+)|--define '(?P<define>\w+) 1'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``--with NAME``, or with ``is_macro`` a macro that the spec only asks for: ``--define 'NAME
    1'``.
    """

    name: str
    is_macro: bool = False

    def __str__(self) -> str:
        """Return the options as rpmbuild takes them."""
        return f"--define '{self.name} 1'" if self.is_macro else f"--with {self.name}"

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The inverse of ``str``. :raises ValueError: it is none.

        >>> Condition.parse("--define 'perl_bootstrap 1'")
        Condition(name='perl_bootstrap', is_macro=True)
        """
        found = _OPTION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no bootstrap condition")
        return cls(name=found["with"] or found["define"], is_macro=bool(found["define"]))


def condition_in(spec: str) -> Condition | None:
    """The condition under which a spec builds without its cycle, if its text names one that is off
    by itself.

    >>> str(condition_in("%bcond_with bootstrap"))
    '--with bootstrap'
    >>> str(condition_in("%if !%{defined perl_bootstrap}"))
    "--define 'perl_bootstrap 1'"
    >>> condition_in("%bcond_without bootstrap") is None
    True
    """
    text = _COMMENT.sub("", _CHANGELOG.sub("", spec))
    on = {match["name"] for match in _ON_ALREADY.finditer(text)}
    on |= {match["name"] for match in _BCOND.finditer(text) if match["default"].strip() == "1"}
    options = {
        match["name"]
        for pattern in (_BCOND_WITH, _BCOND, _WITH_OPTION)
        for match in pattern.finditer(text)
    } - on
    if options:
        return Condition(name=_plainest(options))
    derived = {f"{prefix}{name}" for name in on for prefix in ("", "with_", "_with_", "_without_")}
    fixed = {match["name"] for match in _FIXED.finditer(text)}
    macros = {match["name"] or match["bare"] for match in _MACRO.finditer(text)} - derived - fixed
    macros = {name for name in macros if not name.startswith(("_with_", "_without_"))}
    return Condition(name=_plainest(macros), is_macro=True) if macros else None


def _plainest(names: Iterable[str]) -> str:
    return min(names, key=lambda name: (len(name), name))


class WayOut(enum.StrEnum):
    """Ways to break a cycle that no repository breaks."""

    ASK = "ask"  # a worker makes the SRPM under the condition, whose header says what it requires
    BEGIN = "begin"  # it is built under its condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The needs of a source under its condition: as :class:`buildfarm.domain.schedule.plan.Node`
    has them; ``problem`` if they cannot be resolved.
    """

    needs: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One source of a cycle: its needs inside the cycle, and whether today's repositories satisfy
    them.

    ``condition`` is its spec's, empty if it has none or it does not help; ``variant`` is known once
    a worker made the SRPM.
    """

    needs: Collection[str]
    free: bool
    condition: str = ""
    variant: Variant | None = None


def stuck(members: Mapping[str, Member], by_condition: Collection[str] = ()) -> set[str]:
    """Return who can never begin: everyone else begins from a repository, or after those who do.

    >>> a, b = Member(needs={"b"}, free=False), Member(needs={"a"}, free=True)
    >>> stuck({"a": a, "b": b})
    set()
    """
    left = {
        key: set()
        if member.free
        else set(_needs(member, conditioned=key in by_condition)) & members.keys()
        for key, member in members.items()
    }
    while done := {key for key, needs in left.items() if not needs}:
        left = {key: needs - done for key, needs in left.items() if key not in done}
    return set(left)


def _needs(member: Member, *, conditioned: bool) -> Collection[str]:
    return member.variant.needs if conditioned and member.variant else member.needs


def ways_out(members: Mapping[str, Member]) -> dict[str, WayOut]:
    """Return the members to ask about, or to build under a condition; none that can be spared.

    Empty if there is no way out, or no need of one.

    >>> a = Member(needs={"b"}, free=False, condition="--with bootstrap")
    >>> b = Member(needs={"a"}, free=False)
    >>> ways_out({"a": a, "b": b})
    {'a': <WayOut.ASK: 'ask'>}
    """
    hopeless = stuck(members)
    able = sorted(key for key in hopeless if members[key].condition and not _useless(members[key]))
    if unknown := [key for key in able if members[key].variant is None]:
        return dict.fromkeys(unknown, WayOut.ASK)
    chosen = set(able)
    if not chosen or len(stuck(members, chosen)) == len(hopeless):
        return {}
    rest = len(stuck(members, chosen))
    for key in reversed(able):
        if len(stuck(members, chosen - {key})) == rest:
            chosen.discard(key)
    return dict.fromkeys(sorted(chosen), WayOut.BEGIN)


def _useless(member: Member) -> bool:
    return member.variant is not None and bool(member.variant.problem)
