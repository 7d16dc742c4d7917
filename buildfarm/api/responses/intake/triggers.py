"""Triggers: what lets drops begin by themselves, and what a webhook is answered."""

from __future__ import annotations

from typing import Literal

from buildfarm.api.responses.core.base import Answer, Moment
from buildfarm.domain.target.trigger import TriggerKind


class PolledRepository(Answer):
    """A repository and the state of it that was read last."""

    url: str
    revision: str
    etag: str


class Trigger(Answer):
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


class TriggerList(Answer):
    """Every configured trigger, by target."""

    triggers: list[Trigger]


class HookAnswer(Answer):
    """What a webhook's message came to: a drop (with the fields of a drop in a list, and its page
    as ``url``), or ``nothing_to_do``.

    ``known``: the message came before.
    """

    known: bool
    nothing_to_do: str = ""
    id: str = ""
    created: bool = False
    url: str = ""
