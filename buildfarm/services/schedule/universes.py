"""Universes: the repositories that builds of a target can use now, opened for the solver.

A universe holds one pinned generation of each buildroot layer and the seeds of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildfarm import wire
from buildfarm.domain.schedule.plan import PinnedRepository
from buildfarm.domain.target.target import ExternalRepository, Target
from buildfarm.errors import InputError
from buildfarm.ports.solving import RemoteRepositories, Solver, Universe
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import buildroots
from buildfarm.services.publish.buildroots import OWN_PRIORITY, Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUniverse:
    """A universe whose base packages can be installed, the layers it was opened from, and the
    digest over its base.
    """

    universe: Universe
    layers: tuple[Layer, ...]
    key: str

    def buildroot(self, arch: str) -> wire.Buildroot:
        """Return the buildroot that a task of ``arch`` gets."""
        return buildroots.buildroot(self.layers, arch, key=self.key)

    def pins(self) -> dict[str, object]:
        """Return what a task's order says of the buildroot it is pinned to."""
        root = self.buildroot(self.layers[0].target.arches[0])
        below = {"below": list(root.below)} if root.below else {}
        return {"generation": root.generation, "buildroot_key": root.key, **below}


class Universes:
    """Opens the universe of a target."""

    def __init__(self, hub: Hub, solver: Solver, remote: RemoteRepositories | None = None) -> None:
        self._hub = hub
        self._solver = solver
        self._remote = remote

    def open(self, target: Target) -> OpenUniverse:
        """Open what the target's build tag and seeds hold now.

        :raises InputError: the base packages of the target's buildroot cannot be installed.
        :raises InfraError: metadata is missing or unreadable.
        """
        with self._hub.store.read() as tx:
            layers = buildroots.layers_now(self._hub, tx, target)
        arch = target.arches[0]
        universe = self._solver.open(
            [*self._own(layers, arch), *self._external(layers, arch)],
            arch,
            modules=target.modules,
            releasever=target.buildroot.releasever,
        )
        base = universe.base(target.buildroot.packages)
        if base.problems:
            raise InputError(f"buildroot of {target.name}: {'; '.join(base.problems)}")
        return OpenUniverse(universe=universe, layers=layers, key=base.key)

    def buildroot(self, target: Target, arch: str) -> wire.Buildroot:
        """Return the buildroot that a task of ``arch`` would get now.

        :raises InputError: its base packages cannot be installed, or the target does not build for
            ``arch``.
        """
        if arch not in target.arches:
            raise InputError(
                f"{target.name} does not build for {arch}",
                hint=f"its arches: {', '.join(target.arches)}",
            )
        return self.open(target).buildroot(arch)

    def _own(self, layers: tuple[Layer, ...], arch: str) -> list[PinnedRepository]:
        return [
            PinnedRepository(
                id=generation.tag,
                folder=self._hub.repos / generation.tag / str(generation.number) / arch,
                priority=OWN_PRIORITY + depth,
            )
            for depth, generation in enumerate(layer.generation for layer in layers)
            if generation is not None
        ]

    def _external(self, layers: tuple[Layer, ...], arch: str) -> list[PinnedRepository]:
        return [
            PinnedRepository(
                id=repo.id, folder=self._folder(layer.target, repo, arch), priority=repo.priority
            )
            for layer in layers
            for repo in layer.target.external
            if repo.path or self._remote
        ]

    def _folder(self, target: Target, repository: ExternalRepository, arch: str) -> Path:
        if repository.path or self._remote is None:
            return self._hub.config.path(repository.path)
        return self._remote.pin(
            repository.baseurl, arch=arch, releasever=target.buildroot.releasever
        )
