"""The hub's side of a builder's work: the order that it gets, and the effects of its report on the
build.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

from buildfarm import wire
from buildfarm.domain.core.build import Build, BuildState, FailureKind, WaitKind
from buildfarm.domain.core.records import BootstrapVariant, LearnedRequires, SourceOverride
from buildfarm.domain.core.task import ACTIVE, Task, TaskKind, TaskState
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.publish.repository import Artifact
from buildfarm.errors import InfraError, InputError, NotFound
from buildfarm.ports.intake import Intake, RpmHeader
from buildfarm.ports.store import Transaction
from buildfarm.services.core import bootstrap_variants, builds, search_index, tasks
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import buildroots
from buildfarm.services.selfhosting import rounds

MAX_REPLANS = 6
"""Times that a build may come back with BuildRequires found while building; after that it fails."""


def order_as_built(
    hub: Hub, tx: Transaction, build: Build, arch: str = ""
) -> tuple[Task, wire.WorkOrder]:
    """The order of a build's last successful task on an arch, with the exception that held then: to
    build it once more.

    :raises NotFound: it was not built (on that arch).
    """
    where = {"arch": arch} if arch else {}
    task = tx.first(
        Task, subject=build.id, kind=TaskKind.BUILD, state=TaskState.CLOSED, order_by="created",
        descending=True, **where,
    )  # fmt: skip
    if task is None:
        raise NotFound(
            f"{build.nvr} was not built{' on ' + arch if arch else ''}",
            hint=f"`buildfarm show {build.nvr}`",
        )
    override = wire.Override.model_validate(build.override) if build.override else wire.Override()
    override = bootstrap_variants.conditioned(override, "" if build.override else build.bootstrap)
    return task, order_for(hub, tx, task).model_copy(update={"override": override})


def order_for(hub: Hub, tx: Transaction, task: Task) -> wire.WorkOrder:
    """Return everything that the builder needs, pinned to the generation that the task was assigned
    with.
    """
    build = tx.get(Build, task.subject)
    target = hub.target(build.target)
    variant = bootstrap_variants.of(tx, build)
    asks = _asks(task, build)
    condition = tx.get(BootstrapVariant, build.id).condition if asks else build.bootstrap
    override = bootstrap_variants.conditioned(override_of(tx, build), condition)
    payload, filename = (variant.srpm if variant else build.srpm_to_build), f"{build.nvr}.src.rpm"
    if task.kind is TaskKind.SRPM and not asks:
        payload, filename = build.debranded_tree, f"{build.source}.tar"
    limits = target.limits
    return wire.WorkOrder(
        task=task.id,
        kind="srpm" if task.kind is TaskKind.SRPM else "build",
        build=build.id,
        target=target.name,
        nvr=build.nvr,
        arch=task.arch,
        payload=wire.BlobRef(
            sha256=payload, filename=filename, size=hub.blobs.path(payload).stat().st_size
        ),
        buildroot=buildroots.buildroot(
            buildroots.layers_of(hub, tx, target, task.order),
            task.arch,
            key=str(task.order.get("buildroot_key", "")),
        ),
        macros={
            **target.header_tags,
            **target.buildroot.macros,
            **({"dist": build.dist} if build.dist else {}),
        },
        limits=wire.Limits(
            seconds=override.seconds or limits.seconds,
            memory=override.memory or limits.memory_mib * wire.MEBIBYTE,
            processes=limits.processes,
            disk=limits.disk_mib * wire.MEBIBYTE,
            log=limits.log_mib * wire.MEBIBYTE,
        ),
        override=override,
        source_date_epoch=_rule_epoch(build) if task.kind is TaskKind.SRPM else None,
    )


def override_of(tx: Transaction, build: Build) -> wire.Override:
    """The override in force for the build's source, if an engineer made one."""
    found = tx.first(SourceOverride, target=build.target, source=build.source, active=True)
    return (
        wire.Override.model_validate({**found.settings, "reason": found.reason})
        if found
        else wire.Override()
    )


def _rule_epoch(build: Build) -> int | None:
    if not build.rule_date:
        return None
    return int(
        datetime.combine(date.fromisoformat(build.rule_date), time(12), tzinfo=UTC).timestamp()
    )


def claimed(hub: Hub, task_id: str, worker: Worker) -> tuple[wire.WorkOrder, str]:
    """A builder takes the lease of its task. :raises Conflict: it is not its to take."""
    with hub.store.begin() as tx:
        granted = tasks.claim(tx, task_id, worker.id, hub.config.farm.timing)
        order = order_for(hub, tx, granted.task)
        build = tx.get(Build, granted.task.subject)
        if build.state is BuildState.QUEUED:
            exception = order.override.model_dump(mode="json") if order.override.reason else {}
            builds.move(
                tx, build, BuildState.BUILDING, actor=f"worker:{worker.id}", override=exception
            )
    return order, granted.token


