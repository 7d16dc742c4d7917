"""Request bodies of ``/api/v1`` and the form of its errors; the page's server and the CLI's
client share them.

Only what comes from outside needs to be checked; answers are :mod:`buildfarm.api.responses`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from buildfarm.domain.auth.permissions import Action, Role
from buildfarm.domain.notify.notice import Topic
from buildfarm.domain.notify.subscription import Channel
from buildfarm.wire import Override

SHA256 = r"^[0-9a-f]{64}$"


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number as JSON Schema has it: 5.0 is one."""


class Request(BaseModel):
    """Base of all request bodies: unknown fields are errors.

    As JSON they are read strictly (``"yes"`` is no boolean), from a form not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _is_storable(cls, value: object) -> object:
        """PostgreSQL keeps no NUL in a text."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("has a NUL character in it")
        return value


class DropFile(Request):
    """One file of a drop: a ``path`` below one of the hub's drop folders, a ``url`` that the target
    allows, or the ``sha256`` of a blob.

    With ``path`` or ``url``, ``sha256`` is what the file must be; a drop of a URL without it is the
    same drop for ever.
    """

    path: str = ""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    filename: str = Field(default="", max_length=512)
    url: str = Field(default="", max_length=2000)

    @model_validator(mode="after")
    def _names_something(self) -> DropFile:
        if not (self.path or self.sha256 or self.url):
            raise ValueError("name a `path`, a `url` or a `sha256`")
        if self.path and self.url:
            raise ValueError("name a `path` or a `url`, not both")
        return self


class DistGitSource(Request):
    """One source of the target's dist-git at a commit: all 40 digits, for a drop is the same drop
    for ever.
    """

    source: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")


class DropRequest(Request):
    """``POST /drops``. ``id``, where given, must be the drop's own (see
    :func:`buildfarm.domain.intake.drop.drop_id`).

    A negative ``priority`` is background work: it gets slots that nobody else can use. With
    ``plan_first`` nothing is built until somebody approves the plan.
    """

    target: str
    id: str = ""
    name: str = Field(default="", max_length=200)
    scratch: bool = False
    priority: Whole = Field(default=0, ge=-100, le=100)
    plan_first: bool = False
    srpms: tuple[DropFile, ...] = ()
    binaries: tuple[DropFile, ...] = ()
    dist_git: tuple[DistGitSource, ...] = ()


class HookRequest(DropRequest):
    """The body of a generic webhook: a drop; ``target`` is the webhook's own and need not be said."""

    target: str = ""


class ReasonRequest(Request):
    """``POST /builds/<id>/{cancel,retry,release-hold}`` and ``POST /drops/<id>/release-hold``."""

    reason: str = Field(default="", max_length=2000)


class DueReason(ReasonRequest):
    """The same where a reason is due: some word must be said."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class ResumeRequest(ReasonRequest):
    """``POST /targets/<name>/resume`` and ``POST /drops/<id>/resume``; ``drop_waiting`` cancels
    what has not begun.
    """

    drop_waiting: bool = False


class ReserveRequest(ReasonRequest):
    """``POST /workers/<name>/reserve``: ``sig:NAME``, ``target:NAME``, ``source:NAME``; none is for
    everybody.
    """

    reserved: tuple[str, ...] = Field(default=(), max_length=100)


class DueReserve(ReserveRequest):
    """``POST /workers/<name>/reserve`` as it has to be: a reason is due."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class PriorityRequest(Request):
    """``POST /builds/<id>/priority``: higher goes first, below zero after everything else."""

    priority: Whole = Field(ge=-100, le=100)
    reason: str = Field(default="", max_length=2000)


