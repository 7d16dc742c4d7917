"""A store from before the index of findings and search: what is in it is indexed, and nothing is lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database import store as store_module
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import FindingRecord, SearchEntry
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.publish.repository import Generation
from tests.integration.store.conftest import Clock

REPORT = {
    "schema": 1, "verdict": "INCOMPATIBLE", "extra": [], "missing": [],
    "pairs": [{"old": "zlib.rpm", "new": "zlib.rpm", "old_sha256": "v", "verdict": "INCOMPATIBLE", "findings": [
        {"kind": "file-mode", "path": "/usr/bin/zx", "subject": "", "verdict": "INCOMPATIBLE", "rule": "r", "old": "0755", "new": "0644"},
    ]}],
}  # fmt: skip
OLD = {
    "build": {
        "id": "b", "target": "t", "drop_id": "d", "source": "zlib", "epoch": 0, "version": "1", "release": "1", "dist": "", "srpm": "s",
        "srpm_filename": "zlib-1-1.src.rpm", "state": "compared", "verdict": "INCOMPATIBLE", "scratch": False, "priority": 0, "attempt": 1,
        "owner": "o", "round": 1, "lock_ours": 0, "lock_rpms": 0,
    },
    "comparison": {"id": "c", "build": "b", "verdict": "INCOMPATIBLE", "report": REPORT,
                   "brand_hits": [{"rpm": "x.src.rpm"}, {"rpm": "x.x86_64.rpm"}]},
    "vendorrpm": {"id": "v", "target": "t", "sha256": "v", "filename": "zlib.rpm", "name": "zlib", "arch": "x86_64", "source": "zlib",
                  "sourcerpm": "zlib-1-1.src.rpm"},
    "artifact": {"id": "a", "build": "b", "filename": "zlib-tools.rpm", "name": "zlib-tools", "epoch": 0, "size": 1},
    "drop": {"id": "d", "target": "t", "name": "The first drop", "scratch": False, "priority": 0},
    "generation": {"id": "g", "target": "t", "tag": "t", "number": 1, "state": "ready", "builds": ["b"], "rpms": 1, "lock_ours": 0,
                   "lock_rpms": 0},
}  # fmt: skip


def test_what_was_stored_before_is_found_afterwards(store: SqlStore, clock: Clock) -> None:
    engine = store._engine
    with engine.connect() as connection:
        config = Config()
        config.set_main_option(
            "script_location", store_module.__file__.replace("store.py", "migrations")
        )
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
        connection.commit()
        tables = sa.MetaData()
        tables.reflect(connection, only=list(OLD))
        for name, given in OLD.items():
            table = tables.tables[name]
            row = {
                column.name: _empty(column, clock)
                for column in table.columns
                if not column.nullable
            }
            connection.execute(table.insert().values({**row, **given}))
        connection.commit()
    store.migrate()
    with store.read() as tx:
        build = tx.get(Build, "b")
        assert (build.finding, build.brand_hits, build.source_brand_hits, build.superseded) == (
            "zlib.rpm: /usr/bin/zx has mode 0644, the vendor's 0755", 1, 1, False,
        )  # fmt: skip
        found = tx.find(FindingRecord)
        assert [(one.build, one.source, one.path, one.name, one.verdict) for one in found] == [
            ("b", "zlib", "/usr/bin/zx", "zx", "INCOMPATIBLE")
        ]
        assert tx.get(VendorRpm, "v").verdict == "INCOMPATIBLE"
        assert tx.get(Generation, "g").sources == 1
        assert {(one.kind, one.token) for one in tx.find(SearchEntry)} == {
            ("source", "zlib"), ("rpm", "zlib-tools"), ("rpm", "tools"), ("drop", "the first drop"),
            ("drop", "first drop"), ("drop", "drop"),
        }  # fmt: skip


def _empty(column: sa.Column[object], clock: Clock) -> object:
    kind = type(column.type).__name__
    if kind in ("DATETIME", "TIMESTAMP", "DateTime"):
        return clock.now
    if kind == "JSON":
        return {} if column.name in ("override", "carried", "needs", "order", "result") else []
    return "" if kind == "TEXT" else 0
