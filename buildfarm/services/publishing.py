"""Publish: tags, generations, the atomic switch.

A generation is written aside by ``stage`` (services worker), its repomd.xml files signed and the tag switched by ``seal``
(signer, the only process that holds the key). The database says which generation is in force; the ``current`` links only
follow it and are put right by :func:`follow` after a crash.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from buildfarm.domain.build import Build, BuildState, Gate
from buildfarm.domain.repository import (
    Artifact,
    Candidate,
    Generation,
    GenerationState,
    RepositoryKind,
    TagHead,
    generation_digest,
    newest_of_each_source,
)
from buildfarm.domain.target import CarriedKind, Target
from buildfarm.domain.task import TaskKind
from buildfarm.domain.verdict import Verdict
from buildfarm.errors import Conflict
from buildfarm.ports import CarriedFile, RepoFile, RepositoryWriter, Sealer, Transaction
from buildfarm.services import builds, impacts, rounds, tasks
from buildfarm.services.hub import Heartbeat, Hub

KEY_FILE = "RPM-GPG-KEY"


def wanted(tx: Transaction, target: Target, tag: str) -> tuple[str, ...]:
    """The builds that ``tag`` ought to carry now, by their verdicts: newest EVR of each source."""
    settled = tx.find(Build, target=target.name, scratch=False, state=(BuildState.COMPARED, BuildState.PUBLISHED))
    taken = [build for build in settled if takes(target, tag, build) and _is_signed(tx, build)]
    # what a tag carries already stays while it is compared again
    again = tx.find(Build, target=target.name, state=(BuildState.BUILT, BuildState.COMPARING))
    taken += [build for build in again if tag in build.tags]
    candidates = [
        Candidate(build=build.id, source=build.source, evr=build.nevra.evr, round=build.round) for build in taken
    ]
    return newest_of_each_source(candidates)


def takes(target: Target, tag: str, build: Build) -> bool:
    """Whether ``tag`` takes a compared build, by its verdict."""
    if tag == target.tags.build:
        if build.verdict == Verdict.UNCOMPARED or (build.bootstrap and build.verdict != Verdict.ERROR):
            return True
        return Verdict(build.verdict).badness < Verdict.INCOMPATIBLE.badness
    return build.gate is Gate.PASSED


def _is_signed(tx: Transaction, build: Build) -> bool:
    artifacts = tx.find(Artifact, build=build.id)
    return bool(artifacts) and all(artifact.signed for artifact in artifacts)


def needs_publishing(tx: Transaction, target: Target) -> bool:
    """Whether some tag of the target does not carry what it ought to."""
    return any(set(wanted(tx, target, tag)) != set(_carried(tx, tag)) for tag in _tags(target))


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
    for tag in _tags(target):
        with hub.store.read() as tx:
            chosen = wanted(tx, target, tag)
            if set(chosen) == set(_carried(tx, tag)):
                continue
            files = {build: tx.find(Artifact, build=build) for build in chosen}
            last = tx.first(Generation, tag=tag, order_by="number", descending=True)
        number = last.number + 1 if last else 1
        if last is not None and last.state is GenerationState.STAGED:
            if set(last.builds) == set(chosen):
                ask_for_seal(hub, last)  # written before a crash: the seal is all that is missing
                continue
            _discard(hub, last)
        heartbeat(f"writing generation {number} of {tag}")
        artifacts = [artifact for group in files.values() for artifact in group]
        with hub.store.read() as tx:
            inside = [build for build in tx.find(Build, target=target.name) if build.id in files]
        carried = {kind.value: hub.blobs.put_file(hub.config.path(path)).sha256 for kind, path in target.carry.items()}
        folder = hub.repos / tag / str(number)
        write_files(hub, write, target, artifacts, folder, carried)
        with hub.store.begin() as tx:
            generation = Generation(
                id=tasks.new_id(), target=target.name, tag=tag, number=number, state=GenerationState.STAGED,
                digest=digest_of(artifacts, carried), builds=chosen, carried=carried,
                rpms=len(artifacts), lock_ours=sum(b.lock_ours for b in inside), lock_rpms=sum(b.lock_rpms for b in inside),
                created=tx.now,
            )  # fmt: skip
            tx.add(generation)
            tx.event("generation.staged", generation.id, actor="publish", tag=tag, number=number, builds=len(chosen))
        ask_for_seal(hub, generation)


def digest_of(artifacts: Iterable[Artifact], carried: Mapping[str, str]) -> str:
    """The digest of a generation with these artifacts, as published, and these carried files."""
    return generation_digest([*((one.filename, one.signed) for one in artifacts), *carried.items()])


def ask_for_seal(hub: Hub, generation: Generation) -> None:
    """Have the signer sign a staged generation and put it in force."""
    with hub.store.begin() as tx:
        tasks.ensure(tx, TaskKind.SEAL, generation.id, target=generation.target, queue="signer")


def _discard(hub: Hub, generation: Generation) -> None:
    with hub.store.begin() as tx:
        tx.change(generation, only_if={"state": GenerationState.STAGED}, state=GenerationState.BROKEN)


def write_files(
    hub: Hub,
    write: RepositoryWriter,
    target: Target,
    artifacts: Sequence[Artifact],
    folder: Path,
    carried: Mapping[str, str],
) -> None:
    """All repositories of one generation, into place by one rename; ``carried`` are digests of what goes beside the RPMs."""
    aside = folder.with_name(f".{folder.name}.new")
    for leftover in (aside, folder):  # of a crash: no generation in the database has this number
        shutil.rmtree(leftover, ignore_errors=True)
    for arch in target.arches:
        for kind, name in ((RepositoryKind.BINARY, arch), (RepositoryKind.DEBUG, f"{arch}-debug")):
            chosen = [a for a in artifacts if a.repository is kind and a.arch in (arch, "noarch")]
            beside = _carried_files(hub, target, chosen, carried) if kind is RepositoryKind.BINARY else []
            write(aside / name, _repo_files(hub, chosen), beside)
    write(aside / "source", _repo_files(hub, [a for a in artifacts if a.is_source]))
    aside.rename(folder)


def _carried_files(
    hub: Hub, target: Target, artifacts: Sequence[Artifact], carried: Mapping[str, str]
) -> list[CarriedFile]:
    """The vendor's name of each RPM is ours without what debranding appended to its Release."""
    names = {
        f"{one.name}-{one.version}-{one.release.removesuffix(target.suffix)}.{one.arch}.rpm": one.filename
        for one in artifacts
    }
    return [
        CarriedFile(kind=CarriedKind(kind), path=hub.blobs.path(digest), names=names)
        for kind, digest in sorted(carried.items())
    ]


