"""The migrations and the tables say the same."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.tables import metadata


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
