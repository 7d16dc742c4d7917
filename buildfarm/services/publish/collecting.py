"""Collecting: deletes the files of old generations.

Their records stay, and the same files can be written again from a record.
"""

from __future__ import annotations

import shutil
from datetime import timedelta

from buildfarm import log
from buildfarm.domain.core.task import ACTIVE, Task, TaskKind
from buildfarm.domain.publish.compose import HOLDING, Compose
from buildfarm.domain.publish.repository import (
    Artifact,
    Generation,
    GenerationState,
    TagHead,
    to_collect,
)
from buildfarm.errors import Conflict, InfraError
from buildfarm.ports.repositories import RepositoryWriter
from buildfarm.ports.store import Transaction
from buildfarm.services.core import tasks
from buildfarm.services.core.hub import Heartbeat, Hub
from buildfarm.services.publish import buildroots, publishing

_IN_USE = timedelta(days=2)
"""dnf keeps metadata for two days (metadata_expire, dnf.conf(5)): no download may lose its
files before.
"""


def collect(hub: Hub) -> list[Generation]:
    """Let go of the files of generations that nothing needs any more.

    What a crash left on disk goes too.
    """
    collected: list[Generation] = []
    with hub.store.begin() as tx:
        held = _held(tx)
        for target in hub.config.targets.values():
            for tag in (target.tags.build, target.tags.destination):
                found = tx.find(Generation, tag=tag, state=GenerationState.READY)
                old = to_collect(
                    found, held=held, keep=target.keep_generations, older_than=tx.now - _IN_USE
                )
                for generation in old:
                    changed = tx.update(
                        generation,
                        only_if={"state": GenerationState.READY},
                        state=GenerationState.COLLECTED,
                    )
                    if changed is not None:
                        tx.event(
                            "generation.collected",
                            generation.id,
                            actor="scheduler",
                            tag=tag,
                            number=generation.number,
                        )
                        collected.append(changed)
        gone = tx.select_fields(
            Generation, ("tag", "number"), state=(GenerationState.COLLECTED, GenerationState.BROKEN)
        )
    for tag, number in gone:
        folder = hub.repos / tag / str(number)
        if folder.exists():
            try:
                shutil.rmtree(folder)
            except OSError as error:
                log.get().warning("generation.not_removed", folder=str(folder), reason=str(error))
    return collected


def _held(tx: Transaction) -> set[str]:
    """Return the generations that must keep their files: in force, of a compose that is not
    retired, or used by an unfinished task.
    """
    active = tx.find(Task, state=ACTIVE)
    heads = {head.generation for head in tx.find(TagHead)}
    below = {generation for task in active for generation in buildroots.pinned(task.order)}
    composed = {
        generation for (generation,) in tx.select_fields(Compose, ("generation",), state=HOLDING)
    }
    return (
        heads
        | composed
        | below
        | {task.generation for task in active}
        | {task.subject for task in active}
    )


def ask_for_restore(hub: Hub, generation_id: str, *, actor: str, why: str) -> Generation:
    """Request that a collected generation's files are written and signed again; one that has its
    files is returned as it is.

    :raises NotFound: no such generation. :raises Conflict: it never came into force.
    """
    with hub.store.begin() as tx:
        generation = tx.get(Generation, generation_id)
        if generation.state is GenerationState.COLLECTED:
            tasks.ensure(
                tx, TaskKind.RESTORE, generation.id, target=generation.target, queue="services"
            )
            tx.event(
                "generation.restore",
                generation.id,
                actor=actor,
                why=why,
                tag=generation.tag,
                number=generation.number,
            )
        elif generation.state is not GenerationState.READY:
            raise Conflict(
                f"generation {generation.number} of {generation.tag} is {generation.state}"
            )
    hub.wakeup.notify()
    return generation


def restore(hub: Hub, write: RepositoryWriter, generation_id: str, heartbeat: Heartbeat) -> None:
    """Write a collected generation's files from its record.

    :raises InfraError: they do not come out as they were.
    """
    with hub.store.read() as tx:
        generation = tx.get(Generation, generation_id)
        artifacts = [
            artifact for build in generation.builds for artifact in tx.find(Artifact, build=build)
        ]
    if generation.state is GenerationState.COLLECTED:
        digest = publishing.digest_of(artifacts, generation.carried)
        if digest != generation.digest:
            raise InfraError(
                f"generation {generation.number} of {generation.tag} cannot be restored: its files "
                f"have the digest {digest}, "
                f"they had {generation.digest}", hint="were RPMs of its builds signed anew?",
            )  # fmt: skip
        heartbeat(f"writing generation {generation.number} of {generation.tag} again")
        target = hub.target(generation.target)
        folder = hub.repos / generation.tag / str(generation.number)
        publishing.write_files(hub, write, target, artifacts, folder, generation.carried)
        with hub.store.begin() as tx:
            staged = tx.update(
                generation,
                only_if={"state": GenerationState.COLLECTED},
                state=GenerationState.STAGED,
                ready=None,
            )
        if staged is None:
            return
    publishing.ask_for_seal(hub, generation)
