"""What is known of one RPM: facts as read from it, nothing decided, nothing normalised.

The header of every RPM is read; the content (:mod:`buildfarm.domain.compare.facts.content_facts`)
of only those files whose digests differ between two RPMs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_DEBUG_NAME = re.compile(r"-(debuginfo|debugsource|debuginfo-common(-\w+)?)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One dependency, or one condition of a trigger; ``flags`` are rpm's sense bits (rpmds.h)."""

    name: str
    flags: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scriptlet:
    """``phase`` is rpm's tag (``POSTIN``); ``program`` interpreter and arguments; ``flags`` as in
    rpmscript.h.
    """

    phase: str
    program: tuple[str, ...]
    flags: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """``family`` is ``TRIGGER``, ``FILETRIGGER`` or ``TRANSFILETRIGGER``; ``priority`` is 0 for the
    first.
    """

    family: str
    conditions: tuple[Dependency, ...]
    program: str
    flags: int
    priority: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogEntry:
    """One entry, newest first in a list; ``time`` is seconds since 1970."""

    time: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the header.

    ``mode`` holds the type bits too; ``digest`` is hex, empty for what has no content.

    ``hardlinks`` are the other paths of the same inode, sorted.
    """

    path: str
    mode: int
    user: str
    group: str
    flags: int
    verify: int
    caps: str
    target: str
    device: int
    colour: int
    langs: str
    digest: str
    size: int
    hardlinks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RpmFacts:
    """The header of one RPM.

    With ``error`` set the file is damaged or unreadable and the rest is what could be had.

    ``file`` is the path it was read from, ``sha256`` the whole file's digest, ``header_digest`` and
    ``payload_digest`` those of the main header's and the payload's bytes, ``signature`` one over
    the signature tags. ``epoch`` is ``None`` where the tag is absent. ``tags`` holds every tag that
    has no field of its own, as text. ``digest_algorithm`` is the one of the files' digests.
    """

    file: str
    sha256: str = ""
    error: str = ""
    name: str = ""
    epoch: int | None = None
    version: str = ""
    release: str = ""
    arch: str = ""
    source_rpm: str = ""
    is_source: bool = False
    header_digest: str = ""
    payload_digest: str = ""
    signature: str = ""
    digest_algorithm: int = 0
    dependencies: Mapping[str, tuple[Dependency, ...]] = field(default_factory=dict)
    scriptlets: tuple[Scriptlet, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    changelog: tuple[ChangelogEntry, ...] = ()
    files: tuple[FileEntry, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def basename(self) -> str:
        """The file's name without its folder."""
        return self.file.rpartition("/")[2]

    @property
    def evr(self) -> str:
        """``[epoch:]version-release``, as dependencies write it."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        """``name-[epoch:]version-release.arch``, or the file's name where the header cannot be
        read.
        """
        return (
            f"{self.name}-{self.evr}.{'src' if self.is_source else self.arch}"
            if self.name
            else self.basename
        )

    @property
    def is_debug(self) -> bool:
        """Return whether this is a debuginfo or debugsource RPM: symbols for people, no interface."""
        return _DEBUG_NAME.search(self.name) is not None
