"""Triggers: what lets drops begin by themselves, and what a webhook is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, Moment
from buildfarm.api.responses.intake.drops import ReceivedDrop
from buildfarm.domain.target.trigger import TriggerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledRepository(ApiResponse):
    """A repository and the state of it that was read last."""

    url: str
    revision: str
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger(ApiResponse):
    """One trigger: what it ``follows`` in words, what it ``found`` last, and why it fails
    (``problem``).
    """

    target: str
    kind: TriggerKind
    name: str
    follows: list[str]
    priority: int
    state: Literal["listening", "failing"]
    looked: Moment | None
    next_look: Moment | None
    found: str
    problem: str
    problem_since: Moment | None
    failures: int
    drop: str
    dropped: Moment | None
    repositories: list[PolledRepository]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerList(ApiResponse):
    """Every configured trigger, by target."""

    triggers: list[Trigger]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDrop(ReceivedDrop):
    """The drop that a webhook's message began; ``known``: the message came before."""

    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToDo(ApiResponse):
    """Reason why a webhook's message began no drop; ``known``: it came before."""

    known: bool
    nothing_to_do: str
