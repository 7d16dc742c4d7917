"""What holds whatever the graph: nothing starts before what it needs, nothing is forgotten, no
order beats the bound.
"""

import graphlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.domain.schedule.dispatch import Order, Source, WorkGraph
from buildfarm.domain.schedule.graph import strongly_connected
from buildfarm.domain.schedule.simulation import Simulated, lower_bound, simulate
from buildfarm.errors import InputError

NAMES = [f"s{number}" for number in range(14)]


@st.composite
def sources(draw: st.DrawFn) -> list[Source]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    return [
        Source(
            name=name,
            needs=tuple(draw(st.lists(st.sampled_from([*NAMES, "elsewhere"]), max_size=4))),
            cost=draw(st.integers(1, 50)),
        )
        for name in names
    ]


graphs = sources().map(WorkGraph)
workers = st.integers(1, 6)
probabilities = st.sampled_from([0.0, 0.3, 1.0])
orders = st.sampled_from(list(Order))


def check(graph: WorkGraph, done: Simulated) -> None:
    ends = {run.source: run.end for run in done.runs if not run.failed}
    for run in done.runs:
        assert all(ends[needed] <= run.start for needed in graph.needs[run.source])
        assert run.end == run.start + graph.costs[run.source]


@given(graphs, workers, probabilities, orders)
def test_nothing_starts_before_what_it_needs_is_there(
    graph: WorkGraph, count: int, failures: float, order: Order
):
    check(graph, simulate(graph, count, order=order, failures=failures, seed=count))


@given(graphs, workers, probabilities, orders)
def test_every_source_is_built_or_failed_once_or_blocked_by_one_that_failed(
    graph: WorkGraph, count: int, failures: float, order: Order
):
    done = simulate(graph, count, order=order, failures=failures, seed=count)
    ran = [run.source for run in done.runs]
    assert sorted([*ran, *done.blocked]) == list(range(len(graph.names)))
    failed = {run.source for run in done.runs if run.failed}
    assert set(done.blocked.values()) <= failed
    assert all(
        any(needed in failed or needed in done.blocked for needed in graph.needs[one])
        for one in done.blocked
    )


@given(graphs, workers, orders)
def test_a_worker_does_one_thing_at_a_time_and_none_idles_while_something_could_start(
    graph: WorkGraph, count: int, order: Order
):
    done = simulate(graph, count, order=order)
    moments = sorted({run.start for run in done.runs} | {run.end for run in done.runs})
    for moment in moments:
        running = [run for run in done.runs if run.start <= moment < run.end]
        assert len({run.worker for run in running}) == len(running) <= count
        late = [run for run in done.runs if run.start > moment]
        there = {run.source for run in done.runs if run.end <= moment}
        assert len(running) == count or not [
            run for run in late if set(graph.needs[run.source]) <= there
        ]


@given(graphs, workers)
def test_the_makespan_keeps_grahams_bound(graph: WorkGraph, count: int):
    """Graham 1969: no list schedule takes longer than work/N plus the critical path times (N-1)/N."""
    done = simulate(graph, count)
    assert lower_bound(graph, count) <= done.makespan + 1e-9
    assert done.makespan <= graph.work / count + graph.critical_path * (count - 1) / count + 1e-9


@given(sources())
def test_only_needs_inside_a_circle_are_broken_and_then_none_is_left(made: list[Source]):
    graph = WorkGraph(made)
    graphlib.TopologicalSorter(dict(enumerate(graph.needs))).prepare()
    number = {name: place for place, name in enumerate(graph.names)}
    wanted = {
        number[one.name]: [number[name] for name in one.needs if name in number] for one in made
    }
    together = {member: set(group) for group in strongly_connected(wanted) for member in group}
    assert set(graph.broken) == {
        (a, b) for a, needs in wanted.items() for b in needs if b in together[a]
    }
    kept = {(a, b) for a, needs in enumerate(graph.needs) for b in needs}
    assert kept | set(graph.broken) == {(a, b) for a, needs in wanted.items() for b in needs}


@given(sources(), st.randoms(use_true_random=False))
def test_the_order_the_sources_come_in_changes_no_makespan_of_the_critical_path_beyond_ties(
    made: list[Source], dice
):
    """With one worker for each source there are no ties to break: the critical path is the
    makespan.
    """
    shuffled = list(made)
    dice.shuffle(shuffled)
    count = max(len(made), 1)
    assert (
        simulate(WorkGraph(made), count).makespan == simulate(WorkGraph(shuffled), count).makespan
    )


def test_the_longest_way_goes_first_where_fifo_and_the_alphabet_lose_half():
    short = [Source(name=f"a{number}", needs=(), cost=10) for number in range(10)]
    way = [
        Source(name=f"z{number}", needs=(f"z{number - 1}",) if number else (), cost=10)
        for number in range(10)
    ]
    graph = WorkGraph([*short, *way])
    makespans = {order: simulate(graph, 2, order=order).makespan for order in Order}
    assert makespans == {Order.CRITICAL_PATH: 100, Order.FIFO: 150, Order.ALPHABETICAL: 150}
    assert [graph.names[place] for place in graph.critical_sources()] == [
        f"z{number}" for number in range(10)
    ]


def test_a_source_that_fails_blocks_what_needs_it_and_nothing_else():
    graph = WorkGraph(
        [
            Source(name=name, needs=needs, cost=1)
            for name, needs in (
                ("gcc", ()),
                ("glibc", ("gcc",)),
                ("bash", ("glibc",)),
                ("docs", ()),
            )
        ]
    )
    done = next(
        done
        for seed in range(100)
        if _failed(done := simulate(graph, 1, failures=0.5, seed=seed)) == {0}
    )
    assert done.blocked == {1: 0, 2: 0}
    assert [run.source for run in done.runs if not run.failed] == [3]


def _failed(done: Simulated) -> set[int]:
    return {run.source for run in done.runs if run.failed}


@pytest.mark.parametrize("cost", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cost_that_is_no_time_is_refused(cost: float):
    with pytest.raises(InputError, match="not a positive number of seconds"):
        WorkGraph([Source(name="a", needs=(), cost=cost)])


def test_a_source_that_comes_twice_is_refused_by_name():
    with pytest.raises(InputError, match="source a is in the graph twice"):
        WorkGraph([Source(name=name, needs=(), cost=1) for name in "aba"])
