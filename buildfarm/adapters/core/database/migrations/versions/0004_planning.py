"""The newest forecast and the last pause of each target."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "forecast",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("forecast", sa.JSON(), nullable=False),
        sa.Column("created", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forecast")),
    )
    op.create_table(
        "pause",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("reason <> ''", name=op.f("ck_pause_says_why")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause")),
    )


def downgrade() -> None:
    op.drop_table("pause")
    op.drop_table("forecast")