def finished(hub: Hub, intake: Intake, task_id: str, token: str, report: wire.Report) -> None:
    """A builder reports; what it says is checked against what it uploaded before it counts.

    :raises IllegalTransition: the lease is not its any more. A repeated report of the same holder
        is answered alike.
    """
    with hub.store.read() as tx:
        task = tx.get(Task, task_id)
        ended = task.state in (TaskState.CLOSED, TaskState.FAILED) or (
            task.state is TaskState.CANCELED and task.result
        )
        if ended and task.lease_token == tasks.token_hash(token):
            return
        tasks.held(tx, task_id, token)
    made: list[tuple[Artifact, RpmHeader]] = []
    if report.ok:
        made = _check_artifacts(hub, intake, task, report)
    lock = hub.blobs.put_bytes(_lock_json(report)).sha256 if report.lock else ""
    with hub.store.begin() as tx:
        task = tasks.held(tx, task_id, token)
        build = tx.get(Build, task.subject)
        log_file = log_path(hub, task.id)
        has_log = log_file.exists() and log_file.stat().st_size
        worker = tx.get(Worker, task.worker)
        fields: dict[str, object] = {
            "lock": lock,
            "log": hub.blobs.put_file(log_file).sha256 if has_log else "",
            "result": {
                "seconds": report.seconds, "builder": report.builder,
                "host": {**report.host, **_guest_facts(worker)},
            },
        }  # fmt: skip
        if report.ok:
            task = tasks.close(tx, task, **fields)
            if task.kind is TaskKind.BUILD:
                build = rounds.note_lock(tx, build, report.lock)
                build = _learn(tx, build, report.asked_for)
            _built(tx, build, task, made)
        elif found := _found_anew(build, task, report):
            _back_to_the_plan(tx, build, task, found, **fields)
        elif report.failure_kind is None or report.failure_kind.is_infrastructure:
            reason = report.reason or "the worker gave no reason"
            changed = tasks.infrastructure_failure(tx, task, f"{task.worker}: {reason}")
            if changed.state is TaskState.FAILED:
                _give_up(tx, build, changed)
        else:
            tasks.fail(tx, task, report.failure_kind, report.reason, **fields)
            if _asks(task, build):
                bootstrap_variants.unusable(tx, build, report.reason, actor=f"worker:{task.worker}")
                return
            builds.fail(
                tx, build, report.failure_kind, report.reason, actor=f"worker:{task.worker}"
            )
            _cancel_siblings(tx, build, task)
    hub.wakeup.notify()


def _asks(task: Task, build: Build) -> bool:
    """Return whether an ``srpm`` task only finds out what a bootstrap condition requires: the build
    itself waits in the plan.
    """
    return task.kind is TaskKind.SRPM and build.state is not BuildState.DEBRANDED


def _beyond_header(build: Build, asked: Sequence[str]) -> tuple[str, ...]:
    """Return what a build asked for that the header of its SRPM does not name."""
    return tuple(dict.fromkeys(text for text in asked if text not in build.requires))


def _found_anew(build: Build, task: Task, report: wire.Report) -> tuple[str, ...]:
    """Return BuildRequires that were unknown and could not be installed: a matter of the plan, not
    the SRPM's fault.

    Each return brings something new, and there are at most :data:`MAX_REPLANS`: no build goes round
    for ever.
    """
    if task.kind is not TaskKind.BUILD or report.failure_kind is not FailureKind.DEPENDENCIES:
        return ()
    known = build.found_requires
    found = tuple(text for text in _beyond_header(build, report.asked_for) if text not in known)
    return found if build.replans < MAX_REPLANS else ()


def _back_to_the_plan(
    tx: Transaction, build: Build, task: Task, found: Sequence[str], **fields: object
) -> None:
    why = (
        f"while it was built it asked for {', '.join(found)}, which its header does not name and "
        "no repository had"
    )
    tasks.release_to_plan(tx, task, why, **fields)
    builds.move(
        tx, build, BuildState.WAITING, actor=f"worker:{task.worker}",
        why=f"{why}: to be planned anew", wait_kind=WaitKind.PLANNING.value,
        found_requires=(*build.found_requires, *found), replans=build.replans + 1,
    )  # fmt: skip
    _cancel_siblings(tx, build, task)


def _learn(tx: Transaction, build: Build, asked: Sequence[str]) -> Build:
    """Keep what a good build had to ask for: the next plan of its source reckons with it."""
    found = _beyond_header(build, asked)
    all_found = tuple(dict.fromkeys([*build.found_requires, *found]))
    if not build.scratch:
        record = LearnedRequires(
            id=LearnedRequires.id_of(build),
            target=build.target,
            build=build.id,
            requires=all_found,
            created=tx.now,
        )
        known = tx.first(LearnedRequires, id=record.id)
        if known is None and all_found:
            tx.insert_or_ignore(record)
        elif known is not None and known.requires != all_found:
            tx.update(known, build=build.id, requires=all_found, created=tx.now)
    if all_found == build.found_requires:
        return build
    return tx.update(build, found_requires=all_found) or build


