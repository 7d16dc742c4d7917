"""Targets: dist tag, arches, buildroot, upstream and tags. Loaded from
``configs/targets/<name>.yaml``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import ClassVar, Literal

from buildfarm.domain.core.verdict import CodeCause
from buildfarm.domain.target.allowed_url import AllowedUrl
from buildfarm.domain.target.repodata_style import RepodataStyle
from buildfarm.domain.target.trigger import Triggers

_FORBID: dict[str, str] = {
    "extra": "forbid"
}  # read by the loader: an unknown key is an error, not ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRepository:
    """A repository that is not ours: the seed, or the base of a layered target.

    A lower ``priority`` wins (dnf.conf(5)).

    Exactly one of ``path`` (a local folder, served to workers by the hub) and ``baseurl``.
    """

    __pydantic_config__: ClassVar = _FORBID
    id: str
    path: str = ""
    baseurl: str = ""
    priority: int = 90
    gpgcheck: bool = False
    gpgkey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildrootSpec:
    """The base of every buildroot of the target: package names as for dnf install, and rpm
    macros.
    """

    __pydantic_config__: ClassVar = _FORBID
    packages: tuple[str, ...]
    releasever: str
    macros: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistGit:
    """The vendor's dist-git: ``url`` of one source's repository with ``{source}`` in it,
    ``lookaside`` a folder or a URL.

    Naming it here is trusting it: what it serves at a commit takes the place of a signed SRPM.
    """

    __pydantic_config__: ClassVar = _FORBID
    url: str
    lookaside: str

    def repository(self, source: str) -> str:
        """Return where a source's repository is.

        >>> git = DistGit(url="https://git.example.org/rpms/{source}.git", lookaside="")
        >>> git.repository("tree")
        'https://git.example.org/rpms/tree.git'
        """
        return self.url.replace("{source}", source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The vendor: name, public keys (files) that sign its SRPMs, where its packages come from (for
    people), its dist-git.

    A SIG's own target has no ``vendor``. With ``submitted`` an SRPM needs no signature: its sender
    answers for it, and is named in the place of a key. A drop may name
    files by URL under ``allowed_urls`` (and under the repositories that are polled), nowhere else.
    """

    __pydantic_config__: ClassVar = _FORBID
    vendor: str = ""
    submitted: bool = False
    keys: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    dist_git: DistGit | None = None
    allowed_urls: tuple[AllowedUrl, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The build tag feeds the next builds; the destination tag is what users see."""

    __pydantic_config__: ClassVar = _FORBID
    build: str
    destination: str


class Phase(enum.StrEnum):
    """CentOS's life of a release: full updates, then maintenance (security and selected fixes),
    then the end.
    """

    PLANNED = "planned"
    FULL_UPDATES = "full updates"
    MAINTENANCE = "maintenance"
    END_OF_LIFE = "end of life"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Days on which a phase begins; an open end is ``None``."""

    __pydantic_config__: ClassVar = _FORBID
    released: date
    maintenance: date | None = None
    end_of_life: date | None = None

    def phase(self, today: date) -> Phase:
        """Return the phase that ``today`` lies in.

        >>> life = Lifecycle(released=date(2022, 5, 17), end_of_life=date(2032, 5, 31))
        >>> life.phase(date(2026, 1, 1))
        <Phase.FULL_UPDATES: 'full updates'>
        """
        if self.end_of_life is not None and today >= self.end_of_life:
            return Phase.END_OF_LIFE
        if self.maintenance is not None and today >= self.maintenance:
            return Phase.MAINTENANCE
        return Phase.FULL_UPDATES if today >= self.released else Phase.PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Verdicts below COMPATIBLE that the destination tag accepts, and the causes for which code
    that differs is COMPATIBLE.
    """

    __pydantic_config__: ClassVar = _FORBID
    uncompared: bool = False
    causes: tuple[CodeCause, ...] = tuple(CodeCause)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLimits:
    """Limits of one build: seconds, MiB of memory, processes, MiB of disk, MiB of log."""

    __pydantic_config__: ClassVar = _FORBID
    seconds: int = 4 * 3600
    memory_mib: int = 8192
    processes: int = 4096
    disk_mib: int = 20480
    log_mib: int = 64


class ExtraMetadataKind(enum.StrEnum):
    """Kinds of metadata that a repository has beside its RPMs: groups, advisories, modules."""

    COMPS = "comps"
    UPDATEINFO = "updateinfo"
    MODULES = "modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerLimits:
    """Builds that one trigger may start without a person: none with ``approval``, else at most
    ``most_builds`` (``None``: any number).

    That is at once; a webhook, a folder or a poll may also start no more than that in ``hours``,
    however small its drops are.
    """

    __pydantic_config__: ClassVar = _FORBID
    approval: bool = False
    most_builds: int | None = None
    hours: float = 24.0

    def objection(self, builds: int, *, asked: bool = False, lately: int = 0) -> str:
        """Return why so many builds await approval; empty if they need none.

        ``asked``: the sender wants to see the plan first.

        ``lately`` is how many the same trigger has started in ``hours``.

        >>> TriggerLimits(most_builds=100).objection(3000)
        '3000 builds at once, the target allows 100 without approval'
        """
        if asked:
            return "its sender wants to see the plan first"
        if self.approval:
            return "the target has every plan approved"
        if self.most_builds is not None and builds > self.most_builds:
            return f"{builds} builds at once, the target allows {self.most_builds} without approval"
        if self.most_builds is not None and lately and builds + lately > self.most_builds:
            return (
                f"{builds} builds after {lately} by the same trigger in {self.hours:g} h, the "
                f"target allows {self.most_builds}"
            )
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRequirements:
    """Requirements of a source's builds on a worker: MiB of memory, cores, hardware virtualisation.

    Workers say what they have.
    """

    __pydantic_config__: ClassVar = _FORBID
    memory_mib: int = 0
    cores: int = 0
    kvm: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> MachineRequirements:
        """Return the requirements stored with a task."""
        return cls(
            memory_mib=int(str(stored.get("memory_mib", 0))),
            cores=int(str(stored.get("cores", 0))), kvm=bool(stored.get("kvm")),
        )  # fmt: skip

    def stored(self) -> dict[str, object]:
        """Return what a task keeps; empty if any worker will do."""
        return {name: value for name, value in asdict(self).items() if value}

    def met_by(self, features: Mapping[str, object]) -> bool:
        """Return whether a worker with these features will do; what it does not say it does not
        have.

        >>> MachineRequirements(cores=4).met_by({"cores": "8"})
        True
        >>> MachineRequirements(kvm=True).met_by({"cores": "8"})
        False
        """
        enough = all(
            not wanted
            or (str(features.get(name, "")).isdigit() and int(str(features[name])) >= wanted)
            for name, wanted in (("memory_mib", self.memory_mib), ("cores", self.cores))
        )
        return enough and (not self.kvm or features.get("kvm") == "yes")

    def __bool__(self) -> bool:
        """Return whether it needs anything."""
        return bool(self.stored())

    def __str__(self) -> str:
        """In words."""
        said = [f"{self.memory_mib} MiB of memory"] if self.memory_mib else []
        said += [f"{self.cores} cores"] if self.cores else []
        return ", ".join([*said, "KVM"] if self.kvm else said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The SIG that answers for the target."""

    __pydantic_config__: ClassVar = _FORBID
    sig: str
    contact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target: dist tag, arches, buildroot, upstream, both tags, lifecycle and owner.

    ``dist`` is the vendor's default dist tag with its dot; a build takes the dist of its own SRPM's
    Release. A layered target builds on what users of its ``base`` (another target) have, and on the
    base's own external repositories. ``suffix`` is what rules append to the Release of a debranded
    source. ``header_tags`` are values of our RPMs' headers. ``machine_requirements`` says
    for a source what its builds need of a worker, ``trigger_limits`` what one trigger may start by
    itself; ``keep_generations`` of each tag keep their files. With ``rebuild_on_change`` sources
    are built again when a soname or symbol version they use goes away; they are named in any case.
    ``extra_metadata`` names files whose groups, advisories and modules go into each binary
    repository; ``repodata`` says in which checksums and compressions its metadata is written.
    ``modules`` are the streams (``NAME:STREAM``) that its buildroots enable beside the default
    ones. ``triggers`` start drops by themselves.
    """

    __pydantic_config__: ClassVar = _FORBID
    schema: Literal[1]
    name: str
    title: str
    dist: str
    suffix: str
    arches: tuple[str, ...]
    builder: Literal["chroot", "mock"]
    buildroot: BuildrootSpec
    upstream: Upstream
    tags: Tags
    lifecycle: Lifecycle
    owner: Owner
    external: tuple[ExternalRepository, ...] = ()
    gate: GatePolicy = GatePolicy()
    limits: TaskLimits = TaskLimits()
    rules: str = ""
    brand: str = ""
    header_tags: dict[str, str] = field(default_factory=dict)
    large_sources: tuple[str, ...] = ()
    machine_requirements: dict[str, MachineRequirements] = field(default_factory=dict)
    trigger_limits: TriggerLimits = TriggerLimits()
    keep_generations: int = 30
    rebuild_on_change: bool = False
    extra_metadata: dict[ExtraMetadataKind, str] = field(default_factory=dict)
    repodata: RepodataStyle = field(default_factory=RepodataStyle)
    base: str = ""
    modules: tuple[str, ...] = ()
    triggers: Triggers = field(default_factory=Triggers)

    def __post_init__(self) -> None:
        """:raises ValueError: a module without its stream."""
        for one in self.modules:
            if not re.fullmatch(r"[^\s:]+:[^\s:]+", one):
                raise ValueError(f"modules: {one!r} is no NAME:STREAM")

    @property
    def allowed_urls(self) -> tuple[AllowedUrl, ...]:
        """Return where files of its drops may be fetched from."""
        polled = (
            AllowedUrl(prefix=place, private=poll.private)
            for poll in self.triggers.polls
            for place in poll.places
        )
        return (*self.upstream.allowed_urls, *polled)

    def machine_requirements_of(self, source: str) -> MachineRequirements:
        """Return what a source's builds need of a worker."""
        return self.machine_requirements.get(source, MachineRequirements())

    def size_of(self, source: str) -> str:
        """The queue's size word for a source: ``large`` for those named in the target, else
        ``small``.
        """
        return "large" if source in self.large_sources else "small"

    def queue(self, arch: str, source: str) -> str:
        """The Celery queue of one task: target, arch and size."""
        return f"{self.name}.{arch}.{self.size_of(source)}"

    def queues(self) -> tuple[str, ...]:
        """Return every queue of the target."""
        return tuple(
            f"{self.name}.{arch}.{size}" for arch in self.arches for size in ("small", "large")
        )


_MODULE_DIST = re.compile(r"\.module\+.*$")


def dist_of_release(release: str, stem: str) -> str:
    """The dist tag inside a Release, taken from the SRPM itself; ``stem`` is the target's
    (``.el9``).

    A vendor ships ``5.el9`` and ``5.el9_4.3`` side by side, and both must come out as they are: the
    dist of the latter is ``.el9_4``, and the ``.3`` stands in the spec behind ``%{?dist}``.

    >>> dist_of_release("5.el9_4.3", ".el9")
    '.el9_4'
    >>> dist_of_release("32.module+el9.3.0.z+20438+032561a0", ".el9")
    '.module+el9.3.0.z+20438+032561a0'
    >>> dist_of_release("7", ".el9")
    ''
    """
    if module := _MODULE_DIST.search(release):
        return module[0]
    found = re.search(rf"{re.escape(stem)}(_[0-9]+)?(?![0-9])", release)
    return found[0] if found else ""
