"""The tables, one for each record of the domain.

A table's columns are its dataclass's fields, so that a record is declared once; constraints of the
database (uniqueness, invariants of the states) are declared here.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from buildfarm.domain.auth.account import Account, LoginTries, Session
from buildfarm.domain.build.waiver import WaiverRecord, WaiverRequest, WaiverUse
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.idempotency import KeptAnswer
from buildfarm.domain.core.records import (
    ApiToken,
    BootstrapVariant,
    Comparison,
    Event,
    EventConsumer,
    FindingRecord,
    ForecastRecord,
    Leader,
    LearnedRequires,
    Pause,
    ReferenceLock,
    SearchEntry,
    SourceOverride,
    SourceSurvey,
)
from buildfarm.domain.core.task import Task
from buildfarm.domain.core.worker import Host, Worker
from buildfarm.domain.intake.drop import Drop, DropItem, VendorRpm
from buildfarm.domain.notify.metric import Metric
from buildfarm.domain.notify.notice import Notice
from buildfarm.domain.notify.subscription import Delivery, Subscription
from buildfarm.domain.publish.compose import Compose
from buildfarm.domain.publish.repository import Artifact, Generation, TagHead
from buildfarm.domain.target.trigger import HookCall, SeenFile, TriggerState

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
        """Convert a value for the database."""
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Convert a value from the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(
        self, dialect: sa.Dialect, coltype: object
    ) -> Callable[[typing.Any], datetime | None] | None:
        """Return a faster :meth:`process_result_value` for SQLite's text: a page reads
        thousands.
        """
        return (
            _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)
        )


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def _column_type(
    hint: object,
) -> sa.types.TypeEngine[typing.Any] | type[sa.types.TypeEngine[typing.Any]]:
    if isinstance(hint, type) and issubclass(hint, enum.StrEnum):
        return sa.Text
    simple = {str: sa.Text, int: sa.BigInteger, bool: sa.Boolean, datetime: UtcDateTime}
    return simple.get(hint, sa.JSON)  # type: ignore[call-overload, no-any-return]  # an unhashable hint never comes here


def plain_type(hint: object) -> tuple[object, bool]:
    """Return a field's type without ``| None``, and whether None is allowed."""
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
        if field.name == "id" and hint is int:
            # SQLite auto-increments only an INTEGER key.
            big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
            columns.append(sa.Column("id", big, primary_key=True, autoincrement=True))
        else:
            columns.append(
                sa.Column(field.name, kind, primary_key=field.name == "id", nullable=nullable)
            )
    return sa.Table(name or record.__name__.lower(), metadata, *columns, *extra)


_ACTIVE = sa.text("state IN ('FREE', 'ASSIGNED', 'OPEN')")
_UNSIGNED = sa.text("signed = ''")
_COUNTED = ("verdict", "scratch", "wait_kind", "gate", "successor")


def _begins(name: str, *columns: str) -> sa.Index:
    """Return an index for :class:`buildfarm.ports.store.Prefix` on the last column.

    PostgreSQL needs an operator class for it (its manual, 11.10).
    """
    return sa.Index(name, *columns, postgresql_ops={columns[-1]: "text_pattern_ops"})


