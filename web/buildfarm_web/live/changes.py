"""The event table, followed once for all who watch a page: which builds, drops and targets each new event concerns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from buildfarm.domain.build import Build
from buildfarm.domain.records import Event
from buildfarm.domain.repository import Generation
from buildfarm.domain.task import Task
from buildfarm.ports import Transaction
from buildfarm_web.read_models import history
from buildfarm_web.read_models.plain import Json, find_each

EVERYTHING = ""
"""The subject of pages that show all of the farm."""

_AT_ONCE = 1000
_NAMED_IN_DATA = ("about", "drop", "target", "tag")
_COMMIT_TIME = timedelta(seconds=2)
"""An event carries the time its transaction began: one this much older than a page may have come after it."""


class Changes:
    """The newest event of each watched subject. All methods are called by one thread at a time; ``latest`` may be read by any."""

    def __init__(self) -> None:
        self.latest: dict[str, int] = {}
        self._newest = -1

    def start(self, tx: Transaction) -> None:
        """Begin with what comes from now on."""
        self._newest = _number(tx.first(Event, order_by="id", descending=True))

    def is_newer(self, tx: Transaction, since: datetime) -> bool:
        """Whether something happened after a page was made."""
        newest = tx.first(Event, order_by="id", descending=True)
        return newest is not None and newest.at > since - _COMMIT_TIME

    def look(self, tx: Transaction, watched: Iterable[str]) -> set[str]:
        """What the events since the last look concern; ``latest`` of the watched subjects among that moves on."""
        found = history.events(tx, after=self._newest, limit=_AT_ONCE)
        if not found["events"]:
            return set()
        self._newest = found["next"]
        names = concerned_by(tx, found["events"]) | {EVERYTHING}
        self.latest = {
            subject: self._newest if subject in names else self.latest.get(subject, 0) for subject in watched
        }
        return names


def concerned_by(tx: Transaction, events: Iterable[Json]) -> set[str]:
    """The ids of builds, drops, tasks and generations, and the names of targets and tags, that events are about."""
    names: set[str] = set()
    for event in events:
        names.add(event["subject"])
        names.update(str(event["data"][key]) for key in _NAMED_IN_DATA if event["data"].get(key))
    for task in find_each(tx, Task, "id", names):
        names |= {task.subject, task.target}
    for generation in find_each(tx, Generation, "id", names):
        names |= {generation.target, generation.tag}
    for build in find_each(tx, Build, "id", names):
        names |= {build.drop_id, build.target}
    return names


def _number(event: Event | None) -> int:
    return event.id or 0 if event else 0
