"""Publish: tags, generations, the atomic switch.

A generation is written aside by ``stage`` (services worker), its repomd.xml files signed and the
tag switched by ``seal`` (signer, the only process that holds the key). The database says which
generation is in force; the ``current`` links only follow it and are put right by
:func:`link_current`
after a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from buildfarm.domain.core.build import JUDGED, Build, BuildState, Gate
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.publish.repository import (
    Artifact,
    Candidate,
    Generation,
    GenerationState,
    RepositoryKind,
    TagHead,
    generation_digest,
    newest_of_each_source,
)
from buildfarm.domain.target.target import ExtraMetadataKind, Target
from buildfarm.errors import Conflict
from buildfarm.ports.repositories import ExtraMetadataFile, RepoFile, RepositoryWriter, Sealer
from buildfarm.ports.store import Transaction
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.publish import superseding
from buildfarm.services.selfhosting import impacts, rounds

KEY_FILE = "RPM-GPG-KEY"
_AT_ONCE = 500


_ASKED = (
    "id", "source", "epoch", "version", "release", "round", "state", "verdict", "gate", "tags",
    "superseded", "bootstrap",
)  # fmt: skip
"""Fields that decide which build a tag carries; the rest of a build is not read for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """The fields of a build that are read here, named as in :class:`Build`."""

    id: str
    source: str
    epoch: int
    version: str
    release: str
    round: int
    state: str
    verdict: str
    gate: str
    tags: tuple[str, ...]
    superseded: bool
    bootstrap: str

    @property
    def candidate(self) -> Candidate:
        """Return what decides among builds of one source."""
        evr = EVR(epoch=self.epoch, version=self.version, release=self.release)
        return Candidate(build=self.id, source=self.source, evr=evr, round=self.round)


def _settled(
    tx: Transaction, target: Target, *, superseded: bool, sources: Sequence[str] = ()
) -> list[_Settled]:
    """Builds that a tag of the target may carry, or carries while they are compared again; of these
    sources, or of all.
    """
    where: dict[str, object] = {
        "target": target.name,
        "scratch": False,
        "state": _CARRIABLE,
        "superseded": superseded,
    }
    where |= {"source": tuple(sources)} if sources else {}
    rows = tx.select_fields(Build, _ASKED, order_by="", descending=False, limit=None, **where)
    found = [_Settled(**dict(zip(_ASKED, row, strict=True))) for row in rows]
    unsigned = {key for (key,) in tx.select_fields(Artifact, ("build",), signed="")}
    return [build for build in found if build.id not in unsigned or build.state in _AGAIN]


_AGAIN = (BuildState.BUILT, BuildState.COMPARING)
_CARRIABLE = (*JUDGED, BuildState.PUBLISHED, *_AGAIN)


def wanted(tx: Transaction, target: Target, tag: str) -> tuple[str, ...]:
    """The builds that ``tag`` ought to carry now, by their verdicts: newest EVR of each source."""
    return _wanted(tx, target, tag, _settled(tx, target, superseded=False), _carried(tx, tag))


def _wanted(
    tx: Transaction, target: Target, tag: str, settled: Sequence[_Settled], carried: Collection[str]
) -> tuple[str, ...]:
    """Return :func:`wanted` of builds that are not superseded.

    Superseded builds are read only where the tag must drop its source's build.

    :func:`wanted` of builds that are not superseded.
    """
    taken = [build for build in settled if _is_wanted(target, tag, build)]
    kept = {build.id for build in taken}
    if gone := [key for key in carried if key not in kept]:
        sources = sorted(
            {source for (source,) in tx.select_fields(Build, ("source",), id=tuple(gone))}
        )
        older = _settled(tx, target, superseded=True, sources=sources) if sources else []
        taken += [build for build in older if _is_wanted(target, tag, build)]
    return newest_of_each_source(build.candidate for build in taken)


def _is_wanted(target: Target, tag: str, build: _Settled) -> bool:
    if build.state in _AGAIN:
        return tag in build.tags  # what a tag carries already stays while it is compared again
    return takes(target, tag, build)


