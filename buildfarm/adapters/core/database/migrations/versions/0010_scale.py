"""What pages and search need to cost what they show: copies of what lists say, findings, search entries, indices.

What is in stored reports is indexed here; which builds are superseded is found out with the next generation of each tag.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from buildfarm.domain.core import search
from buildfarm.domain.core.records import SearchEntry
from buildfarm.domain.debrand.brand import is_of_binaries
from buildfarm.presentation import finding_words

revision = "0010"
down_revision = "0009"

_ADDED: dict[str, dict[str, tuple[sa.types.TypeEngine[Any], Any]]] = {
    "build": {
        "finding": (sa.Text(), ""), "brand_hits": (sa.BigInteger(), "0"), "source_brand_hits": (sa.BigInteger(), "0"),
        "superseded": (sa.Boolean(), sa.false()),
    },
    "vendorrpm": {"verdict": (sa.Text(), ""), "waived": (sa.Boolean(), sa.false())},
    "generation": {"sources": (sa.BigInteger(), "0")},
}  # fmt: skip
_REPLACED = {
    "build": {"ix_build_target_state": ["target", "state"], "ix_build_drop_id": ["drop_id"]},
    "task": {"ix_task_state_queue": ["state", "queue"], "ix_task_subject": ["subject"]},
    "drop": {"ix_drop_target": ["target"]},
    "event": {"ix_event_subject": ["subject"]},
    "comparison": {"ix_comparison_build": ["build"]},
}
_UNSIGNED = {"sqlite_where": sa.text("signed = ''"), "postgresql_where": sa.text("signed = ''")}
_LIST = ["created", "id"]
_COUNTED = ["verdict", "scratch", "wait_kind", "gate", "successor"]
_INDICES: list[tuple[str, str, list[str], dict[str, Any]]] = [
    ("build", "ix_build_current", ["superseded", "target", "state", *_COUNTED], {}),
    ("build", "ix_build_current_since", ["superseded", "state", "state_since"], {}),
    ("build", "ix_build_created", _LIST, {}),
    ("build", "ix_build_list_target", ["target", *_LIST], {}),
    ("build", "ix_build_list_state", ["state", *_LIST], {}),
    ("build", "ix_build_list_verdict", ["verdict", *_LIST], {}),
    ("build", "ix_build_list_state_verdict", ["state", "verdict", *_LIST], {}),
    ("build", "ix_build_list_target_state", ["target", "state", *_LIST], {}),
    ("build", "ix_build_list_target_verdict", ["target", "verdict", *_LIST], {}),
    ("build", "ix_build_list_source", ["source", *_LIST], {}),
    ("build", "ix_build_list_drop", ["drop_id", *_LIST], {}),
    (
        "build",
        "ix_build_drop",
        ["drop_id", "state", "wait_kind", "gate", "verdict", "successor"],
        {},
    ),
    ("build", "ix_build_debranded_name", ["debranded_name", "version"], {}),
    ("build", "ix_build_srpm_filename", ["srpm_filename"], {"begins": True}),
    ("task", "ix_task_state", ["state", *_LIST], {}),
    ("task", "ix_task_kind", ["kind", "target", "state", "created"], {}),
    ("task", "ix_task_finished", ["state", "finished"], {}),
    ("task", "ix_task_worker", ["worker", "state"], {}),
    ("task", "ix_task_created", _LIST, {}),
    ("task", "ix_task_subject", ["subject", "kind", "state", "created"], {}),
    ("drop", "ix_drop_target", ["target", *_LIST], {}),
    ("drop", "ix_drop_created", _LIST, {}),
    ("drop", "ix_drop_begins", ["id"], {"begins": True}),
    ("vendorrpm", "ix_vendorrpm_target_source", ["target", "source"], {}),
    ("vendorrpm", "ix_vendorrpm_target_name", ["target", "name"], {}),
    ("vendorrpm", "ix_vendorrpm_said", ["target", "sha256", "problem", "verdict", "waived"], {}),
    ("dropitem", "ix_dropitem_drop", ["drop_id", "kind", "problem", "sha256"], {}),
    ("artifact", "ix_artifact_name", ["name"], {}),
    ("artifact", "ix_artifact_filename", ["filename"], {"begins": True}),
    ("artifact", "ix_artifact_unsigned", ["build"], _UNSIGNED),
    ("generation", "ix_generation_created", ["created", "number"], {}),
    ("generation", "ix_generation_target", ["target", "created", "number"], {}),
    ("generation", "ix_generation_state", ["state"], {}),
    ("worker", "ix_worker_state", ["state"], {}),
    ("worker", "ix_worker_token_hash", ["token_hash"], {}),
    ("worker", "ix_worker_begins", ["id"], {"begins": True}),
    ("event", "ix_event_subject", ["subject", "id"], {}),
    ("comparison", "ix_comparison_build", ["build", *_LIST], {}),
    ("finding", "ix_finding_build", ["build"], {}),
    ("finding", "ix_finding_path", ["superseded", "path"], {"begins": True}),
    ("finding", "ix_finding_name", ["superseded", "name"], {"begins": True}),
    ("search_entry", "ix_search_entry_token", ["kind", "token"], {"begins": True}),
]
_AT_ONCE = 200


def upgrade() -> None:
    for name, replaced in _REPLACED.items():
        for index in replaced:
            op.drop_index(op.f(index), table_name=name)
    for name, columns in _ADDED.items():
        with op.batch_alter_table(name) as table:
            for column, (kind, default) in columns.items():
                table.add_column(sa.Column(column, kind, nullable=False, server_default=default))
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.alter_column(column, server_default=None)
    op.create_table(
        "finding",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False)
          for name in ("build", "target", "source", "rpm", "kind", "path", "name", "subject", "verdict")),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )  # fmt: skip
    op.create_table(
        "search_entry",
        *(sa.Column(name, sa.Text(), nullable=False)
          for name in ("id", "kind", "token", "label", "detail", "source", "target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_entry")),
    )  # fmt: skip
    for name, index, over, options in _INDICES:
        given = dict(options)
        if given.pop("begins", False):
            given["postgresql_ops"] = {over[-1]: "text_pattern_ops"}
        op.create_index(op.f(index), name, over, **given)
    _fill(op.get_bind())


def _fill(bind: sa.Connection) -> None:
    """Index what is there already."""
    tables = sa.MetaData()
    names = (
        "build",
        "comparison",
        "generation",
        "vendorrpm",
        "drop",
        "artifact",
        "finding",
        "search_entry",
    )
    tables.reflect(bind, only=names)
    t = tables.tables
    generation, build = t["generation"], t["build"]
    for row in bind.execute(sa.select(generation.c.id, generation.c.builds)).all():
        bind.execute(
            generation.update()
            .where(generation.c.id == row.id)
            .values(sources=len(row.builds or ()))
        )
    ids = bind.execute(sa.select(build.c.id).order_by(build.c.id)).scalars().all()
    for start in range(0, len(ids), _AT_ONCE):
        _fill_findings(bind, t, ids[start : start + _AT_ONCE])
    _fill_search(bind, t)


def _fill_findings(bind: sa.Connection, t: Any, ids: Any) -> None:  # noqa: ANN401  # reflected tables, rows of them
    comparison, build, vendor = t["comparison"], t["build"], t["vendorrpm"]
    query = (
        sa.select(comparison)
        .where(comparison.c.build.in_(ids))
        .order_by(comparison.c.created, comparison.c.id)
    )
    newest = {row.build: row for row in bind.execute(query)}
    for one in bind.execute(sa.select(build).where(build.c.id.in_(list(newest)))).all():
        held = newest[one.id]
        of_binaries = sum(is_of_binaries(hit) for hit in held.brand_hits)
        said = {
            "finding": finding_words.worst_line(held.report), "brand_hits": of_binaries,
            "source_brand_hits": len(held.brand_hits) - of_binaries,
        }  # fmt: skip
        bind.execute(build.update().where(build.c.id == one.id).values(said))
        where = {"build": one.id, "target": one.target, "source": one.source, "superseded": False}
        rows = [
            {**where, **item, "name": item["path"].rpartition("/")[2]}
            for item in finding_words.findings_of(held.report)
        ]
        if rows:
            bind.execute(t["finding"].insert(), rows)
        for key, (verdict, waived) in finding_words.judged_of(held.report).items():
            named = sa.or_(vendor.c.sha256 == key, vendor.c.filename == key)
            mine = sa.and_(
                vendor.c.target == one.target, vendor.c.sourcerpm == one.srpm_filename, named
            )
            bind.execute(vendor.update().where(mine).values(verdict=verdict, waived=waived))


def _fill_search(bind: sa.Connection, t: Any) -> None:  # noqa: ANN401  # reflected tables
    build, drop, artifact = t["build"], t["drop"], t["artifact"]
    made: dict[str, SearchEntry] = {}
    for row in bind.execute(sa.select(build.c.source, build.c.target).distinct()):
        made |= {e.id: e for e in search.of_source(row.source, target=row.target)}
    for row in bind.execute(sa.select(drop.c.id, drop.c.name, drop.c.target)):
        made |= {e.id: e for e in search.of_drop(row.id, row.name, target=row.target)}
    rpms = (
        sa.select(artifact.c.name, build.c.source, build.c.target)
        .join(build, build.c.id == artifact.c.build)
        .distinct()
    )
    for row in bind.execute(rpms):
        made |= {e.id: e for e in search.of_rpm(row.name, source=row.source, target=row.target)}
    columns = [column.name for column in t["search_entry"].columns]
    rows = [{name: getattr(entry, name) for name in columns} for entry in made.values()]
    for start in range(0, len(rows), _AT_ONCE):
        bind.execute(t["search_entry"].insert(), rows[start : start + _AT_ONCE])


def downgrade() -> None:
    for name, index, _, _ in reversed(_INDICES):
        op.drop_index(op.f(index), table_name=name)
    op.drop_table("search_entry")
    op.drop_table("finding")
    for name, columns in reversed(_ADDED.items()):
        with op.batch_alter_table(name) as table:
            for column in reversed(columns):
                table.drop_column(column)
    for name, indices in _REPLACED.items():
        for index, fields in indices.items():
            op.create_index(op.f(index), name, fields)
