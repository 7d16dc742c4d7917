"""Composes: created from a generation, written by the services worker, promoted to users, retired.

The database says which compose is in force; the ``released`` link of a tag only follows it, as
``current`` does. A compose's folder holds its metadata and links to the repositories of its
generation, so ``released/x86_64`` is a repository for dnf whose files, and signatures, are the
generation's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.publish.compose import Compose, ComposeState, in_force, next_id, release_of
from buildfarm.domain.publish.repository import Artifact, Generation, GenerationState
from buildfarm.domain.target.target import Target
from buildfarm.errors import Conflict, InputError, NotFound
from buildfarm.ports.repositories import ComposedRpm, ComposeWriter
from buildfarm.ports.store import Below, Prefix, Transaction
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.publish import collecting, publishing

LINK = "released"
_CAME_INTO_FORCE = (GenerationState.READY, GenerationState.COLLECTED)
_AT_ONCE = 500
_DIGITS = 10
"""An id is longer than any number."""


def create(
    hub: Hub, target_name: str, *, generation: str = "", actor: str, why: str = ""
) -> Compose:
    """Name a generation of a target's destination tag (by id or number), or the one in force; its
    folder is written by a task.

    A generation that was collected is restored, and stays for as long as the compose is not
    retired.

    :raises NotFound: no such target, or no such generation of its destination tag.
    :raises Conflict: the tag has no generation yet, or this one never came into force.
    """
    target = hub.target(target_name)
    with hub.store.begin() as tx:
        chosen = _chosen(tx, target, generation)
        release = release_of(target, hub.target(target.base) if target.base else None)
        taken = [
            key
            for (key,) in tx.select_fields(
                Compose, ("id",), id=Prefix(f"{release.stem}-{tx.now:%Y%m%d}.")
            )
        ]
        beside = _beside(tx, target, chosen)
        made = Compose(
            id=next_id(release, tx.now.date(), taken), target=target.name, tag=chosen.tag,
            generation=chosen.id, number=chosen.number,
            build_generation=beside.id if beside else "", actor=actor, reason=why, created=tx.now,
        )  # fmt: skip
        tx.add(made)
        tx.event("compose.created", made.id, actor=actor, why=why, tag=made.tag, number=made.number)
        _ask_for_files(tx, made)
    if chosen.state is GenerationState.COLLECTED:
        collecting.ask_for_restore(hub, chosen.id, actor=actor, why=f"for compose {made.id}")
    hub.wakeup.notify()
    return made


def _chosen(tx: Transaction, target: Target, word: str) -> Generation:
    tag = target.tags.destination
    if word:
        is_number = word.isascii() and word.isdigit() and len(word) < _DIGITS
        found = (
            tx.first(Generation, tag=tag, number=int(word))
            if is_number
            else tx.first(Generation, id=word)
        )
        if found is None or found.tag != tag:
            raise NotFound(f"{tag} has no generation {word}", hint="/generations lists them")
    else:
        found = publishing.head(tx, tag)
        if found is None:
            raise Conflict(
                f"{tag} has no generation yet", hint="the first build that passes makes one"
            )
    if found.state not in _CAME_INTO_FORCE:
        raise Conflict(
            f"generation {found.number} of {tag} is {found.state}",
            hint="choose one that came into force",
        )
    return found


def _beside(tx: Transaction, target: Target, generation: Generation) -> Generation | None:
    """The build tag's generation of that moment: a publish stages it before the destination
    tag's.
    """
    until = Below(generation.created + timedelta(microseconds=1))
    return tx.first(
        Generation,
        tag=target.tags.build,
        state=_CAME_INTO_FORCE,
        created=until,
        order_by="number",
        descending=True,
    )


def _ask_for_files(tx: Transaction, compose: Compose) -> None:
    tasks.ensure(tx, TaskKind.COMPOSE, compose.id, target=compose.target, queue="services")


def write(hub: Hub, describe: ComposeWriter, name: str, heartbeat: Heartbeat) -> None:
    """Write a compose's folder from the records, into place by one rename; again does nothing."""
    with hub.store.read() as tx:
        compose = tx.get(Compose, name)
        generation = tx.get(Generation, compose.generation)
        rpms = list(_rpms(tx, generation))
    target = hub.target(compose.target)
    folder = hub.repos / compose.path
    if not folder.exists():
        heartbeat(f"writing compose {compose.id}")
        aside = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for repository in _repositories(target):
            (aside / repository).symlink_to(f"../../{compose.number}/{repository}")
        release = release_of(target, hub.target(target.base) if target.base else None)
        describe(aside, compose, release, target.arches, rpms)
        aside.rename(folder)
    with hub.store.begin() as tx:
        if tx.update(compose, only_if={"written": None}, written=tx.now) is not None:
            tx.event("compose.written", compose.id, actor="services", rpms=len(rpms))


def _repositories(target: Target) -> list[str]:
    return [*(name for arch in target.arches for name in (arch, f"{arch}-debug")), "source"]


