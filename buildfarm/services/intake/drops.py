"""Drops: received at once, ingested by a task. The same drop twice is the same drop."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from buildfarm.api.requests import DropFile, DropRequest
from buildfarm.domain.core.build import JUDGED, Build, BuildState
from buildfarm.domain.core.lag import arrived
from buildfarm.domain.core.nevra import EVR, split_filename
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.intake.drop import (
    Approval,
    Drop,
    DropItem,
    DropState,
    ItemKind,
    VendorRpm,
    drop_id,
    may_be_required,
)
from buildfarm.domain.schedule.plan import excluded
from buildfarm.domain.target.allowed_url import parsed, permitted
from buildfarm.domain.target.target import DistGit, Phase, Target, dist_of_release
from buildfarm.errors import BuildFarmError, Conflict, InputError
from buildfarm.ports.intake import Intake, RpmHeader
from buildfarm.ports.store import Transaction
from buildfarm.services.core import builds, search_index, tasks
from buildfarm.services.core.hub import Heartbeat, Hub

_BATCH = 64
_NOT_BEGUN = (BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One file of a drop as a trigger named it: a path under a drop folder, the digest of an
    uploaded blob, or a URL.

    A URL is fetched when the drop is ingested. A source of dist-git has ``filename`` alone:
    ``SOURCE@COMMIT``.
    """

    kind: ItemKind
    path: str = ""
    sha256: str = ""
    filename: str = ""
    url: str = ""


def offered_in(request: DropRequest) -> list[Offered]:
    """Return what a request names."""

    def files(named: Sequence[DropFile], kind: ItemKind) -> list[Offered]:
        return [
            Offered(kind=kind, path=one.path, sha256=one.sha256, filename=one.filename, url=one.url)
            for one in named
        ]

    sources = [
        Offered(kind=ItemKind.DIST_GIT, filename=f"{one.source}@{one.commit}")
        for one in request.dist_git
    ]
    return [
        *files(request.srpms, ItemKind.SRPM),
        *files(request.binaries, ItemKind.BINARY),
        *sources,
    ]


class Checkout(Protocol):
    """Makes an SRPM of a source in dist-git; the same commit gives the same bytes."""

    def __call__(
        self, place: DistGit, source: str, commit: str, *, macros: Mapping[str, str], work: Path
    ) -> AbstractContextManager[Path]:
        """The SRPM, until the block ends; ``work`` is a scratch folder.

        :raises InputError: no such source or commit, a file is not what the tree says, or no SRPM
            can be made of it.
        :raises InfraError: the server does not answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The drop, and whether it is a new one."""

    drop: Drop
    created: bool


def receive(
    hub: Hub, target_name: str, offered: Sequence[Offered], *, trigger: str, actor: str,
    name: str = "", claimed_id: str = "", scratch: bool = False, priority: int = 0,
    plan_first: bool = False, automatic: bool = False, because: str = "",
) -> Received:  # fmt: skip
    """Take a drop's files into the blob store and its list into the database.

    :param automatic: no person sent it: all that ``trigger`` has started lately counts for the
        trigger limits.
    :param because: why it awaits approval, whatever the trigger limits are.
    :raises InputError: a file is missing or not under a drop folder, a URL is not allowed, or
        ``claimed_id`` is not the drop's id.
    :raises NotFound: no such target.
    """
    target = hub.target(target_name)
    if not offered:
        raise InputError("the drop is empty", hint="name at least one SRPM or binary RPM")
    files = [(item, *_take_in(hub, target, item)) for item in offered]
    identity = drop_id(target.name, [sha256 for _, sha256, _ in files])
    if claimed_id and claimed_id != identity:
        raise InputError(
            f"the drop calls itself {claimed_id}, its content is {identity}", hint="leave `id` out"
        )
    sources = sum(item.kind is not ItemKind.BINARY for item in offered)
    with hub.store.begin() as tx:
        lately = _lately(tx, target, trigger) if automatic else 0
        objection = (
            because or target.trigger_limits.objection(sources, asked=plan_first, lately=lately)
            if sources
            else ""
        )
        approval = Approval.AWAITED if objection else Approval.NOT_NEEDED
        drop = Drop(
            id=identity, target=target.name, name=name or f"{target.name} {tx.now:%Y-%m-%d %H:%M}",
            trigger=trigger, owner=actor, state=DropState.RECEIVED, scratch=scratch,
            priority=priority, approval=approval,
            reason=f"awaits approval: {objection}" if objection else "", created=tx.now,
        )  # fmt: skip
        if not tx.insert_or_ignore(drop):
            return Received(drop=tx.get(Drop, identity), created=False)
        search_index.note_drop(tx, drop)
        for item, sha256, filename in files:
            tx.insert_or_ignore(
                DropItem(
                    id=tasks.new_id(),
                    drop_id=identity,
                    kind=item.kind,
                    sha256=sha256,
                    filename=filename,
                    url=item.url,
                )
            )
        phase = target.lifecycle.phase(tx.now.date())
        tx.event(
            "drop.received",
            identity,
            actor=actor,
            why=trigger,
            files=len(files),
            target=target.name,
        )
        if objection:
            tx.event("drop.approval_awaited", identity, actor="ingest", why=objection)
        if phase is Phase.END_OF_LIFE:
            reason = (
                f"target {target.name} reached its end of life on {target.lifecycle.end_of_life}"
            )
            drop = tx.update(drop, state=DropState.ON_HOLD, reason=reason) or drop
            tx.event("drop.on_hold", identity, actor="ingest", why=reason)
        else:
            tasks.ensure(tx, TaskKind.INGEST, identity, target=target.name, queue="services")
    hub.wakeup.notify()
    return Received(drop=drop, created=True)


