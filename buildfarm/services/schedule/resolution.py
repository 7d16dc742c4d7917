"""The frontier: builds that libsolv is asked about, and answers that are still valid.

A build that waits for another one is solved again when that one has come or stopped; any other when
the repositories or the expected RPMs change. The requirements of a build are its header's
BuildRequires, those it was found to ask for while it was built, and, if it is built under its
bootstrap condition, those of that variant instead.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.core.records import BootstrapVariant, LearnedRequires
from buildfarm.domain.intake.drop import VendorRpm
from buildfarm.domain.schedule.graph import strongly_connected
from buildfarm.domain.schedule.plan import Expected, Node
from buildfarm.domain.selfhosting.bootstrap_condition import Variant
from buildfarm.ports.solving import Universe
from buildfarm.ports.store import Transaction

_BEYOND_NAMES = re.compile(r"nothing provides (?:/|\S+\()")
_NAMED = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """libsolv's answer for a build, and the state it was asked in."""

    node: Node
    universe: Universe
    around: frozenset[tuple[str, str]]
    asked: tuple[object, ...]


class Frontier:
    """Answers that still hold, and those that do not."""

    def __init__(
        self,
        before: Mapping[str, Solved],
        universe: Universe,
        coming: Mapping[str, Build],
        stuck: Mapping[str, Build],
    ) -> None:
        self._before = before
        self._universe = universe
        self._coming = coming
        self._stuck = stuck
        self._around = frozenset(
            [
                *((key, "") for key in coming),
                *(
                    (key, f"{build.state} {build.reason or build.gate_reason}")
                    for key, build in stuck.items()
                ),
            ]
        )
        self.solved: dict[str, Solved] = {}

    def holds(self, request: SolverRequest) -> bool:
        """Return whether the last answer is still valid; a valid one is taken over."""
        held = self._before.get(request.build.id)
        if held is None or held.asked != request.asked:
            return False
        same = held.universe is self._universe and held.around == self._around
        needs = held.node.needs.keys()
        waits = not needs.isdisjoint(self._coming) and needs.isdisjoint(self._stuck)
        if same or waits:
            self.solved[request.build.id] = held
        return same or waits

    def take(self, request: SolverRequest, node: Node) -> None:
        """Store a fresh answer."""
        self.solved[node.key] = Solved(
            node=node, universe=self._universe, around=self._around, asked=request.asked
        )

    def circling(self, waiting: Iterable[SolverRequest]) -> list[SolverRequest]:
        """Builds that wait for each other by answers over other repositories than those of now."""
        edges = {
            key: [other for other in held.node.needs if other in self.solved]
            for key, held in self.solved.items()
        }
        groups = [
            group
            for group in strongly_connected(edges)
            if len(group) > 1 or group[0] in edges[group[0]]
        ]
        cycles = {key for group in groups for key in group}
        return [
            request
            for request in waiting
            if request.build.id in cycles
            and self.solved[request.build.id].universe is not self._universe
        ]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SolverRequest:
    """The requirements of a build: ``requires`` must be met, ``hints`` were asked for by its last
    build; its bootstrap variant, if any.
    """

    build: Build
    requires: tuple[str, ...]
    hints: tuple[str, ...] = ()
    variant: BootstrapVariant | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """Return what an answer depends on beside the RPMs there are."""
        variant = self.variant
        return (
            self.requires,
            self.hints,
            self.build.attempt,
            variant and (variant.srpm, variant.problem),
        )


