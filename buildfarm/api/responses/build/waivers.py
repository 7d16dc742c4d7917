"""Waivers: what each says, whether it is in force, and what it lifts now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(ApiResponse):
    """One waiver; globs as in ``waivers export``.

    ``builds`` and ``findings`` are what it lifts now.
    """

    id: str
    owner: str
    reason: str
    expires: date
    kind: str
    source: str
    rpm: str
    path: str
    subject: str
    target: str
    authority: Literal["anyone", "security"]
    actor: str
    created: Moment
    ended: Moment | None
    ended_by: str
    ended_why: str
    state: Literal["active", "expired", "revoked"]
    days_left: int
    builds: list[str]
    findings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRequest(ApiResponse):
    """Request to waive a ``finding`` of a build; ``security``: the security
    authority alone may.
    """

    id: str
    build: str
    nvr: str
    target: str
    source: str
    finding: str
    kind: str
    path: str
    subject: str
    rpm: str
    security: bool
    reason: str
    asker: str
    created: Moment
    answered: Moment | None
    answered_by: str
    answered_why: str
    answer: Literal["", "granted", "declined"]
    waiver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverList(ListPage):
    """Waivers, the newest first; ``unused`` and ``expiring`` are ids of those in force on this page
    that want a look.

    ``asks`` are those that somebody asked for and nobody has answered yet.
    """

    waivers: list[Waiver]
    unused: list[str]
    expiring: list[str]
    asks: list[WaiverRequest]
