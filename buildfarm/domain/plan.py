"""The plan of a drop: what is ready, what waits and for whom, in which wave, and where the cycles are.

Works on facts a solver found: which sources of the drop a source would take RPMs from. Order and words only; deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from buildfarm.domain.build import WaitKind


def excluded(
    exclusive: Sequence[str], exclude: Sequence[str], build_arches: Sequence[str], arches: Sequence[str]
) -> str:
    """Why an SRPM is built on none of ``arches``; empty if it is built on some (rpm manual, ExclusiveArch, ExcludeArch).

    >>> excluded(("s390x",), (), (), ("x86_64",))
    'ExclusiveArch: s390x, the target builds x86_64'
    >>> excluded((), ("ppc64le",), (), ("x86_64",))
    ''
    """
    wanted = ", ".join(arches)
    possible = set(arches)
    if exclusive and "noarch" not in (*exclusive, *build_arches):
        possible &= set(exclusive)
        if not possible:
            return f"ExclusiveArch: {' '.join(exclusive)}, the target builds {wanted}"
    if exclude and not possible - set(exclude):
        return f"ExcludeArch: {' '.join(exclude)}, the target builds {wanted}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One source that is still to be built.

    ``needs`` maps the key of each source it would take RPMs from to what it takes; ``broken`` the same for sources that
    ended without a result (the value says how); ``problem`` is why it cannot be resolved at all; ``resolves_now`` whether
    today's repositories alone would do.
    """

    key: str
    name: str
    needs: Mapping[str, str]
    broken: Mapping[str, str]
    problem: str = ""
    resolves_now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Ready to be queued (``wait`` is ``None``), or why not. ``reason`` names the blocker; ``note`` tells of a broken cycle."""

    key: str
    wait: WaitKind | None = None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``waves`` are keys that can run side by side, in order; ``cycles`` are strongly connected keys, sorted."""

    decisions: tuple[Decision, ...]
    waves: tuple[tuple[str, ...], ...]
    cycles: tuple[tuple[str, ...], ...]


def plan(nodes: Sequence[Node]) -> Plan:
    """Decide for every node."""
    by_key = {node.key: node for node in nodes}
    edges = {node.key: sorted(key for key in node.needs if key in by_key) for node in nodes}
    components = strongly_connected(edges)
    cycles = tuple(
        tuple(sorted(group)) for group in components if len(group) > 1 or group[0] in edges[group[0]]
    )
    in_cycle = {key: cycle for cycle in cycles for key in cycle}
    decisions = tuple(_decide(by_key[key], by_key, in_cycle.get(key, ())) for key in sorted(by_key))
    return Plan(decisions=decisions, waves=_waves(edges, components), cycles=cycles)


def _decide(node: Node, by_key: Mapping[str, Node], cycle: Sequence[str]) -> Decision:
    if node.problem:
        return Decision(key=node.key, wait=WaitKind.UNRESOLVABLE, reason=node.problem)
    if node.broken:
        blockers = "; ".join(f"{what}: {how}" for what, how in sorted(node.broken.items()))
        return Decision(key=node.key, wait=WaitKind.BLOCKED, reason=f"needs {blockers}")
    outside = {key: what for key, what in node.needs.items() if key in by_key and key not in cycle}
    if outside:
        blockers = ", ".join(f"{by_key[key].name} (for {outside[key]})" for key in sorted(outside))
        return Decision(key=node.key, wait=WaitKind.BLOCKED, reason=f"waits for {blockers}")
    if not cycle:
        return Decision(key=node.key)
    ring = " → ".join(by_key[key].name for key in (*cycle, cycle[0]))
    if node.resolves_now:
        return Decision(key=node.key, note=f"cycle {ring}, broken here: what the repositories hold today is used")
    return Decision(key=node.key, wait=WaitKind.CYCLE, reason=f"cycle {ring}, and no repository breaks it here")


def strongly_connected(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Tarjan's strongly connected components, dependencies before dependants, without recursion.

    >>> strongly_connected({"a": ["b"], "b": ["a"], "c": ["a"]})
    [['b', 'a'], ['c']]
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        _enter(root, index, low, stack, on_stack)
        while work:
            node, successors = work[-1]
            following = next((s for s in successors if s not in index or s in on_stack), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_component(node, stack, on_stack))
            elif following in index:
                low[node] = min(low[node], index[following])
            else:
                _enter(following, index, low, stack, on_stack)
                work.append((following, iter(edges[following])))
    return found


def _enter(node: str, index: dict[str, int], low: dict[str, int], stack: list[str], on_stack: set[str]) -> None:
    index[node] = low[node] = len(index)
    stack.append(node)
    on_stack.add(node)


def _component(root: str, stack: list[str], on_stack: set[str]) -> list[str]:
    group: list[str] = []
    while True:
        node = stack.pop()
        on_stack.discard(node)
        group.append(node)
        if node == root:
            return group


def _waves(edges: Mapping[str, Sequence[str]], components: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """The wave of a source is one after the latest of what it needs; a cycle shares a wave."""
    wave: dict[str, int] = {}
    for group in components:
        members = set(group)
        before = [wave[key] for node in group for key in edges[node] if key not in members]
        for node in group:
            wave[node] = max(before, default=-1) + 1
    count = max(wave.values(), default=-1) + 1
    return tuple(tuple(sorted(key for key, number in wave.items() if number == n)) for n in range(count))
