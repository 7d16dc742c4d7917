"""Event consumers: each reads the event table in order and handles each event once.

A consumer stores its position and moves it in the transaction that writes the results of the
events. A crash therefore loses and doubles nothing; of two consumers of one name, one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.errors import Conflict
from buildfarm.ports.store import Store, Transaction

AT_ONCE = 500

Write = Callable[[Transaction, Sequence[Event]], None]


def begin(store: Store, names: Sequence[str]) -> None:
    """Let new consumers start behind the last event, because old events interest no subscriber.

    Safe to repeat.
    """
    with store.begin() as tx:
        newest = tx.first(Event, order_by="id", descending=True)
        for name in names:
            tx.insert_or_ignore(
                EventConsumer(id=name, event=(newest.id or 0) if newest else 0, moved=tx.now)
            )


def consume(store: Store, name: str, write: Write, *, limit: int = AT_ONCE) -> int:
    """Write the results of the next events, move the position, and return the number of events.

    :raises Conflict: another process consumes under this name, too.
    """
    with store.read() as tx:
        position = tx.get(EventConsumer, name)
    events = store.settled(position.event, limit)
    if not events:
        return 0
    with store.begin() as tx:
        moved = tx.update(
            position, only_if={"event": position.event}, event=events[-1].id, moved=tx.now
        )
        if moved is None:
            raise Conflict(f"{name} was moved by another process")
        write(tx, events)
    return len(events)
