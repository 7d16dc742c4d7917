"""Builds in lists: where each is, why it stands there, and whether a person must act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypedDict, TypeVar

from buildfarm.domain.core.build import (
    JUDGED,
    NVR_FIELDS,
    Build,
    BuildState,
    Gate,
    WaitKind,
    nvr_of,
)
from buildfarm.domain.core.lag import STUCK
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.selfhosting.seeds import MAX_ROUNDS
from buildfarm.domain.target.target import Target
from buildfarm.errors import InputError, NotFound
from buildfarm.ports.store import Prefix, Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, find_each, pick_each, stamp
from buildfarm_web.read_models.core.paging import page

W = TypeVar("W", BuildState, Verdict)

MOVING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.QUEUED, BuildState.BUILDING, BuildState.BUILT,
    BuildState.COMPARING,
)  # fmt: skip

_COUNTED = 5_000
"""Limit up to which a list counts what it does not show."""

_NEXT_STEP = {
    BuildState.ON_HOLD: "buildfarm release-hold {id} --reason '…'",
    BuildState.FAILED: "buildfarm retry {id} --reason '…'",
}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """Fields of a build that decide whether it needs a person; named as :class:`Build` names it."""

    id: str
    state: str
    state_since: datetime
    wait_kind: str
    verdict: str
    gate: str
    seeded: Sequence[str]
    round: int
    successor: str
    scratch: bool
    bootstrap: str


def is_refused(build: Build | SourceStatus) -> bool:
    """Compared, and the destination tag does not take it."""
    return build.state in JUDGED and build.gate == Gate.REFUSED


def is_between_rounds(build: Build | SourceStatus) -> bool:
    """Seeded and only there to build its cycle anew: the next round takes its place by itself."""
    return (
        bool(build.successor)
        or (
            bool(build.seeded) and build.round < MAX_ROUNDS and Verdict(build.verdict).is_compatible
        )
        or (bool(build.bootstrap) and build.state in JUDGED and build.verdict != Verdict.ERROR)
    )


def need_of(build: Build | SourceStatus) -> str:
    """Return what about a build needs a person now, as one word; empty if nothing does."""
    if build.state in (BuildState.ON_HOLD, BuildState.FAILED):
        return str(build.state)
    if is_refused(build) and not build.scratch and not is_between_rounds(build):
        return "refused"
    return "stuck" if build.state == BuildState.WAITING and build.wait_kind in STUCK else ""


def why_of(build: Build) -> str:
    """Return why a build is where it is, in words; for a verdict the finding that decided it."""
    if build.state in (*JUDGED, BuildState.PUBLISHED, BuildState.BUILT, BuildState.COMPARING):
        reason = build.gate_reason or build.reason
        if not build.finding:
            return reason
        decision = reason.partition("; ")[
            0
        ]  # what follows is the same finding in the comparison's own terms
        return f"{decision}; {build.finding}" if decision else build.finding
    if (
        build.state is BuildState.FAILED
        and build.failure_kind
        and build.failure_kind not in build.reason
    ):
        return f"{build.failure_kind}: {build.reason}"
    return build.reason


def _is_settled(build: Build, target: Target | None) -> bool:
    """Return whether both tags have done with a refused build: in the build tag, or never to be."""
    if target is None or build.scratch or target.tags.build in build.tags:
        return True
    return (
        build.verdict != Verdict.UNCOMPARED
        and Verdict(build.verdict).badness >= Verdict.INCOMPATIBLE.badness
    )


def row(hub: Hub, build: Build) -> Json:
    """One build as lists show it."""
    return {
        "id": build.id,
        "nvr": build.nvr,
        "srpm": build.srpm_filename,
        "source": build.source,
        "target": build.target,
        "drop": build.drop_id,
        "state": build.state.value,
        "since": stamp(build.state_since),
        "wait_kind": build.wait_kind,
        "failure_kind": build.failure_kind,
        "verdict": build.verdict,
        "gate": build.gate.value,
        "gate_reason": build.gate_reason,
        "settled": is_refused(build) and _is_settled(build, hub.config.targets.get(build.target)),
        "why": why_of(build),
        "needs_person": need_of(build),
        "scratch": build.scratch,
        "priority": build.priority,
        "attempt": build.attempt,
        "round": build.round,
        "cycle": list(build.cycle),
        "seeded": list(build.seeded),
        "successor": build.successor,
        "superseded": build.superseded,
        "bootstrap": build.bootstrap,
        "owner": build.owner,
        "tags": list(build.tags),
        "created": stamp(build.created),
        "finished": stamp(build.finished),
    }


def rows(hub: Hub, builds: Iterable[Build]) -> list[Json]:
    """Builds as lists show them."""
    return [row(hub, build) for build in builds]


def nvrs(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """The name-version-release of each of these that is a build, by its id."""
    return {
        row[0]: nvr_of(*row[1:]) for row in pick_each(tx, Build, ("id", *NVR_FIELDS), "id", ids)
    }


class Filters(TypedDict):
    """Filters of a list of builds; empty text is no filter."""

    target: str
    state: str
    verdict: str
    source: str
    drop: str


def filters_of(args: Mapping[str, str]) -> Filters:
    """The filters of a list of builds, as they stand in a URL."""

    def given(name: str) -> str:
        return args.get(name, "").strip()

    return Filters(
        target=given("target"), state=given("state"), verdict=given("verdict"), source=given("source"),
        drop=given("drop"),
    )  # fmt: skip


def find_builds(
    hub: Hub, tx: Transaction, *, limit: int, cursor: str = "", target: str = "", state: str = "", verdict: str = "",
    source: str = "", drop: str = "",
) -> Json:  # fmt: skip
    """A page of builds, the newest first; ``cursor`` goes on from the page before.

    ``total`` is counted up to a bound; it ``is_exact`` below that. ``state`` and ``verdict`` may be
    several, with commas.

    :raises InputError: an unknown state or verdict, or a cursor of another list. :raises NotFound:
        no such drop.
    """
    where: dict[str, object] = {
        "target": target, "source": source, "drop_id": _whole_drop(tx, drop),
        "state": tuple(_known(state, BuildState, "state")), "verdict": tuple(_known(verdict, Verdict, "verdict")),
    }  # fmt: skip
    given = {name: value for name, value in where.items() if value}
    found = page(tx, Build, "created,id", given, limit=limit, cursor=cursor)
    total = tx.count(Build, most=_COUNTED + 1, **given)
    return {
        "builds": rows(hub, found.records),
        "total": min(total, _COUNTED),
        "is_exact": total <= _COUNTED,
        "cursor": found.cursor,
    }


def _known(text: str, kind: type[BuildState] | type[Verdict], what: str) -> list[str]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    known = [member.value for member in kind]
    if unknown := [word for word in wanted if word not in known]:
        raise InputError(f"no {what} {unknown[0]!r}", hint=f"one of {', '.join(known)}")
    return wanted


def _whole_drop(tx: Transaction, drop: str) -> str:
    return find_drop(tx, drop).id if drop else ""


def find_drop(tx: Transaction, drop: str) -> Drop:
    """A drop by its id, or by a beginning of it that only one has.

    :raises NotFound: there is none.
    """
    exact = tx.first(Drop, id=drop)
    if exact is not None:
        return exact
    short = 6
    found = tx.find(Drop, id=Prefix(drop), limit=2) if len(drop) >= short else []
    if len(found) != 1:
        raise NotFound(f"no drop {drop}", hint="`buildfarm drop` lists them")
    return found[0]


def find_build(tx: Transaction, name: str) -> Build:
    """A build by its id or by its name-version-release, the newest of them.

    :raises NotFound: there is none.
    """
    build = tx.first(Build, id=name)
    if build is not None:
        return build
    nv, _, release = name.removesuffix(".src.rpm").rpartition("-")
    source, _, version = nv.rpartition("-")
    if source and version:
        for field in ("source", "debranded_name"):
            named: dict[str, Any] = {field: source, "version": version}
            for candidate in tx.find(Build, order_by="created", descending=True, **named):
                if release in (candidate.release, candidate.debranded_release):
                    return candidate
    for filename in (name, f"{name}.src.rpm"):
        if found := tx.first(Build, srpm_filename=filename):
            return found
    raise NotFound(
        f"no build {name}", hint="`buildfarm builds` lists them; use an id or name-version-release"
    )


_SOURCE_STATUS = tuple(field.name for field in fields(SourceStatus))


def needs_person(hub: Hub, tx: Transaction, *, limit: int, **where: object) -> list[Json]:
    """Return what needs a person now, the longest wait first, with who can act and how; what is
    superseded needs nobody.
    """
    stuck = {"state": BuildState.WAITING, "wait_kind": tuple(kind.value for kind in STUCK)}
    refused = {"state": BuildState.REFUSED, "successor": ""}
    found: list[SourceStatus] = []
    for kind in ({"state": BuildState.ON_HOLD}, {"state": BuildState.FAILED}, refused, stuck):
        wanted = {**kind, **where, "superseded": False}
        found += [
            SourceStatus(*row)
            for row in tx.select_fields(
                Build,
                _SOURCE_STATUS,
                order_by="state_since",
                descending=False,
                limit=limit,
                **wanted,
            )
        ]
    first = sorted((one for one in found if need_of(one)), key=lambda one: one.state_since)[:limit]
    by_id = {build.id: build for build in find_each(tx, Build, "id", (one.id for one in first))}
    shown = [by_id[one.id] for one in first]
    return with_next_step(hub, rows(hub, shown), shown)


def with_next_step(hub: Hub, listed: Sequence[Json], builds: Sequence[Build]) -> list[Json]:
    """Rows with who can act (``who``) and the command that usually comes next (``act``)."""
    by_id = {build.id: build for build in builds}
    return [
        {
            **item,
            "act": act_on(by_id[item["id"]]),
            "who": sig_of(hub, item["target"], item["source"]),
        }
        for item in listed
    ]


def act_on(build: Build) -> str:
    """The command that is the usual next step for a person, if there is one."""
    if build.state is BuildState.ON_HOLD and not build.version:
        return ""
    return _NEXT_STEP.get(build.state, "").format(id=build.nvr if build.version else build.id)


def sig_of(hub: Hub, target: str, source: str = "") -> str:
    """Return who answers for a source of a target; without a source, for the target."""
    sig = hub.config.sig_of(target, source)
    return f"SIG {sig}" if sig else ""


def moves(state: str, wait_kind: str, gate: str) -> bool:
    """Return whether a build that stands so will change without a person."""
    if state == BuildState.WAITING:
        return wait_kind in (WaitKind.PLANNING, WaitKind.CAPACITY)
    return state in MOVING or (state == BuildState.COMPARED and gate == Gate.PASSED)


_CENSUS = ("target", "state", "verdict", "scratch", "wait_kind", "gate")


class Census:
    """All builds that are not superseded, counted at once, of each the last round."""

    def __init__(self, tx: Transaction) -> None:
        found = tx.count_by(Build, _CENSUS, superseded=False, successor="")
        self._found = [
            (dict(zip(_CENSUS, row, strict=True)), count) for row, count in found.items()
        ]

    def states(self, target: str = "") -> dict[BuildState, int]:
        """Return how many are in each state, of a target or of all; empty states are left out."""
        return ordered(BuildState, self._counted("state", target))

    def verdicts(self, target: str = "") -> dict[Verdict, int]:
        """Return how many have each verdict; scratch builds and those without one are not counted."""
        return ordered(Verdict, self._counted("verdict", target, scratch=False))

    @property
    def is_moving(self) -> bool:
        """Return whether some will change without a person."""
        return any(moves(one["state"], one["wait_kind"], one["gate"]) for one, _ in self._found)

    def _counted(self, by: str, target: str, **where: object) -> Counter[tuple[str]]:
        counted: Counter[tuple[str]] = Counter()
        for one, count in self._found:
            if (not target or one["target"] == target) and all(
                one[name] == value for name, value in where.items()
            ):
                counted[one[by],] += count
        return counted


def ordered(words: type[W], counted: Mapping[tuple[str], int]) -> dict[W, int]:
    """Counts in the order in which the words are defined."""
    return {word: counted[word.value,] for word in words if counted.get((word.value,))}


def by_verdict(builds: Iterable[Build]) -> dict[Verdict, int]:
    """Return how many builds have each verdict, best first; without one is not counted."""
    return ordered(Verdict, Counter((build.verdict,) for build in builds))
