"""Pages and ticks cost what they show: no statement reads a large table from end to end, and
history costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from buildfarm_web.app import create_app
from flask.testing import FlaskClient

from benchmarks import large_farm, large_store, pages
from benchmarks.large_store import Size
from buildfarm.adapters.core.database import SqlStore
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing
from buildfarm.services.schedule.scheduler import Scheduler
from tests.integration.store import query_plans


def opened(home: Path, url: str, size: Size) -> Hub:
    large_store.fill(home, url, size)
    return large_farm.open_hub(home, url)


def store_of(hub: Hub) -> SqlStore:
    assert isinstance(hub.store, SqlStore)
    return hub.store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("years")
    url = f"sqlite:///{home / 'farm.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        engine.dispose()
    found = opened(home, url, Size(builds=600, sources=40, findings=6_000))
    yield found
    store_of(found).dispose()


def client_of(hub: Hub) -> FlaskClient:
    return create_app(hub, intake=pages.no_intake).test_client()


def test_no_page_reads_a_large_table_from_end_to_end(hub: Hub) -> None:
    client = client_of(hub)
    every = pages.paths(hub)
    for path in (*every, *pages.json_paths(every)):
        with query_plans.recording(store_of(hub)) as recorded:
            assert client.get(path, buffered=True).status_code == 200, path
        assert recorded.statements, path
        assert query_plans.whole_reads(store_of(hub), recorded) == [], path


def test_no_tick_reads_a_large_table_from_end_to_end(hub: Hub) -> None:
    scheduler = Scheduler(hub, planner=None, owner="test")  # type: ignore[arg-type]  # nothing is planned here
    with query_plans.recording(store_of(hub)) as recorded:
        scheduler._advance()
        with hub.store.begin() as tx:
            tasks.sweep(tx, hub.config.farm.timing)
            tasks.assign_free(tx)
            for target in hub.config.targets.values():
                publishing.needs_publishing(tx, target, {})
                scheduler._has_builder_work(target) if hub.store.name.startswith(
                    "postgresql"
                ) else None
                scheduler._publish(tx, target)
    assert query_plans.whole_reads(store_of(hub), recorded) == []


def test_the_check_itself_sees_a_whole_read(hub: Hub) -> None:
    with (
        query_plans.recording(store_of(hub)) as recorded,
        store_of(hub)._engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT id FROM task WHERE reason = 'x'")
        connection.exec_driver_sql("SELECT count(*) FROM finding")
    assert len(query_plans.whole_reads(store_of(hub), recorded)) == 2


def test_pages_do_as_much_with_a_long_history_as_with_a_short_one(tmp_path: Path) -> None:
    """Counted in steps of SQLite's virtual machine, which the machine's load does not change."""
    steps: list[dict[int, int]] = []
    for builds in (200, 1_200):
        size = Size(builds=builds, sources=40, findings=10 * builds)
        hub = opened(tmp_path / str(builds), f"sqlite:///{tmp_path / str(builds)}.db", size)
        client = client_of(hub)
        found = {}
        every = pages.paths(hub)
        for name, path in enumerate((*every, *pages.json_paths(every))):
            with query_plans.counting_steps(store_of(hub)) as counted:
                assert client.get(path, buffered=True).status_code == 200, path
            found[name] = counted.steps
        steps.append(found)
        store_of(hub).dispose()
    short, long = steps
    dear = {
        every[name % len(every)]: (few, long[name])
        for name, few in short.items()
        if long[name] > 2 * few + 20_000
    }
    assert dear == {}
