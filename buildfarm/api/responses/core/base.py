"""What all answers have in common: times as the API writes them, and pages of lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer

from buildfarm.domain.core.verdict import Verdict


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_written, when_used="json")]
"""A point in time, UTC, written with milliseconds."""

VerdictOrNone = Verdict | Literal[""]
"""Empty before anything was compared."""

Json = dict[str, Any]


class Answer(BaseModel):
    """Base of all answers. A newer hub may say more: what is not known here is kept, and written
    again as it came.
    """

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, defer_build=True)

    def to_json(self) -> Json:
        """The JSON that the hub answered."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Page(Answer):
    """One page of a list; ``cursor`` is what to send for the next one, ``None`` on the last
    (``Link: rel=next`` says the same).
    """

    cursor: str | None


class NamedBuild(Answer):
    """A build by id and name-version-release."""

    id: str
    nvr: str
