"""Dispatch: of the sources that can start, the one with the longest remaining path is built next.

A path counts seconds: a source's own cost and the longest of what waits for it (the bottom level of
list scheduling; Graham 1969 bounds what that can lose). Sources that need each other start from
what a seed holds of their cycle, each as soon as everything outside the cycle is done: all of them
are rebuilt with each other afterwards, so an order inside gains nothing.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from buildfarm.domain.schedule.graph import strongly_connected
from buildfarm.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of a graph: the names of the sources it takes RPMs from, and the seconds of its
    build.
    """

    name: str
    needs: tuple[str, ...]
    cost: float


class Order(enum.StrEnum):
    """Orders in which sources that can start are chosen; the second and third exist for
    comparison.
    """

    CRITICAL_PATH = "critical-path"
    FIFO = "fifo"
    ALPHABETICAL = "alphabetical"


class WorkGraph:
    """Sources by number, in the order they came; needs of what is not in the graph are satisfied
    already.

    ``needs`` and ``dependents`` are without the needs inside a cycle, which ``broken`` holds as
    ``(source, needed)``.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        """:raises InputError: two sources of one name, or a cost that is no positive number of
        seconds.
        """
        self.names = tuple(source.name for source in sources)
        self.costs = tuple(source.cost for source in sources)
        number = {name: place for place, name in enumerate(self.names)}
        if len(number) != len(sources):
            seen: set[str] = set()
            twice = next(name for name in self.names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise InputError(f"source {twice} is in the graph twice")
        for source in sources:
            if not 0 < source.cost < float("inf"):
                raise InputError(
                    f"source {source.name}: its cost is {source.cost}, not a positive number of "
                    "seconds"
                )
        wanted = {
            place: sorted({number[name] for name in source.needs if name in number})
            for place, source in enumerate(sources)
        }
        self.outside = len(
            {name for source in sources for name in source.needs if name not in number}
        )
        groups = strongly_connected(wanted)
        component = [0] * len(sources)
        for place, group in enumerate(groups):
            for member in group:
                component[member] = place
        self.cycles = tuple(
            tuple(sorted(group))
            for group in groups
            if len(group) > 1 or group[0] in wanted[group[0]]
        )
        self.broken = tuple(
            (place, needed)
            for place, all_ in wanted.items()
            for needed in all_
            if component[place] == component[needed]
        )
        self.needs = tuple(
            tuple(needed for needed in wanted[place] if component[place] != component[needed])
            for place in range(len(sources))
        )
        self.edges = sum(len(all_) for all_ in wanted.values())
        dependents: list[list[int]] = [[] for _ in sources]
        for place, all_ in enumerate(self.needs):
            for needed in all_:
                dependents[needed].append(place)
        self.dependents = tuple(map(tuple, dependents))
        self._order = tuple(member for group in groups for member in group)

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """Seconds from the start of each source to the end of the critical path that begins with
        it.
        """
        found = list(self.costs)
        for place in reversed(self._order):
            found[place] += max((found[waiting] for waiting in self.dependents[place]), default=0.0)
        return tuple(found)

    @cached_property
    def waves(self) -> tuple[int, ...]:
        """The wave of each source: one after the latest of what it needs."""
        found = [0] * len(self.names)
        for place in self._order:
            found[place] = 1 + max((found[needed] for needed in self.needs[place]), default=-1)
        return tuple(found)

    @property
    def critical_path(self) -> float:
        """Seconds of the critical path: no number of workers is faster."""
        return max(self.levels, default=0.0)

    @property
    def work(self) -> float:
        """Seconds of one worker for everything."""
        return sum(self.costs)

    def critical_sources(self) -> tuple[int, ...]:
        """The sources of a critical path, first to last."""
        path: list[int] = []
        ahead: Iterable[int] = range(len(self.names))
        while step := max(((self.levels[place], -place) for place in ahead), default=None):
            path.append(-step[1])
            ahead = self.dependents[path[-1]]
        return tuple(path)


class Dispatcher:
    """Says what starts next while sources end.

    An event costs as much as the source has dependents, times log of what can start.
    """

    def __init__(self, graph: WorkGraph, order: Order = Order.CRITICAL_PATH) -> None:
        self._graph = graph
        self._open = [len(needs) for needs in graph.needs]
        self._blocked: dict[int, int] = {}
        self._rank = _ranks(graph, order)
        self._ready: list[tuple[float, int]] = []
        for place, count in enumerate(self._open):
            if not count:
                heapq.heappush(self._ready, (self._rank[place], place))

    def take(self) -> int | None:
        """The next source to build; ``None`` if nothing can start now."""
        return heapq.heappop(self._ready)[1] if self._ready else None

    def built(self, source: int) -> None:
        """Note that a source was built: sources that waited for it alone can start."""
        for waiting in self._graph.dependents[source]:
            self._open[waiting] -= 1
            if not self._open[waiting] and waiting not in self._blocked:
                heapq.heappush(self._ready, (self._rank[waiting], waiting))

    def failed(self, source: int) -> tuple[int, ...]:
        """Note that a source failed: sources that need it, directly or not, are blocked by it.

        :return: those blocked now.
        """
        now: list[int] = []
        queue = [source]
        while queue:
            for waiting in self._graph.dependents[queue.pop()]:
                if waiting not in self._blocked:
                    self._blocked[waiting] = source
                    now.append(waiting)
                    queue.append(waiting)
        return tuple(now)

    @property
    def blocked(self) -> dict[int, int]:
        """Return the blocked sources, each with the failed one that blocks it."""
        return dict(self._blocked)


def _ranks(graph: WorkGraph, order: Order) -> Sequence[float]:
    """The lower one goes first."""
    match order:
        case Order.CRITICAL_PATH:
            return [-level for level in graph.levels]
        case Order.FIFO:
            return range(len(graph.names))
        case Order.ALPHABETICAL:
            place = {
                source: rank
                for rank, source in enumerate(
                    sorted(range(len(graph.names)), key=graph.names.__getitem__)
                )
            }
            return [place[source] for source in range(len(graph.names))]
