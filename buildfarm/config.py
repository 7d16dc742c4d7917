"""Configuration: one YAML tree, typed at load, handed on as objects.

The only place that reads the environment: ``BUILDFARM_HOME`` (runtime data), ``BUILDFARM_CONFIG`` (farm.yaml),
``BUILDFARM_URL`` and ``BUILDFARM_TOKEN`` (which hub the CLI talks to, as whom).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from buildfarm.domain.sharing import Sharing
from buildfarm.domain.sig import Sig, sig_of
from buildfarm.domain.target import Target
from buildfarm.errors import ConfigError, NotFound
from buildfarm.places import CHECKOUT, home

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds: a worker is heard of every ``heartbeat``, a lease is over after ``lease`` without.

    The sweep looks every ``sweep`` for lost messages (older than ``message_patience``) and dead workers.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    heartbeat: float = 5.0
    lease: float = 45.0
    sweep: float = 30.0
    message_patience: float = 30.0
    leader_lease: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGuests:
    """Guests on the hub's own machine, over a private libvirt: which image, how many at a time.

    ``folder`` (default: below the home, if QEMU's user can get there) holds images and running guests.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    image: str
    slots: int = 1
    definitions: str = "guests"
    folder: str = ""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"


_Rate = Annotated[str, Field(pattern=r"^(?:[1-9][0-9]*/(?:second|minute|hour|day))?$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Requests a caller (a token, else an address) may make to ``/api/v1``, as ``3000/minute``; empty means no limit."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    reads: _Rate = "3000/minute"
    writes: _Rate = "600/minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """``farm.yaml``. Empty ``database`` and ``redis`` mean the embedded ones under ``home``.

    ``drop_folders`` are the only folders whose files a drop may name by path; ``local_workers`` builders run beside the hub,
    ``guests`` in machines beside it. ``sharing`` says who may use how many slots, ``sigs`` who answers for which sources.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    home: str = ""
    listen: str = "127.0.0.1:8080"
    hub_url: str = ""
    database: str = ""
    redis: str = ""
    targets: str = "targets"
    drop_folders: tuple[str, ...] = ()
    local_workers: int = 2
    guests: LocalGuests | None = None
    distribution: str = "Rebuild Distribution"
    signing_email: str = "signing@localhost"
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    sharing: Sharing = field(default_factory=Sharing)
    sigs: dict[str, Sig] = field(default_factory=dict)

    @property
    def home_path(self) -> Path:
        """Where runtime data lives."""
        return Path(self.home)

    @property
    def url(self) -> str:
        """Where workers and the CLI reach the hub."""
        return self.hub_url or f"http://{self.listen}"

    @property
    def database_url(self) -> str:
        """The database; embedded SQLite unless told otherwise."""
        return self.database or f"sqlite:///{self.home_path / 'buildfarm.db'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration: the farm, its targets by name, and the folder that relative paths start from."""

    farm: Farm
    targets: dict[str, Target]
    folder: Path
    file: Path

    def target(self, name: str) -> Target:
        """One target. :raises NotFound: it is not configured."""
        try:
            return self.targets[name]
        except KeyError:
            known = ", ".join(sorted(self.targets)) or "none"
            raise NotFound(f"no target {name!r}", hint=f"configured targets: {known}") from None

    @property
    def sigs(self) -> dict[str, str]:
        """The SIG that answers for each target."""
        return {name: target.owner.sig for name, target in self.targets.items()}

    def sig_of(self, target: str, source: str = "") -> str:
        """The SIG that answers for a source of a target; without a source, for the target. Empty if nobody does."""
        known = self.targets.get(target)
        owner = known.owner.sig if known else ""
        return sig_of(self.farm.sigs, source, owner=owner) if source else owner

    def path(self, text: str) -> Path:
        """A path as written in a configuration file: relative ones start at the folder of farm.yaml."""
        return (self.folder / text).resolve()


def load_typed(kind: type[T], path: Path) -> T:
    """Read one YAML file as ``kind`` (a dataclass). :raises ConfigError: naming file, key and reason."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="does the file exist, may you read it?") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"{path}: {'; '.join(lines)}", hint="`buildfarm check-config` checks all files") from error


def load(path: Path | None = None) -> Config:
    """Load farm.yaml and every target beside it.

    :param path: farm.yaml; else ``BUILDFARM_CONFIG``, else ``farm.yaml`` in the home, else the checkout's.
    :raises ConfigError: a file is missing or wrong.
    """
    own = home()
    if path is None:
        named = os.environ.get("BUILDFARM_CONFIG")
        candidates = [Path(named)] if named else [own / "farm.yaml", CHECKOUT / "configs" / "farm.yaml"]
        path = next((candidate for candidate in candidates if candidate.exists()), candidates[-1])
    path = path.absolute()
    farm = load_typed(Farm, path)
    own_home = (path.parent / farm.home).resolve() if farm.home else own
    farm = replace(farm, home=str(own_home))
    folder = path.parent
    targets: dict[str, Target] = {}
    for file in sorted((folder / farm.targets).glob("*.yaml")):
        target = load_typed(Target, file)
        if target.name != file.stem:
            raise ConfigError(f"{file}: names its target {target.name!r}", hint="name the file like the target")
        targets[target.name] = target
    return Config(farm=farm, targets=targets, folder=folder, file=path)


def client_settings(config: Config) -> tuple[str, str]:
    """The hub's URL and the API token the CLI uses (environment first, then the home's own admin token)."""
    token = os.environ.get("BUILDFARM_TOKEN", "")
    file = config.farm.home_path / "secrets" / "admin.token"
    if not token and file.exists():
        token = file.read_text(encoding="utf-8").strip()
    return os.environ.get("BUILDFARM_URL") or config.farm.url, token
