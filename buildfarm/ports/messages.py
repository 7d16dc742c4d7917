"""What is sent to workers, to the scheduler, and to other systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Messages(Protocol):
    """Sends wake-up messages; losing or doubling one does no harm."""

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Tell ``worker`` that ``task`` waits for it.

        :raises InfraError: the broker cannot be reached.
        """


class Wakeup(Protocol):
    """Tells the scheduler that something changed, so that it need not wait for its next round."""

    def notify(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        """Sleep until somebody notifies or ``seconds`` are over; True when notified."""


class EventStream(Protocol):
    """One message an event for other systems; it knows by itself which event it told last."""

    def last(self) -> int | None:
        """The number of the last event told; ``None`` if it has told none, or was lost.

        :raises InfraError: not reachable.
        """

    def tell(self, messages: Iterable[tuple[int, Mapping[str, str]]]) -> int:
        """Append messages, each under its event's number; what was told already is left out.

        The length afterwards.

        :raises InfraError: not reachable.
        """
