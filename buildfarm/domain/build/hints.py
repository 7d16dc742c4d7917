"""Hints: what a person can do about a build that does not move, one line for each reason."""

from __future__ import annotations

from buildfarm.domain.core.build import Build, BuildState, Gate, WaitKind
from buildfarm.domain.selfhosting.seeds import MAX_ROUNDS

_BY_ITSELF = "nothing is to be done: it goes on by itself"


def hint(build: Build, *, task_reason: str = "") -> str:
    """Return the usual next step for a person.

    ``{nvr}``-like names are filled in; never empty while the build is not at its end.

    :param task_reason: why its task has no builder yet.
    """
    match build.state:
        case BuildState.WAITING:
            said = _of_waiting(build)
        case BuildState.QUEUED:
            said = _of_queued(task_reason)
        case BuildState.ON_HOLD if not build.version:
            said = "send the drop again with an intact file"
        case BuildState.ON_HOLD:
            said = (
                "look at what held it, then `buildfarm release-hold {nvr} --reason …`, or "
                "`buildfarm cancel {nvr} --reason …`"
            )
        case BuildState.FAILED:
            said = (
                "`buildfarm logs {nvr}`; once its cause is gone: `buildfarm retry {nvr} --reason …`"
            )
        case BuildState.CANCELED | BuildState.EXCLUDED:
            said = (
                "`buildfarm retry {nvr} --reason …` sends it through the pipeline again, under the "
                "rules of then"
            )
        case BuildState.COMPARED | BuildState.REFUSED if build.gate is Gate.REFUSED:
            said = _of_refused(build)
        case BuildState.PUBLISHED:
            said = ""
        case _:
            said = _BY_ITSELF
    return said.format(
        nvr=build.nvr, source=build.source, target=build.target, drop=build.drop_id[:12]
    )


_OF_WAITING = {
    WaitKind.UNRESOLVABLE: (
        "add what is missing to a repository of {target}, or ingest the source that makes it: it "
        "goes on by itself then"
    ),
    WaitKind.BLOCKED: (
        "`buildfarm retry` (or release, or a waiver) for what it needs: it goes on by itself then"
    ),
    WaitKind.CYCLE: (
        "nothing is to be done: it goes on by itself when another one of its cycle is in the build "
        "tag"
    ),
    WaitKind.PAUSED: (
        "`buildfarm resume {target} --reason …`, or `buildfarm resume --drop {drop}` where only "
        "the drop is paused"
    ),
    WaitKind.APPROVAL: (
        "`buildfarm plan {drop}`, then `buildfarm approve {drop} --reason …` or `buildfarm refuse "
        "{drop} --reason …`"
    ),
}
_IN_THE_TAG = "nothing is to be done: it goes on by itself when they are in the build tag"
_NO_WAY_OUT = (
    "add a seed or an older build of one of them to a repository of {target}, or a bootstrap "
    "condition to a spec"
)
_TO_BE_PLANNED = (
    "the scheduler plans it in its next round; `buildfarm doctor` says whether one is running"
)


def _of_waiting(build: Build) -> str:
    if build.wait_kind == WaitKind.BLOCKED and build.reason.startswith("waits for"):
        return _IN_THE_TAG
    if build.wait_kind == WaitKind.CYCLE and (
        "add a seed" in build.reason or "does not help" in build.reason
    ):
        return _NO_WAY_OUT
    known = {kind.value: said for kind, said in _OF_WAITING.items()}
    return known.get(build.wait_kind, _TO_BE_PLANNED)


def _of_queued(task_reason: str) -> str:
    if task_reason.startswith("no worker in service"):
        return (
            "`buildfarm worker-add NAME --target {target}` enrolls a worker, `buildfarm "
            "worker-drain NAME --resume` takes one back"
        )
    if "reserved for others" in task_reason:
        return (
            "`buildfarm worker-reserve NAME --for source:{source} --reason …`, or enroll another "
            "worker"
        )
    if " slots it may" in task_reason:
        return "it goes on by itself; the limit stands under `sharing` in farm.yaml"
    return (
        "nothing is to be done: it goes on by itself when a slot is free; `buildfarm prioritise 50 "
        "{nvr} --reason …` lets it go first"
    )


def _of_refused(build: Build) -> str:
    if build.successor or ((build.seeded or build.bootstrap) and build.round < MAX_ROUNDS):
        return (
            "nothing is to be done: its next round takes its place when its cycle is in the build "
            "tag"
        )
    if build.scratch:
        return "nothing is to be done: a scratch build is never published"
    if build.verdict == "UNCOMPARED":
        return "ingest the vendor's binaries of {source}, or set `gate.uncompared` in the target"
    return "look at the findings (`buildfarm show {nvr}`): a waiver, a rule, or a fixed build"
