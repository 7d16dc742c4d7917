"""SVG badges for other people's pages: ``/badges/<target>.svg`` and
``/badges/<target>/<source>.svg``.
"""

from __future__ import annotations

from flask import Blueprint, Response

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.verdict import Verdict
from buildfarm.ports.store import Transaction
from buildfarm_web.app_context import the_hub
from buildfarm_web.pages.drawings import badge
from buildfarm_web.pages.template_filters import percent, said, tone
from buildfarm_web.read_models.build.builds import Census

blueprint = Blueprint("badges", __name__, url_prefix="/badges")

_LONGEST = 60
_MOST_OK, _SOME_OK = 1.0, 0.9


@blueprint.get("/<target>.svg")
def of_target(target: str) -> Response:
    """Badge of how many of a target's compared builds are compatible with the vendor's; grey where
    nothing is known.
    """
    hub = the_hub()
    if target not in hub.config.targets:
        return _answer(target, "unknown", "mute")
    with hub.store.read() as tx:
        share = _compatible(tx, target)
    if share is None:
        return _answer(target, "no builds yet", "mute")
    colour = "good" if share >= _MOST_OK else "warn" if share >= _SOME_OK else "bad"
    return _answer(target, f"{percent(share)} compatible", colour)


def _compatible(tx: Transaction, target: str) -> float | None:
    """The share of compatible verdicts among those of the distribution of now; UNCOMPARED counts
    against it.
    """
    known = Census(tx).verdicts(target)
    total = sum(known.values())
    return (
        sum(count for verdict, count in known.items() if verdict.is_compatible) / total
        if total
        else None
    )


@blueprint.get("/<target>/<source>.svg")
def of_source(target: str, source: str) -> Response:
    """State and verdict of the newest build of a source; grey where there is none, so that a page
    keeps its picture.
    """
    hub = the_hub()
    with hub.store.read() as tx:
        build = tx.first(
            Build, target=target, source=source, order_by="created,id", descending=True
        )
    if build is None:
        return _answer(source, "unknown", "mute")
    state = said(build.state.value)
    if not build.verdict:
        return _answer(source, state, tone(build.state.value))
    verdict = Verdict(build.verdict)
    return _answer(
        source,
        f"{state}, {verdict.value}",
        tone(verdict.value if verdict.is_compatible else build.verdict),
    )


def _answer(label: str, value: str, colour: str) -> Response:
    plain = "".join(letter if letter.isprintable() else " " for letter in label)[:_LONGEST]
    answer = Response(badge.draw(plain, value, colour), content_type="image/svg+xml; charset=utf-8")
    answer.headers["Cache-Control"] = "public, max-age=60"
    return answer
