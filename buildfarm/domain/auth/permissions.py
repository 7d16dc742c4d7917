"""Permissions: roles, actions, the SIGs that answer for a scope, and the one function that refuses
with a reason.

Nothing here knows how a person was recognised; :class:`Principal` is the caller, by a token or by a
session.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


class Role(enum.StrEnum):
    """Roles in their order: each includes the ones before. ``security`` is an engineer who speaks
    for the security authority.
    """

    VIEWER = "viewer"
    MAINTAINER = "maintainer"
    ENGINEER = "engineer"
    SECURITY = "security"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Position in the order, from 0."""
        return list(Role).index(self)

    @classmethod
    def of(cls, word: str) -> Role:
        """The role that ``word`` names; ``read`` is what a viewer's token was called once.

        >>> lowest = min(Role.ADMIN, Role.ENGINEER, key=lambda role: role.rank)
        >>> Role.of("read"), Role.of("admin").rank, lowest
        (<Role.VIEWER: 'viewer'>, 4, <Role.ENGINEER: 'engineer'>)
        """
        return cls.VIEWER if word == "read" else cls(word)


class Action(enum.StrEnum):
    """Actions beyond reading; a token may be limited to some of them."""

    SUBMIT = "submit"
    RETRY = "retry"
    CANCEL = "cancel"
    RELEASE_HOLD = "release-hold"
    PRIORITY = "priority"
    PAUSE = "pause"
    APPROVE = "approve"
    WAIVE = "waive"
    REVOKE = "revoke"
    OVERRIDE = "override"
    READ_FILES = "read-files"
    DRAIN = "drain"
    OPERATE = "operate"
    PROMOTE = "promote"
    REQUEST_WAIVER = "request-waiver"
    WAIVE_SECURITY = "waive-security"
    ACCOUNTS = "accounts"


SAID: dict[Action, str] = {
    Action.SUBMIT: "submit a drop", Action.RETRY: "retry builds", Action.CANCEL: "cancel builds",
    Action.RELEASE_HOLD: "release from hold", Action.PRIORITY: "change priorities",
    Action.PAUSE: "pause and resume", Action.APPROVE: "approve and refuse plans",
    Action.WAIVE: "waive findings", Action.REVOKE: "revoke waivers",
    Action.OVERRIDE: "record overrides", Action.READ_FILES: "fetch what reproduces a build",
    Action.DRAIN: "drain workers", Action.OPERATE: "operate the farm",
    Action.PROMOTE: "make, promote and retire composes", Action.REQUEST_WAIVER: "ask for a waiver",
    Action.WAIVE_SECURITY: "speak for the security authority", Action.ACCOUNTS: "manage accounts",
}  # fmt: skip
"""Each action in words, as they follow "may"."""

LEAST: dict[Action, Role] = {
    **dict.fromkeys(Action, Role.MAINTAINER),
    Action.REQUEST_WAIVER: Role.VIEWER,
    Action.DRAIN: Role.ENGINEER,
    Action.OPERATE: Role.ENGINEER,
    Action.WAIVE_SECURITY: Role.SECURITY,
    Action.ACCOUNTS: Role.ADMIN,
}
"""The least role for each action; a maintainer's stands for his SIGs' scopes alone, what a viewer
may everybody may everywhere.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The caller of a request. ``actions`` is what a token is limited to (``None``: all that the
    role allows).

    ``account`` is empty for a token that belongs to none; ``until`` is when the token ends by
    itself.
    """

    name: str
    role: Role = Role.VIEWER
    sigs: tuple[str, ...] = ()
    account: str = ""
    actions: frozenset[Action] | None = None
    until: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Return whether the caller was recognised."""
        return bool(self.name)


ANONYMOUS = Principal(name="")
"""A caller with neither token nor session; may read what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A source of a target, or a whole target, in words, with the SIGs that may decide there.

    Without SIGs it concerns the whole farm.
    """

    what: str
    sigs: tuple[str, ...] = ()


FARM = Scope(what="the whole farm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The reason why an action is refused, and what to do next."""

    why: str
    next_step: str


def refusal(principal: Principal, action: Action, *scopes: Scope) -> Refusal | None:
    """Return why ``principal`` may not do ``action`` in one of ``scopes`` (none: the whole farm);
    ``None`` if he may.

    >>> qemu = Scope(what="qemu-kvm in reef-9", sigs=("core", "virt"))
    >>> ann = Principal(name="ann", role=Role.MAINTAINER, sigs=("virt",))
    >>> refusal(ann, Action.RETRY, qemu) is None
    True
    >>> refusal(ann, Action.RETRY, Scope(what="bash in reef-9", sigs=("core",))).why
    'ann speaks for SIG virt; bash in reef-9 is answered for by SIG core'
    >>> refusal(ann, Action.DRAIN).why
    'ann has the role maintainer, to drain workers needs engineer'
    >>> refusal(ANONYMOUS, Action.RETRY, qemu).next_step
    'log in, or send a token'
    """
    could = possible(principal, action)
    if could is not None or principal.role is not Role.MAINTAINER or LEAST[action] is Role.VIEWER:
        return could
    for scope in scopes or (FARM,):
        if not set(principal.sigs) & set(scope.sigs):
            return _not_theirs(principal, scope)
    return None


