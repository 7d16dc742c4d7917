"""The worker's configuration: one YAML file, typed at load."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildfarm.errors import ConfigError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Redis(_Part):
    """The source of messages.

    ``url`` names this worker's own ACL user; ``prefix`` is all that the user may access.
    """

    url: str
    prefix: str


class Security(_Part):
    """Celery's message signing: the worker's own pair, and the folder of trusted certificates (the
    hub's).
    """

    key: Path
    certificate: Path
    hub_certificates: Path


class MockSettings(_Part):
    """Settings of the mock builder.

    mock refuses user 0, so a worker that runs as root names an ordinary user of group mock.
    """

    command: str = "mock"
    user: str = ""
    basedir: Path | None = None
    isolation: Literal["auto", "simple", "nspawn"] = "auto"


class WorkerConfig(_Part):
    """The configuration of a worker process.

    ``queues`` are ``<target>.<arch>.<size>``; ``slots`` are processes. After ``tasks`` tasks the
    process ends by itself; 0 is never.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    hub_url: str
    hub_ca: Path | None = None
    token: str = Field(min_length=1, repr=False)
    redis: Redis
    queues: tuple[str, ...] = Field(min_length=1)
    arches: tuple[str, ...] = Field(min_length=1)
    builder: Literal["chroot", "mock"] = "chroot"
    slots: int = Field(default=1, ge=1, le=256)
    tasks: int = Field(default=0, ge=0)
    workdir: Path
    keep_bases: int = Field(default=4, ge=1)
    security: Security | None = None
    mock: MockSettings = MockSettings()


def load(file: Path) -> WorkerConfig:
    """Read and check ``file``; its relative paths start at its folder.

    :raises ConfigError: missing, not YAML, or with a wrong or unknown key.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        # The error's own text quotes lines, and one holds the token.
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            f"{file}: not YAML" + (f": line {mark.line + 1}" if mark else "")
        ) from None
    try:
        config = WorkerConfig.model_validate(raw)
    except ValidationError as error:
        # An error's input may be the token: use places and messages only.
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigError(f"{file}: {wrong}") from None
    return _absolute(config, file.resolve().parent)


def _absolute(config: WorkerConfig, folder: Path) -> WorkerConfig:
    changes: dict[str, object] = {"workdir": folder / config.workdir}
    if config.hub_ca is not None:
        changes["hub_ca"] = folder / config.hub_ca
    if config.security is not None:
        security = config.security
        changes["security"] = Security(
            key=folder / security.key,
            certificate=folder / security.certificate,
            hub_certificates=folder / security.hub_certificates,
        )
    return config.model_copy(update=changes)


def problems(config: WorkerConfig) -> list[str]:
    """Return what prevents a worker with this configuration from starting, as far as known
    offline.
    """
    found: list[str] = []
    if config.security is not None:
        pair = (config.security.key, config.security.certificate)
        found += [
            f"security: {path} is not there: copy it from the hub"
            for path in pair
            if not path.is_file()
        ]
        if not any(config.security.hub_certificates.glob("*.crt")):
            found.append(
                f"security: no *.crt in {config.security.hub_certificates}: copy the hub's "
                "certificate there"
            )
    if not config.hub_url.startswith(("http://", "https://")):
        found.append(f"hub_url: {config.hub_url} is no http(s) URL")
    return found