TABLES: dict[type, sa.Table] = {
    Build: _table(
        Build,
        sa.UniqueConstraint("target", "source", "epoch", "version", "release", "srpm", "round"),
        # The distribution's builds, without its history.
        sa.Index("ix_build_current", "superseded", "target", "state", *_COUNTED),
        sa.Index("ix_build_current_since", "superseded", "state", "state_since"),
        # One for each filter of the list, each in the list's order.
        sa.Index("ix_build_created", "created", "id"),
        sa.Index("ix_build_list_target", "target", "created", "id"),
        sa.Index("ix_build_list_state", "state", "created", "id"),
        sa.Index("ix_build_list_verdict", "verdict", "created", "id"),
        sa.Index("ix_build_list_state_verdict", "state", "verdict", "created", "id"),
        sa.Index("ix_build_list_target_state", "target", "state", "created", "id"),
        sa.Index("ix_build_list_target_verdict", "target", "verdict", "created", "id"),
        sa.Index("ix_build_list_source", "source", "created", "id"),
        sa.Index("ix_build_list_drop", "drop_id", "created", "id"),
        sa.Index("ix_build_drop", "drop_id", "state", "wait_kind", "gate", "verdict", "successor"),
        sa.Index(None, "target", "source", "created"),
        sa.Index(None, "state", "finished"),
        sa.Index("ix_build_debranded_name", "debranded_name", "version"),
        _begins("ix_build_srpm_filename", "srpm_filename"),
        sa.CheckConstraint(
            "state NOT IN ('waiting', 'on_hold', 'failed', 'excluded') OR reason <> ''",
            name="says_why",
        ),
        sa.CheckConstraint("state <> 'published' OR verdict <> ''", name="published_is_compared"),
        sa.CheckConstraint("(state = 'failed') = (failure_kind <> '')", name="failed_has_a_kind"),
    ),
    Task: _table(
        Task,
        sa.Index("ix_task_state", "state", "created", "id"),
        sa.Index("ix_task_kind", "kind", "target", "state", "created"),
        sa.Index("ix_task_finished", "state", "finished"),
        sa.Index("ix_task_worker", "worker", "state"),
        sa.Index("ix_task_created", "created", "id"),
        sa.Index("ix_task_subject", "subject", "kind", "state", "created"),
        sa.Index(None, "kind", "state", "finished"),
        sa.Index(
            "uq_task_active",
            "kind",
            "subject",
            "arch",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        sa.CheckConstraint(
            "state <> 'OPEN' OR (worker <> '' AND lease_token <> '')", name="open_has_a_holder"
        ),
    ),
    Drop: _table(
        Drop,
        sa.Index("ix_drop_target", "target", "created", "id"),
        sa.Index("ix_drop_created", "created", "id"),
        _begins("ix_drop_begins", "id"),
    ),
    DropItem: _table(
        DropItem,
        sa.UniqueConstraint("drop_id", "sha256", "kind"),
        sa.Index(None, "build"),
        sa.Index("ix_dropitem_drop", "drop_id", "kind", "problem", "sha256"),
    ),
    VendorRpm: _table(
        VendorRpm,
        sa.UniqueConstraint("target", "sha256"),
        sa.Index(None, "target", "sourcerpm"),
        sa.Index(None, "target", "source"),
        sa.Index(None, "target", "name"),
        sa.Index("ix_vendorrpm_said", "target", "sha256", "problem", "verdict", "waived"),
    ),
    Artifact: _table(
        Artifact,
        sa.UniqueConstraint("build", "filename"),
        sa.Index(None, "header"),
        sa.Index(None, "name"),
        _begins("ix_artifact_filename", "filename"),
        sa.Index(
            "ix_artifact_unsigned", "build", sqlite_where=_UNSIGNED, postgresql_where=_UNSIGNED
        ),
    ),
    Generation: _table(
        Generation,
        sa.UniqueConstraint("tag", "number"),
        sa.Index("ix_generation_created", "created", "number"),
        sa.Index("ix_generation_target", "target", "created", "number"),
        sa.Index("ix_generation_state", "state"),
    ),
    TagHead: _table(TagHead),
    Compose: _table(
        Compose,
        sa.Index(None, "target", "created", "id"),
        sa.Index(None, "state"),
        sa.Index(None, "generation"),
        sa.Index("ix_compose_created", "created", "id"),
        _begins("ix_compose_begins", "id"),
        sa.CheckConstraint(
            "state <> 'testing' OR released IS NULL", name="testing_is_not_released"
        ),
        sa.CheckConstraint("state <> 'released' OR released_why <> ''", name="released_says_why"),
        sa.CheckConstraint("state <> 'retired' OR retired_why <> ''", name="retired_says_why"),
    ),
    Worker: _table(
        Worker,
        sa.Index(None, "host"),
        sa.Index(None, "state"),
        sa.Index(None, "token_hash"),
        _begins("ix_worker_begins", "id"),
        sa.CheckConstraint(
            "state <> 'retired' OR (host <> '' AND token_hash = '')", name="retired_has_no_token"
        ),
    ),
    Host: _table(Host),
    Event: _table(
        Event,
        sa.Index("ix_event_subject", "subject", "id"),
        sa.Index(None, "at"),
        sa.Index(None, "person", "id"),
        sa.Index(None, "person", "actor", "id"),
    ),
    Comparison: _table(Comparison, sa.Index("ix_comparison_build", "build", "created", "id")),
    FindingRecord: _table(
        FindingRecord,
        sa.Index(None, "build"),
        _begins("ix_finding_path", "superseded", "path"),
        _begins("ix_finding_name", "superseded", "name"),
        name="finding",
    ),
    SearchEntry: _table(
        SearchEntry, _begins("ix_search_entry_token", "kind", "token"), name="search_entry"
    ),
    SourceOverride: _table(SourceOverride, sa.Index(None, "target", "source")),
    WaiverRecord: _table(
        WaiverRecord,
        sa.CheckConstraint(
            "owner <> '' AND reason <> '' AND expires <> ''", name="says_who_why_how_long"
        ),
        sa.CheckConstraint("authority IN ('anyone', 'security')", name="authority"),
        name="waiver",
    ),
    WaiverRequest: _table(
        WaiverRequest,
        sa.Index(None, "answered", "created"),
        sa.Index(None, "build"),
        sa.CheckConstraint("asker <> '' AND reason <> ''", name="says_who_and_why"),
        sa.CheckConstraint("(answered IS NULL) = (answer = '')", name="answered_with_an_answer"),
        name="waiver_ask",
    ),
    WaiverUse: _table(WaiverUse, sa.Index(None, "waiver"), sa.Index(None, "build")),
    ApiToken: _table(ApiToken, sa.Index(None, "account")),
    Account: _table(Account, sa.Index(None, "subject")),
    Session: _table(Session, sa.Index(None, "account")),
    LoginTries: _table(LoginTries),
    ForecastRecord: _table(ForecastRecord, name="forecast"),
    TriggerState: _table(TriggerState),
    SeenFile: _table(SeenFile, sa.Index(None, "trigger")),
    HookCall: _table(HookCall, sa.Index(None, "trigger", "received"), name="hook_call"),
    Pause: _table(Pause, sa.CheckConstraint("reason <> ''", name="says_why")),
    Leader: _table(Leader),
    KeptAnswer: _table(KeptAnswer, sa.Index(None, "created")),
    SourceSurvey: _table(SourceSurvey, name="source_survey"),
    BootstrapVariant: _table(BootstrapVariant, sa.Index(None, "target"), name="bootstrap_variant"),
    LearnedRequires: _table(LearnedRequires, sa.Index(None, "target"), name="learned_requires"),
    ReferenceLock: _table(ReferenceLock, sa.Index(None, "subject"), name="reference_lock"),
    EventConsumer: _table(EventConsumer),
    Notice: _table(
        Notice,
        sa.Index(None, "target", "id"),
        sa.Index(None, "source", "id"),
        sa.Index(None, "sig", "id"),
    ),
    Subscription: _table(Subscription, sa.Index(None, "owner")),
    Delivery: _table(
        Delivery,
        sa.Index(None, "subscription", "state", "due"),
        sa.Index(None, "address", "state", "settled"),
        sa.Index(None, "state", "due"),
        sa.CheckConstraint(
            "(state = 'pending') = (settled IS NULL)", name="settled_unless_pending"
        ),
    ),
    Metric: _table(Metric),
}
