"""Call the seconds behind a build ``remaining_path`` in stored forecasts and in tasks' orders."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_AT_ONCE = 50
"""A forecast of a distribution is some megabytes."""
_NEW = {"way": "remaining_path", "way_s": "remaining_path_s"}


def upgrade() -> None:
    _rename("forecast", "forecast", _NEW)
    _rename("task", "order", _NEW)


def downgrade() -> None:
    old = {new: name for name, new in _NEW.items()}
    _rename("forecast", "forecast", old)
    _rename("task", "order", old)


def _rename(table_name: str, column_name: str, names: Mapping[str, str]) -> None:
    table = sa.table(table_name, sa.column("id", sa.Text()), sa.column(column_name, sa.JSON()))
    column = table.c[column_name]
    text = sa.cast(column, sa.Text())
    wanted = sa.or_(*(text.contains(f'"{name}"', autoescape=True) for name in names))
    connection = op.get_bind()
    ids = connection.scalars(sa.select(table.c.id).where(wanted)).all()
    change = sa.update(table).where(table.c.id == sa.bindparam("key"))
    change = change.values({column_name: sa.bindparam("value", type_=sa.JSON())})
    for start in range(0, len(ids), _AT_ONCE):
        some = table.c.id.in_(ids[start : start + _AT_ONCE])
        rows = connection.execute(sa.select(table.c.id, column).where(some)).all()
        connection.execute(
            change, [{"key": key, "value": _renamed(value, names)} for key, value in rows]
        )


def _renamed(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return value
