"""Bootstrap variants: builds under their spec's bootstrap condition, where nothing else breaks
their cycle.

The requirements under the condition are not guessed: a worker makes the SRPM (an ``srpm`` task),
and its header lists them. The build under the condition is the first round of its cycle; the next
one is without (:mod:`buildfarm.services.selfhosting.rounds`).
"""

from __future__ import annotations

from collections.abc import Sequence

from buildfarm import wire
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import BootstrapVariant
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.selfhosting.bootstrap_condition import Condition, WayOut
from buildfarm.domain.target.target import Target
from buildfarm.ports.intake import RpmHeader
from buildfarm.ports.store import Transaction
from buildfarm.services.core import tasks


def offer(tx: Transaction, build: Build, condition: str) -> None:
    """Note that a build's spec has a bootstrap condition."""
    tx.insert_or_ignore(
        BootstrapVariant(id=build.id, target=build.target, condition=condition, created=tx.now)
    )


def take_way_out(
    tx: Transaction, target: Target, build: Build, way: WayOut, cycle: Sequence[Build]
) -> None:
    """Let a worker find out the requirements under the condition, or build under it from now on.

    Safe to repeat.
    """
    variant = tx.get(BootstrapVariant, build.id)
    if way is WayOut.ASK:
        arch = (*build.arches, *target.arches)[0]
        asked = tasks.ensure(
            tx, TaskKind.SRPM, build.id, target=target.name, arch=arch,
            queue=target.queue(arch, build.source), priority=build.priority, owner=build.owner,
        )  # fmt: skip
        if asked:
            tx.event(
                "bootstrap.asked",
                build.id,
                actor="plan",
                why=f"what does it require {variant.condition}?",
            )
        return
    names = tuple(sorted(member.source for member in cycle))
    for member in cycle:
        if member.cycle != names:
            tx.update(tx.get(Build, member.id), cycle=names)
    why = f"nothing else breaks the cycle of {', '.join(names)}"
    tx.update(tx.get(Build, build.id), bootstrap=variant.condition)
    tx.event("bootstrap.begun", build.id, actor="plan", why=why, condition=variant.condition)


def note_of(build: Build) -> str:
    """Return why a build goes the way it goes, in words; empty for one that is built as it is."""
    if not build.bootstrap:
        return ""
    return (
        f"{build.bootstrap}: first without its cycle ({', '.join(build.cycle)}), then again with it"
    )


def of(tx: Transaction, build: Build) -> BootstrapVariant | None:
    """The variant that a build is built as; ``None`` if it is built as it is."""
    return tx.get(BootstrapVariant, build.id) if build.bootstrap else None


def made(tx: Transaction, build: Build, sha256: str, header: RpmHeader, *, actor: str) -> None:
    """A worker made the SRPM under the condition."""
    variant = tx.get(BootstrapVariant, build.id)
    tx.update(variant, srpm=sha256, requires=tuple(header.requires), problem="")
    tx.event(
        "bootstrap.known",
        build.id,
        actor=actor,
        why=f"what it requires {variant.condition}",
        requires=list(header.requires),
    )


def unusable(tx: Transaction, build: Build, reason: str, *, actor: str) -> None:
    """Note that no SRPM can be made under the condition, so that it is not tried again."""
    variant = tx.get(BootstrapVariant, build.id)
    tx.update(variant, problem=reason or "no SRPM could be made with it")
    tx.event("bootstrap.unusable", build.id, actor=actor, why=reason, condition=variant.condition)


def forget(tx: Transaction, build: Build) -> None:
    """A build starts anew, perhaps from another SRPM: ask again."""
    if variant := tx.first(BootstrapVariant, id=build.id):
        tx.update(variant, srpm="", requires=(), problem="")


def conditioned(override: wire.Override, condition: str) -> wire.Override:
    """An override with the bootstrap condition on top of it."""
    if not condition:
        return override
    found = Condition.parse(condition)
    if found.is_macro:
        return override.model_copy(update={"macros": {**override.macros, found.name: "1"}})
    return override.model_copy(update={"with_": (*override.with_, found.name)})
