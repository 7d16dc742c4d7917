"""Composes, and asking for waivers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0013"
down_revision = "0012"


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, UtcDateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "compose",
        *_texts("id", "target", "tag", "generation"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *_texts("build_generation", "state", "actor", "reason"),
        _moment("created", nullable=False),
        _moment("written"),
        _moment("released"),
        *_texts("released_by", "released_why"),
        _moment("retired"),
        *_texts("retired_by", "retired_why"),
        sa.CheckConstraint(
            "state <> 'testing' OR released IS NULL",
            name=op.f("ck_compose_testing_is_not_released"),
        ),
        sa.CheckConstraint(
            "state <> 'released' OR released_why <> ''", name=op.f("ck_compose_released_says_why")
        ),
        sa.CheckConstraint(
            "state <> 'retired' OR retired_why <> ''", name=op.f("ck_compose_retired_says_why")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compose")),
    )
    op.create_index(op.f("ix_compose_target_created_id"), "compose", ["target", "created", "id"])
    op.create_index(op.f("ix_compose_state"), "compose", ["state"])
    op.create_index(op.f("ix_compose_generation"), "compose", ["generation"])
    op.create_index("ix_compose_created", "compose", ["created", "id"])
    op.create_index(
        "ix_compose_begins", "compose", ["id"], postgresql_ops={"id": "text_pattern_ops"}
    )
    op.create_table(
        "waiver_ask",
        *_texts("id", "build", "target", "source", "kind", "path", "subject", "rpm"),
        sa.Column("security", sa.Boolean(), nullable=False),
        *_texts("reason", "asker"),
        _moment("created", nullable=False),
        _moment("answered"),
        *_texts("answered_by", "answered_why", "answer", "waiver"),
        sa.CheckConstraint(
            "asker <> '' AND reason <> ''", name=op.f("ck_waiver_ask_says_who_and_why")
        ),
        sa.CheckConstraint(
            "(answered IS NULL) = (answer = '')", name=op.f("ck_waiver_ask_answered_with_an_answer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiver_ask")),
    )
    op.create_index(op.f("ix_waiver_ask_answered_created"), "waiver_ask", ["answered", "created"])
    op.create_index(op.f("ix_waiver_ask_build"), "waiver_ask", ["build"])


def downgrade() -> None:
    op.drop_table("waiver_ask")
    op.drop_table("compose")
