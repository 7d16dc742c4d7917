"""Shares of slots, approval of drops, rounds of a circle, self-hosted shares, what our RPMs provide and require."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_IDENTITY = ("target", "source", "epoch", "version", "release", "srpm")
_UNIQUE = "uq_build_" + "_".join(_IDENTITY)
_ADDED: dict[str, dict[str, tuple[sa.types.TypeEngine[Any], str]]] = {
    "task": {"owner": (sa.Text(), ""), "needs": (sa.JSON(), "{}")},
    "drop": {"priority": (sa.BigInteger(), "0"), "approval": (sa.Text(), "")},
    "artifact": {"provides": (sa.JSON(), "[]"), "requires": (sa.JSON(), "[]")},
    "generation": {"lock_ours": (sa.BigInteger(), "0"), "lock_rpms": (sa.BigInteger(), "0"), "carried": (sa.JSON(), "{}")},
    "build": {
        "round": (sa.BigInteger(), "1"), "circle": (sa.JSON(), "[]"), "seeded": (sa.JSON(), "[]"), "successor": (sa.Text(), ""),
        "lock_ours": (sa.BigInteger(), "0"), "lock_rpms": (sa.BigInteger(), "0"),
    },
}  # fmt: skip


def upgrade() -> None:
    for name, columns in _ADDED.items():
        with op.batch_alter_table(name) as table:
            for column, (kind, default) in columns.items():
                table.add_column(sa.Column(column, kind, nullable=False, server_default=default))
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.alter_column(column, server_default=None)
            if name == "build":
                table.drop_constraint(op.f(_UNIQUE), type_="unique")
                table.create_unique_constraint(op.f(f"{_UNIQUE}_round"), [*_IDENTITY, "round"])


def downgrade() -> None:
    for name, columns in reversed(_ADDED.items()):
        with op.batch_alter_table(name) as table:
            if name == "build":
                table.drop_constraint(op.f(f"{_UNIQUE}_round"), type_="unique")
                table.create_unique_constraint(op.f(_UNIQUE), list(_IDENTITY))
            for column in reversed(columns):
                table.drop_column(column)
