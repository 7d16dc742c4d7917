"""Where the time of a build went, and indices for the newest build of each source and the last published ones."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.database.tables import UtcDateTime

revision = "0011"
down_revision = "0005"

_NULLABLE: dict[str, sa.types.TypeEngine[Any]] = {
    "shipped": UtcDateTime(timezone=True),
    "stage_since": UtcDateTime(timezone=True),
}
_INDICES = (("target", "source", "created"), ("state", "finished"))


def upgrade() -> None:
    with op.batch_alter_table("build") as table:
        for name, kind in _NULLABLE.items():
            table.add_column(sa.Column(name, kind, nullable=True))
        table.add_column(sa.Column("spent", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("build") as table:
        table.alter_column("spent", server_default=None)
        for columns in _INDICES:
            table.create_index(op.f(f"ix_build_{'_'.join(columns)}"), list(columns))


def downgrade() -> None:
    with op.batch_alter_table("build") as table:
        for columns in reversed(_INDICES):
            table.drop_index(op.f(f"ix_build_{'_'.join(columns)}"))
        for name in ("spent", *reversed(_NULLABLE)):
            table.drop_column(name)
