"""The solver, and the repositories it solves against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from buildfarm.domain.schedule.plan import BaseResolution, Expected, PinnedRepository, Resolution


class Universe(Protocol):
    """Answers over pinned repositories."""

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """Resolve the base packages."""

    def resolve(
        self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]
    ) -> Resolution:
        """Resolve BuildRequires beside the base, with what the drop will provide."""


class RemoteRepositories(Protocol):
    """Pins repositories behind a URL."""

    def pin(self, baseurl: str, *, arch: str, releasever: str) -> Path:
        """A folder with the repodata of its newest known state, which does not change.

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
        """:raises InfraError: metadata is missing or unreadable, or no repository has one of the
        module streams.
        """
