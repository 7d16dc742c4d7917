"""Who gets a slot: fair between SIGs, targets and owners, the critical path first within one, never
beyond a limit.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker, WorkerState
from buildfarm.domain.schedule.sharing import Demand, Dimension, Sharing, assign, in_turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SIGS = {"base": "core", "extras": "core", "kvm": "virt"}


def task(name: str, target: str = "base", *, owner: str = "ada", **fields: object) -> Task:
    values = {
        "queue": "q", "arch": "x86_64", "created": NOON + timedelta(seconds=len(name)), "state": TaskState.FREE,
        "kind": TaskKind.BUILD,
    }  # fmt: skip
    return Task(id=name, subject=name, target=target, owner=owner, **{**values, **fields})  # type: ignore[arg-type]


def worker(name: str = "w", slots: int = 1, **fields: object) -> Worker:
    values = {"arches": ("x86_64",), "queues": ("q",), "token_hash": "", "builder": "chroot"}
    return Worker(id=name, slots=slots, **{**values, **fields})  # type: ignore[arg-type]


def names(demand: Demand, *workers: Worker) -> list[str]:
    return [decision.task.id for decision in assign(demand, workers)[0]]


def test_two_sigs_get_the_same_whatever_one_of_them_queued() -> None:
    many = [task(f"c{number}") for number in range(20)]
    few = [task(f"v{number}", "kvm") for number in range(3)]
    assert Counter(
        name[0] for name in names(Demand(free=many + few, sigs=SIGS), worker(slots=6))
    ) == {"c": 3, "v": 3}


def test_what_a_sig_holds_already_counts() -> None:
    held = [task("running", state=TaskState.OPEN, worker="w")]
    demand = Demand(
        free=[task("c"), task("v", "kvm")], held=held, sigs=SIGS, remaining_paths={"c": 900.0}
    )
    assert names(demand, worker(slots=2)) == ["v"]


def test_a_weight_of_two_is_two_slots_of_three() -> None:
    free = [
        task(f"{letter}{number}", target)
        for number in range(9)
        for letter, target in (("c", "base"), ("v", "kvm"))
    ]
    sharing = Sharing(weights={Dimension.SIG: {"virt": 2.0}})
    got = names(Demand(free=free, sigs=SIGS, sharing=sharing), worker(slots=6))
    assert Counter(name[0] for name in got) == {"v": 4, "c": 2}


def test_a_limit_is_said_and_leaves_slots_to_others() -> None:
    free = [task("a"), task("b"), task("v", "kvm")]
    sharing = Sharing(limits={Dimension.SIG: {"core": 1}})
    decisions, left = assign(
        Demand(free=free, sigs=SIGS, sharing=sharing, remaining_paths={"b": 9.0}), [worker(slots=3)]
    )
    assert {decision.task.id for decision in decisions} == {"b", "v"}
    assert left == {"a": "sig core uses 1 of the 1 slots it may"}


def test_background_work_gets_only_what_nobody_else_can_use() -> None:
    free = [task("background", "kvm", priority=-5), task("a"), task("b")]
    assert "background" not in names(Demand(free=free, sigs=SIGS), worker(slots=2))
    assert "background" in names(Demand(free=free, sigs=SIGS), worker(slots=3))


def test_a_machine_that_is_too_small_is_not_asked_and_the_reason_says_what_is_missing() -> None:
    big = task("chromium", requirements={"memory_mib": 32000, "cores": 8})
    small = worker("small", features={"memory_mib": "4000", "cores": "2", "kvm": "yes"})
    large = worker("large", features={"memory_mib": "64000", "cores": "16"})
    decisions, left = assign(Demand(free=[big]), [small])
    assert not decisions
    assert left == {"chromium": "no worker in service of q has 32000 MiB of memory, 8 cores"}
    assert assign(Demand(free=[big]), [small, large])[0][0].worker.id == "large"
    assert (
        assign(Demand(free=[task("libguestfs", requirements={"kvm": True})]), [large, small])[0][
            0
        ].worker.id
        == "small"
    )


def test_a_drained_worker_gets_nothing() -> None:
    decisions, left = assign(Demand(free=[task("a")]), [worker(state=WorkerState.DRAINED)])
    assert not decisions
    assert left == {"a": "no worker in service takes q"}


def test_a_decision_says_why_and_whom_it_went_before() -> None:
    free = [task("short"), task("long"), task("middle")]
    remaining_paths = {"short": 1.0, "middle": 50.0, "long": 99.6}
    (decision,), left = assign(Demand(free=free, remaining_paths=remaining_paths), [worker()])
    assert decision.why == "first of 3 in q: 100 s of work behind it"
    assert decision.passed_over == (("middle", 50.0), ("short", 1.0))
    assert left.keys() == {"middle", "short"}


def test_where_it_failed_before_is_taken_last_and_holds_nobody_else_up() -> None:
    burnt = task("burnt", tried=("w",))
    other = worker("x", queues=("q",), slots=1)
    busy = [task("running", state=TaskState.OPEN, worker="x")]
    decisions, left = assign(Demand(free=[burnt, task("a")], held=busy), [worker(), other])
    assert [(one.task.id, one.worker.id) for one in decisions] == [("a", "w")]
    assert left == {"burnt": "all 2 slots of q are busy"}


def test_a_weight_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weights\.sig\.core: 0"):
        Sharing(weights={Dimension.SIG: {"core": 0}})


targets = st.sampled_from(sorted(SIGS))
owners = st.sampled_from(["ada", "grace"])
PRIORITIES = st.integers(-1, 1)


@st.composite
def demands(draw: st.DrawFn, priorities: st.SearchStrategy[int] = PRIORITIES) -> Demand:
    wanted = draw(st.lists(st.tuples(targets, owners, priorities, st.integers(0, 99)), max_size=25))
    free = [
        task(f"t{place}", target, owner=owner, priority=priority)
        for place, (target, owner, priority, _) in enumerate(wanted)
    ]
    remaining_paths = {f"t{place}": float(way) for place, (*_, way) in enumerate(wanted)}
    limits: dict[Dimension, dict[str, int]] = (
        {Dimension.SIG: {"core": draw(st.integers(0, 4))}} if draw(st.booleans()) else {}
    )
    return Demand(
        free=free, sigs=SIGS, remaining_paths=remaining_paths, sharing=Sharing(limits=limits)
    )


@given(demands(), st.integers(0, 8))
def test_every_task_is_given_or_says_why_and_no_slot_stays_empty_without_a_reason(
    demand: Demand, slots: int
) -> None:
    decisions, left = assign(demand, [worker(slots=slots)])
    given_to = [decision.task.id for decision in decisions]
    assert len(given_to) == len(set(given_to)) <= slots
    assert {*given_to, *left} == {one.id for one in demand.free}
    assert not set(given_to) & set(left)
    assert all(left.values())
    if len(given_to) < slots:
        assert all("may" in reason for reason in left.values())


@given(demands(st.just(0)), st.integers(0, 8))
def test_nobody_gets_two_more_than_another_of_the_same_priority_who_still_waits(
    demand: Demand, slots: int
) -> None:
    decisions, left = assign(demand, [worker(slots=slots)])
    limited = set(demand.sharing.limits.get(Dimension.SIG, {}))
    got = Counter(SIGS[decision.task.target] for decision in decisions)
    for waiting in {SIGS[one.target] for one in demand.free if one.id in left} - limited:
        assert all(got[other] <= got[waiting] + 1 for other in got)


@given(demands(), st.integers(0, 8))
def test_within_a_share_the_longest_way_goes_first(demand: Demand, slots: int) -> None:
    decisions, left = assign(demand, [worker(slots=slots)])
    for decision in decisions:
        account = demand.account(decision.task)
        for other in demand.free:
            if (
                other.id in left
                and demand.account(other) == account
                and other.priority == decision.task.priority
            ):
                assert demand.remaining_path(other) <= demand.remaining_path(decision.task)


@given(demands())
def test_with_slots_for_all_they_go_in_the_order_that_ranks_say(demand: Demand) -> None:
    unlimited = Demand(free=demand.free, sigs=demand.sigs, remaining_paths=demand.remaining_paths)
    ranked = [one.id for one in in_turn(unlimited)]
    assert names(unlimited, worker(slots=len(demand.free))) == ranked


def test_a_reserved_worker_takes_nobody_else_and_is_taken_first() -> None:
    reserved = worker("big", reserved=("sig:virt", "source:gcc"))
    free = [task("c"), task("v", "kvm"), task("g")]
    given, left = assign(
        Demand(free=free, sigs=SIGS, sources={"g": "gcc"}), [worker("w", slots=2), reserved]
    )
    assert {one.task.id: one.worker.id for one in given} | left in (
        {"v": "big", "g": "w", "c": "w"}, {"g": "big", "v": "w", "c": "w"},
    )  # fmt: skip


def test_who_finds_only_workers_that_are_reserved_for_others_is_told_for_whom() -> None:
    free = [task("c"), task("g")]
    given, left = assign(
        Demand(free=free, sigs=SIGS, sources={"g": "gcc"}),
        [worker(slots=9, reserved=("source:gcc",))],
    )
    assert [one.task.id for one in given] == ["g"]
    assert left == {"c": "every worker in service of q is reserved for others: source:gcc"}