def possible(principal: Principal, action: Action) -> Refusal | None:
    """Return why ``principal`` could do ``action`` nowhere at all; ``None`` if there may be scopes
    where he may.

    >>> token = Principal(name="ci", role=Role.ENGINEER, actions=frozenset({Action.SUBMIT}))
    >>> possible(token, Action.SUBMIT) is None, possible(token, Action.CANCEL).why
    (True, "ci's token is for submit alone")
    """
    least = LEAST[action]
    if not principal.is_known:
        return Refusal(
            why=f"to {SAID[action]} needs a known account", next_step="log in, or send a token"
        )
    if principal.role.rank < least.rank:
        why = f"{principal.name} has the role {principal.role}, to {SAID[action]} needs {least}"
        return Refusal(why=why, next_step=f"ask {_who(least)}, or an admin for the role")
    if principal.actions is not None and action not in principal.actions:
        words = ", ".join(sorted(principal.actions))
        return Refusal(
            why=f"{principal.name}'s token is for {words} alone",
            next_step="use a token for this action, or log in",
        )
    if (
        principal.role is Role.MAINTAINER
        and not principal.sigs
        and LEAST[action] is not Role.VIEWER
    ):
        return Refusal(
            why=f"{principal.name} is a maintainer of no SIG",
            next_step="ask an admin which SIGs you speak for",
        )
    return None


def _not_theirs(principal: Principal, scope: Scope) -> Refusal:
    own = " and ".join(principal.sigs)
    if not scope.sigs:
        why = f"{principal.name} speaks for SIG {own}; this concerns {scope.what}"
        return Refusal(why=why, next_step="ask an engineer")
    whose = " and ".join(f"SIG {sig}" for sig in scope.sigs)
    why = f"{principal.name} speaks for SIG {own}; {scope.what} is answered for by {whose}"
    return Refusal(why=why, next_step=f"ask {whose.replace(' and ', ' or ')}, or an engineer")


def _who(role: Role) -> str:
    return (
        f"{'an' if role in (Role.ENGINEER, Role.ADMIN) else 'a'} {role}"
        if role is not Role.SECURITY
        else "the security authority"
    )


_MACHINES = frozenset({
    "scheduler", "ingest", "debrand", "plan", "compare", "signer", "publish", "pause",
    "self-hosting", "serve", "services", "notifier", "mail",
})  # fmt: skip
"""Names of the farm's own parts as actors of events; those of workers and hosts have a colon
(``worker:local-1``).
"""


def is_person(actor: str) -> bool:
    """Return whether an event's actor is a person (or a person's token) and not a part of the farm.

    >>> is_person("ann"), is_person("scheduler"), is_person("worker:local-1")
    (True, False, False)
    """
    return bool(actor) and actor not in _MACHINES and ":" not in actor


def narrower(
    principal: Principal, role: Role, sigs: Collection[str], actions: Collection[Action]
) -> Refusal | None:
    """Return why ``principal`` may not give a token these rights: it would go beyond his own;
    ``None`` if it does not.

    >>> ann = Principal(name="ann", role=Role.MAINTAINER, sigs=("virt",))
    >>> narrower(ann, Role.ENGINEER, (), ()).why
    'a token of ann cannot have the role engineer: the role of ann is maintainer'
    >>> narrower(ann, Role.MAINTAINER, ("virt",), (Action.RETRY,)) is None
    True
    """
    step = "leave it out to take as much as you may"
    if role.rank > principal.role.rank:
        why = (
            f"a token of {principal.name} cannot have the role {role}: the role of "
            f"{principal.name} is {principal.role}"
        )
        return Refusal(why=why, next_step=step)
    if (
        foreign := sorted(set(sigs) - set(principal.sigs))
        if principal.role is Role.MAINTAINER
        else []
    ):
        return Refusal(why=f"{principal.name} does not speak for SIG {foreign[0]}", next_step=step)
    beyond = [
        one for one in actions if principal.actions is not None and one not in principal.actions
    ]
    beyond += [one for one in actions if LEAST[one].rank > role.rank]
    if beyond:
        return Refusal(why=f"a token with the role {role} cannot {SAID[beyond[0]]}", next_step=step)
    if principal.actions is not None and not actions:
        return Refusal(
            why="the token you use is for some actions alone",
            next_step="name the actions of the new one",
        )
    return None
