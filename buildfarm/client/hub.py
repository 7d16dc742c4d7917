"""A hub: what it holds by concept, and what it says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from buildfarm.api.responses.auth.audit_log import Act, ActList
from buildfarm.api.responses.build.tasks import Task, TaskList
from buildfarm.api.responses.core.events import Event, EventList
from buildfarm.api.responses.intake.triggers import TriggerList
from buildfarm.api.responses.overview.action_required import ActionRequired
from buildfarm.api.responses.overview.farm import Health, Overview
from buildfarm.api.responses.overview.search import SearchResult
from buildfarm.api.responses.overview.workers import WorkerChanged, WorkerList, WorkerReserved
from buildfarm.api.responses.target.lag import Lag
from buildfarm.client.builds import Builds
from buildfarm.client.composes import Composes
from buildfarm.client.drops import Drops
from buildfarm.client.notifications import Notifications
from buildfarm.client.people import Accounts, Tokens
from buildfarm.client.targets import Targets
from buildfarm.client.transport import Transport, path_of
from buildfarm.client.waivers import Waivers


class Client:
    """One hub. Every method raises what the hub answers as a
    :class:`buildfarm.errors.BuildFarmError`.

    A hub that is busy (429, 503) is asked again when it says so; a POST carries an
    ``Idempotency-Key``, so sending it again does nothing twice.

    :param http: another way to the hub than a connection, for tests.
    """

    def __init__(
        self, url: str, token: str = "", *, sleep: Callable[[float], None] = time.sleep, http: httpx.BaseTransport | None = None
    ) -> None:  # fmt: skip
        self.url = url
        self._hub = Transport(url, token, sleep=sleep, http=http)
        self.builds = Builds(self._hub)
        self.composes = Composes(self._hub)
        self.drops = Drops(self._hub)
        self.targets = Targets(self._hub)
        self.waivers = Waivers(self._hub)
        self.accounts = Accounts(self._hub)
        self.tokens = Tokens(self._hub)
        self.notifications = Notifications(self._hub)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._hub.close()

    def overview(self) -> Overview:
        """The farm at a glance."""
        return self._hub.read(Overview, "/overview")

    def health(self) -> Health:
        """Return whether it answers, and what waits."""
        return self._hub.read(Health, "/health")

    def workers(self) -> WorkerList:
        """Workers and what they do."""
        return self._hub.read(WorkerList, "/workers")

    def drain(self, worker: str, *, reason: str) -> WorkerChanged:
        """Give a worker nothing more."""
        return self._hub.change(
            WorkerChanged, path_of("workers", worker, "drain"), {"reason": reason}
        )

    def reserve(self, worker: str, reserved: Sequence[str], *, reason: str) -> WorkerReserved:
        """Let a worker work for some alone (``sig:S``, ``target:T``, ``source:N``); for nobody in
        particular: for everybody.
        """
        return self._hub.change(
            WorkerReserved,
            path_of("workers", worker, "reserve"),
            {"reserved": [*reserved], "reason": reason},
        )

    def take_back(self, worker: str, *, reason: str) -> WorkerChanged:
        """Take a drained worker back into service."""
        return self._hub.change(
            WorkerChanged, path_of("workers", worker, "resume"), {"reason": reason}
        )

    def tasks(
        self, *, active: bool = False, state: str = "", subject: str = "", limit: int = 100
    ) -> Iterator[Task]:
        """Every task, the newest first; ``limit`` is how many are asked for at a time."""
        given = {
            "active": "1" if active else "",
            "state": state,
            "subject": subject,
            "limit": limit,
        }
        for page in self._hub.pages(TaskList, "/tasks", **given):
            yield from page.tasks

    def action_required(self, *, target: str = "", sig: str = "", kind: str = "") -> ActionRequired:
        """Return what needs a person now."""
        return self._hub.read(ActionRequired, "/action-required", target=target, sig=sig, kind=kind)

    def lag(self, *, target: str = "", sig: str = "") -> Lag:
        """Return how far behind the vendor."""
        return self._hub.read(Lag, "/lag", target=target, sig=sig)

    def search(self, text: str) -> SearchResult:
        """Return what begins so, in each kind of thing."""
        return self._hub.read(SearchResult, "/search", q=text)

    def triggers(self, *, target: str = "") -> TriggerList:
        """Return what lets drops begin by themselves."""
        return self._hub.read(TriggerList, "/triggers", target=target)

    def acts(self, *, actor: str = "", subject: str = "", limit: int = 100) -> Iterator[Act]:
        """Yield what people did, the newest first; ``limit`` is how many are asked for at a time."""
        for page in self._hub.pages(ActList, "/audit", actor=actor, subject=subject, limit=limit):
            yield from page.acts

    def newest_events(self, *, subject: str = "", limit: int = 200) -> EventList:
        """The newest lines of history, oldest first; its ``next`` is where :meth:`events` goes on."""
        return self._hub.read(EventList, "/events", subject=subject, limit=limit)

    def events(self, *, after: int = 0, subject: str = "", limit: int = 1000) -> Iterator[Event]:
        """History after an event's number, to the end."""
        for page in self._hub.pages(
            EventList, "/events", after=after, subject=subject, limit=limit
        ):
            yield from page.events

    def upload(self, path: Path) -> str:
        """Put a file into the hub's blob store, streamed; its SHA-256."""
        return self._hub.upload(path)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Return what has no method here, as JSON: ``path`` is below ``/api/v1``."""
        return self._hub.get(path, **query)

    def post(self, path: str, body: object) -> dict[str, Any]:
        """Return what has no method here, as JSON; ``url`` is added where the hub says where to
        follow it.
        """
        return self._hub.post(path, body)
