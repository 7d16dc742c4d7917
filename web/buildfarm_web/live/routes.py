"""``/live``: what a page follows.

Everything it says can be read without it, from the page or its JSON representation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from flask import Blueprint, request

from buildfarm.errors import InputError
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.live.handover import EventStream
from buildfarm_web.live.position import Position
from buildfarm_web.read_models.build import builds, logs
from buildfarm_web.read_models.build.build_page import tasks_of

blueprint = Blueprint("live", __name__, url_prefix="/live")

_MOST_SUBJECT = 200


@blueprint.get("/builds/<build>/log")
def follow_log(build: str) -> EventStream:
    """A log from ``offset`` on, or from where Last-Event-ID says: ``lines`` events, then ``end``.

    A ``lines`` event is ``[[offset, text, 1 if an error]]``; a text without a line break at its end
    is gone on with by the next one. ``again`` says that the log began anew.

    :raises NotFound: there is no such build, task or log.
    :raises TooMany: enough follow already.
    """
    live, address = app_context().live, request.remote_addr or ""
    live.check_room(address)
    hub = the_hub()
    with hub.store.read() as tx:
        tasks = tasks_of(tx, builds.find_build(tx, build))
    file = logs.log_of(hub, tasks, request.args.get("task", ""))
    position = Position.parse(
        request.headers.get("Last-Event-ID") or request.args.get("offset", "")
    )
    return EventStream(partial(live.log, address=address, file=file, position=position))


@blueprint.get("/changes")
def follow_changes() -> EventStream:
    """A ``change`` event whenever something happened to ``subject`` (a build's, drop's or task's
    id, a target), or to anything.

    :raises InputError: ``since`` (when the page was made) is no time.
    :raises TooMany: enough follow already.
    """
    live, address = app_context().live, request.remote_addr or ""
    live.check_room(address)
    subject = request.args.get("subject", "")[:_MOST_SUBJECT]
    return EventStream(partial(live.changes, address=address, subject=subject, since=_since()))


def _since() -> datetime | None:
    text = request.args.get("since", "")
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        raise InputError(
            f"since: {text[:40]!r} is no time",
            hint="as the page's footer has it: 2026-01-02T03:04:05Z",
        ) from None
