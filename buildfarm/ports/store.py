"""The state store: transactions and their queries."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol, TypeVar

from buildfarm.domain.core.records import Event

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Below:
    """In a filter: less than this; with an order and a limit, the next page of a list."""

    value: object


@dataclass(frozen=True, slots=True)
class Prefix:
    """In a filter: text that begins with this, byte by byte."""

    text: str


@dataclass(frozen=True, slots=True)
class Above:
    """In a filter: greater than this."""

    value: object


@dataclass(frozen=True, slots=True)
class Among:
    """In a filter: one of the values of ``field`` in the records of ``kind`` that match
    ``where``.
    """

    kind: type[object]
    field: str
    where: Mapping[str, object]


@functools.cache
def _fields_of(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def matching(kind: type, /, **filters: object) -> dict[str, Any]:
    """Return a filter made at run time, after checking its field names.

    :raises TypeError: the record has no such field.
    """
    if unknown := filters.keys() - _fields_of(kind):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return filters


class Transaction(Protocol):
    """One unit of work on the store; others see all of its changes at once, or none.

    Records are the frozen dataclasses of :mod:`buildfarm.domain`. In a filter, a tuple means "one
    of these"; there are :class:`Prefix`, :class:`Above` and :class:`Among` too.
    """

    def add(self, record: object) -> None:
        """Insert a record. :raises Conflict: it exists already."""

    def insert_or_ignore(self, record: object) -> bool:
        """Insert a record unless it exists; return False if it did."""

    def add_all(self, records: Sequence[object]) -> None:
        """Insert records of one kind in one statement; existing ones are left as they are."""

    def get(self, kind: type[R], key: str, /) -> R:
        """Return one record by its id. :raises NotFound: there is none."""

    def find(
        self,
        kind: type[R],
        /,
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        after: object = None,
        **where: object,
    ) -> list[R]:
        """Return all records whose fields equal ``where``.

        ``after`` is the last record seen: its ``order_by`` values are where the next page begins.
        """

    def select_fields(
        self,
        kind: type[object],
        fields: Sequence[str],
        /,
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        after: object = None,
        **where: object,
    ) -> list[tuple[Any, ...]]:
        """Return some fields of the records of :meth:`find`, without reading the others."""

    def first(
        self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object
    ) -> R | None:
        """Return the first record of :meth:`find`."""

    def count(self, kind: type[object], /, *, most: int | None = None, **where: object) -> int:
        """Return the number of records of :meth:`find`, counted up to ``most``."""

    def count_by(
        self, kind: type[object], by: Sequence[str], /, **where: object
    ) -> dict[tuple[Any, ...], int]:
        """Return the number of records of :meth:`find` for each combination of values of ``by``."""

    def newest(
        self,
        kind: type[object],
        fields: Sequence[str],
        /,
        *,
        of_each: str,
        by: str = "created",
        **where: object,
    ) -> list[tuple[Any, ...]]:
        """Return fields of the newest record (the largest ``by``) for each value of ``of_each``.

        They are in the order of these values.
        """

    def update(
        self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object
    ) -> R | None:
        """Set fields of a record; with ``only_if`` a compare-and-set, ``None`` if the row
        differs.
        """

    def change_all(
        self, kind: type[object], where: Mapping[str, object], /, **values: object
    ) -> int:
        """Set fields of all records of ``where``; return the number."""

    def remove(self, kind: type[object], /, **where: object) -> int:
        """Delete records that are only an index of others, or delivered long ago; return the
        number.

        Other records are never deleted.
        """

    def event(self, kind: str, subject: str, *, actor: str, why: str = "", **data: object) -> None:
        """Append one event to the history, at the transaction's time."""

    @property
    def now(self) -> datetime:
        """The time of this transaction, the same for all its records."""


class Store(Protocol):
    """The database, the only source of truth."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Return a read-write transaction, committed at the end of the block, rolled back on
        errors.
        """

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a consistent read."""

    def settled(self, after: int, limit: int) -> list[Event]:
        """Return the events after ``after``, in order; no number in between will appear."""
