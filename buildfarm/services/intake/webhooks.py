"""Incoming webhooks: a signed message becomes a drop, or gets an answer that says why nothing is to
be done.

The same message twice does nothing.

A forge's message is trusted only as far as the target's own dist-git URL covers it: it names a
source and a commit, never the address to fetch them from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from buildfarm.api.requests import HookRequest
from buildfarm.domain.intake.drop import Drop, ItemKind
from buildfarm.domain.intake.webhook import (
    BadSignature,
    Message,
    follows,
    push_of,
    source_of,
    verified,
)
from buildfarm.domain.target.target import Target
from buildfarm.domain.target.trigger import Forge, HookCall, Webhook, memory_key
from buildfarm.errors import ConfigError, InputError, NotFound
from buildfarm.services.core.hub import Hub
from buildfarm.services.intake import drops, triggers
from buildfarm.services.intake.drops import Offered

_BETWEEN_REFUSALS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The result of a message: a drop (``created``: a new one), or the ``reason`` why there is
    nothing to do. ``known``: it came before.
    """

    drop: Drop | None = None
    created: bool = False
    reason: str = ""
    known: bool = False


def find(hub: Hub, target: str, name: str) -> tuple[Target, Webhook]:
    """A configured webhook. :raises NotFound: there is none of that name."""
    found = hub.target(target)
    hook = next((one for one in found.triggers.webhooks if one.name == name), None)
    if hook is None:
        raise NotFound(
            f"target {target} has no webhook {name!r}",
            hint="`triggers.webhooks` in the target's file names them",
        )
    return found, hook


def answer(hub: Hub, target: Target, hook: Webhook, message: Message) -> Answered:
    """Do what a message asks for, once.

    :raises BadSignature: it is not signed as it should be; never said in which way.
    :raises InputError: its body is not what its forge sends, or the drop cannot be taken.
    """
    try:
        identity = verified(hook.forge, message, _secrets(hub, hook))
    except BadSignature as error:
        _note_refusal(hub, target, hook, str(error))
        raise
    with hub.store.read() as tx:
        state = triggers.state_of(tx, target, hook)
        key = memory_key(state.id, identity)
        before = tx.first(HookCall, id=key)
        if before is not None:
            known = tx.first(Drop, id=before.drop_id) if before.drop_id else None
            return Answered(drop=known, reason=before.answer, known=True)
    done = _drop_of(hub, target, hook, message)
    with hub.store.begin() as tx:
        drop_id = done.drop.id if done.drop else ""
        new = tx.insert_or_ignore(
            HookCall(
                id=key,
                trigger=state.id,
                message=identity[:200],
                drop_id=drop_id,
                answer=done.reason,
                received=tx.now,
            )
        )
        if new:
            tx.event(
                "webhook.answered",
                state.id,
                actor=triggers.word(hook),
                why=done.reason or f"drop {drop_id}",
                drop=drop_id,
            )
            triggers.note(
                tx,
                state,
                found=done.reason or f"drop {done.drop.name if done.drop else ''}",
                drop=done.drop,
            )
    return done


def _secrets(hub: Hub, hook: Webhook) -> list[str]:
    """Read anew for every message, so that a secret can be changed under a running farm.

    :raises ConfigError: it cannot be read.
    """
    file = hub.config.path(hook.secret)
    try:
        return [
            line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"webhook {hook.name}: its secret cannot be read",
            hint=f"is {file.name} there, for the farm's user?",
        ) from error


def _note_refusal(hub: Hub, target: Target, hook: Webhook, why: str) -> None:
    """Write at most one event a minute, so that messages without a valid signature cannot fill the
    history.
    """
    with hub.store.read() as tx:
        state, now = triggers.state_of(tx, target, hook), tx.now
    if state.problem and state.looked is not None and now - state.looked < _BETWEEN_REFUSALS:
        return
    with hub.store.begin() as tx:
        triggers.note(
            tx, state, problem=f"a message was refused: {why}", failures=state.failures + 1
        )
        tx.event("webhook.refused", state.id, actor=triggers.word(hook), why=why)


def _drop_of(hub: Hub, target: Target, hook: Webhook, message: Message) -> Answered:
    if hook.forge is Forge.GENERIC:
        return _generic(hub, target, hook, message)
    push = push_of(hook.forge, message)
    if isinstance(push, str):
        return Answered(reason=push)
    if not follows(hook.refs, push.ref):
        return Answered(reason=f"{push.ref} is not followed")
    place = target.upstream.dist_git
    if place is None:
        raise ConfigError(
            f"target {target.name} names no dist-git", hint="set `upstream.dist_git` in its file"
        )
    source = source_of(push.urls, place.url)
    if not source:
        return Answered(reason="the repository is none of the target's dist-git")
    offered = [Offered(kind=ItemKind.DIST_GIT, filename=f"{source}@{push.commit}")]
    name = f"{source}: push to {push.ref.removeprefix('refs/heads/').removeprefix('refs/')}"
    received = drops.receive(
        hub, target.name, offered, trigger=triggers.word(hook), actor=triggers.word(hook),
        name=name[:200], priority=hook.priority, automatic=True,
    )  # fmt: skip
    return Answered(drop=received.drop, created=received.created)


def _generic(hub: Hub, target: Target, hook: Webhook, message: Message) -> Answered:
    body = HookRequest.model_validate_json(message.body)
    if body.target not in ("", target.name):
        raise InputError(
            f"the drop is for target {body.target}, this webhook is {target.name}'s",
            hint="leave `target` out",
        )
    received = drops.receive(
        hub, target.name, drops.offered_in(body), trigger=triggers.word(hook),
        actor=triggers.word(hook), name=body.name, claimed_id=body.id, scratch=body.scratch,
        priority=body.priority or hook.priority, plan_first=body.plan_first, automatic=True,
    )  # fmt: skip
    return Answered(drop=received.drop, created=received.created)
