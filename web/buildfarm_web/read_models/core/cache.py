"""Values that are kept: many look at one page, and between two events it says the same to all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, TypeVar

from buildfarm.domain.core.records import Event
from buildfarm.ports.store import Transaction

T = TypeVar("T")
_NOW, _LATELY = timedelta(seconds=5), timedelta(seconds=10)
"""Longest time for which a value is kept.

The first bounds what PostgreSQL hides: it may show a later event before an earlier one.
"""
_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A value, when it was made, and the number of the last event by then."""

    value: Any
    at: datetime
    event: int


class Cache:
    """The last values of what is asked most; a key always stands for values of one type."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = Lock()

    def now(self, what: Hashable, tx: Transaction, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, made anew after each event."""
        newest = last_event(tx)
        found = self._entries.get(what)
        if found is None or found.event != newest or not timedelta(0) <= tx.now - found.at < _NOW:
            return self._make(what, tx, newest, make)
        value: T = found.value
        return value

    def lately(self, what: Hashable, tx: Transaction, make: Callable[[], T]) -> T:
        """Return what ``make`` gives, for what moves slowly: some seconds old at most."""
        newest = last_event(tx)
        found = self._entries.get(what)
        age = tx.now - found.at if found else _LATELY
        same_instant = (
            found is not None and not age and found.event != newest
        )  # then only the same event will do
        if found is None or same_instant or not timedelta(0) <= age < _LATELY:
            return self._make(what, tx, newest, make)
        value: T = found.value
        return value

    def _make(self, what: Hashable, tx: Transaction, newest: int, make: Callable[[], T]) -> T:
        value = make()
        with self._lock:
            self._entries.pop(what, None)
            if len(self._entries) >= _MOST:
                self._entries.pop(next(iter(self._entries)), None)
            self._entries[what] = _Entry(value=value, at=tx.now, event=newest)
        return value


def last_event(tx: Transaction) -> int:
    """The number of the newest event, 0 before the first."""
    found = tx.select_fields(Event, ("id",), order_by="id", descending=True, limit=1)
    return int(found[0][0]) if found else 0
