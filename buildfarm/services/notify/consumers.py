"""Consumers of the event table: what is told is told from there, in order, each event once.

A consumer keeps its place in the database and moves it in the very transaction in which it writes
what follows from the events. A crash therefore loses nothing and doubles nothing; of two that
follow at once, one has its work refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.errors import Conflict
from buildfarm.ports.store import Store, Transaction

AT_ONCE = 500

Write = Callable[[Transaction, Sequence[Event]], None]


def begin(store: Store, names: Sequence[str]) -> None:
    """Let new consumers start behind the last event: nobody wants to be told what was years ago.

    Safe to repeat.
    """
    with store.begin() as tx:
        newest = tx.first(Event, order_by="id", descending=True)
        for name in names:
            tx.insert_or_ignore(
                EventConsumer(id=name, event=(newest.id or 0) if newest else 0, moved=tx.now)
            )


def follow(store: Store, name: str, write: Write, *, limit: int = AT_ONCE) -> int:
    """Write what follows from the next events and move on; how many those were.

    :raises Conflict: another process follows under this name, too.
    """
    with store.read() as tx:
        place = tx.get(EventConsumer, name)
    events = store.settled(place.event, limit)
    if not events:
        return 0
    with store.begin() as tx:
        moved = tx.update(place, only_if={"event": place.event}, event=events[-1].id, moved=tx.now)
        if moved is None:
            raise Conflict(f"{name} was moved by somebody else")
        write(tx, events)
    return len(events)
