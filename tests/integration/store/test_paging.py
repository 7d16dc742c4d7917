"""Pages by keyset and answers under keys, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from buildfarm_web.read_models.core.history import events
from buildfarm_web.read_models.core.paging import encoded, page

from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.core.idempotency import StillAtWork
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.errors import InputError
from buildfarm.services.core import idempotency
from tests.fakes import Clock


def test_a_list_comes_whole_page_by_page_also_where_times_are_equal(
    store: SqlStore, clock: Clock
) -> None:
    with store.begin() as tx:
        for number in range(11):
            at = clock.now + timedelta(microseconds=number // 3)
            tx.add(
                Drop(
                    id=f"drop-{number:02}",
                    target="t",
                    name="",
                    trigger="http",
                    owner="o",
                    state=DropState.INGESTED,
                    created=at,
                )
            )
    with store.read() as tx:
        whole = page(tx, Drop, "created,id", {}, limit=100)
        assert whole.cursor is None
        assert [drop.id for drop in whole.records] == [
            f"drop-{number:02}" for number in reversed(range(11))
        ]
        seen: list[Drop] = []
        cursor: str | None = ""
        while cursor is not None:
            part = page(tx, Drop, "created,id", {"target": "t"}, limit=4, cursor=cursor)
            seen, cursor = seen + part.records, part.cursor
        assert seen == whole.records
        for wrong in (encoded((7, "x")), encoded((clock.now, "a\0b")), encoded((clock.now,))):
            with pytest.raises(InputError):
                page(tx, Drop, "created,id", {}, limit=4, cursor=wrong)


def test_history_goes_on_from_a_number_and_from_a_page(store: SqlStore) -> None:
    with store.begin() as tx:
        for number in range(9):
            tx.event("it.happened", "even" if number % 2 else "odd", actor="a", number=number)
    with store.read() as tx:
        newest = events(tx, limit=3)
        assert [one.data["number"] for one in newest.events] == [6, 7, 8]
        assert newest.cursor is None
        assert events(tx, after=newest.next).events == []
        first = events(tx, after=0, subject="odd", limit=2)
        rest = events(tx, subject="odd", cursor=first.cursor)
        assert [one.data["number"] for one in first.events + rest.events] == [0, 2, 4, 6, 8]


def test_a_key_is_taken_once_answered_and_forgotten(store: SqlStore, clock: Clock) -> None:
    taken = idempotency.begin(store, "key", "request")
    with pytest.raises(StillAtWork):
        idempotency.begin(store, "key", "request")
    idempotency.finish(
        store, taken, status=201, content_type="application/json", location="/x", body='{"ü": 1}'
    )
    again = idempotency.begin(store, "key", "request")
    assert (again.status, again.location, again.body) == (201, "/x", '{"ü": 1}')
    with pytest.raises(InputError, match="another request"):
        idempotency.begin(store, "key", "other")
    idempotency.let_go(store, taken)
    assert idempotency.begin(store, "key", "request").status == 201
    other = idempotency.begin(store, "other", "request")
    idempotency.let_go(store, other)
    assert idempotency.begin(store, "other", "request").status == 0
    assert idempotency.prune(store) == 0
    clock.pass_seconds(24 * 3600)
    assert idempotency.begin(store, "key", "other").status == 0
    clock.pass_seconds(1)
    assert idempotency.prune(store) == 1
