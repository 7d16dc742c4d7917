"""The migrations and the tables say the same."""

import json
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from buildfarm.adapters.core import database
from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.tables import metadata

MIGRATIONS = Path(database.__file__).parent / "migrations"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store = SqlStore(f"sqlite:///{tmp_path / 'farm.db'}")
    store.migrate()
    store.dispose()
    return tmp_path / "farm.db"


def test_the_migrated_database_equals_the_tables(file: Path):
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        names = {
            table
            for table in sa.inspect(connection).get_table_names()
            if table != "alembic_version"
        }
    engine.dispose()
    assert names == set(metadata.tables)


def test_the_constraints_of_the_tables_are_in_the_migrated_database(file: Path, tmp_path: Path):
    """Alembic's comparison leaves CHECK constraints and partial indexes out."""
    fresh = sa.create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    metadata.create_all(fresh)
    fresh.dispose()

    def said(path: Path) -> set[str]:
        connection = sqlite3.connect(path)
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall()
        connection.close()
        found = set()
        for name, sql in rows:
            if name != "alembic_version" and not name.startswith("sqlite_"):
                # SQLite's table rewrite quotes the name it gives back
                found |= {
                    " ".join(line.replace('"', "").split()).rstrip(", ")
                    for line in sql.splitlines()
                }
        return found

    assert said(file) == said(tmp_path / "fresh.db")


def test_migrating_twice_changes_nothing(file: Path):
    before = file.read_bytes()
    store = SqlStore(f"sqlite:///{file}")
    store.migrate()
    store.dispose()
    assert file.read_bytes() == before


def test_forecasts_and_orders_of_0_1_0_have_their_remaining_paths_after_an_upgrade(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'farm.db'}"
    step = {"build": "b", "name": "zlib-1-1", "way": 12.5, "needs": []}
    order = {
        "decision": {"why": "first", "passed_over": [{"subject": "c", "way_s": 3.0}]},
        "way_s": 9.0,
    }
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            sa.text("INSERT INTO forecast VALUES ('reef-9', :forecast, '2026-12-01')"),
            {"forecast": json.dumps({"steps": [step], "workers": 2})},
        )
        columns = {
            column["name"]: "{}" if isinstance(column["type"], sa.JSON) else "0"
            for column in sa.inspect(connection).get_columns("task")
            if not column["nullable"]
        }
        columns |= {"id": "t", "kind": "build", "state": "closed", "order": json.dumps(order)}
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(f":{name}" for name in columns)
        connection.execute(sa.text(f"INSERT INTO task ({names}) VALUES ({values})"), columns)
    store = SqlStore(url)
    store.migrate()
    store.dispose()
    with engine.connect() as connection:
        forecast = json.loads(connection.scalar(sa.text("SELECT forecast FROM forecast")))
        moved = json.loads(connection.scalar(sa.text('SELECT "order" FROM task')))
    engine.dispose()
    assert forecast["steps"] == [
        {"build": "b", "name": "zlib-1-1", "remaining_path": 12.5, "needs": []}
    ]
    assert moved["remaining_path_s"] == 9.0
    assert moved["decision"]["passed_over"] == [{"subject": "c", "remaining_path_s": 3.0}]
