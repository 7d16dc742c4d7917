"""Read the event table in a stable order: nothing is inserted before an event that was read.

An event's number is drawn before its transaction commits. SQLite has one writer, so numbers appear
in order; in PostgreSQL a lower one may appear after a higher one, and a number whose transaction
was rolled back never does. If a number is missing, a SHARE lock on the table is taken for one read:
it is granted when every transaction that has drawn a number has ended (each holds ROW EXCLUSIVE on
the table from before it draws until it ends; PostgreSQL manual, 13.3), so a number that is missing
then stays missing. Writers wait for that one read.
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
    """Return at most ``limit`` events after ``after``, in order; no number in between will
    appear.
    """
    with engine.connect() as connection:
        connection.info["write"] = False
        with connection.begin():
            rows = _following(connection, after, limit)
    if engine.dialect.name != "postgresql" or _is_whole(rows, after):
        return rows
    try:
        return _under_lock(engine, after, limit)
    # A long transaction holds the lock: the rows before the gap are settled anyway.
    except OperationalError as error:
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
