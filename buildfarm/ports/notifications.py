"""Interfaces that send notices out of the farm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """The result of one attempt at a delivery, with ``status`` in words.

    ``final``: another attempt is of no use; ``gone``: the receiver wants no more deliveries.
    """

    accepted: bool
    status: str
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """One mail.

    ``batch`` stays the same for each attempt, ``threads`` are its drops, ``unsubscribe`` is a URL.
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
    ) -> DeliveryResult:
        """Return the receiver's answer; being unreachable is an answer as well."""


class Mailer(Protocol):
    """Hands one message to a mail server."""

    def __call__(self, message: MailMessage, /) -> DeliveryResult:
        """Return the server's answer; being unreachable is an answer as well."""
