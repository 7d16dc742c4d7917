"""The :class:`buildfarm.ports.store.Store` of the farm: transactions over the tables."""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
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

from buildfarm.adapters.core.database.history import settled_rows
from buildfarm.adapters.core.database.newest import newest_of_each
from buildfarm.adapters.core.database.tables import TABLES, plain_type
from buildfarm.domain.auth.permissions import is_person
from buildfarm.domain.core.records import Event
from buildfarm.errors import Conflict, InfraError, NotFound
from buildfarm.ports.clock import Clock
from buildfarm.ports.store import Above, Among, Below, Prefix

R = TypeVar("R")
_BUSY_SECONDS = 30
_PLUS: Any = sa.sql.operators.custom_op("+")


def utc_now() -> datetime:
    """Return the time of a real farm."""
    return datetime.now(UTC)


class SqlStore:
    """A store at a database URL (``sqlite:////path`` or ``postgresql+psycopg://…``)."""

    def __init__(self, url: str, *, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._url = url
        self._engine = sa.create_engine(
            url,
            connect_args=_connect_args(url),
            pool_pre_ping=not _is_sqlite(url),
            json_deserializer=_from_json,
        )
        if _is_sqlite(url):
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

        # A page needs one consistent state; by default PostgreSQL shows each statement a later one.
        snapshots = not _is_sqlite(url)
        self._reading = (
            self._engine.execution_options(isolation_level="REPEATABLE READ")
            if snapshots
            else self._engine
        )

    def migrate(self) -> None:
        """Migrate the tables to the newest revision.

        :raises InfraError: the database cannot be reached.
        """
        config = AlembicConfig()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        try:
            with self._engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except DBAPIError as error:
            raise InfraError(
                f"database {self.name}: {error.orig}", hint="check `database` in farm.yaml"
            ) from error

    @property
    def name(self) -> str:
        """The URL without its password, for messages."""
        return sa.make_url(self._url).render_as_string(hide_password=True)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """Yield a read-write transaction (in SQLite it takes the write lock at once)."""
        try:
            with self._engine.connect() as connection:
                connection.info["write"] = True
                with connection.begin():
                    yield SqlTransaction(connection, self._clock())
        except IntegrityError as error:
            raise Conflict(f"the store refused: {error.orig}") from error
        except DBAPIError as error:
            raise InfraError(
                f"database {self.name}: {error.orig}", hint="is it up, is its disk full?"
            ) from error

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """Yield a consistent read: all of it sees the state at its first statement."""
        try:
            with self._reading.connect() as connection:
                connection.info["write"] = False
                with connection.begin():
                    yield SqlTransaction(connection, self._clock())
        except DBAPIError as error:
            raise InfraError(f"database {self.name}: {error.orig}", hint="is it up?") from error

    def settled(self, after: int, limit: int) -> list[Event]:
        """Return the events after ``after``, in a stable order; see :mod:`.history`."""
        try:
            read = _reader(Event)
            return [read(row) for row in settled_rows(self._engine, after, limit)]
        except DBAPIError as error:
            raise InfraError(f"database {self.name}: {error.orig}", hint="is it up?") from error

    def dispose(self) -> None:
        """Close every connection (before a fork)."""
        self._engine.dispose()


class SqlTransaction:
    """See :class:`buildfarm.ports.store.Transaction`."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    @property
    def now(self) -> datetime:
        """The time of this transaction."""
        return self._now

    def add(self, record: object) -> None:
        """Insert a record. :raises Conflict: it exists already."""
        self._connection.execute(TABLES[type(record)].insert().values(_to_row(record)))

    def insert_or_ignore(self, record: object) -> bool:
        """Insert a record unless it exists; return False if it did."""
        table = TABLES[type(record)]
        statement = (
            self._insert(table)
            .values(_to_row(record))
            .on_conflict_do_nothing()
            .returning(table.c.id)
        )
        return self._connection.execute(statement).first() is not None

    def add_all(self, records: Sequence[object]) -> None:
        """Insert records of one kind in one statement; existing ones are left as they are."""
        rows = [_to_row(one) for one in records]
        if rows:
            given = [
                {name: value for name, value in row.items() if name != "id" or value is not None}
                for row in rows
            ]
            self._connection.execute(
                self._insert(TABLES[type(records[0])]).on_conflict_do_nothing(), given
            )

    def get(self, kind: type[R], key: str, /) -> R:
        """Return one record by its id."""
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
        after: object = None,
        **where: object,
    ) -> list[R]:
        """Return all records whose fields equal ``where``."""
        query = self._query(
            kind, (), order_by, where, descending=descending, limit=limit, after=after
        )
        read = _reader(cast("Hashable", kind))
        return [read(row) for row in self._connection.execute(query).all()]

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
        """Return some fields of the records of :meth:`find`, as the columns have them.

        An enumeration is text, a tuple is a list.
        """
        query = self._query(
            kind, fields, order_by, where, descending=descending, limit=limit, after=after
        )
        return [tuple(row) for row in self._connection.execute(query).all()]

    def _query(
        self,
        kind: type[object],
        fields: Sequence[str],
        order_by: str,
        where: Mapping[str, object],
        *,
        descending: bool,
        limit: int | None,
        after: object = None,
    ) -> sa.Select[Any]:
        table = TABLES[kind]
        chosen: list[Any] = [table.c[name] for name in fields] or [table]
        query = sa.select(*chosen).where(*self._conditions(table, where))
        columns = [table.c[name.strip()] for name in order_by.split(",")] if order_by else []
        if after is not None:
            seen = sa.tuple_(
                *(
                    sa.bindparam(None, getattr(after, column.name), column.type)
                    for column in columns
                )
            )
            query = query.where(
                sa.tuple_(*columns) < seen if descending else sa.tuple_(*columns) > seen
            )
        if limit is None and where and self._connection.dialect.name == "sqlite":
            # All rows are read anyway: "+" keeps SQLite from walking everything in this order (its
            # planner's manual, 5).
            ordering: list[Any] = [
                sa.UnaryExpression(column, operator=_PLUS, type_=column.type) for column in columns
            ]
        else:
            ordering = columns
        query = query.order_by(*(column.desc() if descending else column for column in ordering))
        return query if limit is None else query.limit(limit)

    def first(
        self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object
    ) -> R | None:
        """Return the first record of :meth:`find`."""
        found = self.find(kind, order_by=order_by, descending=descending, limit=1, **where)
        return found[0] if found else None

    def count(self, kind: type[object], /, *, most: int | None = None, **where: object) -> int:
        """Return the number of records of :meth:`find`, counted up to ``most``."""
        table = TABLES[kind]
        if most is None:
            query = (
                sa.select(sa.func.count()).select_from(table).where(*self._conditions(table, where))
            )
        else:
            few = (
                sa.select(sa.literal(1))
                .select_from(table)
                .where(*self._conditions(table, where))
                .limit(most)
            )
            query = sa.select(sa.func.count()).select_from(few.subquery())
        return int(self._connection.execute(query).scalar_one())

    def count_by(
        self, kind: type[object], by: Sequence[str], /, **where: object
    ) -> dict[tuple[Any, ...], int]:
        """Return the number of records of :meth:`find` for each combination of values of ``by``."""
        table = TABLES[kind]
        columns = [table.c[name] for name in by]
        query = (
            sa.select(*columns, sa.func.count())
            .where(*self._conditions(table, where))
            .group_by(*columns)
        )
        return {tuple(row[:-1]): int(row[-1]) for row in self._connection.execute(query)}

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
        """Return the newest of each; see :func:`.newest_of_each`."""
        table = TABLES[kind]
        query = newest_of_each(
            table, fields, of_each=of_each, by=by, only=lambda some: self._conditions(some, where)
        )
        return [tuple(row) for row in self._connection.execute(query).all()]

    def update(
        self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object
    ) -> R | None:
        """Set fields of a record; ``None`` if ``only_if`` did not hold, or the record is gone."""
        table = TABLES[type(record)]
        key = {"id": record.id, **(only_if or {})}  # type: ignore[attr-defined]  # every record has an id
        row = {name: _to_column(value) for name, value in values.items()}
        result = self._connection.execute(
            table.update().where(*self._conditions(table, key)).values(row)
        )
        if not result.rowcount:
            return None
        return dataclasses.replace(record, **values)  # type: ignore[type-var]  # records are dataclasses

    def change_all(
        self, kind: type[object], where: Mapping[str, object], /, **values: object
    ) -> int:
        """Set fields of all records of ``where``; return the number."""
        table = TABLES[kind]
        row = {name: _to_column(value) for name, value in values.items()}
        return self._connection.execute(
            table.update().where(*self._conditions(table, where)).values(row)
        ).rowcount

    def remove(self, kind: type[object], /, **where: object) -> int:
        """Delete records that are only an index of others; return the number."""
        table = TABLES[kind]
        return self._connection.execute(
            table.delete().where(*self._conditions(table, where))
        ).rowcount

    def event(self, kind: str, subject: str, *, actor: str, why: str = "", **data: object) -> None:
        """Append one event to the history."""
        person = is_person(actor)
        row = _to_row(
            Event(
                at=self._now,
                actor=actor,
                kind=kind,
                subject=subject,
                why=why,
                data=data,
                person=person,
            )
        )
        del row["id"]
        self._connection.execute(TABLES[Event].insert().values(row))

    def _insert(self, table: sa.Table) -> Any:  # noqa: ANN401  # each dialect has a type of its own
        return (
            postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
        )(table)

    def _conditions(
        self, table: sa.FromClause, where: Mapping[str, object]
    ) -> list[sa.ColumnElement[bool]]:
        return [self._condition(table.c[name], value) for name, value in where.items()]

    def _condition(self, column: sa.ColumnElement[Any], value: object) -> sa.ColumnElement[bool]:
        condition: sa.ColumnElement[bool]
        match value:
            case Prefix(text=text) if self._connection.dialect.name == "postgresql":
                # LIKE uses an index with text_pattern_ops.
                condition = column.startswith(text, autoescape=True)
            # SQLite's LIKE ignores case, so it cannot use an index; its text is ordered by bytes.
            case Prefix(text=text):
                condition = sa.and_(column >= text, column < f"{text}\U0010ffff")
            case Above(value=least):
                condition = column > least
            case Below(value=most):
                condition = column < most
            case Among(kind=kind, field=field, where=inner):
                table = TABLES[kind]
                condition = column.in_(
                    sa.select(table.c[field]).where(*self._conditions(table, inner))
                )
            case tuple() | frozenset() | set() | list():
                condition = column.in_([_to_column(item) for item in value])
            case None:
                condition = column.is_(None)
            case "":
                # Written out: a partial index is used only if the constant is visible.
                condition = column == sa.literal_column("''")
            case _:
                condition = column == _to_column(value)
        return condition


def _is_sqlite(url: str) -> bool:
    return sa.make_url(url).get_backend_name() == "sqlite"


def _connect_args(url: str) -> dict[str, object]:
    return {"timeout": _BUSY_SECONDS, "check_same_thread": False} if _is_sqlite(url) else {}


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  # sqlite3's own connection
    """Set WAL and full durability; SQLAlchemy opens transactions instead of sqlite3."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at the start: a reader that becomes a writer would fail with "locked"."""
    write = connection.info.get("write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


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
def _reader(kind: Hashable) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes a record of a row, with its JSON and text columns decoded."""
    hints = typing.get_type_hints(kind)
    names = [column.name for column in TABLES[cast("type", kind)].columns]
    converters: list[tuple[str, Callable[[Any], Any]]] = []
    for name in names:
        plain, _ = plain_type(hints[name])
        origin = typing.get_origin(plain) or plain
        if origin is tuple:
            converters.append((name, tuple))
        elif isinstance(origin, type) and issubclass(origin, enum.StrEnum):
            converters.append((name, {member.value: member for member in origin}.__getitem__))
    make = cast("type", kind)

    def read(row: Sequence[Any]) -> Any:  # noqa: ANN401  # of the kind that was asked for
        values = dict(zip(names, row, strict=True))
        for name, convert in converters:
            value = values[name]
            if value is not None:
                values[name] = convert(value)
        return make(**values)

    return read


def _from_json(text: str | bytes) -> object:
    """Decode a column's JSON; most lists are empty, and each page reads thousands."""
    if text in ("[]", b"[]"):
        return []
    return {} if text in ("{}", b"{}") else json.loads(text)
