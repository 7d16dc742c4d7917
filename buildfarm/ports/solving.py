"""The solver, and the repositories it uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from buildfarm.domain.schedule.plan import BaseResolution, Expected, PinnedRepository, Resolution


class Universe(Protocol):
    """Resolves dependencies with pinned repositories."""

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """Resolve the base packages."""

    def resolve(
        self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]
    ) -> Resolution:
        """Resolve BuildRequires on top of the base, with what the drop will provide."""


class RemoteRepositories(Protocol):
    """Pins repositories behind a URL."""

    def pin(self, baseurl: str, *, arch: str, releasever: str) -> Path:
        """Return a folder with the repodata of the newest known state, which does not change.

        :raises InfraError: none is known yet.
        """


class Solver(Protocol):
    """Opens pinned repositories."""

    def open(
        self,
        repositories: Sequence[PinnedRepository],
        arch: str,
        *,
        modules: Sequence[str] = (),
        releasever: str = "",
    ) -> Universe:
        """Open repositories.

        :raises InfraError: metadata is missing or unreadable, or no repository has one of the
            module streams.
        """
