"""Write the metadata of a compose with productmd: ``composeinfo.json`` and ``rpms.json``.

A compose has one variant, because a tag is not split, and no images, so no ``images.json``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from productmd.composeinfo import Compose as ComposeSection
from productmd.composeinfo import ComposeInfo, Variant
from productmd.rpms import Rpms

from buildfarm.adapters.publish.package_pool import href_of
from buildfarm.adapters.system import process
from buildfarm.domain.publish.compose import Compose, Release, day_and_respin
from buildfarm.domain.publish.repository import RepositoryKind
from buildfarm.ports.repositories import ComposedRpm

VARIANT = "Everything"
_SECONDS = 60.0
_SHORT_ID = 8


class ProductmdWriter:
    """See :class:`buildfarm.ports.repositories.ComposeWriter`.

    ``key`` is the file with the public key that RPMs are signed with.
    """

    def __init__(self, key: Path) -> None:
        self._key = key

    def __call__(
        self,
        folder: Path,
        compose: Compose,
        release: Release,
        arches: Sequence[str],
        rpms: Iterable[ComposedRpm],
    ) -> None:
        """Write both files. :raises ToolFailed: the key cannot be read."""
        metadata = folder / "metadata"
        metadata.mkdir()
        _info(compose, release, arches).dump(str(metadata / "composeinfo.json"))
        _rpms(compose, arches, rpms, sigkey=self._key_id()).dump(str(metadata / "rpms.json"))

    def _key_id(self) -> str:
        """Return the short id of the key, as in productmd's ``sigkey``."""
        with tempfile.TemporaryDirectory(prefix="gpg-") as home:
            argv: list[str | Path] = [
                "gpg",
                "--batch",
                "--no-tty",
                "--quiet",
                "--show-keys",
                "--with-colons",
                self._key,
            ]
            said = process.run(argv, env={"GNUPGHOME": home, "HOME": home}, timeout=_SECONDS).text
        key = next(line for line in said.splitlines() if line.startswith("pub:")).split(":")[4]
        return key[-_SHORT_ID:].lower()


def _say_which(section: ComposeSection, compose: Compose) -> None:
    section.id = compose.id
    section.type = "production"
    section.date, section.respin = day_and_respin(compose.id)


def _info(compose: Compose, release: Release, arches: Sequence[str]) -> ComposeInfo:
    info = ComposeInfo()
    _say_which(info.compose, compose)
    for said, meant in ((info.release, release), (info.base_product, release.base)):
        if meant is not None:
            said.name, said.short, said.version, said.type = (
                meant.title,
                meant.short,
                meant.version,
                "ga",
            )
    info.release.is_layered = release.base is not None
    variant = Variant(info)
    variant.id = variant.uid = variant.name = VARIANT
    variant.type = "variant"
    variant.arches = set(arches)
    for arch in arches:
        for kind, prefix in (
            (RepositoryKind.BINARY, ""),
            (RepositoryKind.DEBUG, "debug_"),
            (RepositoryKind.SOURCE, "source_"),
        ):
            folder = _folder(kind, arch)
            getattr(variant.paths, f"{prefix}repository")[arch] = folder
            getattr(variant.paths, f"{prefix}packages")[arch] = f"{folder}/Packages"
    info.variants.add(variant)
    return info


def _folder(kind: RepositoryKind, arch: str) -> str:
    return {
        RepositoryKind.BINARY: arch,
        RepositoryKind.DEBUG: f"{arch}-debug",
        RepositoryKind.SOURCE: "source",
    }[kind]


def _rpms(
    compose: Compose, arches: Sequence[str], rpms: Iterable[ComposedRpm], *, sigkey: str
) -> Rpms:
    found = Rpms()
    _say_which(found.compose, compose)
    for rpm in rpms:
        is_source = rpm.repository is RepositoryKind.SOURCE
        for arch in arches:
            if is_source or rpm.arch in (arch, "noarch"):
                path = f"{_folder(rpm.repository, arch)}/{href_of(rpm.filename)}"
                category = rpm.repository.value
                found.add(
                    VARIANT,
                    arch,
                    rpm.nevra,
                    path,
                    sigkey,
                    category,
                    srpm_nevra=None if is_source else rpm.srpm,
                )
    return found
