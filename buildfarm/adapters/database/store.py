"""Transactions over the tables: the :class:`buildfarm.ports.Store` of the farm."""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from buildfarm.adapters.database.tables import TABLES, plain_type
from buildfarm.domain.records import Event
from buildfarm.errors import Conflict, InfraError, NotFound
from buildfarm.ports import Clock

R = TypeVar("R")
_BUSY_SECONDS = 30


def utc_now() -> datetime:
    """The clock of a real farm."""
    return datetime.now(UTC)


class SqlStore:
    """A store at a database URL (``sqlite:////path`` or ``postgresql+psycopg://…``)."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._url = url
        self._engine = sa.create_engine(url, connect_args=_connect_args(url), pool_pre_ping=not _is_sqlite(url))
        if _is_sqlite(url):
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    def migrate(self) -> None:
        """Bring the tables to the newest revision. :raises InfraError: the database cannot be reached."""
        config = AlembicConfig()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self._engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except DBAPIError as error:
            raise InfraError(f"database {self.name}: {error.orig}", hint="check `database` in farm.yaml") from error

    @property
    def name(self) -> str:
        """The URL without its password, for people."""
        return sa.make_url(self._url).render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """A read-write transaction (in SQLite it takes the write lock at once)."""
        try:
            with self._engine.connect() as connection:
                connection.info["write"] = True
                with connection.begin():
                    yield SqlTransaction(connection, self._clock())
        except IntegrityError as error:
            raise Conflict(f"the store refused: {error.orig}") from error
        except DBAPIError as error:
            raise InfraError(f"database {self.name}: {error.orig}", hint="is it up, is its disk full?") from error

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """A consistent read."""
        try:
            with self._engine.connect() as connection:
                connection.info["write"] = False
                with connection.begin():
                    yield SqlTransaction(connection, self._clock())
        except DBAPIError as error:
            raise InfraError(f"database {self.name}: {error.orig}", hint="is it up?") from error

    def dispose(self) -> None:
        """Close every connection (before a fork)."""
        self._engine.dispose()


class SqlTransaction:
    """See :class:`buildfarm.ports.Transaction`."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    @property
    def now(self) -> datetime:
        """The time of this transaction."""
        return self._now

    def add(self, record: object) -> None:
        """Insert. :raises Conflict: such a record exists already."""
        self._connection.execute(TABLES[type(record)].insert().values(_to_row(record)))

    def add_once(self, record: object) -> bool:
        """Insert unless it exists; False when it did."""
        table = TABLES[type(record)]
        dialect = self._connection.dialect.name
        insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        statement = insert(table).values(_to_row(record)).on_conflict_do_nothing().returning(table.c.id)
        return self._connection.execute(statement).first() is not None

    def get(self, kind: type[R], key: str, /) -> R:
        """One record by its id."""
        found = self.first(kind, id=key)
        if found is None:
            raise NotFound(f"no {kind.__name__.lower()} {key}")
        return found

    def find(
        self,
        kind: type[R],
        /,
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        beyond: tuple[object, ...] = (),
        **where: object,
    ) -> list[R]:
        """All records whose fields equal ``where``; ``beyond`` goes on behind a position in the order."""
        table = TABLES[kind]
        query = sa.select(table).where(*_conditions(table, where))
        if beyond:
            query = query.where(_beyond(table, order_by, beyond, descending=descending))
        if order_by:
            for name in order_by.split(","):
                column = table.c[name.strip()]
                query = query.order_by(column.desc() if descending else column)
        if limit is not None:
            query = query.limit(limit)
        return [_to_record(kind, row) for row in self._connection.execute(query).mappings()]

    def first(self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object) -> R | None:
        """The first of what :meth:`find` would give."""
        found = self.find(kind, order_by=order_by, descending=descending, limit=1, beyond=(), **where)
        return found[0] if found else None

    def count(self, kind: type[object], /, **where: object) -> int:
        """How many :meth:`find` would give."""
        table = TABLES[kind]
        query = sa.select(sa.func.count()).select_from(table).where(*_conditions(table, where))
        return int(self._connection.execute(query).scalar_one())

    def change(self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object) -> R | None:
        """Set fields of one record; ``None`` when ``only_if`` did not hold (or the record is gone)."""
        table = TABLES[type(record)]
        key = {"id": record.id, **(only_if or {})}  # type: ignore[attr-defined]  # every record has an id
        row = {name: _to_column(value) for name, value in values.items()}
        result = self._connection.execute(table.update().where(*_conditions(table, key)).values(row))
        if not result.rowcount:
            return None
        return dataclasses.replace(record, **values)  # type: ignore[type-var]  # records are dataclasses

    def remove(self, record: object) -> None:
        """Delete one record; nothing happens if it is gone."""
        table = TABLES[type(record)]
        self._connection.execute(table.delete().where(table.c.id == record.id))  # type: ignore[attr-defined]  # every record has an id

    def event(self, kind: str, subject: str, *, actor: str, why: str = "", **data: object) -> None:
        """Append one line of history."""
        row = _to_row(Event(at=self._now, actor=actor, kind=kind, subject=subject, why=why, data=data))
        del row["id"]
        self._connection.execute(TABLES[Event].insert().values(row))


def _is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


def _connect_args(url: str) -> dict[str, object]:
    return {"timeout": _BUSY_SECONDS, "check_same_thread": False} if _is_sqlite(url) else {}


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  # sqlite3's own connection
    """WAL and full durability; and SQLAlchemy, not sqlite3, opens transactions."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """A writer takes the write lock at the start: a reader that turns writer half-way would fail with "locked"."""
    write = connection.info.get("write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _conditions(table: sa.Table, where: Mapping[str, object]) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for name, value in where.items():
        column = table.c[name]
        if isinstance(value, tuple | frozenset | set | list):
            conditions.append(column.in_([_to_column(item) for item in value]))
        elif value is None:
            conditions.append(column.is_(None))
        else:
            conditions.append(column == _to_column(value))
    return conditions


def _beyond(table: sa.Table, order_by: str, place: tuple[object, ...], *, descending: bool) -> sa.ColumnElement[bool]:
    """Rows behind ``place`` as one comparison of row values, which an index on the columns serves."""
    columns = [table.c[name.strip()] for name in order_by.split(",")]
    here = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(place, columns, strict=True)))
    row = sa.tuple_(*columns)
    return row < here if descending else row > here


def _to_column(value: object) -> object:
    if isinstance(value, enum.StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _to_row(record: object) -> dict[str, object]:
    return {
        field.name: _to_column(getattr(record, field.name))
        for field in dataclasses.fields(record)  # type: ignore[arg-type]  # records are dataclasses
    }


@cache
def _converters(kind: Hashable) -> dict[str, Any]:
    """How each JSON or text column becomes the field's own type again."""
    converters: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        plain, _ = plain_type(hint)
        origin = typing.get_origin(plain) or plain
        if origin is tuple or (isinstance(origin, type) and issubclass(origin, enum.StrEnum)):
            converters[name] = origin
    return converters


def _to_record(kind: type[R], row: Mapping[Any, Any]) -> R:
    values = dict(row)
    for name, convert in _converters(cast("Hashable", kind)).items():
        if name in values and values[name] is not None:
            values[name] = convert(values[name])
    return kind(**values)