class Judged(Protocol):
    """Results of the comparison and the gate for a build."""

    @property
    def verdict(self) -> str:
        """Return the verdict of the comparison; empty before it."""

    @property
    def gate(self) -> str:
        """Return the answer of the destination tag."""

    @property
    def bootstrap(self) -> str:
        """The condition it was built under to open its cycle; empty for an ordinary build."""


def takes(target: Target, tag: str, build: Judged) -> bool:
    """Return whether ``tag`` takes a compared build, by its verdict."""
    if tag == target.tags.build:
        if build.verdict == Verdict.UNCOMPARED or (
            build.bootstrap and build.verdict != Verdict.ERROR
        ):
            return True
        return Verdict(build.verdict).badness < Verdict.INCOMPATIBLE.badness
    return build.gate == Gate.PASSED


def needs_publishing(tx: Transaction, target: Target, extra_metadata: Mapping[str, str]) -> bool:
    """Return whether some tag of the target lacks builds, or has other extra metadata than the
    target (see :func:`extra_metadata_now`).
    """
    settled = _settled(tx, target, superseded=False)
    for tag in _tags(target):
        now = head(tx, tag)
        if _differs(
            now, _wanted(tx, target, tag, settled, now.builds if now else ()), extra_metadata
        ):
            return True
    return False


def _differs(
    generation: Generation | None, chosen: Collection[str], extra_metadata: Mapping[str, str]
) -> bool:
    """Return whether a tag does not carry these builds yet, or these files beside them."""
    if generation is None:
        return bool(chosen)
    return set(generation.builds) != set(chosen) or generation.carried != extra_metadata


def extra_metadata_now(hub: Hub, target: Target) -> dict[str, str]:
    """Return the digests of the extra metadata of a target, by kind.

    A file that cannot be read is left out; writing the next generation reports it.
    """
    found = {}
    for kind, path in sorted(target.extra_metadata.items()):
        place = hub.config.path(path)
        with contextlib.suppress(OSError):
            seen = place.stat()
            found[kind.value] = _digest_of_file(place, seen.st_mtime_ns, seen.st_size)
    return found


