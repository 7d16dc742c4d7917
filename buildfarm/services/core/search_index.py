"""Entries of the search index, written when a thing comes into being: sources and drops at intake,
RPMs and their files when a build ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core import search
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import SearchEntry
from buildfarm.domain.intake.drop import Drop
from buildfarm.ports.intake import RpmHeader
from buildfarm.ports.store import Transaction

MOST_FILES = 20_000
"""Files of one RPM that are noted; the rest of it is found by the RPM's name."""

_BUILD_IDS = "/usr/lib/.build-id/"


def note_drop(tx: Transaction, drop: Drop) -> None:
    """A drop came in."""
    _note(tx, search.of_drop(drop.id, drop.name, target=drop.target))


def note_source(tx: Transaction, build: Build) -> None:
    """A build of a source was made."""
    _note(tx, search.of_source(build.source, target=build.target))


def note_rpms(tx: Transaction, build: Build, headers: Iterable[RpmHeader]) -> None:
    """A build made RPMs. Noting a later build's again adds only what is new."""
    where = {"source": build.source, "target": build.target}
    for header in headers:
        files = [path for path in header.files if not path.startswith(_BUILD_IDS)][:MOST_FILES]
        _note(tx, search.of_rpm(header.name, **where))
        _note(
            tx,
            (entry for path in files for entry in search.of_file(path, rpm=header.name, **where)),
        )


def note_failure(tx: Transaction, build: Build) -> None:
    """A build failed: it is found by the words of its cluster."""
    for cluster in clusters([build]):
        _note(
            tx,
            search.of_failure(cluster.id, cluster.words, source=build.source, target=build.target),
        )


def _note(tx: Transaction, entries: Iterable[SearchEntry]) -> None:
    tx.add_all(list(entries))
