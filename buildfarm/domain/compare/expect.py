"""What a debrand rule or a waiver foresaw: the only things that make a finding EXPECTED after the
fact.

A glob never lifts an ERROR, and never covers mode, owner, capabilities, symbols, dependencies,
identity or a removed file: those kinds must be named in full. One truth with debranding:
``expect:`` lines come from the source's rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from buildfarm.domain.compare.kinds import NAMED_ONLY, NEVER_EXPECTED, Kind
from buildfarm.domain.compare.metadata.files import PRIVILEGED
from buildfarm.domain.compare.metadata.security_paths import is_security_path
from buildfarm.domain.compare.policy import Expectation, Waiver
from buildfarm.domain.core.verdict import Finding, Verdict

SECURITY = "security"
WAIVER = "waiver:"
"""How the rule of a finding begins that a waiver lifted; its id follows."""

_LIFTED = frozenset(
    {Verdict.COMPATIBLE, Verdict.REVIEW, Verdict.EXTRA, Verdict.INCOMPATIBLE, Verdict.MISSING}
)
_SETUID = re.compile(r"^0?[2-7][0-7]{3}$")
_WRITABLE = re.compile(r"^0?[0-7]*[2367]$")
_ALWAYS_SECURITY = frozenset({Kind.FILE_CAPABILITIES, Kind.FILE_OWNER, Kind.FILE_DEVICE})


def expected(
    findings: Iterable[Finding], expectations: Sequence[Expectation], *, source: str
) -> list[Finding]:
    """The findings with those that the rule of ``source`` foresaw made EXPECTED, rule
    ``expect:<source>``.
    """
    return [
        lifted(item, f"expect:{source}")
        if any(_foresees(line, item) for line in expectations)
        else item
        for item in findings
    ]


def _foresees(line: Expectation, item: Finding) -> bool:
    """Return whether a line covers a finding; what needs the security authority has to be spelled
    out, without a glob.
    """
    if needs_security(item) and line.path != item.path:
        return False
    return covers(line.kind, line.path, item)


def lifted(item: Finding, rule: str) -> Finding:
    """The finding made EXPECTED by a rule; what it had been stays with it."""
    return replace(item, verdict=Verdict.EXPECTED, rule=rule, was=f"{item.verdict} {item.rule}")


def without_waiver(item: Finding) -> Finding:
    """The finding as it was before a waiver lifted it; others as they are.

    >>> mode = Finding(kind="tag", path="", subject="", verdict=Verdict.REVIEW, rule="tag-differs", old="1", new="2")
    >>> without_waiver(lifted(mode, "waiver:W1")) == mode
    True
    """
    if not item.was or not item.rule.startswith(WAIVER):
        return item
    verdict, _, rule = item.was.partition(" ")
    return replace(item, verdict=Verdict(verdict), rule=rule, was="")


def covers(kind: str, path: str, item: Finding) -> bool:
    """Return whether a pair of globs covers a finding.

    >>> mode = Finding(kind="file-mode", path="/a/b", subject="", verdict=Verdict.INCOMPATIBLE, rule="", old="", new="")
    >>> covers("*", "/a/**", mode), covers("file-mode", "/a/**", mode), covers("file-mode", "/x", mode)
    (False, True, False)
    """
    found = Kind(item.kind)
    if item.verdict not in _LIFTED or found in NEVER_EXPECTED:
        return False
    if kind != found.value and (found in NAMED_ONLY or not glob(kind).fullmatch(found.value)):
        return False
    return glob(path).fullmatch(item.path) is not None


@functools.lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A path glob: ``*`` and ``?`` stay inside one folder, ``**`` crosses folders and matches
    nothing too.

    >>> bool(glob("/usr/share/httpd/**.html").fullmatch("/usr/share/httpd/a/index.html"))
    True
    >>> bool(glob("/etc/*").fullmatch("/etc/a/b"))
    False
    """
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts), re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """Findings after the waivers; ``used`` are the ids that lifted one."""

    findings: tuple[Finding, ...]
    used: frozenset[str]


def waived(
    findings: Iterable[Finding],
    waivers: Sequence[Waiver],
    *,
    source: str,
    rpm: str,
    today: date | None,
) -> Waived:
    """Apply the waivers that are in force on ``today`` (none is, when no day is given); rule
    ``waiver:<id>``.
    """
    valid = [
        waiver
        for waiver in waivers
        if in_force(waiver, today)
        and glob(waiver.source).fullmatch(source)
        and glob(waiver.rpm).fullmatch(rpm)
    ]
    result, used = [], set()
    for item in findings:
        waiver = next((waiver for waiver in valid if _waives(waiver, item)), None)
        if waiver is not None:
            used.add(waiver.id)
        result.append(item if waiver is None else lifted(item, f"{WAIVER}{waiver.id}"))
    return Waived(findings=tuple(result), used=frozenset(used))


def in_force(waiver: Waiver, today: date | None) -> bool:
    """Return whether the waiver still counts: to the end of its last day."""
    return today is not None and today <= waiver.expires


def _waives(waiver: Waiver, item: Finding) -> bool:
    if needs_security(item) and waiver.authority != SECURITY:
        return False
    return (
        covers(waiver.kind, waiver.path, item)
        and glob(waiver.subject).fullmatch(item.subject) is not None
    )


def needs_security(item: Finding) -> bool:
    """Return whether only the security authority may waive it.

    That is what has rights of its own (setuid, setgid, capabilities, devices, files that everybody
    may write to or that are not root's), and every path that decides about rights or runs by itself
    (:mod:`.metadata.security_paths`), whether it was added, removed or changed.
    """
    if item.kind in _ALWAYS_SECURITY or item.rule.startswith(PRIVILEGED):
        return True
    if item.path and is_security_path(item.path):
        return True
    return item.kind == Kind.FILE_MODE and any(
        _SETUID.match(mode) or _WRITABLE.match(mode) for mode in (item.old, item.new)
    )