@lru_cache(maxsize=64)
def _digest_of_file(path: Path, _changed: int, _size: int) -> str:
    """Read again only when it was touched: the scheduler asks with every round."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tags(target: Target) -> tuple[str, str]:
    return target.tags.build, target.tags.destination


def head(tx: Transaction, tag: str) -> Generation | None:
    """The generation of a tag that is in force, if there is one yet."""
    found = tx.first(TagHead, id=tag)
    return tx.get(Generation, found.generation) if found else None


def _carried(tx: Transaction, tag: str) -> tuple[str, ...]:
    generation = head(tx, tag)
    return generation.builds if generation else ()


def stage(hub: Hub, write: RepositoryWriter, target_name: str, heartbeat: Heartbeat) -> None:
    """Write the next generation of each tag that needs one, and ask for its seal."""
    target = hub.target(target_name)
    extra_metadata = extra_metadata_now(hub, target)
    for tag in _tags(target):
        with hub.store.read() as tx:
            chosen = wanted(tx, target, tag)
            if not _differs(head(tx, tag), chosen, extra_metadata):
                continue
            files = {build: tx.find(Artifact, build=build) for build in chosen}
            inside = _each(tx, chosen)
            last = tx.first(Generation, tag=tag, order_by="number", descending=True)
        number = last.number + 1 if last else 1
        if last is not None and last.state is GenerationState.STAGED:
            if not _differs(last, chosen, extra_metadata):
                ask_for_seal(hub, last)  # written before a crash: the seal is all that is missing
                continue
            _discard(hub, last)
        heartbeat(f"writing generation {number} of {tag}")
        artifacts = [artifact for group in files.values() for artifact in group]
        extra_metadata = {
            kind.value: hub.blobs.put_file(hub.config.path(path)).sha256
            for kind, path in target.extra_metadata.items()
        }
        folder = hub.repos / tag / str(number)
        write_files(hub, write, target, artifacts, folder, extra_metadata)
        with hub.store.begin() as tx:
            generation = Generation(
                id=tasks.new_id(), target=target.name, tag=tag, number=number,
                state=GenerationState.STAGED, digest=digest_of(artifacts, extra_metadata),
                builds=chosen, sources=len(chosen), carried=extra_metadata, rpms=len(artifacts),
                lock_ours=sum(b.lock_ours for b in inside),
                lock_rpms=sum(b.lock_rpms for b in inside), created=tx.now,
            )  # fmt: skip
            tx.add(generation)
            tx.event(
                "generation.staged",
                generation.id,
                actor="publish",
                tag=tag,
                number=number,
                builds=len(chosen),
            )
        ask_for_seal(hub, generation)


def digest_of(artifacts: Iterable[Artifact], extra_metadata: Mapping[str, str]) -> str:
    """Return the digest of a generation with these artifacts, as published, and this extra
    metadata.
    """
    return generation_digest(
        [*((one.filename, one.signed) for one in artifacts), *extra_metadata.items()]
    )


def ask_for_seal(hub: Hub, generation: Generation) -> None:
    """Have the signer sign a staged generation and put it in force."""
    with hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.SEAL, generation.id, target=generation.target, queue="signer")


def _discard(hub: Hub, generation: Generation) -> None:
    with hub.store.begin() as tx:
        tx.update(
            generation, only_if={"state": GenerationState.STAGED}, state=GenerationState.BROKEN
        )


def write_files(
    hub: Hub,
    write: RepositoryWriter,
    target: Target,
    artifacts: Sequence[Artifact],
    folder: Path,
    extra_metadata: Mapping[str, str],
) -> None:
    """Write all repositories of one generation and move them into place by one rename.

    ``extra_metadata`` are the digests of comps, updateinfo and modules, by kind.
    """
    aside = folder.with_name(f".{folder.name}.new")
    for leftover in (aside, folder):  # of a crash: no generation in the database has this number
        shutil.rmtree(leftover, ignore_errors=True)
    for arch in target.arches:
        for kind, name in ((RepositoryKind.BINARY, arch), (RepositoryKind.DEBUG, f"{arch}-debug")):
            chosen = [a for a in artifacts if a.repository is kind and a.arch in (arch, "noarch")]
            beside = (
                _extra_metadata_files(hub, target, chosen, extra_metadata)
                if kind is RepositoryKind.BINARY
                else []
            )
            write(aside / name, _repo_files(hub, chosen), beside, target.repodata)
    write(
        aside / "source",
        _repo_files(hub, [a for a in artifacts if a.is_source]),
        (),
        target.repodata,
    )
    aside.rename(folder)


def _extra_metadata_files(
    hub: Hub, target: Target, artifacts: Sequence[Artifact], extra_metadata: Mapping[str, str]
) -> list[ExtraMetadataFile]:
    """The vendor's name of each RPM is ours without what debranding appended to its Release."""
    names = {
        f"{one.name}-{one.version}-{one.release.removesuffix(target.suffix)}.{one.arch}.rpm": one.filename
        for one in artifacts
    }
    return [
        ExtraMetadataFile(kind=ExtraMetadataKind(kind), path=hub.blobs.path(digest), names=names)
        for kind, digest in sorted(extra_metadata.items())
    ]


def _repo_files(hub: Hub, artifacts: Sequence[Artifact]) -> list[RepoFile]:
    return [
        RepoFile(
            path=hub.blobs.path(artifact.signed), sha256=artifact.signed, filename=artifact.filename
        )
        for artifact in sorted(artifacts, key=lambda artifact: artifact.filename)
    ]


def sign(hub: Hub, sealer: Sealer, build_id: str) -> None:
    """Sign copies of a build's RPMs and of its SRPM; the blobs as built stay as they are."""
    with hub.store.read() as tx:
        build = tx.get(Build, build_id)
        unsigned = [
            artifact for artifact in tx.find(Artifact, build=build.id) if not artifact.signed
        ]
    work = hub.scratch / f"sign-{build_id}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    copies = []
    for artifact in unsigned:
        copy = work / artifact.filename
        shutil.copyfile(hub.blobs.path(artifact.sha256), copy)
        copies.append(copy)
    sealer.sign_rpms(copies)
    signed = [hub.blobs.put_file(copy, move=True).sha256 for copy in copies]
    shutil.rmtree(work, ignore_errors=True)
    with hub.store.begin() as tx:
        for artifact, digest in zip(unsigned, signed, strict=True):
            tx.update(artifact, signed=digest)
        tx.event("build.signed", build.id, actor="signer", rpms=len(signed))


