"""Graphs of needs: topological order, cycles, and the length of the critical path.

Nodes are any one hashable kind (a build's id, or a number where there are many). Nothing here
recurses, because a distribution's critical path is longer than Python's stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def strongly_connected(edges: Mapping[Node, Sequence[Node]]) -> list[list[Node]]:
    """Return Tarjan's strongly connected components, dependencies first, without recursion.

    >>> strongly_connected({"a": ["b"], "b": ["a"], "c": ["a"]})
    [['b', 'a'], ['c']]
    """
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    found: list[list[Node]] = []

    def enter(node: Node) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        work.append((node, iter(edges[node])))

    work: list[tuple[Node, Iterator[Node]]] = []
    for root in edges:
        if root not in index:
            enter(root)
        while work:
            node, successors = work[-1]
            for following in successors:
                if following not in index:
                    enter(following)
                    break
                if following in on_stack:
                    low[node] = min(low[node], index[following])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_pop_through(node, stack))
                    on_stack.difference_update(found[-1])
    return found


def _pop_through(node: Node, stack: list[Node]) -> list[Node]:
    group = [stack.pop()]
    while group[-1] != node:
        group.append(stack.pop())
    return group


def waves(
    edges: Mapping[str, Sequence[str]], components: Iterable[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """The wave of a source is one after the latest of what it needs."""
    wave: dict[str, int] = {}
    waves: list[list[str]] = []
    for group in components:
        members = set(group)
        number = 1 + max(
            (wave[key] for node in group for key in edges[node] if key not in members), default=-1
        )
        wave |= dict.fromkeys(group, number)
        if number == len(waves):
            waves.append([])
        waves[number].extend(group)
    return tuple(tuple(sorted(keys)) for keys in waves)


def shortest_ring(
    start: Node, edges: Mapping[Node, Sequence[Node]], inside: Collection[Node]
) -> tuple[Node, ...]:
    """A shortest path from ``start`` back to itself through nodes of its cycle."""
    came_from: dict[Node, Node] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for following in edges[node]:
            if following == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return tuple(reversed(path))
            if following in inside and following not in came_from:
                came_from[following] = node
                queue.append(following)
    raise AssertionError(f"{start} is in no cycle")


def reachable(start: Node, edges: Mapping[Node, Sequence[Node]]) -> set[Node]:
    """Return all nodes that ``edges`` lead to from ``start``, itself included."""
    seen = {start}
    queue = [start]
    while queue:
        fresh = [following for following in edges[queue.pop()] if following not in seen]
        seen.update(fresh)
        queue += fresh
    return seen


def back_edges(edges: Mapping[Node, Sequence[Node]]) -> list[tuple[Node, Node]]:
    """The edges that lead back to a node on the way of a depth-first walk; without them no cycle is
    left.
    """
    found: list[tuple[Node, Node]] = []
    done: set[Node] = set()
    on_way: set[Node] = set()
    for root in edges:
        if root in done:
            continue
        on_way.add(root)
        work = [(root, iter(edges[root]))]
        while work:
            node, following = work[-1]
            step = next(following, None)
            if step is None:
                work.pop()
                on_way.discard(node)
                done.add(node)
            elif step in on_way:
                found.append((node, step))
            elif step not in done:
                on_way.add(step)
                work.append((step, iter(edges[step])))
    return found
