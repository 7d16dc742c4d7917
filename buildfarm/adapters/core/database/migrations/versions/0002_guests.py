"""KVM hosts and the workers in their guests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "host",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("arches", sa.JSON(), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("seen", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host")),
    )
    with op.batch_alter_table("worker") as worker:
        worker.add_column(sa.Column("host", sa.Text(), nullable=False, server_default=""))
        worker.add_column(sa.Column("image", sa.Text(), nullable=False, server_default=""))
        worker.add_column(sa.Column("machine", sa.JSON(), nullable=False, server_default="{}"))
        worker.create_index(op.f("ix_worker_host"), ["host"])
        worker.create_check_constraint(
            "retired_has_no_token", "state <> 'retired' OR (host <> '' AND token_hash = '')"
        )
    with op.batch_alter_table("worker") as worker:
        worker.alter_column("host", server_default=None)
        worker.alter_column("image", server_default=None)
        worker.alter_column("machine", server_default=None)
