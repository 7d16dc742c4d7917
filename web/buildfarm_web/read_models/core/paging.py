"""Pages of lists by keyset: a cursor names the last record that was given, so a page costs the same
wherever it lies.

A cursor is opaque to whoever sends it: base64url over a JSON list of the values of the fields that
order the list.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, get_type_hints

from buildfarm.errors import InputError
from buildfarm.ports.store import Transaction

R = TypeVar("R")
Key = tuple[object, ...]
_BEYOND_NUMBERS = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[R]):
    """Records in their order; ``cursor`` goes on behind the last, ``None`` where nothing follows."""

    records: list[R]
    cursor: str | None


def page(
    tx: Transaction, kind: type[R], order_by: str, where: Mapping[str, object], *, limit: int, cursor: str = "",
    descending: bool = True,
) -> Page[R]:  # fmt: skip
    """The ``limit`` records behind ``cursor`` (or the first ones).

    :raises InputError: it is no cursor of this list.

    Where a field may have several values (a tuple), each is asked for by itself, so that it walks
    along its index and stops.
    """
    after = behind(cursor, kind, order_by)
    several = {name: tuple(value) for name, value in where.items() if isinstance(value, tuple)}
    one = {name: value for name, value in where.items() if name not in several}
    found: list[R] = []
    for values in product(*several.values()):
        chosen = {**one, **dict(zip(several, values, strict=True))}
        found += tx.find(
            kind, order_by=order_by, descending=descending, limit=limit + 1, after=after, **chosen
        )
    if several:
        found.sort(key=attrgetter(*order_by.split(",")), reverse=descending)
    return cut(found, order_by, limit)


def behind(cursor: str, kind: type[object], order_by: str) -> object:
    """Return what the store goes on behind: the ordering values of the last record seen.

    ``None`` at the beginning.

    :raises InputError: it is no cursor of this list.
    """
    if not cursor:
        return None
    fields = order_by.split(",")
    hints = get_type_hints(kind)
    return SimpleNamespace(
        **dict(zip(fields, decoded(cursor, [hints[name] for name in fields]), strict=True))
    )


def cut(found: Sequence[R], order_by: str, limit: int) -> Page[R]:
    """The first ``limit`` of what was found, and where to go on if more was."""
    kept = list(found[:limit])
    key = (
        tuple(getattr(kept[-1], name) for name in order_by.split(",")) if len(found) > limit else ()
    )
    return Page(records=kept, cursor=encoded(key) if key else None)


def encoded(key: Key) -> str:
    """A key in an order as a cursor.

    >>> encoded((7, "a")), decoded(encoded((7, "a")), [int, str])
    ('WzcsImEiXQ', (7, 'a'))
    """
    values = [{"at": value.isoformat()} if isinstance(value, datetime) else value for value in key]
    return (
        base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode())
        .decode()
        .rstrip("=")
    )


def decoded(cursor: str, types: Sequence[Any]) -> Key:
    """The key a cursor names.

    :raises InputError: it is none of ours, or of a list in another order.
    """
    try:
        values = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        key = tuple(
            datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value
            for value in values
        )
        fits = [
            isinstance(value, kind) and _storable(value)
            for value, kind in zip(key, types, strict=True)
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        fits, key = [False], ()
    if not all(fits) or encoded(key) != cursor:
        raise InputError(
            "`cursor` is none of this list", hint="take it from the answer of the page before"
        )
    return key


def _storable(value: object) -> bool:
    """Return whether a database takes it: PostgreSQL no NUL in text, neither of them a number
    beyond 63 bits.
    """
    return (
        "\0" not in value
        if isinstance(value, str)
        else not isinstance(value, int) or abs(value) < _BEYOND_NUMBERS
    )
