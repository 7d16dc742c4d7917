"""Select the newest row for each value of a column, without reading the other rows.

PostgreSQL and SQLite have no loose index scan (wiki.postgresql.org/wiki/Loose_indexscan), so the
values are walked with a recursive query: each step is one index lookup, and so is the newest row of
each value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

Conditions = Callable[[sa.FromClause], Sequence[sa.ColumnElement[bool]]]


def newest_of_each(
    table: sa.Table, columns: Sequence[str], *, of_each: str, by: str, only: Conditions
) -> sa.Select[tuple[object, ...]]:
    """Return the query.

    It needs an index that begins with the columns of ``only``, then ``of_each``, then ``by``.

    :param only: the conditions on a table or an alias of it.
    """
    first, further, last = table.alias("first"), table.alias("further"), table.alias("last")
    values = (
        sa.select(sa.func.min(first.c[of_each]).label("value"))
        .where(*only(first))
        .cte("walk", recursive=True)
    )
    following = sa.select(sa.func.min(further.c[of_each])).where(
        *only(further), further.c[of_each] > values.c.value
    )
    walk = values.union_all(
        sa.select(following.scalar_subquery()).where(values.c.value.is_not(None))
    )
    newest = (
        sa.select(last.c.id)
        .where(*only(last), last.c[of_each] == walk.c.value)
        .order_by(last.c[by].desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        sa.select(*(table.c[name] for name in columns))
        .select_from(sa.join(walk, table, table.c.id == newest))
        .where(walk.c.value.is_not(None))
        .order_by(walk.c.value)
    )
