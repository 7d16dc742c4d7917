"""Waivers and where they lift something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "waiver",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rpm", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended", UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "owner <> '' AND reason <> '' AND expires <> ''",
            name=op.f("ck_waiver_says_who_why_how_long"),
        ),
        sa.CheckConstraint("authority IN ('anyone', 'security')", name=op.f("ck_waiver_authority")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiver")),
    )
    op.create_table(
        "waiveruse",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("waiver", sa.Text(), nullable=False),
        sa.Column("build", sa.Text(), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiveruse")),
    )
    op.create_index(op.f("ix_waiveruse_waiver"), "waiveruse", ["waiver"], unique=False)
    op.create_index(op.f("ix_waiveruse_build"), "waiveruse", ["build"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_waiveruse_build"), table_name="waiveruse")
    op.drop_index(op.f("ix_waiveruse_waiver"), table_name="waiveruse")
    op.drop_table("waiveruse")
    op.drop_table("waiver")
