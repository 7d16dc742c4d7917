"""Test doubles that several suites share: a clock, and recorders of what leaves the hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass
class Clock:
    """A clock that moves only when told."""

    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class RecordingMessages:
    """Records each message as worker, queue and task."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def send(self, *, worker: str, queue: str, task: str) -> None:
        self.sent.append((worker, queue, task))


@dataclass
class RecordingWakeup:
    """Counts the wake-ups of the scheduler; never waits."""

    rings: int = 0

    def notify(self) -> None:
        self.rings += 1

    def wait(self, seconds: float) -> bool:
        return False
