"""One suite over both databases: SQLite in a file, PostgreSQL in a private cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from buildfarm.adapters.core.database import SqlStore
from tests.fakes import Clock

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a private cluster that listens on a socket only."""
    if not POSTGRES:
        pytest.skip("no PostgreSQL server on this machine")
    folder = Path("/tmp") / f"buildfarm-pg-{os.getpid()}"  # a socket's path must be short
    folder.mkdir(mode=0o700)
    user = []
    if os.geteuid() == 0:  # initdb refuses root
        shutil.chown(folder, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
    control = [*user, POSTGRES[-1] / "pg_ctl", "--pgdata", folder / "data", "--wait", "--silent"]
    subprocess.run(
        [*user, POSTGRES[-1] / "initdb", "--pgdata", folder / "data", "--auth=trust", "--username=farm", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    subprocess.run(
        [*control, "--log", folder / "log", "--options", options, "start"], check=True, cwd="/"
    )
    yield f"postgresql+psycopg://farm@/postgres?host={folder}"
    subprocess.run([*control, "--mode=immediate", "stop"], check=True, cwd="/")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'farm.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        engine.dispose()
    made = SqlStore(url, clock=clock)
    made.migrate()
    yield made
    made.dispose()
