"""Messages to workers, to the scheduler, and to other systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Messages(Protocol):
    """Sends wake-up messages; losing or doubling one does no harm."""

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Notify ``worker`` that ``task`` waits for it.

        :raises InfraError: the broker cannot be reached.
        """


class Wakeup(Protocol):
    """Wakes the scheduler after a change, before its next round."""

    def notify(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        """Wait for a wake-up, at most ``seconds``; return True if there was one."""


class EventStream(Protocol):
    """One message for each event, for other systems; it knows its last event."""

    def last(self) -> int | None:
        """Return the number of the last event; ``None`` if there is none, or the stream was lost.

        :raises InfraError: not reachable.
        """

    def append(self, messages: Iterable[tuple[int, Mapping[str, str]]]) -> int:
        """Append messages, each under its event's number; duplicates are left out.

        It returns the new length.

        :raises InfraError: not reachable.
        """