def _lately(tx: Transaction, target: Target, trigger: str) -> int:
    """Return how many builds a trigger has started by itself in the hours of its limits."""
    most = target.trigger_limits.most_builds
    if most is None:
        return 0
    recent = tx.find(
        Drop, target=target.name, trigger=trigger, approval=Approval.NOT_NEEDED, order_by="created",
        descending=True, limit=most + 1
    )  # fmt: skip
    since = tx.now - timedelta(hours=target.trigger_limits.hours)
    counted = tuple(drop.id for drop in recent if drop.created > since)
    return (
        tx.count(DropItem, drop_id=counted, kind=(ItemKind.SRPM, ItemKind.DIST_GIT))
        if counted
        else 0
    )


def release_hold(hub: Hub, drop: str, *, actor: str, why: str) -> Drop:
    """Ingest a drop that was on hold.

    :raises Conflict: it is not. :raises InputError: no reason given.
    """
    if not why.strip():
        raise InputError(f"drop {drop}: a release from hold needs a reason", hint="--reason TEXT")
    with hub.store.begin() as tx:
        held = tx.get(Drop, drop)
        changed = tx.update(
            held, only_if={"state": DropState.ON_HOLD}, state=DropState.RECEIVED, reason=""
        )
        if changed is None:
            raise Conflict(f"drop {drop} is {held.state}, not on hold")
        tx.event("drop.released", drop, actor=actor, why=why)
        tasks.ensure(tx, TaskKind.INGEST, drop, target=held.target, queue="services")
    hub.wakeup.notify()
    return changed


def _take_in(hub: Hub, target: Target, item: Offered) -> tuple[str, str]:
    """Return ``(sha256, file name)`` of one offered file, which is in the blob store afterwards;
    dist-git is read when the drop is ingested.
    """
    if item.kind is ItemKind.DIST_GIT:
        source, _, commit = item.filename.partition("@")
        where = f"dist-git {_dist_git(target).repository(source)} {commit}"
        return hashlib.sha256(where.encode()).hexdigest(), item.filename
    if item.url:
        permitted(item.url, target.allowed_urls)
        return item.sha256 or url_digest(item.url), item.filename or parsed(
            item.url
        ).path.rpartition("/")[2]
    if item.sha256 and not item.path:
        if not hub.blobs.has(item.sha256):
            raise InputError(
                f"{item.filename or item.sha256}: not uploaded",
                hint=f"PUT /api/v1/blobs/{item.sha256} first",
            )
        return item.sha256, item.filename or item.sha256
    path = Path(item.path).resolve()
    folders = [hub.config.path(folder) for folder in hub.config.farm.drop_folders]
    if not any(path.is_relative_to(folder) for folder in folders):
        allowed = ", ".join(map(str, folders)) or "none"
        raise InputError(
            f"{item.path}: not in a drop folder of this hub (allowed: {allowed})",
            hint=(
                "upload it with PUT /api/v1/blobs/<sha256>, or add the folder to drop_folders in "
                "farm.yaml"
            ),
        )
    try:
        blob = hub.blobs.put_file(path)
    except OSError as error:
        raise InputError(
            f"{item.path}: {error.strerror}", hint="does the hub see this file?"
        ) from error
    if item.sha256 and item.sha256 != blob.sha256:
        raise InputError(f"{item.path}: SHA-256 is {blob.sha256}, the drop says {item.sha256}")
    return blob.sha256, path.name


def url_digest(url: str) -> str:
    """Return what stands for a file of unknown content until it is fetched: no file's own
    digest.
    """
    return hashlib.sha256(f"url {url}".encode()).hexdigest()


def _dist_git(target: Target) -> DistGit:
    if target.upstream.dist_git is None:
        raise InputError(
            f"target {target.name} names no dist-git", hint="set `upstream.dist_git` in its file"
        )
    return target.upstream.dist_git


