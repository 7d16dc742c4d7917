"""History."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer, Json, Moment, Page


class Event(Answer):
    """One line of history: who did what to which thing, when and why."""

    id: int
    at: Moment
    actor: str
    kind: str
    subject: str
    why: str
    data: Json


class EventList(Page):
    """History, oldest first.

    ``next`` is the ``after`` that goes on from here, on the last page too: ask again later.
    """

    events: list[Event]
    next: int | None