def _repo_files(hub: Hub, artifacts: Sequence[Artifact]) -> list[RepoFile]:
    return [
        RepoFile(path=hub.blobs.path(artifact.signed), sha256=artifact.signed, filename=artifact.filename)
        for artifact in sorted(artifacts, key=lambda artifact: artifact.filename)
    ]


def sign(hub: Hub, sealer: Sealer, build_id: str) -> None:
    """Sign copies of a build's RPMs and of its SRPM; the blobs as built stay as they are."""
    with hub.store.read() as tx:
        build = tx.get(Build, build_id)
        unsigned = [artifact for artifact in tx.find(Artifact, build=build.id) if not artifact.signed]
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
            tx.change(artifact, signed=digest)
        tx.event("build.signed", build.id, actor="signer", rpms=len(signed))


def seal(hub: Hub, sealer: Sealer, generation_id: str) -> None:
    """Sign a staged generation's repomd.xml files and put the generation in force, in one transaction."""
    with hub.store.read() as tx:
        generation = tx.get(Generation, generation_id)
    if generation.state is not GenerationState.STAGED:
        return
    folder = hub.repos / generation.tag / str(generation.number)
    key = hub.repos / KEY_FILE
    if not key.exists():
        _replace(key, sealer.export())
    metadata = sorted(folder.glob("*/repodata/repomd.xml"))
    if not metadata:  # written, and lost with the power: a seal over nothing would be a promise of nothing
        _discard(hub, generation)
        return
    for repomd in metadata:
        sealer.sign_repomd(repomd)
    target = hub.target(generation.target)
    with hub.store.begin() as tx:
        ready = tx.change(
            generation, only_if={"state": GenerationState.STAGED}, state=GenerationState.READY, ready=tx.now
        )
        if ready is None:
            raise Conflict(f"generation {generation.number} of {generation.tag} was discarded")
        tx.event("generation.ready", generation.id, actor="signer", tag=generation.tag, number=generation.number)
        now = head(tx, generation.tag)
        if now is not None and now.number > generation.number:
            return  # an old one that was restored: the tag stays where it is
        if ready.tag == target.tags.build and now is not None:
            impacts.after_switch(tx, target, now.builds, ready.builds)
        new = TagHead(id=generation.tag, generation=generation.id, number=generation.number)
        if not tx.add_once(new):
            tx.change(tx.get(TagHead, generation.tag), generation=generation.id, number=generation.number)
        _mark(tx, target, ready)
        if ready.tag == target.tags.build:
            rounds.begin_next(tx, target)
    follow(hub, generation.tag, generation.number)


def _mark(tx: Transaction, target: Target, generation: Generation) -> None:
    """Write down on the builds which tags carry them; a build that its last tag took is published."""
    carried = set(generation.builds)
    for build in tx.find(Build, target=target.name):
        tags = {tag for tag in build.tags if tag != generation.tag}
        if build.id in carried:
            tags.add(generation.tag)
        if tags != set(build.tags):
            changed = tx.change(build, tags=tuple(sorted(tags)))
            if changed is not None and build.state is BuildState.COMPARED and target.tags.destination in tags:
                builds.move(tx, changed, BuildState.PUBLISHED, actor="signer", finished=tx.now)


def follow(hub: Hub, tag: str, number: int) -> None:
    """Point ``current`` of a tag at the generation in force; a link is replaced by one rename, never absent."""
    link = hub.repos / tag / "current"
    if link.is_symlink() and str(link.readlink()) == str(number):
        return
    fresh = link.with_name(f".current.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(str(number))
    fresh.replace(link)


def follow_all(hub: Hub) -> None:
    """After a crash: let every ``current`` link say what the database says."""
    with hub.store.read() as tx:
        heads = tx.find(TagHead)
    for tag in heads:
        follow(hub, tag.id, tag.number)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)
