"""The plan of a drop: the builds that are ready, the reasons why others wait, the waves and the
cycles.

Works on facts that a solver found: the sources of the drop that a source would take RPMs from.
Decides order and words only; the same facts give the same plan in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildfarm.domain.core.build import WaitKind
from buildfarm.domain.schedule.graph import (
    back_edges,
    reachable,
    shortest_ring,
    strongly_connected,
    waves,
)
from buildfarm.domain.selfhosting.bootstrap_condition import (
    Member,
    Variant,
    WayOut,
    stuck,
    ways_out,
)

_NAMES_IN_A_RING = 6
_SMALL = (
    50  # members of a cycle up to which each gets a way of its own and the fewest closing edges
)


def excluded(
    exclusive: Sequence[str],
    exclude: Sequence[str],
    build_arches: Sequence[str],
    arches: Sequence[str],
) -> str:
    """Return why an SRPM is built on none of ``arches``; empty if it is built on some.

    As rpmbuild decides for ``--target ARCH``: a ``BuildArch: noarch`` changes nothing, the
    machine's arch has to be allowed. Another BuildArch names the only arches there are RPMs for
    (Koji's getArchList).

    >>> excluded(("s390x",), (), (), ("x86_64",))
    'ExclusiveArch: s390x; the target builds x86_64'
    >>> excluded(("x86_64", "noarch"), (), ("noarch",), ("x86_64",))
    ''
    """
    possible = set(arches)
    only = () if "noarch" in build_arches else build_arches
    for tag, listed, left in (
        ("ExclusiveArch", exclusive, possible & set(exclusive)),
        ("BuildArch", only, possible & set(only)),
        ("ExcludeArch", exclude, possible - set(exclude)),
    ):
        if listed and not left:
            return f"{tag}: {' '.join(listed)}; the target builds {', '.join(arches)}"
    taken = (possible & set(exclusive or arches) & set(only or arches)) - set(exclude)
    return "" if taken else f"ExclusiveArch and ExcludeArch leave nothing of {', '.join(arches)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedRepository:
    """A folder with repodata that does not change; ``priority`` as in dnf.conf(5): the lower one
    wins.
    """

    id: str
    folder: Path
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An RPM that ``build`` will make, as the vendor's own RPM (or the SRPM's header) describes
    it.
    """

    build: str
    name: str
    evr: str
    arch: str
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseResolution:
    """The base of a buildroot: names installed and its key, or the problems.

    ``key`` covers the package list and NEVRA, repository and checksum of each of ``rpms``, which
    are NEVRAs.
    """

    names: frozenset[str]
    key: str
    problems: tuple[str, ...]
    rpms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The solver's answer to some BuildRequires.

    ``taken`` maps a build of the drop to the requirement that takes an RPM from it (the RPM's name,
    where it is needed by another RPM only); ``problems`` are one line each; ``chosen`` are
    ``(NEVRA, repository)`` beyond the base.
    """

    problems: tuple[str, ...]
    taken: Mapping[str, str]
    chosen: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One source that is still to be built.

    ``needs`` maps the key of each source it would take RPMs from to the requirement that does so; a
    source that is finished is in no ``needs``. ``broken`` names what only a source that ended
    without a result would give, and how that ended. ``problem`` is why it cannot be resolved at
    all; ``resolves_now`` whether today's repositories alone would do. ``condition`` is its spec's
    bootstrap condition, ``variant`` what it needs under it, once that is known; ``trouble`` why the
    condition is of no use.
    """

    key: str
    name: str
    needs: Mapping[str, str]
    broken: Mapping[str, str]
    problem: str = ""
    resolves_now: bool = False
    condition: str = ""
    variant: Variant | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Ready to be queued (``wait`` is ``None``), or why not.

    ``reason`` is one line that names the blocker or the dependency, ``blockers`` the keys of the
    sources waited for; ``note`` tells of a cycle that is broken here, ``cycle`` are the keys of its
    members; ``way_out`` is what is to be done with its bootstrap condition.
    """

    key: str
    wait: WaitKind | None = None
    reason: str = ""
    note: str = ""
    cycle: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    way_out: WayOut | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Sources that need each other.

    ``closing`` are the needs ``(source, needed)`` which close it: without them the members can be
    put into an order. Needs of a member that today's repositories satisfy are preferred.
    """

    members: tuple[str, ...]
    closing: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``decisions`` are sorted by key.

    ``waves`` are keys that can run side by side, in order; a cycle shares one.
    """

    decisions: tuple[Decision, ...]
    waves: tuple[tuple[str, ...], ...]
    cycles: tuple[Cycle, ...]


def plan(nodes: Iterable[Node]) -> Plan:
    """Decide for every node."""
    by_key = {node.key: node for node in sorted(nodes, key=lambda node: node.key)}
    edges = {
        key: sorted(needed for needed in node.needs if needed in by_key)
        for key, node in by_key.items()
    }
    components = strongly_connected(edges)
    knots = [sorted(group) for group in components if len(group) > 1 or group[0] in edges[group[0]]]
    known = [_knot(knot, edges, by_key) for knot in knots]
    knot_of = {key: knot for knot in known for key in knot.members}
    rings = _rings(knots, edges)
    decisions = tuple(
        _decide(node, by_key, knot_of.get(key, _NO_KNOT), rings.get(key, ()))
        for key, node in by_key.items()
    )
    cycles = tuple(
        Cycle(members=tuple(knot), closing=_closing(knot, edges, by_key)) for knot in sorted(knots)
    )
    return Plan(decisions=decisions, waves=waves(edges, components), cycles=cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Knot:
    """A cycle and the facts that all its members share, computed once.

    ``helpers`` are the names of those whose bootstrap condition breaks it, ``tried`` the first that
    has one.
    """

    members: frozenset[str] = frozenset()
    ordered: tuple[str, ...] = ()
    ways: Mapping[str, WayOut | None] = field(default_factory=dict)
    helpers: tuple[str, ...] = ()
    tried: Node | None = None


_NO_KNOT = _Knot()


def _knot(
    ordered: Sequence[str], edges: Mapping[str, Sequence[str]], by_key: Mapping[str, Node]
) -> _Knot:
    ways = _ways_out(ordered, edges, by_key)
    return _Knot(
        members=frozenset(ordered), ordered=tuple(ordered), ways=ways,
        helpers=tuple(sorted(by_key[key].name for key, way in ways.items() if way)),
        tried=next((by_key[key] for key in ordered if by_key[key].condition), None),
    )  # fmt: skip


def _ways_out(
    knot: Sequence[str], edges: Mapping[str, Sequence[str]], by_key: Mapping[str, Node]
) -> dict[str, WayOut | None]:
    """Return who of a cycle can never begin, and what the bootstrap conditions are good for, once
    nothing outside is still to come.
    """
    inside = set(knot)
    if any(needed not in inside for key in knot for needed in edges[key]):
        return {}
    members = {
        key: Member(
            needs=edges[key], free=by_key[key].resolves_now,
            condition="" if by_key[key].trouble else by_key[key].condition,
            variant=by_key[key].variant,
        )
        for key in knot
    }  # fmt: skip
    return dict.fromkeys(stuck(members)) | ways_out(members)


def _decide(node: Node, by_key: Mapping[str, Node], knot: _Knot, ring: Sequence[str]) -> Decision:
    if node.broken:
        blockers = "; ".join(f"{what}: {how}" for what, how in sorted(node.broken.items()))
        return Decision(key=node.key, wait=WaitKind.BLOCKED, reason=f"needs {blockers}")
    if node.problem:
        return Decision(key=node.key, wait=WaitKind.UNRESOLVABLE, reason=node.problem)
    outside = tuple(sorted(key for key in node.needs if key in by_key and key not in knot.members))
    if outside:
        blockers = ", ".join(f"{by_key[key].name} (for {node.needs[key]})" for key in outside)
        return Decision(
            key=node.key, wait=WaitKind.BLOCKED, reason=f"waits for {blockers}", blockers=outside
        )
    if not knot.members:
        return Decision(key=node.key)
    what = _spell(ring, by_key, len(knot.members))
    if node.resolves_now:
        note = f"{what}; broken by what the repositories hold today (seed)"
        return Decision(key=node.key, note=note, cycle=knot.ordered)
    inside, way = (
        tuple(sorted(key for key in node.needs if key in knot.members)),
        knot.ways.get(node.key),
    )
    return Decision(
        key=node.key, wait=WaitKind.CYCLE,
        reason=f"{what}; no repository breaks it here{_hope(node, knot)}", blockers=inside,
        cycle=knot.ordered if way else (), way_out=way,
    )  # fmt: skip


def _hope(node: Node, knot: _Knot) -> str:
    """Return what the bootstrap conditions of a cycle are good for, in words; nothing to say where
    it can begin without.
    """
    if node.key not in knot.ways:
        return ""
    if way := knot.ways.get(node.key):
        asks = f", what it requires with {node.condition} is to be found out"
        return asks if way is WayOut.ASK else f", so it is built with {node.condition} first"
    if knot.helpers:
        return (
            f"; the bootstrap condition of {', '.join(knot.helpers[:_NAMES_IN_A_RING])} is to "
            "break it"
        )
    tried = knot.tried
    if tried is None:
        return ", and no spec of it has a bootstrap condition: add a seed or an older build"
    why = (
        tried.trouble
        or (tried.variant.problem if tried.variant else "")
        or "the cycle stands even so"
    )
    return f"; {tried.name} has {tried.condition}, which does not help: {why}"


def _spell(ring: Sequence[str], by_key: Mapping[str, Node], size: int) -> str:
    names = [by_key[key].name for key in ring]
    if len(names) > _NAMES_IN_A_RING:
        names = [*names[: _NAMES_IN_A_RING - 1], "…"]
    among = f" (one of {size} sources that need each other)" if size > len(ring) else ""
    return f"cycle {' → '.join([*names, by_key[ring[0]].name])}{among}"


def _rings(
    knots: Iterable[Sequence[str]], edges: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """A shortest way from each member back to itself; in a big cycle its first member's way stands
    for all.
    """
    rings: dict[str, tuple[str, ...]] = {}
    for knot in knots:
        inside = set(knot)
        if len(knot) <= _SMALL:
            rings |= {key: shortest_ring(key, edges, inside) for key in knot}
        else:
            rings |= dict.fromkeys(knot, shortest_ring(knot[0], edges, inside))
    return rings


def _closing(
    knot: Sequence[str], edges: Mapping[str, Sequence[str]], by_key: Mapping[str, Node]
) -> tuple[tuple[str, str], ...]:
    """Return what a walk through the cycle finds closing, once the needs that today's repositories
    satisfy are set aside.

    Of those, each that closes nothing is put back.
    """
    inside = set(knot)
    left = {key: [needed for needed in edges[key] if needed in inside] for key in knot}
    if len(knot) > _SMALL:
        return tuple(sorted(back_edges(left)))
    satisfied = [(key, needed) for key in knot if by_key[key].resolves_now for needed in left[key]]
    left |= {key: [] for key in knot if by_key[key].resolves_now}
    closing = back_edges(left)
    for key, needed in closing:
        left[key].remove(needed)
    for key, needed in satisfied:
        if key in reachable(needed, left):
            closing.append((key, needed))
        else:
            left[key].append(needed)
    return tuple(sorted(closing))
