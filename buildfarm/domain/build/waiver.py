"""Waivers as the store keeps them, with their uses, and waiver requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from buildfarm.domain.compare.policy import Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRecord:
    """A :class:`buildfarm.domain.compare.policy.Waiver` with its history; never deleted, its id
    never used again.

    ``expires`` is its last day (``YYYY-MM-DD``); ``actor`` recorded it for ``owner``; ``ended`` is
    when it was revoked or seen to have expired, ``ended_why`` says which and why.
    """

    id: str
    owner: str
    reason: str
    expires: str
    kind: str
    source: str = "*"
    rpm: str = "*"
    path: str = "**"
    subject: str = "*"
    target: str = "*"
    authority: str = "anyone"
    actor: str
    created: datetime
    ended: datetime | None = None
    ended_by: str = ""
    ended_why: str = ""

    @property
    def waiver(self) -> Waiver:
        """Return what the comparison applies."""
        return Waiver(
            id=self.id, owner=self.owner, reason=self.reason,
            expires=date.fromisoformat(self.expires), kind=self.kind, source=self.source,
            rpm=self.rpm, path=self.path, subject=self.subject, target=self.target,
            authority=self.authority,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverUse:
    """Count of the findings of one build that a waiver lifts in the comparison in force; 0 once it
    no longer does.
    """

    id: str
    waiver: str
    build: str
    findings: int


class WaiverRequestState(StrEnum):
    """Results of a waiver request."""

    GRANTED = "granted"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverRequest:
    """A request to waive a finding of a build, by a person without the permission.

    ``rpm`` is the file that the finding is in.

    ``security``: only the security authority may grant it. ``answer`` is empty until it is
    answered, a :class:`WaiverRequestState` then; ``waiver`` is the id of the one that was recorded
    for it.
    """

    id: str
    build: str
    target: str
    source: str
    kind: str
    path: str = ""
    subject: str = ""
    rpm: str = ""
    security: bool = False
    reason: str
    asker: str
    created: datetime
    answered: datetime | None = None
    answered_by: str = ""
    answered_why: str = ""
    answer: str = ""
    waiver: str = ""
