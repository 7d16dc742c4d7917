"""The configuration of a KVM host (``host.yaml``), typed at load."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildfarm.errors import ConfigError


class HostConfig(BaseModel):
    """A KVM host: its identity for the hub, its guests' image, and their number.

    Relative paths start at the file. ``redis`` is the hub's Redis for the host (``host:port``).
    ``qemu_user`` owns a guest's files if libvirt does not change their owner itself (a session
    daemon). ``boot_seconds`` is the time in which a guest must register.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    hub_url: str
    hub_ca: Path | None = None
    token: str = Field(min_length=1, repr=False)
    image: str
    definitions: Path = Path("guests")
    folder: Path
    slots: int = Field(default=1, ge=1, le=256)
    libvirt: str = "qemu:///system"
    qemu_user: str = ""
    accelerator: Literal["auto", "kvm", "tcg"] = "kvm"
    boot_seconds: int = Field(default=180, ge=5)

    @property
    def images(self) -> Path:
        """The folder of images."""
        return self.folder / "images"

    @property
    def running(self) -> Path:
        """A folder for each running guest, deleted with it."""
        return self.folder / "running"


def load(file: Path) -> HostConfig:
    """Read and check ``file``.

    :raises ConfigError: missing, not YAML, or with a wrong or unknown key.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "`buildfarm host-add NAME -t TARGET` writes it on the hub"
        raise ConfigError(f"{file}: {error.strerror}", hint=hint) from error
    except yaml.YAMLError:
        # The error's text would quote lines, and one holds the token.
        raise ConfigError(f"{file}: not YAML") from None
    try:
        config = HostConfig.model_validate(raw)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigError(f"{file}: {wrong}") from None
    here = file.resolve().parent
    changes: dict[str, object] = {
        "folder": here / config.folder,
        "definitions": here / config.definitions,
    }
    if config.hub_ca is not None:
        changes["hub_ca"] = here / config.hub_ca
    return config.model_copy(update=changes)
