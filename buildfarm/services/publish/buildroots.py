"""Buildroot layers: the generations and repositories that a buildroot is pinned to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildfarm import wire
from buildfarm.domain.publish.repository import Generation
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing

OWN_PRIORITY = 10
"""dnf priority of our own generation; seeds come after it (90 by default)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A target that a buildroot is built on, with the generation; ``None`` while it has none."""

    target: Target
    generation: Generation | None


def layers_now(hub: Hub, tx: Transaction, target: Target) -> tuple[Layer, ...]:
    """Return what a build of the target stands on now: its build tag, and what users have of the
    target it is layered on.
    """
    own, *below = hub.config.below(target)
    return (
        Layer(target=own, generation=publishing.head(tx, own.tags.build)),
        *(
            Layer(target=base, generation=publishing.head(tx, base.tags.destination))
            for base in below
        ),
    )


def repositories(layers: Sequence[Layer], arch: str) -> tuple[wire.Repository, ...]:
    """The repositories of a buildroot: our own generations first, each layer before the one below
    it, then the seeds of all.
    """
    own = [
        wire.Repository(
            id=generation.tag,
            baseurl=f"/repos/{generation.tag}/{generation.number}/{arch}",
            priority=OWN_PRIORITY + depth,
            gpgcheck=True,
            repo_gpgcheck=True,
            gpgkey="/repos/RPM-GPG-KEY",
        )
        for depth, generation in enumerate(layer.generation for layer in layers)
        if generation is not None
    ]
    external = [
        wire.Repository(
            id=repo.id,
            baseurl=repo.baseurl or f"/repos/external/{layer.target.name}/{repo.id}",
            priority=repo.priority,
            gpgcheck=repo.gpgcheck,
            gpgkey=repo.gpgkey,
        )
        for layer in layers
        for repo in layer.target.external
    ]
    return (*own, *external)


def buildroot(layers: Sequence[Layer], arch: str, *, key: str) -> wire.Buildroot:
    """The buildroot of the first layer's target, pinned to the layers' generations; ``key`` is the
    planner's digest over its base.
    """
    target = layers[0].target
    pinned = [layer.generation.id if layer.generation else "" for layer in layers]
    return wire.Buildroot(
        key=key,
        generation=pinned[0],
        below=tuple(pinned[1:]),
        packages=target.buildroot.packages,
        repositories=repositories(layers, arch),
        releasever=target.buildroot.releasever,
        modules=target.modules,
    )


def pinned(order: Mapping[str, object]) -> tuple[str, ...]:
    """The ids of the generations that a task's order is pinned to, its target's own first; empty
    text where there was none.
    """
    below = order.get("below", ())
    return (
        str(order.get("generation", "")),
        *(str(one) for one in (below if isinstance(below, list | tuple) else ())),
    )


def layers_of(
    hub: Hub, tx: Transaction, target: Target, order: Mapping[str, object]
) -> tuple[Layer, ...]:
    """The layers that a task was assigned with."""
    return tuple(
        Layer(target=one, generation=tx.get(Generation, identity) if identity else None)
        for one, identity in zip(hub.config.below(target), (*pinned(order), ""), strict=False)
    )
