"""What carries a notice out of the farm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one try to deliver, ``status`` in words.

    ``final``: trying again is of no use; ``gone``: the receiver wants no more at all.
    """

    accepted: bool
    status: str
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """One mail. ``batch`` is the same however often it is sent, ``threads`` are the drops it is
    about, ``unsubscribe`` is a URL.
    """

    to: str
    subject: str
    text: str
    batch: str
    threads: tuple[str, ...]
    unsubscribe: str
    at: datetime


class WebhookSender(Protocol):
    """Posts one signed message."""

    def __call__(
        self, url: str, *, message_id: str, subscription: str, body: bytes, at: datetime
    ) -> Answer:
        """Return what the receiver answered; being unreachable is an answer too."""


class Mailer(Protocol):
    """Hands one message over to a mail server."""

    def __call__(self, letter: MailMessage, /) -> Answer:
        """Return what the server answered; being unreachable is an answer too."""
