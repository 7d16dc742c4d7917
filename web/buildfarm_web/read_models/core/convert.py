"""Small bridges between the records and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from buildfarm.api.responses.core import base
from buildfarm.domain.core.verdict import Verdict
from buildfarm.ports.store import Transaction, matching

R = TypeVar("R")
A = TypeVar("A", bound=base.ApiResponse)
Json = dict[str, Any]
Row = Mapping[str, Any]
"""Some fields of a record, by name."""

_AT_ONCE = 500


def stamp(moment: datetime | None) -> str | None:
    """A time as JSON has it."""
    return base.stamp(moment) if moment else None


def parsed(kind: type[A], rows: Iterable[base.JsonObject]) -> list[A]:
    """Return the responses that rows of a read model hold which still returns dicts."""
    return [kind.from_json(row) for row in rows]


def verdict_or_none(text: str) -> base.VerdictOrNone:
    """A stored verdict; empty before anything was compared."""
    return Verdict(text) if text else ""


def find_each(
    tx: Transaction, kind: type[R], field: str, values: Iterable[str], /, **where: object
) -> list[R]:
    """The records whose ``field`` is one of ``values``, however many those are."""
    wanted = sorted(set(values))
    found: list[R] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = {field: tuple(wanted[start : start + _AT_ONCE]), **where}
        found += tx.find(kind, **matching(kind, **some))
    return found


def pick_each(
    tx: Transaction,
    kind: type[object],
    fields: Sequence[str],
    field: str,
    values: Iterable[str],
    /,
    **where: object,
) -> list[tuple[Any, ...]]:
    """Some fields of what :func:`find_each` would give."""
    wanted = sorted(set(values))
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = {field: tuple(wanted[start : start + _AT_ONCE]), **where}
        found += tx.select_fields(kind, fields, **matching(kind, **some))
    return found


def by_name(fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Picked rows by the names of their fields.

    >>> by_name(("id", "name"), [(1, "a")])
    [{'id': 1, 'name': 'a'}]
    """
    return [dict(zip(fields, row, strict=True)) for row in rows]


def numbered(text: str | None, default: int, *, most: int, least: int = 0) -> int:
    """A number from a query, kept within bounds; anything else is ``default``.

    >>> numbered("7", 50, most=5), numbered("x", 50, most=5000), numbered(None, 50, most=5000)
    (5, 50, 50)
    """
    digits = (text or "").strip()
    return min(max(int(digits), least), most) if digits.isascii() and digits.isdigit() else default
