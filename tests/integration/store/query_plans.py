"""What a database says it will do for each statement that a block ran, and which of that reads a
whole table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from buildfarm.adapters.core.database import SqlStore

BOUNDED = ("ix_artifact_unsigned", "uq_task_active")
"""Partial indices that hold the distribution of now, not its history: reading all of one is reading
what is shown.
"""

LARGE = (
    "build",
    "task",
    "event",
    "comparison",
    "finding",
    "artifact",
    "dropitem",
    "vendorrpm",
    "search_entry",
    "notice",
    "delivery",
)


@dataclass
class Recorded:
    """Statements as they were executed, each text once with the parameters it had first."""

    statements: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recording(store: SqlStore) -> Iterator[Recorded]:
    """Record every SELECT of a block."""
    found = Recorded()

    def note(
        _connection: object,
        _cursor: object,
        sql: str,
        parameters: Any,
        _context: object,
        _many: bool,
    ) -> None:
        if sql.lstrip().startswith("SELECT"):
            found.statements.setdefault(sql, parameters)

    sa.event.listen(store._engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)


def whole_reads(store: SqlStore, recorded: Recorded) -> list[str]:
    """For each statement that reads a large table from end to end: how, and the statement."""
    judge = _sqlite if store._engine.dialect.name == "sqlite" else _postgresql
    found = []
    with store._engine.connect() as connection:
        for sql, parameters in recorded.statements.items():
            found += [
                f"{how}: {' '.join(sql.split())}" for how in judge(connection, sql, parameters)
            ]
    return found


def _sqlite(connection: sa.Connection, sql: str, parameters: Any) -> Iterator[str]:
    """A SCAN; but not of a bounded index, and not one that walks in the wanted order and stops at
    its LIMIT.
    """
    lines = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    sorts = any("USE TEMP B-TREE FOR ORDER BY" in line for line in lines)
    walks = "LIMIT" in sql and not sorts and not _filters(sql)
    for line in lines:
        match = re.match(r"SCAN (\w+)(?:.* USING (?:COVERING )?INDEX (\w+))?", line)
        if match and match[1] in LARGE and match[2] not in BOUNDED and not walks:
            yield line


def _postgresql(connection: sa.Connection, sql: str, parameters: Any) -> Iterator[str]:
    """A sequential scan, or an index read with nothing to look up by; the same exceptions."""
    # a small table is soon read; of a large one each look-up costs as much, and reading costs more:
    # the planner is told so
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    connection.exec_driver_sql("SET LOCAL random_page_cost = 0.01")
    connection.exec_driver_sql("SET LOCAL cpu_index_tuple_cost = 1")
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters).scalar_one()
    tree = plan if isinstance(plan, list) else json.loads(plan)
    sorts = any(
        node["Node Type"] in ("Sort", "Incremental Sort") for node in _nodes(tree[0]["Plan"])
    )
    walks = "LIMIT" in sql and not sorts and not _filters(sql)
    for node in _nodes(tree[0]["Plan"]):
        table, kind = node.get("Relation Name"), node["Node Type"]
        parts = [
            one for one in _nodes(node) if "Plans" not in one
        ]  # of a bitmap those it is made of
        looks_up = all("Index Cond" in one or one.get("Index Name") in BOUNDED for one in parts)
        if kind.endswith("Scan") and table in LARGE and not looks_up and not walks:
            yield f"{kind} on {table}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _filters(sql: str) -> bool:
    """Whether something is looked for: walking until enough of it is found may mean walking to the
    end.
    """
    where = sql.partition("WHERE")[2]
    return bool(where) and not re.match(r"\s*\(\w+\.created, \w+\.id\) [<>] ", where)


@dataclass
class Counted:
    """How much a block made SQLite do."""

    steps: int = 0


_STRIDE = 100


@contextmanager
def counting_steps(store: SqlStore) -> Iterator[Counted]:
    """Count the steps of SQLite's virtual machine in a block, in strides."""
    found = Counted()

    def step() -> int:
        found.steps += _STRIDE
        return 0

    def watch(
        connection: Any, _cursor: object, _sql: str, _parameters: Any, _context: object, _many: bool
    ) -> None:
        connection.connection.driver_connection.set_progress_handler(step, _STRIDE)

    sa.event.listen(store._engine, "before_cursor_execute", watch)
    try:
        yield found
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", watch)
