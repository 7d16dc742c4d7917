"""Telling: followers of the event table, notices, subscriptions and what is owed to them, meters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0009"
down_revision = "0008"


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "follower",
        *_text("id"),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("moved", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follower")),
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        *_text(
            "topic", "kind", "subject", "name", "target", "source", "sig", "drop_id", "actor", "why"
        ),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    for scope in ("target", "source", "sig"):
        op.create_index(op.f(f"ix_notice_{scope}_id"), "notice", [scope, "id"])
    op.create_table(
        "subscription",
        *_text("id", "owner", "channel", "address"),
        sa.Column("topics", sa.JSON(), nullable=False),
        *_text("target", "source", "sig"),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("ended", UtcDateTime(), nullable=True),
        *_text("ended_why"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
    )
    op.create_index(op.f("ix_subscription_owner"), "subscription", ["owner"])
    op.create_table(
        "delivery",
        *_text("id", "subscription", "channel", "address"),
        sa.Column("notice", sa.BigInteger(), nullable=False),
        *_text("state"),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due", UtcDateTime(), nullable=False),
        *_text("status", "batch"),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("settled", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (settled IS NULL)",
            name=op.f("ck_delivery_settled_unless_pending"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    for columns in (
        ["subscription", "state", "due"],
        ["address", "state", "settled"],
        ["state", "due"],
    ):
        op.create_index(op.f(f"ix_delivery_{'_'.join(columns)}"), "delivery", columns)
    op.create_table(
        "meter",
        *_text("id", "name"),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("buckets", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter")),
    )


def downgrade() -> None:
    for name in ("meter", "delivery", "subscription", "notice", "follower"):
        op.drop_table(name)