def _rpms(tx: Transaction, generation: Generation) -> Iterator[ComposedRpm]:
    """Return every RPM of a generation, with the SRPM it was built from."""
    for start in range(0, len(generation.builds), _AT_ONCE):
        some = generation.builds[start : start + _AT_ONCE]
        found = tx.find(Artifact, build=some, order_by="filename")
        srpms = {
            one.id: f"{one.source}-{one.epoch}:{one.version}-{one.release}.src"
            for one in tx.find(Build, id=some)
        }
        srpms |= {
            one.build: _nevra(one) for one in found if one.is_source
        }  # debranding may have renamed it
        for one in found:
            yield ComposedRpm(
                nevra=_nevra(one), srpm=srpms[one.build], filename=one.filename, arch=one.arch,
                repository=one.repository
            )  # fmt: skip


def _nevra(artifact: Artifact) -> str:
    return f"{artifact.name}-{artifact.epoch}:{artifact.version}-{artifact.release}.{artifact.arch}"


def promote(hub: Hub, name: str, *, actor: str, why: str) -> Compose:
    """Let users have a compose in testing from now on.

    :raises NotFound: no such compose. :raises InputError: no reason.
    :raises IllegalTransition: it is not in testing. :raises Conflict: its files are not there
        (yet).
    """
    _due(name, why, "promote")
    found = find(hub, name)
    found.check(ComposeState.RELEASED)
    _have_files(hub, found, actor=actor)

    def step(tx: Transaction, compose: Compose) -> dict[str, object]:
        before = in_force(tx.find(Compose, tag=compose.tag, state=ComposeState.RELEASED))
        tx.event(
            "compose.released",
            compose.id,
            actor=actor,
            why=why,
            tag=compose.tag,
            before=before.id if before else "",
        )
        return {"released": tx.now, "released_by": actor, "released_why": why}

    changed = _move(hub, found, ComposeState.RELEASED, step)
    link_released(hub, changed.tag)
    return changed


def _have_files(hub: Hub, compose: Compose, *, actor: str) -> None:
    """:raises Conflict: the folder or the generation's files are missing; they are asked for."""
    with hub.store.begin() as tx:
        generation = tx.get(Generation, compose.generation)
        if compose.written is None:
            _ask_for_files(tx, compose)
    if generation.state is GenerationState.COLLECTED:
        collecting.ask_for_restore(hub, generation.id, actor=actor, why=f"for compose {compose.id}")
    if generation.state is not GenerationState.READY or compose.written is None:
        hub.wakeup.notify()
        raise Conflict(
            f"compose {compose.id}: its files are being written",
            hint="promote it once they are there",
        )


def retire(hub: Hub, name: str, *, actor: str, why: str) -> Compose:
    """Retire a compose. If users had it, they get the one promoted before it again.

    :raises NotFound: no such compose. :raises InputError: no reason. :raises IllegalTransition: it
        is retired already.
    :raises Conflict: users have it, and there is no other.
    """
    _due(name, why, "retire")
    found = find(hub, name)

    def step(tx: Transaction, compose: Compose) -> dict[str, object]:
        released = tx.find(Compose, tag=compose.tag, state=ComposeState.RELEASED)
        if [one.id for one in released] == [compose.id]:
            raise Conflict(
                f"compose {compose.id} is what users of {compose.tag} get",
                hint="promote another one first",
            )
        tx.event("compose.retired", compose.id, actor=actor, why=why, tag=compose.tag)
        return {"retired": tx.now, "retired_by": actor, "retired_why": why}

    changed = _move(hub, found, ComposeState.RETIRED, step)
    link_released(hub, changed.tag)
    return changed


Step = Callable[[Transaction, Compose], dict[str, object]]


def _move(hub: Hub, found: Compose, to: ComposeState, step: Step) -> Compose:
    """Change a compose's state by compare-and-set; ``step`` says in the same transaction what else
    is written down.
    """
    found.check(to)
    with hub.store.begin() as tx:
        changed = tx.update(found, only_if={"state": found.state}, state=to, **step(tx, found))
        if changed is None:
            raise Conflict(f"compose {found.id} was changed meanwhile", hint="look at it again")
    return changed


def _due(name: str, why: str, what: str) -> None:
    if not why.strip():
        raise InputError(f"{name}: to {what} a compose needs a reason", hint="--reason TEXT")


def find(hub: Hub, name: str) -> Compose:
    """Return one compose by its name. :raises NotFound: there is none."""
    with hub.store.read() as tx:
        found = tx.first(Compose, id=name)
    if found is None:
        raise NotFound(f"no compose {name}", hint="`buildfarm compose list` lists them")
    return found


def link_released(hub: Hub, tag: str) -> None:
    """Point ``released`` of a tag at the compose in force."""
    with hub.store.read() as tx:
        now = in_force(tx.find(Compose, tag=tag, state=ComposeState.RELEASED))
    if now is not None:
        publishing.point(hub.repos / tag / LINK, now.path.removeprefix(f"{tag}/"))


def repair_released_links(hub: Hub) -> None:
    """Point every ``released`` link at the compose that the database has in force, as after a
    crash.
    """
    with hub.store.read() as tx:
        tags = {tag for (tag,) in tx.select_fields(Compose, ("tag",), state=ComposeState.RELEASED)}
    for tag in sorted(tags):
        link_released(hub, tag)
