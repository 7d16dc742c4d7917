"""Forecasts: the plan's needs and the seconds of each source, simulated with the farm's own
dispatcher.

A forecast promises nothing. It shows in which order builds go as things are, which path is
critical, and what no number of workers would shorten.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildfarm.domain.schedule.dispatch import Source, WorkGraph
from buildfarm.domain.schedule.simulation import lower_bound, simulate

_GUESS_SECONDS, _GUESS_SECONDS_A_MEBIBYTE = 30.0, 45.0
_LAST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One build to come: seconds from now until it starts and ends, its own cost, and its remaining
    path.

    ``needs`` are the builds it waits for, ``critical`` says that it lies on the critical path of
    all.
    """

    build: str
    name: str
    wave: int
    cost: float
    remaining_path: float
    start: float
    end: float
    needs: tuple[str, ...]
    critical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The simulated plan: ``steps`` in the order of their starts; ``bound`` are the seconds that no
    order beats; ``unscheduled_cycles`` share seeds first.
    """

    steps: tuple[Step, ...]
    workers: int
    makespan: float
    bound: float
    critical_path: float
    unscheduled_cycles: tuple[tuple[str, ...], ...]


def seconds_of(history: Sequence[float], size: int) -> float:
    """Return what a source takes: the median of its last builds, newest first, else a guess from
    the SRPM's bytes.

    >>> seconds_of([100.0, 300.0, 120.0], 0), seconds_of([], 2 << 20)
    (120.0, 120.0)
    """
    if history:
        return max(1.0, statistics.median(history[:_LAST]))
    return _GUESS_SECONDS + _GUESS_SECONDS_A_MEBIBYTE * size / (1 << 20)


def graph_of(needs: Mapping[str, Sequence[str]], costs: Mapping[str, float]) -> WorkGraph:
    """The graph of builds by their ids; the same builds give the same graph, whatever order they
    come in.
    """
    return WorkGraph(
        [
            Source(name=key, needs=tuple(sorted(needs[key])), cost=costs[key])
            for key in sorted(needs)
        ]
    )


def forecast(
    needs: Mapping[str, Sequence[str]],
    costs: Mapping[str, float],
    names: Mapping[str, str],
    *,
    workers: int,
) -> Forecast:
    """Simulate a plan on a number of builders (at least one)."""
    graph = graph_of(needs, costs)
    done = simulate(graph, max(1, workers))
    longest = set(graph.critical_sources())
    steps = tuple(
        Step(
            build=graph.names[run.source], name=names[graph.names[run.source]],
            wave=graph.waves[run.source], cost=graph.costs[run.source],
            remaining_path=graph.levels[run.source], start=run.start, end=run.end,
            needs=tuple(sorted(needs[graph.names[run.source]])), critical=run.source in longest,
        )
        for run in sorted(done.runs, key=lambda run: (run.start, run.source))
    )  # fmt: skip
    return Forecast(
        steps=steps, workers=max(1, workers), makespan=done.makespan,
        bound=lower_bound(graph, max(1, workers)),
        critical_path=graph.critical_path,
        unscheduled_cycles=tuple(
            tuple(graph.names[member] for member in cycle) for cycle in graph.cycles
        ),
    )  # fmt: skip
