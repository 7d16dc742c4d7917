"""Builds in lists: where each is, why it stands there, and whether a person must act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from buildfarm.domain.build import Build, BuildState, Gate, WaitKind
from buildfarm.domain.drop import Drop
from buildfarm.domain.records import Comparison
from buildfarm.domain.selfhosting import MAX_ROUNDS
from buildfarm.domain.target import Target
from buildfarm.domain.verdict import Verdict
from buildfarm.errors import InputError, NotFound
from buildfarm.ports import Transaction
from buildfarm.services.hub import Hub
from buildfarm_web.read_models.findings import newest_comparisons, worst_line
from buildfarm_web.read_models.paging import page
from buildfarm_web.read_models.plain import Json, stamp

STUCK = (WaitKind.UNRESOLVABLE, WaitKind.CYCLE, WaitKind.PAUSED, WaitKind.APPROVAL)
"""What a waiting build does not get out of by itself. ``blocked`` is not here: the one that blocks is."""

MOVING = (
    BuildState.INGESTED, BuildState.DEBRANDED, BuildState.QUEUED, BuildState.BUILDING, BuildState.BUILT,
    BuildState.COMPARING,
)  # fmt: skip

_NEXT_STEP = {
    BuildState.ON_HOLD: "buildfarm release-hold {id} --reason '…'",
    BuildState.FAILED: "buildfarm retry {id} --reason '…'",
}


def is_refused(build: Build) -> bool:
    """Compared, and the destination tag does not take it."""
    return build.state is BuildState.COMPARED and build.gate is Gate.REFUSED


def is_between_rounds(build: Build) -> bool:
    """Seeded and only there to build its circle anew: the next round takes its place by itself."""
    return bool(build.successor) or (
        bool(build.seeded) and build.round < MAX_ROUNDS and Verdict(build.verdict).is_compatible
    )


def need_of(build: Build) -> str:
    """What about a build needs a person now, as one word; empty if nothing does."""
    if build.state in (BuildState.ON_HOLD, BuildState.FAILED):
        return build.state.value
    if is_refused(build) and not build.scratch and not is_between_rounds(build):
        return "refused"
    return "stuck" if build.state is BuildState.WAITING and build.wait_kind in STUCK else ""


def why_of(build: Build, comparison: Comparison | None) -> str:
    """Why a build is where it is, in words; for a verdict the finding that decided it."""
    if build.state in (BuildState.COMPARED, BuildState.PUBLISHED, BuildState.BUILT, BuildState.COMPARING):
        reason = build.gate_reason or build.reason
        detail = worst_line(comparison) if comparison is not None else ""
        if not detail:
            return reason
        decision = reason.partition("; ")[0]  # what follows is the same finding in the comparison's own terms
        return f"{decision}; {detail}" if decision else detail
    if build.state is BuildState.FAILED and build.failure_kind and build.failure_kind not in build.reason:
        return f"{build.failure_kind}: {build.reason}"
    return build.reason


def _is_settled(build: Build, target: Target | None) -> bool:
    """Whether both tags have done with a refused build: in the build tag, or never to be."""
    if target is None or build.scratch or target.tags.build in build.tags:
        return True
    return build.verdict != Verdict.UNCOMPARED and Verdict(build.verdict).badness >= Verdict.INCOMPATIBLE.badness


def row(hub: Hub, build: Build, comparison: Comparison | None) -> Json:
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
        "why": why_of(build, comparison),
        "needs_person": need_of(build),
        "scratch": build.scratch,
        "priority": build.priority,
        "attempt": build.attempt,
        "round": build.round,
        "circle": list(build.circle),
        "seeded": list(build.seeded),
        "successor": build.successor,
        "owner": build.owner,
        "tags": list(build.tags),
        "created": stamp(build.created),
        "finished": stamp(build.finished),
    }


def rows(hub: Hub, tx: Transaction, builds: Sequence[Build]) -> list[Json]:
    """Builds as lists show them; comparisons are read only where a finding explains something."""
    explain = [build.id for build in builds if build.verdict and _wants_explanation(build)]
    comparisons = newest_comparisons(tx, explain)
    return [row(hub, build, comparisons.get(build.id)) for build in builds]


def _wants_explanation(build: Build) -> bool:
    return not Verdict(build.verdict).is_compatible and build.verdict != Verdict.UNCOMPARED


class Filters(TypedDict):
    """Which builds a list shows; empty text is no filter."""

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
    hub: Hub, tx: Transaction, *, limit: int, offset: int = 0, target: str = "", state: str = "", verdict: str = "",
    source: str = "", drop: str = "", cursor: str = "",
) -> Json:  # fmt: skip
    """A page of builds, the newest first; ``cursor`` goes on with the next page, ``next`` is that page's offset.

    ``state`` and ``verdict`` may be several, with commas. :raises InputError: an unknown state or verdict.
    """
    where: dict[str, object] = {
        "target": target, "source": source, "drop_id": _whole_drop(tx, drop),
        "state": tuple(_known(state, BuildState, "state")), "verdict": tuple(_known(verdict, Verdict, "verdict")),
    }  # fmt: skip
    given = {name: value for name, value in where.items() if value}
    found = page(tx, Build, "created,id", given, limit=offset + limit, cursor=cursor)
    return {
        "builds": rows(hub, tx, found.records[offset:]),
        "total": tx.count(Build, **given),
        "offset": offset,
        "next": offset + limit if found.cursor and not cursor else None,
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
    """A drop by its id, or by a beginning of it that only one has. :raises NotFound: there is none."""
    exact = tx.first(Drop, id=drop)
    if exact is not None:
        return exact
    short = 6
    found = [known for known in tx.find(Drop) if known.id.startswith(drop)] if len(drop) >= short else []
    if len(found) != 1:
        raise NotFound(f"no drop {drop}", hint="`buildfarm drop` lists them")
    return found[0]


def find_build(tx: Transaction, name: str) -> Build:
    """A build by its id or by its name-version-release, the newest of them. :raises NotFound: there is none."""
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
    raise NotFound(f"no build {name}", hint="`buildfarm builds` lists them; use an id or name-version-release")


def needs_person(hub: Hub, tx: Transaction, *, limit: int, **where: object) -> list[Json]:
    """What needs a person now, the longest wait first, with who can act and how."""
    found: list[Build] = []
    for state in (BuildState.ON_HOLD, BuildState.FAILED):
        found += tx.find(Build, state=state, order_by="state_since", limit=limit, **where)  # type: ignore[arg-type]  # field names
    refused = tx.find(
        Build, state=BuildState.COMPARED, gate=Gate.REFUSED, scratch=False, successor="", order_by="state_since", limit=limit,
        **where,  # type: ignore[arg-type]  # field names
    )  # fmt: skip
    found += [build for build in refused if need_of(build)]
    found += tx.find(
        Build, state=BuildState.WAITING, wait_kind=tuple(kind.value for kind in STUCK), order_by="state_since",
        limit=limit, **where,  # type: ignore[arg-type]  # field names
    )  # fmt: skip
    found.sort(key=lambda build: build.state_since)
    return with_next_step(hub, rows(hub, tx, found[:limit]), found)


def with_next_step(hub: Hub, listed: Sequence[Json], builds: Sequence[Build]) -> list[Json]:
    """Rows with who can act (``who``) and the command that usually comes next (``act``)."""
    by_id = {build.id: build for build in builds}
    return [{**item, "act": act_on(by_id[item["id"]]), "who": sig_of(hub, item["target"])} for item in listed]


def act_on(build: Build) -> str:
    """The command that is the usual next step for a person, if there is one."""
    if build.state is BuildState.ON_HOLD and not build.version:
        return ""
    return _NEXT_STEP.get(build.state, "").format(id=build.nvr if build.version else build.id)


def sig_of(hub: Hub, target: str) -> str:
    """Who answers for a target."""
    known = hub.config.targets.get(target)
    return f"SIG {known.owner.sig}" if known else ""


def is_moving(tx: Transaction, states: Mapping[str, int], **where: object) -> bool:
    """Whether some of these builds will change without a person; ``states`` counts them (see :func:`by_state`)."""
    if any(states.get(state) for state in MOVING):
        return True
    soon = (WaitKind.PLANNING.value, WaitKind.CAPACITY.value)
    return bool(
        (states.get(BuildState.WAITING) and tx.count(Build, state=BuildState.WAITING, wait_kind=soon, **where))
        or (states.get(BuildState.COMPARED) and tx.count(Build, state=BuildState.COMPARED, gate=Gate.PASSED, **where))
    )


def by_state(tx: Transaction, **where: object) -> dict[str, int]:
    """How many builds are in each state, of each the last round; empty states are left out."""
    counts = {state.value: tx.count(Build, state=state, successor="", **where) for state in BuildState}
    return {state: count for state, count in counts.items() if count}


def by_verdict(builds: Iterable[Build]) -> dict[str, int]:
    """How many builds have each verdict, best first; without one is not counted."""
    counts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    for build in builds:
        if build.verdict in counts:
            counts[build.verdict] += 1
    return {verdict: count for verdict, count in counts.items() if count}
