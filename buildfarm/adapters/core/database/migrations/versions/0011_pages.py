"""Where the time of a build went, and indices for the newest build of each source and the last published ones."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0011"
down_revision = "0010"

_NULLABLE: dict[str, sa.types.TypeEngine[Any]] = {
    "shipped": UtcDateTime(timezone=True),
    "stage_since": UtcDateTime(timezone=True),
}
_INDICES = (
    ("build", "target", "source", "created"),
    ("build", "state", "finished"),
    ("task", "kind", "state", "finished"),
)


def upgrade() -> None:
    with op.batch_alter_table("build") as table:
        for name, kind in _NULLABLE.items():
            table.add_column(sa.Column(name, kind, nullable=True))
        table.add_column(sa.Column("spent", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("build") as table:
        table.alter_column("spent", server_default=None)
    for table_name, *columns in _INDICES:
        op.create_index(op.f(f"ix_{table_name}_{'_'.join(columns)}"), table_name, columns)


def downgrade() -> None:
    for table_name, *columns in reversed(_INDICES):
        op.drop_index(op.f(f"ix_{table_name}_{'_'.join(columns)}"), table_name)
    with op.batch_alter_table("build") as table:
        for name in ("spent", *reversed(_NULLABLE)):
            table.drop_column(name)