class DuePriority(PriorityRequest):
    """``POST /builds/<id>/priority`` as it has to be: a reason is due."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class OverrideSettings(Override):
    """The fields of :class:`buildfarm.wire.Override` that an engineer may set; the reason stands
    beside it.
    """

    seconds: Whole | None = None
    memory: Whole | None = None
    reason: str = Field(default="", max_length=0)


class OverrideRequest(Request):
    """``POST /overrides``: an exception for one source of one target, or with ``remove`` the end of
    it.
    """

    target: str
    source: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)
    settings: OverrideSettings = OverrideSettings()
    remove: bool = False


class ReferenceRequest(Request):
    """``POST /builds/<id>/reference`` and ``POST /targets/<name>/reference``: the text of a lock
    (:mod:`buildfarm.domain.build.parity`).
    """

    text: str = Field(min_length=1, max_length=8 * 1024 * 1024)
    arch: str = Field(default="", max_length=32, pattern=r"^[a-z0-9_]*$")


class WaiverBody(Request):
    """``POST /waivers``: the words of a line of ``waivers export``; ``id`` is made where it is not
    given.
    """

    id: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9._-]*$")
    owner: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)
    expires: date
    kind: str = Field(min_length=1, max_length=100)
    source: str = Field(default="*", max_length=500)
    rpm: str = Field(default="*", max_length=500)
    path: str = Field(default="**", max_length=2000)
    subject: str = Field(default="*", max_length=2000)
    target: str = Field(default="*", max_length=200)
    authority: Literal["anyone", "security"] = "anyone"


class ComposeRequest(ReasonRequest):
    """``POST /composes``: the generation in force of the target's destination tag, or the one with
    this id or number.
    """

    target: str = Field(min_length=1, max_length=200)
    generation: str = Field(default="", max_length=100)


class WaiverRequestBody(DueReason):
    """``POST /builds/<id>/request-waiver``: a finding as the comparison writes it, no globs; what
    is empty matches any.
    """

    kind: str = Field(min_length=1, max_length=100)
    path: str = Field(default="", max_length=2000)
    subject: str = Field(default="", max_length=2000)
    rpm: str = Field(default="", max_length=500)


class GrantRequest(ReasonRequest):
    """``POST /waiver-requests/<id>/grant``: who answers for the waiver, and its last day; the
    asker's reason stands in it already.
    """

    owner: str = Field(min_length=1, max_length=200)
    expires: date


class RightsRequest(Request):
    """``POST /accounts/<name>/rights``: the role and all SIGs the account speaks for from now on."""

    role: Role
    sigs: tuple[str, ...] = ()
    reason: str = Field(default="", max_length=2000)


class DueRights(RightsRequest):
    """``POST /accounts/<name>/rights`` as it has to be: a reason is due."""

    reason: str = Field(min_length=1, max_length=2000, pattern=r"\S")


class AccountRequest(RightsRequest):
    """``POST /accounts``; without a password a token or an OIDC issuer lets its owner in."""

    name: str = Field(min_length=1, max_length=64)
    password: str = Field(default="", max_length=1024)


class PasswordRequest(Request):
    """``POST /account/password`` with the ``former`` one, and ``POST /accounts/<name>/password``
    without.
    """

    password: str = Field(max_length=1024)
    former: str = Field(default="", max_length=1024)


class TokenRequest(Request):
    """``POST /tokens``: for one's own account, or (admins) another; without a role as much as one
    may.
    """

    name: str = Field(min_length=1, max_length=200)
    account: str = Field(default="", max_length=64)
    role: Role | None = None
    sigs: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    days: Whole = Field(default=90, ge=1, le=366)


class SubscriptionRequest(Request):
    """``POST /subscriptions``: ``target`` and ``source`` are globs, ``sig`` a SIG's name; empty
    ``topics`` are all that want a person.
    """

    channel: Channel
    address: str = Field(min_length=3, max_length=2000)
    topics: tuple[Topic, ...] = ()
    target: str = Field(default="*", min_length=1, max_length=200)
    source: str = Field(default="*", min_length=1, max_length=500)
    sig: str = Field(default="", max_length=200)


class Fault(BaseModel):
    """One thing that is wrong with a request: the query ``parameter``, or the JSON ``pointer`` of
    the field, and why.
    """

    detail: str
    parameter: str = ""
    pointer: str = ""


class Problem(BaseModel):
    """An error (RFC 9457, application/problem+json); ``hint`` is the next step a person can take,
    ``errors`` name what is wrong.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    hint: str = ""
    errors: tuple[Fault, ...] = ()
