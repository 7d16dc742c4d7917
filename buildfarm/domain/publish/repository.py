"""Tags, their generations, and the RPMs in them."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from buildfarm.domain.core.nevra import EVR


class RepositoryKind(enum.StrEnum):
    """The three repositories of each arch of a tag; ``binary`` repositories carry the arch's name
    on disk.
    """

    BINARY = "binary"
    DEBUG = "debug"
    SOURCE = "source"


class GenerationState(enum.StrEnum):
    """Koji's repository states: INIT while it is written, READY once users can reach it.

    Of a ``collected`` one only the record is left; the same files can be written from it again.
    """

    STAGED = "staged"
    READY = "ready"
    BROKEN = "broken"
    COLLECTED = "collected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One RPM (or SRPM) a build made.

    ``sha256`` is the file as built, ``signed`` the file as published.

    ``header`` is rpm's SHA256HEADER: signing changes the file and leaves the header, so it names
    the RPM in a lock.
    """

    id: str
    build: str
    task: str
    filename: str
    name: str
    epoch: int
    version: str
    release: str
    arch: str
    size: int
    sha256: str
    header: str = ""
    signed: str = ""
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    @property
    def is_source(self) -> bool:
        """An SRPM."""
        return self.arch in ("src", "nosrc")

    @property
    def is_debug(self) -> bool:
        """Debugging information goes to a repository of its own."""
        return self.name.endswith(("-debuginfo", "-debugsource"))

    @property
    def repository(self) -> RepositoryKind:
        """Return which of the tag's repositories it belongs to."""
        if self.is_source:
            return RepositoryKind.SOURCE
        return RepositoryKind.DEBUG if self.is_debug else RepositoryKind.BINARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One immutable state of a tag's repositories.

    ``digest`` covers every file in it, not the time it was made.

    ``lock_ours`` of ``lock_rpms`` lines in the buildroots of its builds are RPMs that we built: its
    self-hosted share. ``sources`` counts its builds, so that a list need not read which.
    ``carried`` are the digests of the vendor's comps, updateinfo and modules that went into it, by
    kind.
    """

    id: str
    target: str
    tag: str
    number: int
    state: GenerationState
    digest: str
    builds: tuple[str, ...] = ()
    sources: int = 0
    rpms: int = 0
    lock_ours: int = 0
    lock_rpms: int = 0
    carried: dict[str, str] = field(default_factory=dict)
    created: datetime
    ready: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagHead:
    """The generation of a tag that is in force."""

    id: str
    generation: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A build that a tag may carry, with the facts that decide among builds of one source."""

    build: str
    source: str
    evr: EVR = field(hash=False)
    round: int = 1


def newest_of_each_source(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """The builds a tag carries: of each source the highest EVR (never "last tagged", Koji's known
    trap), its last round.
    """
    newest: dict[str, Candidate] = {}
    for candidate in candidates:
        held = newest.get(candidate.source)
        newer = held is None or held.evr < candidate.evr
        if newer or (
            held is not None and held.evr == candidate.evr and held.round < candidate.round
        ):
            newest[candidate.source] = candidate
    return tuple(sorted(candidate.build for candidate in newest.values()))


def to_collect(
    generations: Iterable[Generation], *, held: Collection[str], keep: int, older_than: datetime
) -> list[Generation]:
    """The generations of one tag whose files may go: not held, not among the newest ``keep``,
    replaced before ``older_than``.

    One that was restored counts from then.
    """
    ready = [
        one for one in generations if one.state is GenerationState.READY and one.ready is not None
    ]
    ready.sort(key=lambda one: one.number, reverse=True)
    found = []
    for newer, one in pairwise(ready):
        since = max(moment for moment in (newer.ready, one.ready) if moment is not None)
        if one not in ready[:keep] and one.id not in held and since < older_than:
            found.append(one)
    return found


def generation_digest(files: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over the sorted ``(file name, sha256)`` of everything in a generation."""
    text = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()
