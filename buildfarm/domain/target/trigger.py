"""Triggers: webhooks, watched folders and polls, which begin drops without a person.

Owns their configuration (``triggers:`` of a target) and the records kept of each: its state, the
files it has sent, the deliveries it has answered. All of them end in
:func:`buildfarm.services.intake.drops.receive`.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

_FORBID: dict[str, str] = {"extra": "forbid"}

_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 6 * 3600.0
_LONGEST_RETRY_AFTER = 24 * 3600.0
_SPREAD = 0.1


class TriggerKind(enum.StrEnum):
    """Kinds of triggers."""

    WEBHOOK = "webhook"
    FOLDER = "folder"
    POLL = "poll"


class Forge(enum.StrEnum):
    """Senders of webhooks, which differ in signature and body.

    ``generic`` is Standard Webhooks with a drop as its body; ``gitea`` is Forgejo, too.
    """

    GENERIC = "generic"
    GITEA = "gitea"
    GITHUB = "github"
    GITLAB = "gitlab"
    PAGURE = "pagure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """``POST /api/v1/hooks/<target>/<name>``.

    ``secret`` names a file; each of its lines is a secret that holds.

    A forge's push to a ref that one of ``refs`` (globs over the whole name, ``refs/heads/c9``)
    matches becomes a drop.
    """

    __pydantic_config__: ClassVar = _FORBID
    name: str
    secret: str
    forge: Forge = Forge.GENERIC
    refs: tuple[str, ...] = ()
    priority: int = 0
    kind: ClassVar = TriggerKind.WEBHOOK


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedFolder:
    """RPMs that come to rest in ``path`` (at any depth) become a drop once nothing moved there for
    ``quiet`` seconds.

    Files without an event of the kernel (they came while no process watched) are found by looks
    that are ``look`` seconds apart.
    """

    __pydantic_config__: ClassVar = _FORBID
    name: str
    path: str
    quiet: float = 10.0
    look: float = 15.0
    priority: int = 0
    kind: ClassVar = TriggerKind.FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A vendor's source repository, looked at every ``interval`` seconds, and his repositories of
    binaries to compare with.

    A negative ``priority`` is background work. Of what is there at the first look, ``first_look``
    takes the newest of each source: ``latest`` as any drop, ``approve`` if a person approves the
    plan; ``skip`` takes nothing. ``private``: the addresses may be other than public ones.
    """

    __pydantic_config__: ClassVar = _FORBID
    name: str
    baseurl: str
    binaries: tuple[str, ...] = ()
    interval: float = 3600.0
    priority: int = 0
    first_look: Literal["latest", "approve", "skip"] = "approve"
    private: bool = False
    kind: ClassVar = TriggerKind.POLL

    @property
    def places(self) -> tuple[str, ...]:
        """All its repositories, the sources first, each ending in a slash."""
        return tuple(f"{place.rstrip('/')}/" for place in (self.baseurl, *self.binaries))


Trigger = Webhook | WatchedFolder | Poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggers:
    """The triggers of a target; names are unique within a kind."""

    __pydantic_config__: ClassVar = _FORBID
    webhooks: tuple[Webhook, ...] = ()
    folders: tuple[WatchedFolder, ...] = ()
    polls: tuple[Poll, ...] = ()

    @property
    def all(self) -> tuple[Trigger, ...]:
        """Return every trigger."""
        return (*self.webhooks, *self.folders, *self.polls)

    @property
    def ambiguous(self) -> str:
        """A name that two triggers of one kind share; empty if there is none."""
        names = [f"{one.kind} {one.name}" for one in self.all]
        return next((name for name in names if names.count(name) > 1), "")


def trigger_id(target: str, kind: TriggerKind, name: str) -> str:
    """Return what a trigger's state is kept under.

    >>> trigger_id("reef-9", TriggerKind.POLL, "vault")
    'reef-9/poll/vault'
    """
    return f"{target}/{kind.value}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerState:
    """State of a trigger. ``found`` says in words what the last look or message brought,
    ``problem`` why it is not well.

    ``position`` is a poll's memory: for each of its repositories ``etag``, ``last_modified``,
    ``digest`` and ``revision`` of repomd.xml.
    """

    id: str
    target: str
    kind: TriggerKind
    name: str
    looked: datetime | None = None
    next_look: datetime | None = None
    failures: int = 0
    problem: str = ""
    problem_since: datetime | None = None
    found: str = ""
    drop_id: str = ""
    dropped: datetime | None = None
    position: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """A file that a trigger has handled, by its digest.

    ``drop_id`` is empty for what was passed over on purpose.

    ``stamp`` is what a look can see without reading the file (size and times), so that it need not
    be read again.
    """

    id: str
    trigger: str
    sha256: str
    name: str
    stamp: str = ""
    drop_id: str = ""
    seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """A webhook's message that was answered; the same message gets the same answer and does nothing
    again.
    """

    id: str
    trigger: str
    message: str
    drop_id: str = ""
    answer: str = ""
    received: datetime


def memory_key(trigger: str, what: str) -> str:
    """The id of what a trigger remembers: a SHA-256, for what comes from outside may be long."""
    return hashlib.sha256(f"{trigger}\n{what}".encode()).hexdigest()


def pause(
    interval: float, failures: int, chance: float, *, retry_after: float | None = None
) -> float:
    """Seconds until the next look. ``chance`` in [0, 1) spreads the looks of many farms.

    After a failure it grows from a minute, doubled each time, to six hours; what the server asks
    for is honoured up to a day.

    >>> [round(pause(3600, failures, 0.5)) for failures in (0, 1, 2, 4, 20)]
    [3600, 45, 90, 360, 16200]
    >>> round(pause(3600, 1, 0.0, retry_after=7200))
    7200
    """
    if not failures:
        wanted = interval * (1 - _SPREAD + 2 * _SPREAD * chance)
    else:
        longest = min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 16), _LONGEST_PAUSE)
        wanted = longest * (0.5 + chance / 2)  # "equal jitter": never at once, never all together
    return max(wanted, min(retry_after or 0.0, _LONGEST_RETRY_AFTER))


def place_of(position: Mapping[str, object], place: str) -> dict[str, str]:
    """Return what a poll remembers of one repository; empty before the first look."""
    known = position.get(place)
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}
