"""Ingesting: verifies the files of a drop and makes builds of its SRPMs.

No file is silently in or out: each becomes a build or has a problem with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from buildfarm.domain.core.build import JUDGED, Build, BuildState
from buildfarm.domain.core.lag import arrived
from buildfarm.domain.core.nevra import EVR, split_filename
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.intake.drop import (
    Drop,
    DropItem,
    DropState,
    ItemKind,
    VendorRpm,
    may_be_required,
)
from buildfarm.domain.schedule.plan import excluded
from buildfarm.domain.target.target import DistGit, Target, dist_of_release
from buildfarm.errors import BuildFarmError, InputError
from buildfarm.ports.intake import Intake, RpmHeader
from buildfarm.ports.store import Transaction
from buildfarm.services.core import builds, search_index, tasks
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.intake.drops import dist_git_of

_BATCH = 64
_NOT_BEGUN = (BuildState.INGESTED, BuildState.DEBRANDED, BuildState.WAITING, BuildState.QUEUED)


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
        with checkout(dist_git_of(target), source, commit, macros=macros, work=work) as srpm:
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
