"""Accounts, sessions, tries to log in; tokens that belong to an account and end; which events were people's acts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)
_TOKEN: dict[str, tuple[sa.types.TypeEngine[Any], str]] = {
    "account": (sa.Text(), ""), "sigs": (sa.JSON(), "[]"), "actions": (sa.JSON(), "[]"),
}  # fmt: skip
_MACHINES = (
    "scheduler", "ingest", "debrand", "plan", "compare", "signer", "publish", "pause", "self-hosting", "serve", "services",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("sigs", sa.JSON(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )
    op.create_index(op.f("ix_account_subject"), "account", ["subject"])
    op.create_table(
        "session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("seen", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("ended", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account"), "session", ["account"])
    op.create_table(
        "logintries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logintries")),
    )
    with op.batch_alter_table("apitoken") as table:
        for name, (kind, default) in _TOKEN.items():
            table.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        for name in ("expires", "revoked", "used"):
            table.add_column(sa.Column(name, _TIME, nullable=True))
    with op.batch_alter_table("apitoken") as table:
        for name in _TOKEN:
            table.alter_column(name, server_default=None)
        table.create_index(op.f("ix_apitoken_account"), ["account"])
    _mark_people()


def _mark_people() -> None:
    with op.batch_alter_table("event") as table:
        table.add_column(
            sa.Column("person", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    event = sa.table("event", sa.column("actor", sa.Text()), sa.column("person", sa.Boolean()))
    people = sa.and_(
        event.c.actor != "", event.c.actor.not_in(_MACHINES), event.c.actor.not_like("%:%")
    )
    op.execute(event.update().where(people).values(person=True))
    with op.batch_alter_table("event") as table:
        table.alter_column("person", server_default=None)
        table.create_index(op.f("ix_event_person_id"), ["person", "id"])
        table.create_index(op.f("ix_event_person_actor_id"), ["person", "actor", "id"])


def downgrade() -> None:
    with op.batch_alter_table("event") as table:
        table.drop_index(op.f("ix_event_person_actor_id"))
        table.drop_index(op.f("ix_event_person_id"))
        table.drop_column("person")
    with op.batch_alter_table("apitoken") as table:
        table.drop_index(op.f("ix_apitoken_account"))
        for name in ("used", "revoked", "expires", *reversed(_TOKEN)):
            table.drop_column(name)
    for name in ("logintries", "session", "account"):
        op.drop_table(name)
