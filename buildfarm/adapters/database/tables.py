"""The tables, one for each record of the domain.

A table's columns are its dataclass's fields, so that a record is written down once; what a database must hold true by
itself (uniqueness, invariants of the states) is said here.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from datetime import UTC, datetime

import sqlalchemy as sa

from buildfarm.domain.build import Build
from buildfarm.domain.drop import Drop, DropItem, VendorRpm
from buildfarm.domain.idempotency import KeptAnswer
from buildfarm.domain.records import ApiToken, Comparison, Event, ForecastRecord, Leader, Pause, SourceOverride
from buildfarm.domain.repository import Artifact, Generation, TagHead
from buildfarm.domain.task import Task
from buildfarm.domain.waiver import WaiverRecord, WaiverUse
from buildfarm.domain.worker import Host, Worker

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A point in time; always UTC, always with its time zone (SQLite keeps none)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """To the database."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _column_type(hint: object) -> sa.types.TypeEngine[typing.Any] | type[sa.types.TypeEngine[typing.Any]]:
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return sa.Text
    simple = {str: sa.Text, int: sa.BigInteger, bool: sa.Boolean, datetime: UtcDateTime}
    return simple.get(hint, sa.JSON)  # type: ignore[call-overload, no-any-return]  # an unhashable hint never comes here


def plain_type(hint: object) -> tuple[object, bool]:
    """A field's type without ``| None``, and whether None is allowed."""
    if isinstance(hint, types.UnionType):
        rest = [part for part in hint.__args__ if part is not types.NoneType]
        return rest[0], True
    return hint, False


def _table(record: type, *extra: sa.schema.SchemaItem, name: str = "") -> sa.Table:
    hints = typing.get_type_hints(record)
    columns = []
    for field in dataclasses.fields(record):
        hint, nullable = plain_type(hints[field.name])
        kind = _column_type(typing.get_origin(hint) or hint)
        if record is Event and field.name == "id":
            big = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only an INTEGER key
            columns.append(sa.Column("id", big, primary_key=True, autoincrement=True))
        else:
            columns.append(sa.Column(field.name, kind, primary_key=field.name == "id", nullable=nullable))
    return sa.Table(name or record.__name__.lower(), metadata, *columns, *extra)


_ACTIVE = sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')")

TABLES: dict[type, sa.Table] = {
    Build: _table(
        Build,
        sa.UniqueConstraint("target", "source", "epoch", "version", "release", "srpm", "round"),
        sa.Index(None, "target", "state"),
        sa.Index(None, "drop_id"),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'on_hold', 'failed', 'excluded') OR reason <> ''", name="says_why"
        ),
        sa.CheckConstraint("state <> 'published' OR verdict <> ''", name="published_is_compared"),
        sa.CheckConstraint("(state = 'failed') = (failure_kind <> '')", name="failed_has_a_kind"),
    ),
    Task: _table(
        Task,
        sa.Index(None, "state", "queue"),
        sa.Index(None, "subject"),
        sa.Index(
            "uq_task_active", "kind", "subject", "arch", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
        ),
        sa.CheckConstraint("state <> 'OPEN' OR (worker <> '' AND lease_token <> '')", name="open_has_a_holder"),
    ),
    Drop: _table(Drop, sa.Index(None, "target")),
    DropItem: _table(DropItem, sa.UniqueConstraint("drop_id", "sha256", "kind"), sa.Index(None, "build")),
    VendorRpm: _table(VendorRpm, sa.UniqueConstraint("target", "sha256"), sa.Index(None, "target", "sourcerpm")),
    Artifact: _table(Artifact, sa.UniqueConstraint("build", "filename"), sa.Index(None, "header")),
    Generation: _table(Generation, sa.UniqueConstraint("tag", "number")),
    TagHead: _table(TagHead),
    Worker: _table(
        Worker,
        sa.Index(None, "host"),
        sa.CheckConstraint("state <> 'retired' OR (host <> '' AND token_hash = '')", name="retired_has_no_token"),
    ),
    Host: _table(Host),
    Event: _table(Event, sa.Index(None, "subject"), sa.Index(None, "at")),
    Comparison: _table(Comparison, sa.Index(None, "build")),
    SourceOverride: _table(SourceOverride, sa.Index(None, "target", "source")),
    WaiverRecord: _table(
        WaiverRecord,
        sa.CheckConstraint("owner <> '' AND reason <> '' AND expires <> ''", name="says_who_why_how_long"),
        sa.CheckConstraint("authority IN ('anyone', 'security')", name="authority"),
        name="waiver",
    ),
    WaiverUse: _table(WaiverUse, sa.Index(None, "waiver"), sa.Index(None, "build")),
    ApiToken: _table(ApiToken),
    ForecastRecord: _table(ForecastRecord, name="forecast"),
    Pause: _table(Pause, sa.CheckConstraint("reason <> ''", name="says_why")),
    Leader: _table(Leader),
    KeptAnswer: _table(KeptAnswer, sa.Index(None, "created")),
}