def solver_requests(tx: Transaction, target: str, builds: Sequence[Build]) -> list[SolverRequest]:
    """Return the solver requests of some builds of a target."""
    variants = {one.id: one for one in tx.find(BootstrapVariant, target=target)} if builds else {}
    learned = (
        {one.id: one.requires for one in tx.find(LearnedRequires, target=target)} if builds else {}
    )
    made: list[SolverRequest] = []
    for build in builds:
        variant = variants.get(build.id)
        header = variant.requires if variant and build.bootstrap else build.requires
        requires = tuple(dict.fromkeys([*header, *build.found_requires]))
        hints = tuple(
            text for text in learned.get(LearnedRequires.id_of(build), ()) if text not in requires
        )
        made.append(
            SolverRequest(
                build=build,
                requires=requires,
                hints=hints,
                variant=None if build.bootstrap else variant,
            )
        )
    return made


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A solver question for some builds: over the RPMs that exist, those that are coming and those
    that are stuck.

    ``blind`` are sources that are coming without the vendor's binaries: what files and virtual
    Provides they make is not known yet.
    """

    universe: Universe
    base: Sequence[str]
    expected: Sequence[Expected]
    lost: Sequence[Expected]
    known: Mapping[str, Build]
    blind: Sequence[str] = ()

    def node(self, request: SolverRequest) -> Node:
        """Return where a build stands."""
        build, variant = request.build, request.variant
        others = [rpm for rpm in self.expected if rpm.build != build.id]
        requires = (*request.requires, *self._usable(request, others))
        answer = self.universe.resolve(requires, self.base, others)
        problem, needs = "; ".join(answer.problems), answer.taken
        broken = self._broken(requires) if problem and self.lost else {}
        if (
            problem and not broken and len(others) < len(self.expected)
        ):  # it may be that only its own RPMs would do
            with_own = self.universe.resolve(requires, self.base, self.expected)
            problem, needs = ("", with_own.taken) if not with_own.problems else (problem, needs)
        now = self.universe.resolve(request.requires, self.base, ()) if needs else None
        return Node(
            key=build.id,
            name=build.source,
            needs=needs,
            broken=broken,
            problem=self._explained(problem) if not broken else "",
            resolves_now=now is not None and not now.problems,
            condition=variant.condition if variant else "",
            variant=self._under_condition(variant, others) if variant and variant.srpm else None,
            trouble=variant.problem if variant else "",
        )

    def _usable(self, request: SolverRequest, others: Sequence[Expected]) -> list[str]:
        """Return those hints of the last build that can be satisfied: they order builds and never
        block one.
        """
        return [
            text
            for text in request.hints
            if not self.universe.resolve((text,), self.base, others).problems
        ]

    def _broken(self, requires: Sequence[str]) -> dict[str, str]:
        """Return what only a source that ended without a result would give, and how that ended."""
        with_lost = self.universe.resolve(requires, self.base, [*self.expected, *self.lost])
        stuck = {rpm.build for rpm in self.lost}
        broken: dict[str, str] = {}
        for key, name in with_lost.taken.items():
            if key in stuck:
                build = self.known[key]
                reason = build.reason or build.gate_reason
                broken[f"{name} from {build.nvr}"] = f"{build.state}, {reason}"
        return broken

    def _under_condition(self, variant: BootstrapVariant, others: Sequence[Expected]) -> Variant:
        answer = self.universe.resolve(variant.requires, self.base, others)
        return Variant(needs=answer.taken, problem="; ".join(answer.problems))

    def _explained(self, problem: str) -> str:
        """A file or a virtual Provides may be made by a source of which only the name is known:
        then that is said.
        """
        if not self.blind or not _BEYOND_NAMES.search(problem):
            return problem
        names = ", ".join(self.blind[:_NAMED]) + (" …" if len(self.blind) > _NAMED else "")
        return (
            f"{problem}; {names} may make it: without the vendor's binaries it is not known before "
            "they are built"
        )


def blind(sources: Iterable[Build], vendor: Iterable[VendorRpm]) -> tuple[str, ...]:
    """The names of those sources of which the vendor's binaries are not here."""
    seen = {rpm.sourcerpm for rpm in vendor}
    return tuple(sorted({build.source for build in sources if build.srpm_filename not in seen}))


def expected(sources: Iterable[Build], vendor: Sequence[VendorRpm]) -> tuple[Expected, ...]:
    """Return what builds will provide: by the vendor's binaries where we have them, else by the
    SRPM's own Provides.
    """
    by_srpm: dict[str, list[VendorRpm]] = {}
    for rpm in vendor:
        by_srpm.setdefault(rpm.sourcerpm, []).append(rpm)
    made: list[Expected] = []
    for build in sources:
        known = by_srpm.get(build.srpm_filename, [])
        made += [_from_vendor(build, rpm) for rpm in known] or _from_header(build)
    return tuple(made)


def _from_vendor(build: Build, rpm: VendorRpm) -> Expected:
    return Expected(
        build=build.id, name=rpm.name, evr=rpm.evr, arch=rpm.arch,
        provides=(*rpm.provides, *rpm.files),
        requires=tuple(text for text in rpm.requires if not text.startswith("/")),
    )  # fmt: skip


def _from_header(build: Build) -> list[Expected]:
    """An SRPM's header carries the Provides of its sub-packages (rpm 4.16 and later), not those
    found while building.
    """
    evr = str(
        EVR(
            epoch=build.epoch,
            version=build.version,
            release=build.debranded_release or build.release,
        )
    )
    names = sorted({text.split()[0] for text in build.provides} | {build.source})
    return [
        Expected(build=build.id, name=name, evr=evr, arch="noarch")
        for name in names
        if "(" not in name
    ]
