"""Atom feeds (RFC 4287): ``/feeds/all.atom`` and ``/feeds/<target|sig|source>/<name>.atom``.

An entry's id is a tag URI (RFC 4151) that stays when the farm moves to another host; a feed is as
old as its newest entry, so that a reader who asks again gets a 304.
"""

from __future__ import annotations

from datetime import UTC, datetime

from feedgen.feed import FeedGenerator
from flask import Blueprint, Response, request

from buildfarm.config import Farm
from buildfarm.domain.notify.notice import Notice
from buildfarm.presentation.notice_texts import headline
from buildfarm_web.app_context import the_hub
from buildfarm_web.read_models.notify import feed

blueprint = Blueprint("feeds", __name__, url_prefix="/feeds")

_NEVER = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of a feed with nothing in it, and in every feed's own id: it must never change."""


@blueprint.get("/all.atom")
def everything() -> Response:
    """Return the feed of the farm."""
    return _feed("", "")


@blueprint.get("/<scope>/<path:name>.atom")
def scoped(scope: str, name: str) -> Response:
    """Return the feed of one target, SIG or source."""
    return _feed(scope, name)


def _feed(scope: str, name: str) -> Response:
    hub = the_hub()
    with hub.store.read() as tx:
        found = feed.notices(hub, tx, scope, name)
    farm = hub.config.farm
    base = (farm.notifications.url or request.host_url).rstrip("/")
    made = FeedGenerator()
    updated = found[0].at if found else _NEVER
    made.id(_tag(farm, _NEVER, f"feed/{scope}/{name}" if scope else "feed"))
    made.title(_plain(f"{farm.distribution}: {scope} {name}" if scope else farm.distribution))
    made.updated(updated)
    made.author(name=_plain(farm.distribution))
    made.link(href=f"{base}{request.path}", rel="self", type="application/atom+xml")
    made.link(
        href=f"{base}/targets/{name}" if scope == "target" else f"{base}/",
        rel="alternate",
        type="text/html",
    )
    for notice in found:
        _add(made, farm, notice, base)
    answer = Response(made.atom_str(), content_type="application/atom+xml; charset=utf-8")
    answer.last_modified = updated
    return answer


def _add(made: FeedGenerator, farm: Farm, notice: Notice, base: str) -> None:
    entry = made.add_entry(order="append")
    entry.id(_tag(farm, notice.at, f"event/{notice.id}"))
    entry.title(_plain(headline(notice)))
    entry.updated(notice.at)
    entry.published(notice.at)
    entry.link(href=f"{base}{notice.path}", rel="alternate", type="text/html")
    entry.category(term=notice.topic.value)
    entry.content(_plain(notice.why or headline(notice)), type="text")


def _tag(farm: Farm, day: datetime, what: str) -> str:
    """The authority is the distribution's own e-mail address: it outlives every host."""
    return f"tag:{farm.signing_email},{day:%Y-%m-%d}:{what}"


def _plain(text: str) -> str:
    """Text without what XML 1.0 cannot hold."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )
