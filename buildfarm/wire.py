"""What the hub and a worker say to each other over HTTP, and nothing else.

These models are the whole contract: the worker's wheel carries them without the hub's libraries.
Sizes are bytes, times seconds, digests SHA-256 in lower-case hex.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from buildfarm.domain.core.build import FailureKind

Sha256 = str
MEBIBYTE = 1024 * 1024


class Message(BaseModel):
    """Base of all wire models: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlobRef(Message):
    """A file in the hub's content-addressed store; the worker fetches it from
    ``/worker/v1/tasks/<id>/payload``.
    """

    sha256: Sha256
    filename: str
    size: int


class Repository(Message):
    """One dnf repository of a buildroot; ``priority`` as in dnf.conf(5), lower wins.

    A ``baseurl`` or ``gpgkey`` that is a path (``/repos/…``) is the hub's own: each worker has its
    own way to the hub.
    """

    id: str
    baseurl: str
    priority: int = 99
    gpgcheck: bool = False
    repo_gpgcheck: bool = False
    gpgkey: str = ""

    def at(self, hub_url: str) -> Repository:
        """With the hub's own addresses as ``hub_url`` reaches them."""
        return self.model_copy(
            update={
                "baseurl": _at(hub_url, self.baseurl),
                "gpgkey": " ".join(_at(hub_url, key) for key in self.gpgkey.split()),
            }
        )


def _at(hub_url: str, address: str) -> str:
    return hub_url.rstrip("/") + address if address.startswith("/") else address


class Buildroot(Message):
    """What a buildroot is made of, pinned to one generation (and one of each target ``below`` that
    it is layered on).

    ``modules`` are the streams (``NAME:STREAM``) that are enabled in it.

    ``key`` is a digest over every RPM the base packages resolve to and over the list itself: two
    orders with one key may share a base root.
    """

    key: str
    generation: str
    below: tuple[str, ...] = ()
    packages: tuple[str, ...]
    repositories: tuple[Repository, ...]
    releasever: str = "9"
    modules: tuple[str, ...] = ()

    def at(self, hub_url: str) -> Buildroot:
        """With every repository as ``hub_url`` reaches it."""
        return self.model_copy(
            update={"repositories": tuple(repo.at(hub_url) for repo in self.repositories)}
        )


class Limits(Message):
    """What one build may use. ``log`` bounds build.log, ``disk`` everything it writes."""

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
    of a debranded source tree (``SPECS/<source>.spec`` and ``SOURCES/*``) from which the SRPM is to
    be made, or an SRPM (``*.src.rpm``) that is to be made anew under the override's conditions.
    ``macros`` are the target's (``dist`` among them, with its leading dot). ``source_date_epoch``
    is set where the rule fixes it.
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
    """One line of a lock: what stood in the buildroot.

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
    """How a task ended. A failure has a kind and a reason of one line that a person can act on.

    ``asked_for`` are the requirements that the build asked for while it ran
    (``%generate_buildrequires``), installed or not.
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
    """A worker introduces itself: what it can build."""

    name: str
    arches: tuple[str, ...]
    builder: Literal["chroot", "mock"]
    slots: int = 1
    features: dict[str, str] = Field(default_factory=dict)
    version: str


class Welcome(Message):
    """The hub's answer: how often to be heard of."""

    heartbeat_seconds: float
    lease_seconds: float


class GuestRequest(Message):
    """A KVM host asks for the identity of one new guest, which boots the image with the digest
    ``image``.
    """

    image: Sha256
    builder: Literal["chroot", "mock"]
    facts: dict[str, str] = Field(default_factory=dict)


class GuestIdentity(Message):
    """Who a guest is for its one task: a worker's name and credentials, made for it and revoked
    with it.

    ``redis_url`` and ``hub_certificate`` (PEM) are as the KVM host sees them; what the guest sees
    is the host's to arrange.
    """

    name: str
    token: str = Field(repr=False)
    redis_url: str = Field(repr=False)
    redis_prefix: str
    queues: tuple[str, ...]
    arches: tuple[str, ...]
    hub_certificate: str


class GuestState(Message):
    """What the hub knows of a guest: a worker's state, and the task it has if any.

    ``lost`` with no ``seen`` means that it has not said hello yet; ``retired``: end it.
    """

    name: str
    state: str
    joined: bool
    task: str = ""


class Guests(Message):
    """The guests of a KVM host that the hub still counts on; also the host's heart-beat."""

    guests: tuple[GuestState, ...]
    heartbeat_seconds: float


class GuestGone(Message):
    """The machine is gone, and why."""

    reason: str


class Claim(Message):
    """A granted lease: the work order and a token good for this task only."""

    order: WorkOrder
    token: str
    lease_seconds: float


class Heartbeat(Message):
    """Alive, and at which stage (``buildroot``, ``dependencies``, ``build``, ``collect``)."""

    stage: str = ""


class HeartbeatAnswer(Message):
    """``go_on`` False: the task was canceled or given away; stop and drop the work."""

    go_on: bool
    reason: str = ""


class LogAnswer(Message):
    """How many bytes of this task's log the hub has; the worker continues from there."""

    offset: int
