"""The farm of a large store: its targets, its time, and the hub that reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.config import Config, Farm
from buildfarm.domain.target.target import BuildrootSpec, Lifecycle, Owner, Tags, Target, Upstream
from buildfarm.services.core.hub import Hub

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""The store's clock stands still, so that every run has the same pages."""


def target(name: str, title: str) -> Target:
    """Return one of the farm's targets."""
    return Target(
        schema=1, name=name, title=title, dist=f".el{name[-1]}", suffix=".reef.1",
        arches=("x86_64",), builder="chroot",
        buildroot=BuildrootSpec(packages=("bash", "gcc"), releasever=name[-1]),
        upstream=Upstream(vendor="PNAELV"), tags=Tags(build=f"{name}-build", destination=name),
        lifecycle=Lifecycle(released=date(2023, 6, 1)),
        owner=Owner(sig="core", contact="core@reef.example"),
    )  # fmt: skip


TARGETS = {
    one.name: one
    for one in (target("reef-9", "Reef 9"), target("reef-8", "Reef 8"), target("reef-7", "Reef 7"))
}


class _Nothing:
    """Stands in for broker and scheduler: the store is only read."""

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Do nothing."""

    def notify(self) -> None:
        """Do nothing."""

    def wait(self, seconds: float) -> bool:  # noqa: ARG002  # the port's signature
        """Return at once."""
        return False


def open_hub(home: Path, url: str) -> Hub:
    """Return the hub of such a store."""
    for folder in ("scratch", "repos"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    farm = Farm(home=str(home), distribution="Reef Linux")
    config = Config(farm=farm, targets=TARGETS, folder=home, file=home / "farm.yaml")
    store = SqlStore(url, clock=lambda: NOW)
    return Hub(
        config=config,
        store=store,
        blobs=Blobs(home / "blobs"),
        messages=_Nothing(),
        wakeup=_Nothing(),
        scratch=home / "scratch",
    )
