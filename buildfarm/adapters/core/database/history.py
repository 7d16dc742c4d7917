"""The event table read in an order that stays: what a follower has passed is never added to.

An event's number is drawn before its transaction commits. In SQLite there is one writer, so numbers
appear in order; in PostgreSQL a lower one may appear after a higher one, and a number whose
transaction was rolled back never does. Where a number is missing, a SHARE lock on the table is
taken for one read: it is granted when every transaction that has drawn a number is over (each holds
ROW EXCLUSIVE on the table from before it draws until it ends; PostgreSQL manual, 13.3), so what is
missing then stays missing. Whoever writes meanwhile waits for that one read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from buildfarm.adapters.core.database.tables import TABLES
from buildfarm.domain.core.records import Event

_PATIENCE = "2s"

Row = sa.Row[Any]


def settled_rows(engine: sa.Engine, after: int, limit: int) -> list[Row]:
    """The events that follow ``after``, in order; none with a number in between will ever come.

    At most ``limit``.
    """
    with engine.connect() as connection:
        connection.info["write"] = False
        with connection.begin():
            rows = _following(connection, after, limit)
    if engine.dialect.name != "postgresql" or _is_whole(rows, after):
        return rows
    try:
        return _under_lock(engine, after, limit)
    except (
        OperationalError
    ) as error:  # a long transaction: what lies before the gap is certain all the same
        if getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        return _before_gap(rows, after)


def _under_lock(engine: sa.Engine, after: int, limit: int) -> list[Row]:
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        connection.exec_driver_sql(f"LOCK TABLE {TABLES[Event].name} IN SHARE MODE")
        return _following(connection, after, limit)


def _following(connection: sa.Connection, after: int, limit: int) -> list[Row]:
    table = TABLES[Event]
    query: sa.Select[Any] = (
        sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(limit)
    )
    return list(connection.execute(query))


def _is_whole(rows: Sequence[Row], after: int) -> bool:
    return not rows or rows[-1].id == after + len(rows)


def _before_gap(rows: Sequence[Row], after: int) -> list[Row]:
    return [row for at, row in enumerate(rows, 1) if row.id == after + at]
