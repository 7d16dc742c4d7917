"""The event table, followed once for all who watch a page: which builds, drops and targets each new
event concerns.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from buildfarm.api.responses.core import events as responses
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.task import Task
from buildfarm.domain.publish.repository import Generation
from buildfarm.ports.store import Transaction
from buildfarm_web.read_models.core import history
from buildfarm_web.read_models.core.convert import find_each

EVERYTHING = ""
"""The subject of pages that show all of the farm."""

_AT_ONCE = 1000
_LATE = 20
_NAMED_IN_DATA = ("about", "drop", "target", "tag")
_COMMIT_TIME = timedelta(seconds=2)
"""An event carries the time its transaction began: one this much older than a page may have come
after it.
"""


class Changes:
    """Changes since the first look. All methods are called by one thread at a time.

    :ivar seen: a number for each watched subject that changes when something happened to it; any
    thread may read it.
    """

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self._newest: int | None = None
        self._known: frozenset[int] = frozenset()

    def look(self, tx: Transaction, watched: Iterable[str]) -> set[str]:
        """Return what the events since the last look concern; ``seen`` of the watched subjects
        among that changes.

        The last few events are looked at again: in PostgreSQL one may commit after another with a
        higher number.
        """
        is_first = self._newest is None
        if self._newest is None:
            newest = tx.first(Event, order_by="id", descending=True)
            self._newest = newest.id or 0 if newest else 0
        found = history.events(tx, after=max(self._newest - _LATE, 0), limit=_AT_ONCE).events
        fresh = [event for event in found if event.id not in self._known]
        self._known = frozenset(event.id for event in found)
        if is_first or not fresh:
            return set()
        self._newest = max(self._newest, fresh[-1].id)
        names = concerned_by(tx, fresh) | {EVERYTHING}
        self.seen = {
            subject: self.seen.get(subject, 0) + 1
            if subject in names
            else self.seen.get(subject, 0)
            for subject in watched
        }
        return names


def happened_since(tx: Transaction, made: datetime) -> bool:
    """Return whether something may have happened after a page was made."""
    newest = tx.first(Event, order_by="id", descending=True)
    return newest is not None and newest.at > made - _COMMIT_TIME


def concerned_by(tx: Transaction, events: Iterable[responses.Event]) -> set[str]:
    """The ids of builds, drops, tasks and generations, and the names of targets and tags, that
    events are about.
    """
    names: set[str] = set()
    for event in events:
        names.add(event.subject)
        names.update(str(event.data[key]) for key in _NAMED_IN_DATA if event.data.get(key))
    for task in find_each(tx, Task, "id", names):
        names |= {task.subject, task.target}
    for generation in find_each(tx, Generation, "id", names):
        names |= {generation.target, generation.tag}
    for build in find_each(tx, Build, "id", names):
        names |= {build.drop_id, build.target}
    return names
