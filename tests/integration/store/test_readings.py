"""What lists read: a few columns, counts by value, and the newest record of each source, without
reading the rest.
"""

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.newest import newest_of_each
from buildfarm.adapters.core.database.tables import TABLES
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.services.core.tasks import new_id


def fill(store: SqlStore, builds: int) -> list[Build]:
    """Builds of eleven sources of two targets, in no order."""
    chance = random.Random(7)
    made = []
    with store.begin() as tx:
        for number in range(builds):
            source, created = (
                f"s{chance.randrange(11)}",
                tx.now + timedelta(seconds=chance.randrange(10**6)),
            )
            build = Build(
                id=new_id(), target=chance.choice(("reef-9", "reef-10")), drop_id="d", source=source, epoch=0, version=str(number),
                release="1", dist="", srpm=str(number), srpm_filename="", owner="ann", created=created,
                state=chance.choice((BuildState.INGESTED, BuildState.CANCELED)), state_since=tx.now, scratch=chance.random() < 0.2,
            )  # fmt: skip
            tx.add(build)
            made.append(build)
    return made


def test_the_newest_of_each_source_is_what_looking_at_all_of_them_finds(store: SqlStore):
    expected: dict[str, Build] = {}
    for build in sorted(fill(store, 150), key=lambda build: build.created):
        if build.target == "reef-9" and not build.scratch:
            expected[build.source] = build
    with store.read() as tx:
        found = tx.newest(
            Build, ("source", "id", "created"), of_each="source", target="reef-9", scratch=False
        )
        assert tx.newest(Build, ("id",), of_each="source", target="reef-8") == []
    assert found == [
        (source, build.id, build.created) for source, build in sorted(expected.items())
    ]


def test_counts_by_value_and_a_few_columns_say_what_the_records_say(store: SqlStore):
    made = fill(store, 60)
    with store.read() as tx:
        counted = tx.count_by(Build, ("target", "state"), scratch=False)
        picked = tx.select_fields(
            Build, ("id", "version"), order_by="created", descending=True, limit=5, target="reef-10"
        )
    assert counted == {
        (target, state.value): count
        for target in ("reef-9", "reef-10")
        for state in (BuildState.INGESTED, BuildState.CANCELED)
        if (count := sum(b.target == target and b.state is state and not b.scratch for b in made))
    }
    newest = sorted(
        (b for b in made if b.target == "reef-10"), key=lambda b: b.created, reverse=True
    )[:5]
    assert picked == [(build.id, build.version) for build in newest]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_no_list_of_sources_reads_all_builds(store: SqlStore):
    def only(table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        return [table.c.target == "reef-9", table.c.scratch.is_(False)]

    build = TABLES[Build]
    newest = newest_of_each(build, ("id", "state"), of_each="source", by="created", only=only)
    last = (
        sa.select(build.c.id)
        .where(build.c.state == "published")
        .order_by(build.c.finished.desc())
        .limit(600)
    )
    for query in (newest, last):
        text = str(query.compile(store._engine, compile_kwargs={"literal_binds": True}))
        with store._engine.connect() as connection:
            steps = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        read_whole = [
            step for step in steps if step.startswith("SCAN") and not step.startswith("SCAN walk")
        ]
        assert read_whole == [], steps
        assert not any("TEMP B-TREE" in step for step in steps if query is last), steps
