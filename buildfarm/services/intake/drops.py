"""Drops: received at once; a task ingests them later. The same drop twice is the same drop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from buildfarm.api.requests import DropFile, DropRequest
from buildfarm.domain.core.task import TaskKind
from buildfarm.domain.intake.drop import Approval, Drop, DropItem, DropState, ItemKind, drop_id
from buildfarm.domain.target.allowed_url import parsed, permitted
from buildfarm.domain.target.target import DistGit, Phase, Target
from buildfarm.errors import Conflict, InputError
from buildfarm.ports.store import Transaction
from buildfarm.services.core import search_index, tasks
from buildfarm.services.core.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One file of a drop as a trigger named it: a path under a drop folder, the digest of an
    uploaded blob, or a URL.

    A URL is fetched when the drop is ingested. A source of dist-git has ``filename`` alone:
    ``SOURCE@COMMIT``.
    """

    kind: ItemKind
    path: str = ""
    sha256: str = ""
    filename: str = ""
    url: str = ""


def offered_in(request: DropRequest) -> list[Offered]:
    """Return what a request names."""

    def files(named: Sequence[DropFile], kind: ItemKind) -> list[Offered]:
        return [
            Offered(kind=kind, path=one.path, sha256=one.sha256, filename=one.filename, url=one.url)
            for one in named
        ]

    sources = [
        Offered(kind=ItemKind.DIST_GIT, filename=f"{one.source}@{one.commit}")
        for one in request.dist_git
    ]
    return [
        *files(request.srpms, ItemKind.SRPM),
        *files(request.binaries, ItemKind.BINARY),
        *sources,
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The drop, and whether it is a new one."""

    drop: Drop
    created: bool


def receive(
    hub: Hub, target_name: str, offered: Sequence[Offered], *, trigger: str, actor: str,
    name: str = "", claimed_id: str = "", scratch: bool = False, priority: int = 0,
    plan_first: bool = False, automatic: bool = False, because: str = "",
) -> Received:  # fmt: skip
    """Take a drop's files into the blob store and its list into the database.

    :param automatic: no person sent it: all that ``trigger`` has started lately counts for the
        trigger limits.
    :param because: why it awaits approval, whatever the trigger limits are.
    :raises InputError: a file is missing or not under a drop folder, a URL is not allowed, or
        ``claimed_id`` is not the drop's id.
    :raises NotFound: no such target.
    """
    target = hub.target(target_name)
    if not offered:
        raise InputError("the drop is empty", hint="name at least one SRPM or binary RPM")
    files = [(item, *_take_in(hub, target, item)) for item in offered]
    identity = drop_id(target.name, [sha256 for _, sha256, _ in files])
    if claimed_id and claimed_id != identity:
        raise InputError(
            f"the drop calls itself {claimed_id}, its content is {identity}", hint="leave `id` out"
        )
    sources = sum(item.kind is not ItemKind.BINARY for item in offered)
    with hub.store.begin() as tx:
        lately = _lately(tx, target, trigger) if automatic else 0
        objection = (
            because or target.trigger_limits.objection(sources, asked=plan_first, lately=lately)
            if sources
            else ""
        )
        approval = Approval.AWAITED if objection else Approval.NOT_NEEDED
        drop = Drop(
            id=identity, target=target.name, name=name or f"{target.name} {tx.now:%Y-%m-%d %H:%M}",
            trigger=trigger, owner=actor, state=DropState.RECEIVED, scratch=scratch,
            priority=priority, approval=approval,
            reason=f"awaits approval: {objection}" if objection else "", created=tx.now,
        )  # fmt: skip
        if not tx.insert_or_ignore(drop):
            return Received(drop=tx.get(Drop, identity), created=False)
        search_index.note_drop(tx, drop)
        for item, sha256, filename in files:
            tx.insert_or_ignore(
                DropItem(
                    id=tasks.new_id(),
                    drop_id=identity,
                    kind=item.kind,
                    sha256=sha256,
                    filename=filename,
                    url=item.url,
                )
            )
        phase = target.lifecycle.phase(tx.now.date())
        tx.event(
            "drop.received",
            identity,
            actor=actor,
            why=trigger,
            files=len(files),
            target=target.name,
        )
        if objection:
            tx.event("drop.approval_awaited", identity, actor="ingest", why=objection)
        if phase is Phase.END_OF_LIFE:
            reason = (
                f"target {target.name} reached its end of life on {target.lifecycle.end_of_life}"
            )
            drop = tx.update(drop, state=DropState.ON_HOLD, reason=reason) or drop
            tx.event("drop.on_hold", identity, actor="ingest", why=reason)
        else:
            tasks.ensure(tx, TaskKind.INGEST, identity, target=target.name, queue="services")
    hub.wakeup.notify()
    return Received(drop=drop, created=True)


def _lately(tx: Transaction, target: Target, trigger: str) -> int:
    """Return how many builds a trigger has started by itself in the hours of its limits."""
    most = target.trigger_limits.most_builds
    if most is None:
        return 0
    recent = tx.find(
        Drop, target=target.name, trigger=trigger, approval=Approval.NOT_NEEDED, order_by="created",
        descending=True, limit=most + 1
    )  # fmt: skip
    since = tx.now - timedelta(hours=target.trigger_limits.hours)
    counted = tuple(drop.id for drop in recent if drop.created > since)
    return (
        tx.count(DropItem, drop_id=counted, kind=(ItemKind.SRPM, ItemKind.DIST_GIT))
        if counted
        else 0
    )


def release_hold(hub: Hub, drop: str, *, actor: str, why: str) -> Drop:
    """Ingest a drop that was on hold.

    :raises Conflict: it is not. :raises InputError: no reason given.
    """
    if not why.strip():
        raise InputError(f"drop {drop}: a release from hold needs a reason", hint="--reason TEXT")
    with hub.store.begin() as tx:
        held = tx.get(Drop, drop)
        changed = tx.update(
            held, only_if={"state": DropState.ON_HOLD}, state=DropState.RECEIVED, reason=""
        )
        if changed is None:
            raise Conflict(f"drop {drop} is {held.state}, not on hold")
        tx.event("drop.released", drop, actor=actor, why=why)
        tasks.ensure(tx, TaskKind.INGEST, drop, target=held.target, queue="services")
    hub.wakeup.notify()
    return changed


def _take_in(hub: Hub, target: Target, item: Offered) -> tuple[str, str]:
    """Return ``(sha256, file name)`` of one offered file, which is in the blob store afterwards;
    dist-git is read when the drop is ingested.
    """
    if item.kind is ItemKind.DIST_GIT:
        source, _, commit = item.filename.partition("@")
        where = f"dist-git {dist_git_of(target).repository(source)} {commit}"
        return hashlib.sha256(where.encode()).hexdigest(), item.filename
    if item.url:
        permitted(item.url, target.allowed_urls)
        return item.sha256 or url_digest(item.url), item.filename or parsed(
            item.url
        ).path.rpartition("/")[2]
    if item.sha256 and not item.path:
        if not hub.blobs.has(item.sha256):
            raise InputError(
                f"{item.filename or item.sha256}: not uploaded",
                hint=f"PUT /api/v1/blobs/{item.sha256} first",
            )
        return item.sha256, item.filename or item.sha256
    path = Path(item.path).resolve()
    folders = [hub.config.path(folder) for folder in hub.config.farm.drop_folders]
    if not any(path.is_relative_to(folder) for folder in folders):
        allowed = ", ".join(map(str, folders)) or "none"
        raise InputError(
            f"{item.path}: not in a drop folder of this hub (allowed: {allowed})",
            hint=(
                "upload it with PUT /api/v1/blobs/<sha256>, or add the folder to drop_folders in "
                "farm.yaml"
            ),
        )
    try:
        blob = hub.blobs.put_file(path)
    except OSError as error:
        raise InputError(
            f"{item.path}: {error.strerror}", hint="does the hub see this file?"
        ) from error
    if item.sha256 and item.sha256 != blob.sha256:
        raise InputError(f"{item.path}: SHA-256 is {blob.sha256}, the drop says {item.sha256}")
    return blob.sha256, path.name


def url_digest(url: str) -> str:
    """Return what stands for a file of unknown content until it is fetched: no file's own
    digest.
    """
    return hashlib.sha256(f"url {url}".encode()).hexdigest()


def dist_git_of(target: Target) -> DistGit:
    """Return the target's dist-git. :raises InputError: it has none."""
    if target.upstream.dist_git is None:
        raise InputError(
            f"target {target.name} names no dist-git", hint="set `upstream.dist_git` in its file"
        )
    return target.upstream.dist_git
