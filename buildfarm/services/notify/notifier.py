"""The notifier: one process that sends notifications on the stream, in feeds, to webhooks and by
mail.

All of them are derived from the event table. Each duty stores its own position and is safe to
repeat, so that a crash, or two notifiers for a moment, lose and double nothing that matters. A slow
duty does not delay the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from buildfarm import log
from buildfarm.domain.core.records import Event
from buildfarm.errors import BuildFarmError
from buildfarm.ports.messages import EventStream
from buildfarm.ports.store import Transaction
from buildfarm.services.core import leader
from buildfarm.services.core.hub import Hub
from buildfarm.services.notify import consumers, metrics, notices
from buildfarm.services.notify import stream as streaming
from buildfarm.services.notify.deliveries import DeliverySender

CONSUMERS = ("notices", "metrics")

_LOOK_SECONDS = 1.0
_TIDY = timedelta(hours=1)


class Notifier:
    """``owner`` names this process among those that may stand by."""

    def __init__(
        self, hub: Hub, stream: EventStream, delivery_sender: DeliverySender, *, owner: str
    ) -> None:
        self._hub = hub
        self._stream = stream
        self._sender = delivery_sender
        self._owner = owner
        self._leads = threading.Event()

    @property
    def duties(self) -> Mapping[str, Callable[[], int]]:
        """Return the duties that are repeated; each returns how much there was to do."""
        return {
            "stream": lambda: streaming.forward(self._hub.config, self._hub.store, self._stream),
            "notices": lambda: consumers.consume(self._hub.store, "notices", self._notice),
            "metrics": lambda: consumers.consume(self._hub.store, "metrics", metrics.write),
            "webhooks": self._sender.webhooks,
            "mails": self._sender.mails,
            "tidy": self._sender.forget,
        }

    def _notice(self, tx: Transaction, events: Sequence[Event]) -> None:
        notices.write(self._hub.config, tx, events)

    def run(self, stopped: threading.Event) -> None:
        """Do every duty in a thread of its own while this process leads, until ``stopped``."""
        consumers.begin(self._hub.store, CONSUMERS)
        threads = [
            threading.Thread(target=self._keep, args=(name, duty, stopped), name=name, daemon=True)
            for name, duty in self.duties.items()
        ]
        for thread in threads:
            thread.start()
        seconds = self._hub.config.farm.timing.leader_lease
        while not stopped.is_set():
            try:
                leads = leader.lead(self._hub.store, "notifier", owner=self._owner, seconds=seconds)
            except BuildFarmError as error:
                log.get().warning("notifier.hindered", reason=str(error))
                leads = False
            (self._leads.set if leads else self._leads.clear)()
            stopped.wait(seconds / 3)
        for thread in threads:
            thread.join()

    def _keep(self, name: str, duty: Callable[[], int], stopped: threading.Event) -> None:
        pause = _TIDY.total_seconds() if name == "tidy" else _LOOK_SECONDS
        while not stopped.is_set():
            done = 0
            if self._leads.is_set():
                try:
                    done = duty()
                except BuildFarmError as error:
                    log.get().warning("notifier.hindered", duty=name, reason=str(error))
                except Exception:  # noqa: BLE001  # the others go on; the reason is in the log with its traceback
                    log.get().exception("notifier.broke", duty=name)
            if not done or name in ("webhooks", "mails"):  # a receiver that failed gets a pause
                stopped.wait(pause)