def ingest(hub: Hub, intake: Intake, checkout: Checkout, drop: str, heartbeat: Heartbeat) -> None:
    """Verify every file of a drop and make builds of its SRPMs.

    Running it twice changes nothing the second time.
    """
    with hub.store.read() as tx:
        record = tx.get(Drop, drop)
        items = tx.find(
            DropItem, drop_id=drop, build="", problem="", order_by="kind,filename,sha256"
        )
    target = hub.target(record.target)
    for item in (item for item in items if item.kind is ItemKind.DIST_GIT):
        heartbeat(f"checking out {item.filename}")
        _ingest_dist_git(hub, target, record, item, intake=intake, checkout=checkout)
    items = [item for item in items if item.kind is not ItemKind.DIST_GIT]
    trusted = (
        target.upstream.submitted
    )  # digests are verified all the same; who sent it answers for what it is
    keys = None if trusted else [hub.config.path(key) for key in target.upstream.keys]
    origin = f"submitted by {record.owner}" if trusted else ""
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        heartbeat(f"verifying {start + 1} to {start + len(batch)} of {len(items)} files")
        answers = intake([hub.blobs.path(item.sha256) for item in batch], keys)
        intact = _intact(hub, intake, batch, answers)
        with hub.store.begin() as tx:
            for item, answer in zip(batch, answers, strict=True):
                if item.kind is ItemKind.SRPM:
                    _ingest_srpm(
                        tx,
                        target,
                        record,
                        item,
                        answer=answer,
                        intact=intact.get(item.id),
                        origin=origin,
                    )
                else:
                    _ingest_binary(tx, target, item, answer)
    with hub.store.begin() as tx:
        tx.update(record, only_if={"state": DropState.RECEIVED}, state=DropState.INGESTED)
        tx.event("drop.ingested", drop, actor="ingest", files=len(items))
        tasks.ensure(tx, TaskKind.SURVEY, drop, target=target.name, queue="services", priority=-1)


def _ingest_dist_git(
    hub: Hub, target: Target, drop: Drop, item: DropItem, *, intake: Intake, checkout: Checkout
) -> None:
    """Make a build of one source at a commit, or return the reason why not."""
    source, _, commit = item.filename.partition("@")
    macros = {**target.buildroot.macros, "dist": target.dist}
    work = hub.scratch / f"dist-git-{item.id}"
    try:
        with checkout(_dist_git(target), source, commit, macros=macros, work=work) as srpm:
            blob, filename = hub.blobs.put_file(srpm), srpm.name
        answer = intake([hub.blobs.path(blob.sha256)], None)[0]
        made = dataclasses.replace(item, sha256=blob.sha256, filename=filename)
    except InputError as error:
        answer, made = error, item
    with hub.store.begin() as tx:
        if made is item:
            tx.update(item, problem=str(answer))
            tx.event(
                "dist_git.refused",
                drop.id,
                actor="ingest",
                why=str(answer),
                source=source,
                commit=commit,
            )
        else:
            _ingest_srpm(
                tx, target, drop, made, answer=answer, intact=None, origin=f"dist-git {commit[:12]}"
            )


def _intact(
    hub: Hub, intake: Intake, items: Sequence[DropItem], answers: Sequence[RpmHeader | InputError]
) -> dict[str, RpmHeader]:
    """Return those of the refused SRPMs that are whole and only not signed as they should be; a
    person may release them.
    """
    refused = [
        item
        for item, answer in zip(items, answers, strict=True)
        if isinstance(answer, BuildFarmError) and item.kind is ItemKind.SRPM
    ]
    again = intake([hub.blobs.path(item.sha256) for item in refused], None) if refused else []
    return {
        item.id: answer
        for item, answer in zip(refused, again, strict=True)
        if not isinstance(answer, BuildFarmError)
    }


