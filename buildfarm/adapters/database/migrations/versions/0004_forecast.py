"""The newest forecast of each target."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.database.tables import UtcDateTime

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


def downgrade() -> None:
    op.drop_table("forecast")
