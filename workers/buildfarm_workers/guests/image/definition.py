"""The definition of a guest: one YAML file in ``configs/guests``, typed at load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildfarm.errors import ConfigError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExtraRepository(_Part):
    """A repository that the machine needs in addition to its target's.

    ``baseurl``, or ``path`` relative to the definition's file.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    baseurl: str = ""
    path: Path | None = None
    priority: int = 99
    gpgkey: str = ""


class FromRepositories(_Part):
    """An image installed with dnf from the target's repositories and these.

    Kernel and initramfs boot directly. ``modules`` are loaded by the initramfs, before the root
    disk is there; ``base`` puts the target's base buildroot in.
    """

    kind: Literal["repositories"]
    packages: tuple[str, ...] = Field(min_length=1)
    repositories: tuple[ExtraRepository, ...] = ()
    modules: tuple[str, ...] = ("virtio_pci", "virtio_blk", "ext4")
    init: str = "/usr/libexec/buildfarm-guest"
    base: bool = True


class FromCloudImage(_Part):
    """A distribution's own cloud image (qcow2), provisioned once through cloud-init."""

    kind: Literal["cloud-image"]
    image: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    packages: tuple[str, ...] = ()


class FromKickstart(_Part):
    """A machine installed by the distribution's own installer from ``location``, with a kickstart
    file.

    ``repositories`` are further ones, name to URL (mock comes from EPEL); ``version`` is
    pykickstart's name of the syntax.
    """

    kind: Literal["kickstart"]
    location: str
    version: str = Field(pattern=r"^RHEL[0-9]+$")
    repositories: dict[str, str] = Field(default_factory=dict)
    packages: tuple[str, ...] = ()


Source = Annotated[FromRepositories | FromCloudImage | FromKickstart, Field(discriminator="kind")]


class GuestDefinition(_Part):
    """One kind of guest. Sizes are MiB; ``os`` is libosinfo's short id, as in virt-install(1)."""

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,40}$")
    title: str
    target: str
    arch: Literal["x86_64"] = "x86_64"
    builder: Literal["chroot", "mock"]
    os: str = "linux2022"
    memory_mib: int = Field(default=2048, ge=256)
    vcpus: int = Field(default=2, ge=1)
    disk_mib: int = Field(default=20480, ge=512)
    selinux: Literal["enforcing", "permissive", "absent"] = "enforcing"
    console: Literal["serial", "vnc"] = "serial"
    source: Source


def load(file: Path) -> GuestDefinition:
    """Read and check ``file``.

    :raises ConfigError: missing, not YAML, wrong or unknown key, or a name other than its file's.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}", hint="`guests:` of farm.yaml names the folder"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error
    try:
        definition = GuestDefinition.model_validate(raw)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigError(f"{file}: {wrong}") from None
    if definition.name != file.stem:
        raise ConfigError(
            f"{file}: names its guest {definition.name!r}", hint="name the file like the guest"
        )
    return definition


def find(folder: Path, name: str) -> tuple[GuestDefinition, Path]:
    """Return the definition ``name`` and its file. :raises ConfigError: there is none."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise ConfigError(f"{name!r} is no name of a guest")
    file = folder / f"{name}.yaml"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
        raise ConfigError(f"no guest {name!r} in {folder}", hint=f"defined there: {known}")
    return load(file), file
