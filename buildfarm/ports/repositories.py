"""Interfaces that write and sign repositories and composes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildfarm.domain.publish.compose import Compose, Release
from buildfarm.domain.publish.repository import RepositoryKind
from buildfarm.domain.target.repodata_style import RepodataStyle
from buildfarm.domain.target.target import ExtraMetadataKind


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFile:
    """One RPM of a repository: the signed file, its digest and its name there."""

    path: Path
    sha256: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraMetadataFile:
    """A file of extra metadata; ``names`` maps the vendor's file names to ours."""

    kind: ExtraMetadataKind
    path: Path
    names: Mapping[str, str]


class RepositoryWriter(Protocol):
    """Writes one repository (files and repodata) into an empty folder."""

    def __call__(
        self,
        folder: Path,
        files: Sequence[RepoFile],
        extra: Sequence[ExtraMetadataFile],
        style: RepodataStyle,
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedRpm:
    """One RPM of a compose.

    ``nevra`` and ``srpm`` are ``name-epoch:version-release.arch``; an SRPM is its own.
    """

    nevra: str
    srpm: str
    filename: str
    arch: str
    repository: RepositoryKind


class ComposeWriter(Protocol):
    """Writes the metadata of a compose into its new folder."""

    def __call__(
        self,
        folder: Path,
        compose: Compose,
        release: Release,
        arches: Sequence[str],
        rpms: Iterable[ComposedRpm],
    ) -> None: ...


class Sealer(Protocol):
    """Signs with the distribution's key."""

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign files in place (copies that the caller made)."""

    def sign_repomd(self, repomd: Path) -> None:
        """Write ``repomd.xml.asc`` beside it."""

    def export(self) -> bytes:
        """Return the public key, ASCII-armored."""
