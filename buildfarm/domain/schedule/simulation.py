"""Simulation: a distribution built in virtual time by a fleet of workers and the farm's own
dispatcher.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from buildfarm.domain.schedule.dispatch import Dispatcher, Order, WorkGraph
from buildfarm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One build: seconds of virtual time, the worker's number, and whether it failed."""

    source: int
    worker: int
    start: float
    end: float
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """The result of a simulation. ``blocked`` maps a source that was never built to the failed one
    it needed.

    ``deciding`` are the seconds (of the caller's clock) that each event cost: a build that ended,
    and all starts it led to.
    """

    runs: tuple[Run, ...]
    blocked: dict[int, int]
    workers: int
    deciding: tuple[float, ...]

    @property
    def makespan(self) -> float:
        """Return the virtual seconds until the last build ended."""
        return max((run.end for run in self.runs), default=0.0)

    @property
    def utilisation(self) -> float:
        """The share of all workers' time that was spent building, 0 to 1."""
        spent = sum(run.end - run.start for run in self.runs)
        return spent / (self.makespan * self.workers) if self.runs else 0.0


def lower_bound(graph: WorkGraph, workers: int) -> float:
    """Seconds that no order beats: the critical path, or all work spread evenly, whichever is
    more.
    """
    return max(graph.critical_path, graph.work / workers)


def simulate(
    graph: WorkGraph, workers: int, *, order: Order = Order.CRITICAL_PATH, failures: float = 0.0,
    seed: int = 0, clock: Callable[[], float] = lambda: 0.0,
) -> Simulated:  # fmt: skip
    """Build everything once.

    A failed build takes its full time, and what needs it is never started.

    :param failures: the probability that a build fails; the same ``seed`` lets the same sources
        fail, whatever the order.
    :raises InputError: no worker, or a probability outside 0 to 1.
    """
    if workers < 1 or not 0 <= failures <= 1:
        raise InputError(
            f"{workers} workers, failures {failures}: at least one worker, a probability from 0 to "
            "1"
        )
    dice = random.Random(seed)  # noqa: S311  # a simulation, no secret
    fails = [dice.random() < failures for _ in graph.names]
    dispatcher = Dispatcher(graph, order)
    free = list(range(workers))
    running: list[tuple[float, int, int, float]] = []
    runs: list[Run] = []
    deciding: list[float] = []
    now = 0.0

    def start_what_can() -> None:
        while free:
            source = dispatcher.take()
            if source is None:
                return
            heapq.heappush(running, (now + graph.costs[source], source, heapq.heappop(free), now))

    start_what_can()
    while running:
        now, source, worker, began = heapq.heappop(running)
        runs.append(Run(source=source, worker=worker, start=began, end=now, failed=fails[source]))
        heapq.heappush(free, worker)
        asked = clock()
        if fails[source]:
            dispatcher.failed(source)
        else:
            dispatcher.built(source)
        start_what_can()
        deciding.append(clock() - asked)
    return Simulated(
        runs=tuple(runs), blocked=dispatcher.blocked, workers=workers, deciding=tuple(deciding)
    )
