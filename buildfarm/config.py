"""Configuration: one YAML tree, typed at load, passed on as objects.

Only this module reads the environment: ``BUILDFARM_HOME`` (runtime data), ``BUILDFARM_CONFIG``
(farm.yaml), ``BUILDFARM_URL`` and ``BUILDFARM_TOKEN`` (the CLI's hub and identity).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from buildfarm.domain.auth.login import LoginSettings
from buildfarm.domain.auth.permissions import Scope
from buildfarm.domain.schedule.sharing import Sharing
from buildfarm.domain.target.allowed_url import parsed
from buildfarm.domain.target.sig import Sig, sig_of
from buildfarm.domain.target.target import Target
from buildfarm.errors import ConfigError, InputError, NotFound
from buildfarm.places import CHECKOUT, home

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Intervals in seconds.

    A worker sends a heart-beat every ``heartbeat``; a lease expires after ``lease`` without one.
    The sweep looks every ``sweep`` for lost messages (older than ``message_patience``) and dead
    workers.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    heartbeat: float = 5.0
    lease: float = 45.0
    sweep: float = 30.0
    message_patience: float = 30.0
    leader_lease: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalGuests:
    """Guests on the hub's own machine, over a private libvirt: their image and number.

    ``folder`` (default: below the home, if QEMU's user can read it) holds images and running
    guests.
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
    """Requests to ``/api/v1`` per caller, such as ``3000/minute``; empty means no limit.

    A caller is a token or session, else an address.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    reads: _Rate = "3000/minute"
    writes: _Rate = "600/minute"


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """``mail:`` of farm.yaml: the server for our mail, and the sender (``from``)."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    host: str
    sender: Annotated[str, Field(alias="from")]
    port: int = 25
    starttls: bool = False
    user: str = ""
    password_file: str = ""

    def __post_init__(self) -> None:
        """Check the settings. :raises ValueError: the password would be sent unencrypted."""
        if self.user and not self.starttls and self.host not in _LOOPBACK:
            raise ValueError(f"{self.user} would log in at {self.host} in clear; `starttls: true`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """``notifications:`` of farm.yaml.

    ``url`` is the page's address for people (default: the one for workers). ``allowed_urls`` are
    URL prefixes that webhooks may use although their address is not public. ``quiet``, ``longest``
    and ``least`` are seconds, see :class:`buildfarm.domain.notify.digest.Pace`; ``stream_length``
    is the number of messages that the stream keeps.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    url: str = ""
    allowed_urls: tuple[str, ...] = ()
    quiet: float = 120.0
    longest: float = 1800.0
    least: float = 900.0
    stream_length: int = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The number of concurrent SSE clients: per web process, and per address.

    Behind a reverse proxy all clients have its address, unless ``login.proxies`` lists it.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    clients: int = 2000
    per_address: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm:
    """``farm.yaml``; empty ``database`` and ``redis`` mean the embedded ones under ``home``.

    A ``…_password_file`` holds the password that its URL lacks. ``drop_folders`` are the only
    folders whose files a drop may name by path. ``local_workers`` builders run beside the hub,
    ``guests`` in machines beside it. ``sharing`` limits slots, ``sigs`` assigns sources to SIGs,
    ``login`` is for people.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    home: str = ""
    listen: str = "127.0.0.1:8080"
    hub_url: str = ""
    database: str = ""
    database_password_file: str = ""
    redis: str = ""
    redis_password_file: str = ""
    targets: str = "targets"
    drop_folders: tuple[str, ...] = ()
    local_workers: int = 2
    guests: LocalGuests | None = None
    distribution: str = "Rebuild Distribution"
    signing_email: str = "signing@localhost"
    timing: Timing = field(default_factory=Timing)
    limits: Limits = field(default_factory=Limits)
    live: Live = field(default_factory=Live)
    sharing: Sharing = field(default_factory=Sharing)
    sigs: dict[str, Sig] = field(default_factory=dict)
    mail: Mail | None = None
    notifications: Notifications = field(default_factory=Notifications)
    login: LoginSettings = field(default_factory=LoginSettings)

    @property
    def home_path(self) -> Path:
        """The folder of runtime data."""
        return Path(self.home)

    @property
    def url(self) -> str:
        """The hub's address for workers and the CLI."""
        return self.hub_url or f"http://{self.listen}"

    @property
    def public_url(self) -> str:
        """The page's address for people, in mails, feeds and webhooks."""
        return (self.notifications.url or self.url).rstrip("/")

    @property
    def database_url(self) -> str:
        """The database; embedded SQLite by default."""
        return self.database or f"sqlite:///{self.home_path / 'buildfarm.db'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration: the farm, its targets by name, and the base of relative paths."""

    farm: Farm
    targets: dict[str, Target]
    folder: Path
    file: Path

    def target(self, name: str) -> Target:
        """Return one target. :raises NotFound: it is not configured."""
        try:
            return self.targets[name]
        except KeyError:
            known = ", ".join(sorted(self.targets)) or "none"
            raise NotFound(f"no target {name!r}", hint=f"configured targets: {known}") from None

    def below(self, target: Target) -> tuple[Target, ...]:
        """Return the target itself, and the one it is layered on."""
        return (target, self.target(target.base)) if target.base else (target,)

    @property
    def sigs(self) -> dict[str, str]:
        """Return the SIG responsible for each target."""
        return {name: target.owner.sig for name, target in self.targets.items()}

    def sig_of(self, target: str, source: str = "") -> str:
        """Return the SIG responsible for a source of a target, or for the target; empty if there is
        none.
        """
        known = self.targets.get(target)
        owner = known.owner.sig if known else ""
        return sig_of(self.farm.sigs, source, owner=owner) if source else owner

    def scope(self, target: str, source: str = "") -> Scope:
        """Return a source of a target, or a whole target, with the SIGs that may decide there.

        Those are the target's, and the source's.
        """
        whose = dict.fromkeys(
            sig for sig in (self.sig_of(target), self.sig_of(target, source)) if sig
        )
        return Scope(
            what=f"{source} in {target}" if source else f"target {target}", sigs=tuple(whose)
        )

    def secret(self, text: str) -> str:
        """Return the contents of the file at this path, without the last newline.

        :raises ConfigError: it cannot be read.
        """
        try:
            return self.path(text).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"{self.path(text)}: {error.strerror}", hint="a file with the secret alone"
            ) from error

    def path(self, text: str) -> Path:
        """Return a path of a configuration file; relative ones start at farm.yaml's folder."""
        return (self.folder / text).resolve()


def load_typed(kind: type[T], path: Path) -> T:
    """Read one YAML file as ``kind`` (a dataclass).

    :raises ConfigError: naming file, key and reason.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", hint="does the file exist, may you read it?"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ConfigError(
            f"{path}: {'; '.join(lines)}", hint="`buildfarm check-config` checks all files"
        ) from error


def load(path: Path | None = None) -> Config:
    """Load farm.yaml and every target beside it.

    :param path: farm.yaml; else ``BUILDFARM_CONFIG``, else ``farm.yaml`` in the home, else the
        checkout's.
    :raises ConfigError: a file is missing or wrong.
    """
    own = home()
    if path is None:
        named = os.environ.get("BUILDFARM_CONFIG")
        candidates = (
            [Path(named)] if named else [own / "farm.yaml", CHECKOUT / "configs" / "farm.yaml"]
        )
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
            raise ConfigError(
                f"{file}: names its target {target.name!r}", hint="name the file like the target"
            )
        if target.triggers.ambiguous:
            raise ConfigError(
                f"{file}: two triggers are called {target.triggers.ambiguous}", hint="rename one"
            )
        for allowed in target.allowed_urls:
            try:
                parsed(allowed.prefix)
            except InputError as error:
                raise ConfigError(f"{file}: {error}") from error
        targets[target.name] = target
    _check_layers(targets, folder / farm.targets)
    return Config(farm=farm, targets=targets, folder=folder, file=path)


def _check_layers(targets: Mapping[str, Target], folder: Path) -> None:
    """Check layered targets.

    :raises ConfigError: a base is missing, is layered itself, or builds for fewer arches.
    """
    for target in targets.values():
        if not target.base:
            continue
        file, base = folder / f"{target.name}.yaml", targets.get(target.base)
        if base is None:
            raise ConfigError(
                f"{file}: base: no target {target.base!r}",
                hint=f"targets: {', '.join(sorted(targets))}",
            )
        if base.base:
            raise ConfigError(
                f"{file}: base: {base.name} is layered itself",
                hint=f"name {base.base}, or give it no base",
            )
        if lacking := sorted(set(target.arches) - set(base.arches)):
            raise ConfigError(
                f"{file}: base: {base.name} does not build for {', '.join(lacking)}",
                hint="leave these arches out",
            )


def client_settings(config: Config) -> tuple[str, str]:
    """Return the hub's URL and the CLI's API token, from the environment or the home."""
    token = os.environ.get("BUILDFARM_TOKEN", "")
    file = config.farm.home_path / "secrets" / "admin.token"
    if not token and file.exists():
        token = file.read_text(encoding="utf-8").strip()
    return os.environ.get("BUILDFARM_URL") or config.farm.url, token
