"""Triggers: their states, the files they have sent, the webhook messages they have answered; files of a drop by URL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("dropitem") as table:
        table.add_column(sa.Column("url", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("dropitem") as table:
        table.alter_column("url", server_default=None)
    op.create_table(
        "triggerstate",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "target", "kind", "name")),
        sa.Column("looked", UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_look", UtcDateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("problem_since", UtcDateTime(timezone=True), nullable=True),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("drop_id", sa.Text(), nullable=False),
        sa.Column("dropped", UtcDateTime(timezone=True), nullable=True),
        sa.Column("position", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggerstate")),
    )
    op.create_table(
        "seenfile",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "trigger", "sha256", "name", "stamp", "drop_id")
        ),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seenfile")),
    )
    op.create_index(op.f("ix_seenfile_trigger"), "seenfile", ["trigger"])
    op.create_table(
        "hook_call",
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("id", "trigger", "message", "drop_id", "answer")
        ),
        sa.Column("received", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_call")),
    )
    op.create_index(op.f("ix_hook_call_trigger_received"), "hook_call", ["trigger", "received"])


def downgrade() -> None:
    for name in ("hook_call", "seenfile", "triggerstate"):
        op.drop_table(name)
    with op.batch_alter_table("dropitem") as table:
        table.drop_column("url")
