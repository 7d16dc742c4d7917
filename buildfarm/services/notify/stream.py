"""The event stream: every event as one message for other systems; ``docs/notifications.md`` lists
the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from buildfarm.config import Config
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event, EventConsumer
from buildfarm.domain.intake.drop import Drop
from buildfarm.errors import InfraError
from buildfarm.ports.messages import EventStream
from buildfarm.ports.store import Store, Transaction
from buildfarm.services.notify.consumers import AT_ONCE

NAME = "stream"


def forward(config: Config, store: Store, stream: EventStream, *, limit: int = AT_ONCE) -> int:
    """Append the next events to the stream and return how many.

    A stream that is new or was lost begins with as many as it may hold.

    :raises InfraError: Redis does not answer, or holds the stream of another database.
    """
    last = stream.last()
    with store.read() as tx:
        newest = tx.first(Event, order_by="id", descending=True)
        end = (newest.id or 0) if newest else 0
    if last is not None and last > end:
        raise InfraError(
            f"the stream has come to event {last}, the database to {end}: it is another farm's",
            hint="`redis-cli DEL bf:events`, or another Redis",
        )
    events = store.settled(
        last if last is not None else max(end - config.farm.notifications.stream_length, 0), limit
    )
    if not events:
        return 0
    with store.read() as tx:
        messages = list(_messages(config, tx, events))
    length = stream.append(messages)
    with store.begin() as tx:
        position = EventConsumer(id=NAME, event=events[-1].id or 0, length=length, moved=tx.now)
        if not tx.insert_or_ignore(position):
            tx.update(position, event=position.event, length=length, moved=tx.now)
    return len(events)


def _messages(
    config: Config, tx: Transaction, events: Sequence[Event]
) -> Iterator[tuple[int, dict[str, str]]]:
    about = {event.subject for event in events} | {
        str(event.data.get("about", "")) for event in events
    } - {""}
    builds = {build.id: build for build in tx.find(Build, id=tuple(about))}
    drops = {drop.id: drop for drop in tx.find(Drop, id=tuple(about))}
    for event in events:
        build = builds.get(event.subject) or builds.get(str(event.data.get("about", "")))
        drop = drops.get(event.subject)
        said = {
            "event": str(event.id), "at": event.at.isoformat(), "kind": event.kind,
            "subject": event.subject, "actor": event.actor, "why": event.why,
            "data": json.dumps(event.data, ensure_ascii=False, separators=(",", ":")),
        }  # fmt: skip
        if build is not None:
            said |= {
                "build": build.id, "name": build.nvr, "target": build.target,
                "source": build.source, "drop": build.drop_id,
                "sig": config.sig_of(build.target, build.source),
            }  # fmt: skip
        elif drop is not None:
            said |= {
                "name": drop.name,
                "target": drop.target,
                "drop": drop.id,
                "sig": config.sig_of(drop.target),
            }
        yield event.id or 0, said
