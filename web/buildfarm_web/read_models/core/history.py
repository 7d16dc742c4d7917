"""Events for reading, and the states a build went through with their times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from buildfarm.api.responses.build.builds import StateSpan
from buildfarm.api.responses.core import events as responses
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.records import Event
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.core.paging import encoded, page

_STATE_EVENTS = {f"build.{state.value}": state for state in BuildState}


def event_of(event: Event) -> responses.Event:
    """One line of history."""
    return responses.Event(
        id=event.id or 0, at=event.at, actor=event.actor, kind=event.kind, subject=event.subject, why=event.why, data=event.data
    )  # fmt: skip


def events(
    tx: Transaction,
    *,
    subject: str = "",
    after: int | None = None,
    limit: int = 200,
    cursor: str = "",
) -> responses.EventList:
    """A page of history, oldest first; ``next`` is the ``after`` that goes on from here, and
    ``cursor`` too while more is there.

    Without ``after`` and ``cursor`` the newest ``limit`` lines. Event numbers may have gaps
    (PostgreSQL), never repeats.
    """
    where: dict[str, object] = {"subject": subject} if subject else {}
    if after is None and not cursor:
        found = tx.find(Event, order_by="id", descending=True, limit=limit, after=None, **where)[
            ::-1
        ]
        more = None
    else:
        start = cursor or encoded((after,))
        following = page(tx, Event, "id", where, limit=limit, cursor=start, descending=False)
        found, more = following.records, following.cursor
    return responses.EventList(
        events=[event_of(event) for event in found],
        next=found[-1].id if found else after,
        cursor=more,
    )


def about_build(tx: Transaction, build: str, tasks: Iterable[str]) -> list[Event]:
    """Everything that happened to a build and to its tasks, oldest first."""
    return tx.find(Event, subject=(build, *tasks), order_by="id")


def states_of(history: Sequence[Event], build: str, now: datetime) -> list[StateSpan]:
    """The states in order, each with when, how long, by whom and why; the last one lasts until now."""
    changes = [event for event in history if event.subject == build and event.kind in _STATE_EVENTS]
    made: list[StateSpan] = []
    for number, event in enumerate(changes):
        is_last = number + 1 == len(changes)
        until = now if is_last else changes[number + 1].at
        made.append(
            StateSpan(
                state=_STATE_EVENTS[event.kind],
                at=event.at,
                actor=event.actor,
                why=event.why,
                seconds=max((until - event.at).total_seconds(), 0.0),
                current=is_last,
            )
        )
    return made
