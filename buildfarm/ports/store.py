"""The state store: transactions, what can be asked of it and how."""

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
    """In a filter: less than this; with an order and a limit, the page of a list that comes next."""

    value: object


@dataclass(frozen=True, slots=True)
class Prefix:
    """In a filter: text that begins so, byte by byte."""

    text: str


@dataclass(frozen=True, slots=True)
class Above:
    """In a filter: greater than this."""

    value: object


@dataclass(frozen=True, slots=True)
class Among:
    """In a filter: one of the values that ``field`` has in the records of ``kind`` that ``where``
    chooses.
    """

    kind: type[object]
    field: str
    where: Mapping[str, object]


@functools.cache
def _fields_of(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def matching(kind: type, /, **filters: object) -> dict[str, Any]:
    """Return a filter of a record that is put together at run time, its fields' names checked.

    :raises TypeError: the record has no such field.
    """
    if unknown := filters.keys() - _fields_of(kind):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return filters


class Transaction(Protocol):
    """One unit of work on the store; what it changed is seen by others all at once, or not at all.

    Records are the frozen dataclasses of :mod:`buildfarm.domain`. In a filter, a tuple means "one
    of these"; there are :class:`Prefix`, :class:`Above` and :class:`Among` too.
    """

    def add(self, record: object) -> None:
        """Insert. :raises Conflict: such a record exists already."""

    def insert_or_ignore(self, record: object) -> bool:
        """Insert unless it exists; False when it did."""

    def add_all(self, records: Sequence[object]) -> None:
        """Insert records of one kind in one statement; those that exist are left as they are."""

    def get(self, kind: type[R], key: str, /) -> R:
        """One record by its id. :raises NotFound: there is none."""

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
        """All records whose fields equal ``where``; ``after`` is the last one seen, whose
        ``order_by`` values to go on from.
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
        """Some fields of what :meth:`find` would give; what is not asked for is not read."""

    def first(
        self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object
    ) -> R | None:
        """The first of what :meth:`find` would give."""

    def count(self, kind: type[object], /, *, most: int | None = None, **where: object) -> int:
        """Return how many :meth:`find` would give; no further than ``most``."""

    def count_by(
        self, kind: type[object], by: Sequence[str], /, **where: object
    ) -> dict[tuple[Any, ...], int]:
        """Return how many :meth:`find` would give, for each combination of the values of ``by``
        that occurs.
        """

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
        """Some fields of the newest record (the largest ``by``) for each value of ``of_each``, in
        the order of these values.
        """

    def update(
        self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object
    ) -> R | None:
        """Set fields of one record; with ``only_if`` a compare-and-set that gives ``None`` when the
        row differs.
        """

    def change_all(
        self, kind: type[object], where: Mapping[str, object], /, **values: object
    ) -> int:
        """Set fields of all records that ``where`` chooses; how many."""

    def remove(self, kind: type[object], /, **where: object) -> int:
        """Take records away that only index what others say, or were told long ago; how many.

        Nothing else is ever deleted.
        """

    def event(self, kind: str, subject: str, *, actor: str, why: str = "", **data: object) -> None:
        """Append one line of history, at the transaction's time."""

    @property
    def now(self) -> datetime:
        """The time of this transaction: every record it touches carries the same."""


class Store(Protocol):
    """The database: the only truth."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """A read-write transaction; it commits at the end of the block and rolls back on an
        exception.
        """

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent read."""

    def settled(self, after: int, limit: int) -> list[Event]:
        """The events that follow ``after``, in order, so that none with a number in between will
        ever come.
        """
