"""Fast insertion of many records into an empty database; indices are made afterwards.

SQLite gets ``executemany`` without waiting for the disk, PostgreSQL ``COPY``. The database must not
be written to otherwise.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from buildfarm.adapters.core.database.tables import TABLES

_AT_ONCE = 20_000


class Bulk:
    """Takes records; :func:`filling` makes one."""

    def __init__(self, connection: sa.Connection) -> None:
        self._raw: Any = connection.connection.driver_connection
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._rows: dict[type, list[tuple[object, ...]]] = {}
        self._of = {kind: self._rower(kind) for kind in TABLES}
        self._next_id: dict[type, int] = {}

    def add(self, record: object) -> None:
        """Add a record; the store's own numbers count from 1."""
        kind = type(record)
        rows = self._rows.setdefault(kind, [])
        rows.append(self._of[kind](record))
        if len(rows) >= _AT_ONCE:
            self._flush(kind)

    def flush(self) -> None:
        """Write the remaining records."""
        for kind in list(self._rows):
            self._flush(kind)

    def _rower(self, kind: type) -> Callable[[object], tuple[object, ...]]:
        names = [field.name for field in dataclasses.fields(kind)]
        read, convert = attrgetter(*names), self._converters(kind)
        counted = isinstance(TABLES[kind].c.id.type, sa.BigInteger)

        def row(record: object) -> tuple[object, ...]:
            values = list(read(record))
            if counted:
                values[names.index("id")] = self._next_id[kind] = self._next_id.get(kind, 0) + 1
            for place, change in convert:
                values[place] = change(values[place])
            return tuple(values)

        return row

    def _converters(self, kind: type) -> list[tuple[int, Callable[[Any], object]]]:
        found: list[tuple[int, Callable[[Any], object]]] = []
        for place, column in enumerate(TABLES[kind].columns):
            if isinstance(column.type, sa.JSON):
                found.append((place, json.dumps))
            elif isinstance(column.type, sa.Text):
                found.append((place, str))
            elif isinstance(column.type, sa.types.TypeDecorator) and self._is_sqlite:
                found.append((place, _as_sqlite_has_it))
        return found

    def _flush(self, kind: type) -> None:
        rows, table = self._rows.pop(kind), TABLES[kind]
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        with_cursor = self._raw.cursor()
        if self._is_sqlite:
            marks = ", ".join("?" for _ in table.columns)
            with_cursor.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)  # noqa: S608  # our own names
        else:
            with with_cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
                for row in rows:
                    copy.write_row(row)
        with_cursor.close()


def _as_sqlite_has_it(moment: datetime | None) -> str | None:
    return (
        None
        if moment is None
        else moment.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    )


@contextmanager
def filling(url: str) -> Iterator[Bulk]:
    """Fill the (migrated, empty) database at ``url``; its sequences continue after the last
    number.
    """
    engine = sa.create_engine(url)
    indices = [index for table in TABLES.values() for index in table.indexes if not index.unique]
    with engine.connect() as connection:
        for index in indices:
            index.drop(connection)
        connection.commit()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA synchronous=OFF")
        bulk = Bulk(connection)
        yield bulk
        bulk.flush()
        connection.commit()
        for index in indices:
            index.create(connection)
        if engine.dialect.name == "postgresql":
            for table in TABLES.values():
                if isinstance(table.c.id.type, sa.BigInteger):
                    last = f"SELECT coalesce(max(id), 1) FROM {table.name}"  # noqa: S608  # our own names
                    connection.exec_driver_sql(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), ({last}))"
                    )
        connection.commit()
    # As its autovacuum does; a farm's SQLite is never analysed.
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