def _ingest_srpm(
    tx: Transaction,
    target: Target,
    drop: Drop,
    item: DropItem,
    *,
    answer: RpmHeader | InputError,
    intact: RpmHeader | None,
    origin: str = "",
) -> None:
    """Make a build of one SRPM: accepted, excluded, or on hold with the reason.

    Never silently in or out.

    :param origin: where it comes from, if that is trusted instead of a signature.
    """
    problem = (
        str(answer).replace(item.sha256, item.filename)
        if isinstance(answer, BuildFarmError)
        else ""
    )
    arches: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    shipped: datetime | None = None
    header = intact if isinstance(answer, BuildFarmError) else answer
    if header is not None and not header.is_source:
        problem = f"{item.filename}: a binary RPM among the SRPMs"
        header = None  # nothing can be built from it, so it must not look like a source that a person may release
    if header is None:
        source, epoch, version, release = _from_filename(item.filename), 0, "", ""
    else:
        source, epoch, version, release = header.name, header.epoch, header.version, header.release
        shipped = _shipped(header, tx.now)
        requires, provides = tuple(header.requires), tuple(header.provides)
        arches = tuple(
            a
            for a in target.arches
            if not excluded(header.exclusivearch, header.excludearch, (), (a,))
        )
    same = tx.find(
        Build,
        target=target.name,
        source=source,
        epoch=epoch,
        version=version,
        release=release,
        successor="",
    )
    known = next((build for build in same if build.srpm == item.sha256), None)
    if known is not None:
        tx.update(item, build=known.id)
        return
    others = [build for build in same if version and build.state is not BuildState.ON_HOLD]
    if not problem and others:
        problem = (
            f"{others[0].nvr} is known already with another content (SHA-256 "
            f"{others[0].srpm[:12]}…)"
        )
    build = Build(
        id=tasks.new_id(), target=target.name, drop_id=drop.id, source=source, epoch=epoch,
        version=version, release=release, dist=dist_of_release(release, target.dist),
        srpm=item.sha256,
        srpm_filename=f"{source}-{version}-{release}.src.rpm" if version else item.filename,
        state=BuildState.INGESTED, state_since=tx.now, owner=drop.owner, arches=arches,
        requires=requires, provides=provides, scratch=drop.scratch, priority=drop.priority,
        shipped=shipped, spent=arrived(shipped, tx.now),
        signed_by="" if problem or header is None else origin or header.key_id, created=tx.now,
    )  # fmt: skip
    tx.add(build)
    search_index.note_source(tx, build)
    tx.event(
        "build.ingested",
        build.id,
        actor="ingest",
        srpm=item.filename,
        sha256=item.sha256,
        drop=drop.id,
    )
    tx.update(item, build=build.id, problem=problem)
    if problem:
        builds.move(tx, build, BuildState.ON_HOLD, actor="ingest", why=problem)
    elif header is not None and (
        why := excluded(header.exclusivearch, header.excludearch, (), target.arches)
    ):
        builds.move(tx, build, BuildState.EXCLUDED, actor="ingest", why=why)
    elif not drop.scratch:
        _supersede(tx, build)


def _shipped(header: RpmHeader, now: datetime) -> datetime | None:
    """Return when the vendor built an SRPM; ``None`` if its header names no time, or one in the
    future.
    """
    shipped = datetime.fromtimestamp(header.buildtime, UTC) if header.buildtime > 0 else None
    return shipped if shipped is not None and shipped <= now else None


def _supersede(tx: Transaction, build: Build) -> None:
    """Cancel what is older, came earlier and has not begun: no tag would carry it.

    What builds already ends in peace.
    """
    for older in tx.find(
        Build, target=build.target, source=build.source, scratch=False, state=_NOT_BEGUN
    ):
        if older.drop_id != build.drop_id and older.nevra.evr < build.nevra.evr:
            builds.cancel(tx, older, actor="ingest", why=f"superseded by {build.nvr}")


def _from_filename(filename: str) -> str:
    """The source a file that cannot be read calls itself."""
    try:
        return split_filename(filename)[0]
    except InputError:
        return filename


def _ingest_binary(
    tx: Transaction, target: Target, item: DropItem, answer: RpmHeader | InputError
) -> None:
    """Keep one of the vendor's binaries to compare with; a build that was waiting for it is
    compared again.
    """
    if isinstance(answer, BuildFarmError):
        problem = str(answer).replace(item.sha256, item.filename)
        name = _from_filename(item.filename)
        rpm = VendorRpm(
            id=tasks.new_id(), target=target.name, sha256=item.sha256, filename=item.filename,
            name=name, arch="", source="", sourcerpm="", problem=problem,
        )  # fmt: skip
        tx.update(item, problem=problem)
        tx.event("vendor_rpm.refused", item.drop_id, actor="ingest", why=problem)
    else:
        source = split_filename(answer.sourcerpm)[0] if answer.sourcerpm else ""
        rpm = VendorRpm(
            id=tasks.new_id(), target=target.name, sha256=item.sha256, filename=item.filename,
            name=answer.name, arch=answer.arch, source=source, sourcerpm=answer.sourcerpm,
            evr=str(EVR(epoch=answer.epoch, version=answer.version, release=answer.release)),
            provides=tuple(answer.provides), requires=tuple(answer.requires),
            files=tuple(filter(may_be_required, answer.files)),
        )  # fmt: skip
    if not tx.insert_or_ignore(rpm) or not rpm.sourcerpm:
        return
    for build in tx.find(Build, target=target.name, srpm_filename=rpm.sourcerpm):
        tx.update(item, build=build.id)
        if build.verdict == "UNCOMPARED" and build.state in (*JUDGED, BuildState.PUBLISHED):
            builds.move(
                tx,
                build,
                BuildState.BUILT,
                actor="ingest",
                why="vendor binaries arrived after the build",
            )
