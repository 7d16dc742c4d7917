"""The queries that routes of ``/api/v1`` take."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.task import TaskState
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.notify.subscription import DeliveryState


def _digits(text: object) -> object:
    """Only what is written in digits is a number: Python's own int takes blanks and underscores
    too.
    """
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("is not a whole number")
    return text


def _yes(text: object) -> object:
    """``1`` and ``true`` as links and programs write it; empty is no."""
    known = {"1": True, "true": True, "0": False, "false": False, "": False}
    if isinstance(text, str) and text not in known:
        raise ValueError("is neither true nor false")
    return known[text] if isinstance(text, str) else text


Number = Annotated[int, BeforeValidator(_digits)]
Flag = Annotated[bool, BeforeValidator(_yes), WithJsonSchema({"type": "boolean", "default": False})]
Text = Annotated[str, Field(max_length=500)]
Cursor = Annotated[str, Field(max_length=500, description="`cursor` of the page before.")]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")] if text else []


def _names(kind: type[StrEnum]) -> AfterValidator:
    """Text whose words are members of an enumeration."""

    def check(text: str) -> str:
        for word in _words(text):
            if word not in list(kind):
                raise ValueError(f"{word!r} is none of {', '.join(kind)}")
        return text

    return AfterValidator(check)


def _form(kind: type[StrEnum]) -> WithJsonSchema:
    one = "|".join(kind)
    words = f"One or several, with commas: {', '.join(kind)}."
    pattern = rf"^(?:(?:{one})(?:,(?:{one}))*)?$"
    return WithJsonSchema(
        {"type": "string", "default": "", "pattern": pattern, "description": words}
    )


States = Annotated[str, _names(BuildState), _form(BuildState)]
Verdicts = Annotated[str, _names(Verdict), _form(Verdict)]


class Query(BaseModel):
    """The query of a route; an unknown parameter, or one given twice, is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BuildFilters(Query):
    """Filters of builds; several states or verdicts are separated by commas, what is empty filters
    nothing.
    """

    target: Text = ""
    state: States = ""
    verdict: Verdicts = ""
    source: Text = Field(default="", description="The name of the SRPM.")
    drop: Text = Field(default="", description="Id, or a beginning of it that only one drop has.")


class BuildsQuery(BuildFilters):
    """A page of builds."""

    limit: Number = Field(default=100, ge=1, le=5000)
    cursor: Cursor = ""


class ListQuery(Query):
    """A page of a list."""

    limit: Number = Field(default=100, ge=1, le=1000)
    cursor: Cursor = ""


class DropsQuery(ListQuery):
    """Drops, or composes, of one target."""

    target: Text = ""


class GenerationsQuery(DropsQuery):
    """Generations of one tag or target."""

    tag: Text = ""


class OverridesQuery(DropsQuery):
    """Overrides of one target or source; `all` shows those that no longer hold too."""

    source: Text = ""
    all: Flag = False


class TasksQuery(ListQuery):
    """Tasks that still have something to do (`active`), of one state, about one thing."""

    active: Flag = False
    state: str = Field(
        default="", pattern=rf"^(?:{'|'.join([*TaskState, *map(str.lower, TaskState)])})?$"
    )
    subject: Text = ""


class WaiversQuery(Query):
    """Waivers; `all` shows those that ended too."""

    limit: Number = Field(default=1000, ge=1, le=1000)
    cursor: Cursor = ""
    all: Flag = False


class EventsQuery(Query):
    """History after an event's number, about one thing."""

    limit: Number = Field(default=200, ge=1, le=1000)
    cursor: Cursor = ""
    after: Annotated[Number, Field(ge=0, le=2**62)] | None = None
    subject: Text = ""


class LogQuery(Query):
    """The log of one task, from a byte on."""

    offset: Number = Field(default=0, ge=0, le=2**62)
    task: Text = ""


class OrderQuery(Query):
    """Arch of the task."""

    arch: Text = ""


class TargetQuery(Query):
    """Of one target."""

    target: Text = ""


class SearchQuery(Query):
    """Beginning of the name to search for."""

    q: Text = ""


class SourcesQuery(DropsQuery):
    """Filters of sources: of a SIG, with a word on the map, in need of a person (`need`), with a
    part of their name.
    """

    sig: Text = ""
    word: Text = ""
    need: Text = ""
    source: Text = ""


class ActionRequiredQuery(Query):
    """Filters of the action required: a target or a SIG."""

    target: Text = ""
    sig: Text = ""
    kind: Text = ""
    limit: Number = Field(default=100, ge=1, le=1000)


class LagQuery(Query):
    """Filters of the lag: a target or a SIG."""

    target: Text = ""
    sig: Text = ""


class ActsQuery(ListQuery):
    """People's acts, of one person, about one thing."""

    actor: Text = ""
    subject: Text = ""


class TokensQuery(Query):
    """Whose tokens."""

    account: Text = ""
    all: Flag = False


class LoginQuery(Query):
    """Page to go on to after the login."""

    next: Text = ""


class LogSearchQuery(Query):
    """Lines of one task's log, from a byte on."""

    task: Text = ""
    q: Text = ""
    marked: Flag = False
    after: Number = Field(default=0, ge=0, le=2**62)
    limit: Number = Field(default=100, ge=1, le=1000)


class LogLinesQuery(Query):
    """The page of one task's log in which a line stands."""

    task: Text = ""
    line: Number = Field(default=1, ge=1, le=2**62)


class DeliveriesQuery(ListQuery):
    """Deliveries of one state, or to one subscription."""

    state: str = Field(default="", pattern=rf"^(?:{'|'.join(DeliveryState)})?$")
    subscription: Text = ""


class SubscriptionsQuery(Query):
    """Subscriptions; `all` shows those that ended too."""

    all: Flag = False
