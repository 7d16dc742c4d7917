"""What planning learns: surveys of SRPMs, bootstrap variants, generated BuildRequires, reference locks, reserved workers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from buildfarm.adapters.core.database.tables import UtcDateTime

revision = "0012"
down_revision = "0011"

_ADDED: dict[str, dict[str, tuple[sa.types.TypeEngine[Any], str]]] = {
    "build": {
        "bootstrap": (sa.Text(), ""),
        "found_requires": (sa.JSON(), "[]"),
        "replans": (sa.BigInteger(), "0"),
    },
    "vendorrpm": {"files": (sa.JSON(), "[]")},
    "worker": {"reserved": (sa.JSON(), "[]")},
}


def _new(name: str, *columns: sa.Column[Any]) -> None:
    identity: sa.Column[Any] = sa.Column("id", sa.Text(), nullable=False)
    created: sa.Column[Any] = sa.Column("created", UtcDateTime(timezone=True), nullable=False)
    op.create_table(
        name, identity, *columns, created, sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}"))
    )


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=False)


def upgrade() -> None:
    for name, columns in _ADDED.items():
        with op.batch_alter_table(name) as table:
            for column, (kind, default) in columns.items():
                table.add_column(sa.Column(column, kind, nullable=False, server_default=default))
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.alter_column(column, server_default=None)
    found: sa.Column[Any] = sa.Column("found", sa.BigInteger(), nullable=False)
    _new(
        "source_survey", _text("policy"), _text("condition"), found, _json("hits"), _text("problem")
    )
    _new(
        "bootstrap_variant",
        _text("target"),
        _text("condition"),
        _text("srpm"),
        _json("requires"),
        _text("problem"),
    )
    _new("learned_requires", _text("target"), _text("build"), _json("requires"))
    _new(
        "reference_lock",
        _text("subject"),
        _text("arch"),
        _text("form"),
        _text("digest"),
        _json("rpms"),
        _text("actor"),
    )
    for name, column in (
        ("bootstrap_variant", "target"),
        ("learned_requires", "target"),
        ("reference_lock", "subject"),
    ):
        op.create_index(op.f(f"ix_{name}_{column}"), name, [column])


def downgrade() -> None:
    for name in ("reference_lock", "learned_requires", "bootstrap_variant", "source_survey"):
        op.drop_table(name)
    for name, columns in reversed(_ADDED.items()):
        with op.batch_alter_table(name) as table:
            for column in reversed(columns):
                table.drop_column(column)
