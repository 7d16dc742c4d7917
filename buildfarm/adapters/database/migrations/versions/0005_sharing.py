"""Who pays for a task's slot and what it needs of a worker; the priority of a drop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("task", sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    op.add_column("task", sa.Column("needs", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("drop", sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("drop") as table:
        table.drop_column("priority")
    with op.batch_alter_table("task") as table:
        table.drop_column("needs")
        table.drop_column("owner")
