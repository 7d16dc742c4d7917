"""History."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, JsonObject, ListPage, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(ApiResponse):
    """One line of history: who did what to which thing, when and why."""

    id: int
    at: Moment
    actor: str
    kind: str
    subject: str
    why: str
    data: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class EventList(ListPage):
    """History, oldest first.

    ``next`` is the ``after`` that goes on from here, on the last page too: ask again later.
    """

    events: list[Event]
    next: int | None
