"""Answers kept under the Idempotency-Key of their request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "keptanswer",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keptanswer")),
    )
    op.create_index(op.f("ix_keptanswer_created"), "keptanswer", ["created"])


def downgrade() -> None:
    op.drop_index(op.f("ix_keptanswer_created"), table_name="keptanswer")
    op.drop_table("keptanswer")
