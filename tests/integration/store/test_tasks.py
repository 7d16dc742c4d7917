"""The lease: exactly one holder, nothing lost, package failures never retried."""

import threading
from typing import Any

import pytest

from buildfarm.adapters.core.database import SqlStore
from buildfarm.config import Timing
from buildfarm.domain.core.task import MAX_INFRASTRUCTURE_FAILURES, Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.errors import Conflict, IllegalTransition
from buildfarm.services.core import tasks

TIMING = Timing(lease=45, message_patience=30)


def add_worker(store: SqlStore, name: str = "w1", slots: int = 1) -> None:
    with store.begin() as tx:
        tx.add(
            Worker(
                id=name,
                token_hash="",
                arches=("x86_64",),
                queues=("q",),
                builder="chroot",
                slots=slots,
                seen=tx.now,
            )
        )


def add_task(store: SqlStore, subject: str = "b1") -> None:
    with store.begin() as tx:
        assert tasks.ensure(tx, TaskKind.BUILD, subject, target="t", arch="x86_64", queue="q")


def assign(store: SqlStore) -> list[Task]:
    with store.begin() as tx:
        return tasks.assign_free(tx, pinned={"t": {"generation": "g1"}})


def test_a_task_is_created_once_while_one_is_active(store: SqlStore) -> None:
    add_task(store)
    with store.begin() as tx:
        assert not tasks.ensure(tx, TaskKind.BUILD, "b1", target="t", arch="x86_64", queue="q")
        assert tx.count(Task) == 1


def test_of_what_is_free_the_longest_way_goes_first_but_priority_before_it(store: SqlStore) -> None:
    add_worker(store, slots=2)
    for subject in ("short", "long", "urgent"):
        add_task(store, subject)
    with store.begin() as tx:
        (urgent,) = tx.find(Task, subject="urgent")
        tx.update(urgent, priority=5)
        given = tasks.assign_free(
            tx,
            pinned={"t": {"generation": "g1"}},
            remaining_paths={"short": 10.0, "long": 900.04, "urgent": 1.0},
        )
        (left,) = tx.find(Task, subject="short")
    assert [task.subject for task in given] == ["urgent", "long"]
    why = "first of 3 in q: 900 s of work behind it"
    passed = [{"subject": "short", "remaining_path_s": 10.0}]
    assert given[1].order == {
        "generation": "g1",
        "remaining_path_s": 900.0,
        "decision": {"why": why, "passed_over": passed},
    }
    assert left.reason == "all 2 slots of q are busy"


def test_exactly_one_of_many_claims_wins(store: SqlStore) -> None:
    add_worker(store)
    add_task(store)
    (task,) = assign(store)
    won: list[Any] = []

    def claim() -> None:
        try:
            with store.begin() as tx:
                won.append(tasks.claim(tx, task.id, "w1", TIMING))
        except Conflict:
            pass

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_only_the_holder_of_the_lease_may_report(store: SqlStore) -> None:
    add_worker(store)
    add_task(store)
    (task,) = assign(store)
    with store.begin() as tx:
        granted = tasks.claim(tx, task.id, "w1", TIMING)
    with store.begin() as tx, pytest.raises(IllegalTransition):
        tasks.held(tx, task.id, "another token")
    with store.begin() as tx:
        assert tasks.held(tx, task.id, granted.token).state is TaskState.OPEN


def test_a_dead_workers_task_is_freed_and_goes_to_another_worker(
    store: SqlStore, clock: Any
) -> None:
    add_worker(store, "w1")
    add_task(store)
    (task,) = assign(store)
    with store.begin() as tx:
        tasks.claim(tx, task.id, "w1", TIMING)
    add_worker(store, "w2")
    clock.pass_seconds(46)
    with store.begin() as tx:
        tx.update(tx.get(Worker, "w2"), seen=tx.now)
        assert not tasks.sweep(tx, TIMING).gave_up
    with store.read() as tx:
        freed = tx.get(Task, task.id)
        assert (freed.state, freed.failures, freed.tried) == (TaskState.FREE, 1, ("w1",))
        assert tx.get(Worker, "w1").state is WorkerState.LOST
    (again,) = assign(store)
    assert again.worker == "w2"


def test_after_the_counted_tries_the_sweep_gives_up(store: SqlStore, clock: Any) -> None:
    add_worker(store)
    add_task(store)
    for number in range(MAX_INFRASTRUCTURE_FAILURES):
        (task,) = assign(store)
        with store.begin() as tx:
            tasks.claim(tx, task.id, "w1", TIMING)
        clock.pass_seconds(46)
        with store.begin() as tx:
            swept = tasks.sweep(tx, TIMING)
            tx.update(tx.get(Worker, "w1"), seen=tx.now, state=WorkerState.READY)
        assert bool(swept.gave_up) is (number == MAX_INFRASTRUCTURE_FAILURES - 1)


def test_a_lost_message_is_sent_again_and_a_found_one_is_not(store: SqlStore, clock: Any) -> None:
    add_worker(store, slots=2)
    add_task(store, "b1")
    add_task(store, "b2")
    first, second = assign(store)
    with store.begin() as tx:
        tasks.claim(tx, first.id, "w1", TIMING)
    clock.pass_seconds(31)
    with store.begin() as tx:
        tx.update(tx.get(Worker, "w1"), seen=tx.now)
        swept = tasks.sweep(tx, TIMING)
    assert [task.id for task in swept.resend] == [second.id]


def test_more_tasks_than_slots_wait_and_say_so(store: SqlStore) -> None:
    add_worker(store)
    for subject in ("b1", "b2", "b3"):
        add_task(store, subject)
    assert len(assign(store)) == 1
    with store.read() as tx:
        waiting = tx.find(Task, state=TaskState.FREE)
    assert {task.reason for task in waiting} == {"all 1 slots of q are busy"}


def test_a_task_no_worker_takes_says_so(store: SqlStore) -> None:
    add_task(store)
    assert assign(store) == []
    with store.read() as tx:
        assert tx.find(Task)[0].reason == "no worker in service takes q"