def _guest_facts(worker: Worker) -> dict[str, object]:
    """Return what the hub itself knows of the machine; a report cannot say otherwise."""
    if not worker.is_guest:
        return {"guest": "", "image": "", "kvm_host": ""}
    return {**worker.machine, "guest": worker.id, "image": worker.image, "kvm_host": worker.host}


def gave_up(hub: Hub, task: Task) -> None:
    """The sweep used up a builder task's tries."""
    with hub.store.begin() as tx:
        _give_up(tx, tx.get(Build, task.subject), task)


def _give_up(tx: Transaction, build: Build, task: Task) -> None:
    if _asks(task, build):
        bootstrap_variants.unusable(tx, build, task.reason, actor="scheduler")
    elif build.state in (BuildState.QUEUED, BuildState.BUILDING, BuildState.DEBRANDED):
        reason = (
            f"{task.failures} infrastructure failures (on {', '.join(task.tried)}); the last: "
            f"{task.reason}"
        )
        builds.fail(tx, build, FailureKind.INFRASTRUCTURE, reason, actor="scheduler")
        _cancel_siblings(tx, build, task)


def _cancel_siblings(tx: Transaction, build: Build, task: Task) -> None:
    """Cancel the tasks of the build's other arches after one failed."""
    for other in tx.find(Task, subject=build.id, state=ACTIVE):
        if other.id != task.id:
            tx.update(
                other, only_if={"state": other.state}, state=TaskState.CANCELED, finished=tx.now
            )


def _built(
    tx: Transaction, build: Build, task: Task, made: list[tuple[Artifact, RpmHeader]]
) -> None:
    if task.kind is TaskKind.SRPM:
        artifact, header = made[0]
        if _asks(task, build):
            bootstrap_variants.made(
                tx, build, artifact.sha256, header, actor=f"worker:{task.worker}"
            )
            return
        tx.update(
            build, only_if={"state": BuildState.DEBRANDED}, debranded_srpm=artifact.sha256,
            debranded_name=artifact.name, requires=tuple(header.requires),
            provides=tuple(header.provides),
        )  # fmt: skip
        tx.event("build.srpm_made", build.id, actor=f"worker:{task.worker}", srpm=artifact.filename)
        return
    for artifact, _ in made:
        tx.insert_or_ignore(artifact)
    search_index.note_rpms(tx, build, [header for _, header in made])
    if not [other for other in tasks.active_of(tx, build.id) if other.kind is TaskKind.BUILD]:
        tx.insert_or_ignore(_source_artifact(build, task))
        builds.move(tx, build, BuildState.BUILT, actor=f"worker:{task.worker}")


def _source_artifact(build: Build, task: Task) -> Artifact:
    """The SRPM that was built, as the source repository will carry it."""
    release = build.debranded_release or build.release
    return Artifact(
        id=tasks.new_id(), build=build.id, task=task.id, filename=f"{build.nvr}.src.rpm",
        name=build.debranded_name or build.source, epoch=build.epoch, version=build.version,
        release=release, arch="src", size=0, sha256=build.srpm_to_build,
    )  # fmt: skip


def _check_artifacts(
    hub: Hub, intake: Intake, task: Task, report: wire.Report
) -> list[tuple[Artifact, RpmHeader]]:
    """Read every uploaded RPM ourselves: a worker is not trusted to say what it made.

    :raises InfraError: something announced was not uploaded, or cannot be read.
    """
    rpms = [item for item in report.artifacts if item.filename.endswith(".rpm")]
    if not rpms:
        raise InputError(f"task {task.id}: a finished build without an RPM")
    missing = [item.filename for item in rpms if not hub.blobs.has(item.sha256)]
    if missing:
        raise InfraError(f"task {task.id}: announced and not uploaded: {', '.join(missing)}")
    answers = intake([hub.blobs.path(item.sha256) for item in rpms], None)
    made: list[tuple[Artifact, RpmHeader]] = []
    for item, header in zip(rpms, answers, strict=True):
        if isinstance(header, InputError):
            raise InputError(f"task {task.id}: {item.filename}: {header}")
        arch = "src" if header.is_source else header.arch
        filename = f"{header.name}-{header.version}-{header.release}.{arch}.rpm"
        if Path(item.filename).name != filename:
            raise InputError(f"task {task.id}: {item.filename} calls itself {filename} inside")
        artifact = Artifact(
            id=tasks.new_id(), build=task.subject, task=task.id, filename=filename,
            name=header.name, epoch=header.epoch, version=header.version, release=header.release,
            arch=arch, size=item.size, sha256=item.sha256, header=header.sha256header,
            provides=tuple(header.provides), requires=tuple(header.requires),
        )  # fmt: skip
        made.append((artifact, header))
    return made


def _lock_json(report: wire.Report) -> bytes:
    return (
        wire.Report.model_construct(ok=True, lock=report.lock)
        .model_dump_json(include={"lock"})
        .encode()
    )


def log_path(hub: Hub, task_id: str) -> Path:
    """Return where a running task's log grows."""
    return hub.config.farm.home_path / "logs" / "tasks" / f"{task_id}.log"
