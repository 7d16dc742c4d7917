"""The Release: appends a suffix and counts it on past those already taken, also with
%autorelease.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildfarm.domain.debrand.spec import PREAMBLE, sections, split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit
from buildfarm.errors import InputError

_LINE = re.compile(r"(Release[ \t]*:[ \t]*)([^\n#]*?)([ \t]*(?:#[^\n]*)?\r?\n?)", re.IGNORECASE)
_MACRO = re.compile(r"%autorelease(?![A-Za-z0-9_])([^\n]*)|%\{\??autorelease(?:\s[^}]*)?\}")
_DEFINITION = re.compile(r"^%(?:define|global)\s+autorelease\b", re.MULTILINE)
_DEFINITION_END = "}%{?-e:.%{-e*}}%{?-s:.%{-s*}}%{!?-n:%{?dist}}"
"""End of the macro that rpmautospec writes into an SRPM's spec (``process_distgit``)."""


def append_release(text: str, suffix: str, where: str, *, autorelease: str = "edit") -> str:
    """Return ``text`` with ``suffix`` after every Release in a preamble, or in the macro that makes
    it.

    :raises RuleDoesNotFit: there is no Release, or the macro is not written as rpmautospec does.
    """
    lines = split_lines(text)
    defined = _DEFINITION.search(text) is not None
    found = automatic = False
    for part in sections(lines):
        for number in range(part.body, part.end) if part.name == PREAMBLE else ():
            match = _LINE.fullmatch(lines[number])
            if match is None:
                continue
            found = True
            if _MACRO.search(match[2]) is None:
                lines[number] = f"{match[1]}{match[2]}{suffix}{match[3]}"
                continue
            automatic = True
            if not defined and autorelease == "edit":
                lines[number] = f"{match[1]}{_braced(match[2])}{suffix}{match[3]}"
    if not found:
        raise RuleDoesNotFit(f"{where}: the spec has no Release line")
    return _append_to_definition(lines, suffix, where) if automatic and defined else "".join(lines)


def _braced(value: str) -> str:
    """``%autorelease -b 4`` takes the rest of its line as words, so a suffix needs braces before
    it.

    >>> _braced("%autorelease -b 4"), _braced("%{autorelease}")
    ('%{autorelease -b 4}', '%{autorelease}')
    """
    return re.sub(
        r"%autorelease(?![A-Za-z0-9_])([^\n]*)", lambda m: f"%{{autorelease{m[1]}}}", value
    )


def _append_to_definition(lines: list[str], suffix: str, where: str) -> str:
    for number, line in enumerate(lines):
        if _DEFINITION_END in line:
            head = line[: line.index(_DEFINITION_END) + len(_DEFINITION_END)]
            lines[number] = f"{head}{suffix}{line[len(head) :]}"
            return "".join(lines)
    raise RuleDoesNotFit(
        f"{where}: the spec defines %autorelease in a way of its own",
        hint="use replace on that line",
    )


def carries(text: str, suffix: str) -> bool:
    """Return whether every Release (or the %autorelease macro) ends in ``suffix`` already; the
    iteration does not count.
    """
    stem = re.escape(suffix.rstrip("0123456789"))
    lines = split_lines(text)
    values = [
        match[2]
        for part in sections(lines) if part.name == PREAMBLE
        for line in lines[part.body : part.end] if (match := _LINE.fullmatch(line))
    ]  # fmt: skip
    values = [value for value in values if _MACRO.fullmatch(value) is None] or [
        line.strip() for line in lines if _DEFINITION_END in line
    ]
    return bool(suffix and values) and all(re.search(rf"{stem}[0-9]*$", value) for value in values)


def next_suffix(suffix: str, releases: Iterable[str], release: str) -> str:
    """The suffix with its last number after the highest that one of ``releases`` has on top of
    ``release``.

    >>> next_suffix(".farm.1", ["3.el9.farm.1", "3.el9.farm.4", "4.el9.farm.9"], "3.el9")
    '.farm.5'

    :raises InputError: the suffix does not end in a number.
    """
    counted = re.fullmatch(r"(.*?)([0-9]+)", suffix)
    if counted is None:
        raise InputError(
            f"release suffix {suffix!r} cannot be counted on", hint="end it in a number"
        )
    stem = release + counted[1]
    rests = [one.removeprefix(stem) for one in releases if one.startswith(stem)]
    taken = [int(rest) for rest in rests if rest.isascii() and rest.isdigit()]
    return f"{counted[1]}{max(taken) + 1 if taken else int(counted[2])}"
