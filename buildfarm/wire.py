"""The messages between the hub and a worker over HTTP.

These models are the whole contract: the worker's wheel contains them without the hub's libraries.
Sizes are bytes, times seconds, digests SHA-256 in lower-case hex.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from buildfarm.domain.core.build import FailureKind

Sha256 = str
MEBIBYTE = 1024 * 1024


class Message(BaseModel):
    """Base of all messages: immutable, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlobRef(Message):
    """A file in the hub's content-addressed store.

    The worker fetches it from ``/worker/v1/tasks/<id>/payload``.
    """

    sha256: Sha256
    filename: str
    size: int


class Repository(Message):
    """One dnf repository of a buildroot; ``priority`` as in dnf.conf(5), lower wins.

    A ``baseurl`` or ``gpgkey`` that is a path (``/repos/…``) is the hub's own, because each worker
    has its own address for the hub.
    """

    id: str
    baseurl: str
    priority: int = 99
    gpgcheck: bool = False
    repo_gpgcheck: bool = False
    gpgkey: str = ""

    def at(self, hub_url: str) -> Repository:
        """Return it with the hub's own addresses below ``hub_url``."""
        return self.model_copy(
            update={
                "baseurl": _at(hub_url, self.baseurl),
                "gpgkey": " ".join(_at(hub_url, key) for key in self.gpgkey.split()),
            }
        )


def _at(hub_url: str, address: str) -> str:
    return hub_url.rstrip("/") + address if address.startswith("/") else address


class Buildroot(Message):
    """The definition of a buildroot, pinned to one generation of its target and of those ``below``
    it.

    ``modules`` are the enabled streams (``NAME:STREAM``). ``key`` is a digest over every RPM that
    the base packages resolve to and over the list itself: orders with the same key may share a base
    chroot.
    """

    key: str
    generation: str
    below: tuple[str, ...] = ()
    packages: tuple[str, ...]
    repositories: tuple[Repository, ...]
    releasever: str = "9"
    modules: tuple[str, ...] = ()

    def at(self, hub_url: str) -> Buildroot:
        """Return it with every repository below ``hub_url``."""
        return self.model_copy(
            update={"repositories": tuple(repo.at(hub_url) for repo in self.repositories)}
        )


class Limits(Message):
    """Limits of one build; ``log`` is for build.log, ``disk`` for everything written."""

    seconds: int = 4 * 3600
    memory: int = 4096 * MEBIBYTE
    processes: int = 2048
    disk: int = 20 * 1024 * MEBIBYTE
    log: int = 64 * MEBIBYTE


class Override(Message):
    """An engineer's exception for one source: see ``buildfarm override``.

    ``reason`` is never empty.
    """

    macros: dict[str, str] = Field(default_factory=dict)
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    nocheck: bool = False
    network: bool = False
    seconds: int | None = None
    memory: int | None = None
    reason: str = ""


class WorkOrder(Message):
    """Everything a builder needs for one task.

    ``kind`` ``build``: ``payload`` is the SRPM to rebuild. ``kind`` ``srpm``: ``payload`` is a tar
    of a debranded source tree (``SPECS/<source>.spec`` and ``SOURCES/*``) to make the SRPM from, or
    an SRPM (``*.src.rpm``) to make again under the override's conditions. ``macros`` are the
    target's (including ``dist``, with its leading dot). ``source_date_epoch`` is set if the rule
    fixes it.
    """

    task: str
    kind: Literal["build", "srpm"]
    build: str
    target: str
    nvr: str
    arch: str
    payload: BlobRef
    buildroot: Buildroot
    macros: dict[str, str] = Field(default_factory=dict)
    limits: Limits = Limits()
    override: Override = Override()
    source_date_epoch: int | None = None


class InstalledRpm(Message):
    """One line of a lock: an RPM installed in the buildroot.

    ``sha256`` is RPM's SHA256HEADER (of the main header).
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    sha256: Sha256


class Artifact(Message):
    """One file the build made."""

    filename: str
    sha256: Sha256
    size: int


class Report(Message):
    """The result of a task; a failure has a kind and a one-line reason that a person can act on.

    ``asked_for`` are the requirements generated while the build ran (``%generate_buildrequires``),
    installed or not.
    """

    ok: bool
    failure_kind: FailureKind | None = None
    reason: str = ""
    artifacts: tuple[Artifact, ...] = ()
    lock: tuple[InstalledRpm, ...] = ()
    asked_for: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)
    builder: str = ""
    host: dict[str, str] = Field(default_factory=dict)


class Hello(Message):
    """A worker's registration: what it can build."""

    name: str
    arches: tuple[str, ...]
    builder: Literal["chroot", "mock"]
    slots: int = 1
    features: dict[str, str] = Field(default_factory=dict)
    version: str


class Welcome(Message):
    """The hub's answer to a registration: the heart-beat interval."""

    heartbeat_seconds: float
    lease_seconds: float


class GuestRequest(Message):
    """A KVM host's request for the identity of a new guest, which boots the image ``image`` (a
    digest).
    """

    image: Sha256
    builder: Literal["chroot", "mock"]
    facts: dict[str, str] = Field(default_factory=dict)


class GuestIdentity(Message):
    """The identity of a guest for its one task: a worker's name and credentials, revoked with it.

    ``redis_url`` and ``hub_certificate`` (PEM) are for the KVM host; it adapts them for the guest.
    """

    name: str
    token: str = Field(repr=False)
    redis_url: str = Field(repr=False)
    redis_prefix: str
    queues: tuple[str, ...]
    arches: tuple[str, ...]
    hub_certificate: str


class GuestState(Message):
    """The hub's state of a guest: a worker's state, and its task if it has one.

    ``lost`` without ``seen`` means that it has not registered yet; ``retired``: end it.
    """

    name: str
    state: str
    joined: bool
    task: str = ""


class Guests(Message):
    """The guests of a KVM host that the hub knows; also the host's heart-beat."""

    guests: tuple[GuestState, ...]
    heartbeat_seconds: float


class GuestGone(Message):
    """The end of a guest's machine, with the reason."""

    reason: str


class Claim(Message):
    """A granted lease: the work order and a token for this task only."""

    order: WorkOrder
    token: str
    lease_seconds: float


class Heartbeat(Message):
    """A sign of life, with the stage (``buildroot``, ``dependencies``, ``build``, ``collect``)."""

    stage: str = ""


class HeartbeatAnswer(Message):
    """``go_on`` is False if the task was canceled or reassigned; the worker stops and drops the
    work.
    """

    go_on: bool
    reason: str = ""


class LogAnswer(Message):
    """The bytes of this task's log at the hub; the worker continues from there."""

    offset: int
