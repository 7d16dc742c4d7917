"""Consumers read events in an order that stays, whatever order transactions end in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from buildfarm.adapters.core.database import SqlStore, history
from buildfarm.domain.core.records import Event


def kinds(store: SqlStore, after: int = 0) -> list[str]:
    return [event.kind for event in store.settled(after, 100)]


def write(store: SqlStore, kind: str) -> None:
    with store.begin() as tx:
        tx.event(kind, "x", actor="test")


@contextmanager
def in_flight(store: SqlStore, kind: str) -> Iterator[threading.Event]:
    """A transaction that has drawn its event's number and ends when told to, or with the block."""
    drawn, end = threading.Event(), threading.Event()

    def late() -> None:
        with store.begin() as tx:
            tx.event(kind, "x", actor="test")
            drawn.set()
            end.wait(20)

    thread = threading.Thread(target=late)
    thread.start()
    assert drawn.wait(10)
    try:
        yield end
    finally:
        end.set()
        thread.join()


@pytest.fixture
def server(store: SqlStore) -> SqlStore:
    if "postgresql" not in store.name:
        pytest.skip("SQLite has one writer at a time")
    return store


def test_events_come_in_order_and_from_where_one_is(store: SqlStore) -> None:
    for number in range(5):
        write(store, f"e{number}")
    events = store.settled(0, 3)
    assert [event.kind for event in events] == ["e0", "e1", "e2"]
    assert kinds(store, events[-1].id or 0) == ["e3", "e4"]
    assert kinds(store, 10**6) == []


def test_a_number_that_was_rolled_back_is_passed_over(store: SqlStore) -> None:
    write(store, "first")

    def roll_back() -> None:
        with store.begin() as tx:
            tx.event("never", "x", actor="test")
            raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError):
        roll_back()
    write(store, "last")
    assert kinds(store) == ["first", "last"]


def test_an_event_that_commits_late_is_waited_for(server: SqlStore) -> None:
    with in_flight(server, "late") as end:
        write(server, "early")  # a higher number, committed first
        threading.Timer(0.2, end.set).start()
        assert kinds(server) == ["late", "early"]


def test_a_transaction_that_takes_long_holds_up_only_what_comes_behind_it(
    server: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_PATIENCE", "50ms")
    write(server, "first")
    with in_flight(server, "late"):
        write(server, "early")
        assert kinds(server) == ["first"]
    assert kinds(server) == ["first", "late", "early"]


def test_many_writers_lose_nothing_to_a_consumer(store: SqlStore) -> None:
    """Each follows on from the last it saw; all that was committed is seen once, in order."""
    writers = [
        threading.Thread(target=lambda n=n: [write(store, f"{n}.{i}") for i in range(25)])
        for n in range(4)
    ]
    for thread in writers:
        thread.start()
    seen: list[Event] = []
    found: list[Event] = []
    writing = True
    while writing or found:
        writing = any(thread.is_alive() for thread in writers)
        found = store.settled((seen[-1].id or 0) if seen else 0, 7)
        seen += found
    for thread in writers:
        thread.join()
    assert len(seen) == 100
    assert [event.id for event in seen] == sorted({event.id or 0 for event in seen})


def test_counts_by_field_are_those_of_the_records(store: SqlStore) -> None:
    for kind in ("a", "b", "a"):
        write(store, kind)
    with store.read() as tx:
        assert tx.count_by(Event, ("kind", "actor")) == {("a", "test"): 2, ("b", "test"): 1}
        assert tx.count_by(Event, ("kind",), actor="nobody") == {}