def seal(hub: Hub, sealer: Sealer, generation_id: str) -> None:
    """Sign a staged generation's repomd.xml files and put the generation in force, in one
    transaction.
    """
    with hub.store.read() as tx:
        generation = tx.get(Generation, generation_id)
    if generation.state is not GenerationState.STAGED:
        return
    folder = hub.repos / generation.tag / str(generation.number)
    key = hub.repos / KEY_FILE
    if not key.exists():
        _replace(key, sealer.export())
    metadata = sorted(folder.glob("*/repodata/repomd.xml"))
    if (
        not metadata
    ):  # written, and lost with the power: a seal over nothing would be a promise of nothing
        _discard(hub, generation)
        return
    for repomd in metadata:
        sealer.sign_repomd(repomd)
    target = hub.target(generation.target)
    with hub.store.begin() as tx:
        ready = tx.update(
            generation,
            only_if={"state": GenerationState.STAGED},
            state=GenerationState.READY,
            ready=tx.now,
        )
        if ready is None:
            raise Conflict(f"generation {generation.number} of {generation.tag} was discarded")
        tx.event(
            "generation.ready",
            generation.id,
            actor="signer",
            tag=generation.tag,
            number=generation.number,
        )
        now = head(tx, generation.tag)
        if now is not None and now.number > generation.number:
            return  # an old one that was restored: the tag stays where it is
        if ready.tag == target.tags.build and now is not None:
            impacts.after_switch(tx, target, now.builds, ready.builds)
        new = TagHead(id=generation.tag, generation=generation.id, number=generation.number)
        if not tx.insert_or_ignore(new):
            tx.update(
                tx.get(TagHead, generation.tag), generation=generation.id, number=generation.number
            )
        _mark(tx, target, now.builds if now else (), ready)
        if ready.tag == target.tags.build:
            rounds.begin_next(tx, target)
    link_current(hub, generation.tag, generation.number)


def _mark(tx: Transaction, target: Target, before: Sequence[str], generation: Generation) -> None:
    """Write down on the builds which tags carry them; a build that its last tag took is
    published.
    """
    came, went = set(generation.builds) - set(before), set(before) - set(generation.builds)
    for build in _each(tx, came | went):
        tags = {tag for tag in build.tags if tag != generation.tag}
        if build.id in came:
            tags.add(generation.tag)
        changed = tx.update(build, tags=tuple(sorted(tags)))
        # what leaves one tag is not published by the other
        taken = build.id in came and target.tags.destination in tags
        if (
            changed is not None
            and build.state is BuildState.COMPARED
            and taken
            and build.gate is Gate.PASSED
        ):
            builds.move(tx, changed, BuildState.PUBLISHED, actor="signer", finished=tx.now)
    superseding.after_switch(tx, target, [_carried(tx, tag) for tag in _tags(target)], went=went)


def _each(tx: Transaction, ids: Collection[str]) -> list[Build]:
    wanted_ids = sorted(ids)
    return [
        build
        for start in range(0, len(wanted_ids), _AT_ONCE)
        for build in tx.find(Build, id=tuple(wanted_ids[start : start + _AT_ONCE]))
    ]


def link_current(hub: Hub, tag: str, number: int) -> None:
    """Point ``current`` of a tag at the generation in force."""
    point(hub.repos / tag / "current", str(number))


def point(link: Path, to: str) -> None:
    """Let ``link`` lead to ``to``; it is replaced by one rename, never absent."""
    if link.is_symlink() and str(link.readlink()) == to:
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(to)
    fresh.replace(link)


def repair_current_links(hub: Hub) -> None:
    """Point every ``current`` link at the generation that the database has in force, as after a
    crash.
    """
    with hub.store.read() as tx:
        heads = tx.find(TagHead)
    for tag in heads:
        link_current(hub, tag.id, tag.number)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
