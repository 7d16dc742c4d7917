"""A new topmost %changelog entry."""

from __future__ import annotations

import re
from datetime import date

from buildfarm.domain.debrand.spec import section, split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit

_AUTOCHANGELOG = re.compile(r"%\{?\??autochangelog\b")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def head(day: date, author: str, evr: str) -> str:
    """An entry's first line, in English whatever the locale.

    >>> head(date(2026, 5, 4), "A <a@b>", "1-2")
    '* Mon May 04 2026 A <a@b> - 1-2'
    """
    return (
        f"* {_DAYS[day.weekday()]} {_MONTHS[day.month - 1]} {day.day:02} {day.year} {author} - "
        f"{evr}"
    )


def is_automatic(text: str) -> bool:
    """Return whether %autochangelog makes the changelog."""
    lines = split_lines(text)
    return any(_AUTOCHANGELOG.search(line) for line in lines if not line.startswith("#"))


def add_entry(text: str, entry: str, where: str) -> str:
    """Return ``text`` with ``entry`` (lines, each ended) and a blank line on top of its %changelog.

    Above ``%autochangelog`` it stays where it is when rpmautospec fills that in.

    :raises RuleDoesNotFit: the spec has no %changelog.
    """
    lines = split_lines(text)
    try:
        at = section(lines, "changelog", "", where).body
    except RuleDoesNotFit as error:
        raise RuleDoesNotFit(f"{where}: the spec has no %changelog section") from error
    if not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    return "".join([*lines[:at], entry, "\n", *lines[at:]])
