"""The waves of a drop: which of its builds can run side by side, and who waits for whom.

A picture for people, made of what the headers say (BuildRequires of our SRPMs, Provides of theirs
and of the vendor's binaries); what may really be dispatched is decided by
:mod:`buildfarm.services.schedule.planning` with libsolv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildfarm.api.responses.intake import drops as responses
from buildfarm.domain.core.build import Build
from buildfarm.domain.schedule.plan import Node, plan


def _name(capability: str) -> str:
    """The name in a dependency as rpm prints it.

    >>> _name("zlib-devel >= 1.2"), _name("pkgconfig(zlib)")
    ('zlib-devel', 'pkgconfig(zlib)')
    """
    return capability.split(maxsplit=1)[0] if capability.strip() else ""


@dataclass(frozen=True, slots=True)
class Shipped:
    """One of the vendor's binaries: whose it is and what it provides."""

    name: str
    sourcerpm: str
    provides: Sequence[str]


def waves(builds: Sequence[Build], vendor: Sequence[Shipped]) -> responses.Waves:
    """Return the waves of builds, dependencies first."""
    by_srpm = {build.srpm_filename: build.id for build in builds}
    provider: dict[str, str] = {}
    for build in builds:
        for name in (_name(text) for text in build.provides):
            provider.setdefault(name, build.id)
    for rpm in vendor:
        owner = by_srpm.get(rpm.sourcerpm)
        if owner is not None:
            for name in (rpm.name, *(_name(text) for text in rpm.provides)):
                provider.setdefault(name, owner)
    needs = {build.id: _needs(build, provider) for build in builds}
    decided = plan(
        [
            Node(key=build.id, name=build.source, needs=needs[build.id], broken={})
            for build in builds
        ]
    )
    edges = [
        responses.WaveEdge(from_=other, to=key, what=what)
        for key, found in needs.items()
        for other, what in found.items()
    ]
    return responses.Waves(
        waves=[list(wave) for wave in decided.waves],
        edges=edges,
        cycles=[list(cycle.members) for cycle in decided.cycles],
    )


def _needs(build: Build, provider: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (_name(text) for text in build.requires):
        owner = provider.get(name)
        if owner is not None and owner != build.id:
            found.setdefault(owner, name)
    return found
