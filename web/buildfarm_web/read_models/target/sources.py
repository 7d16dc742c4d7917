"""The sources of the distribution: all of them on one map and in one list, and each with the
history of its builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from buildfarm.api.responses.build.overrides import SourceOverride as SourceOverrideRow
from buildfarm.api.responses.build.source_status import MapGroup, SourceStatus
from buildfarm.api.responses.build.waivers import Waiver
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.target import sources as responses
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.compare.expect import glob
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import SourceOverride
from buildfarm.errors import InputError, NotFound
from buildfarm.ports.store import Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.auth.responsible import answers
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.build.build_page import override_json
from buildfarm_web.read_models.build.source_status import (
    SourceStatusIndex,
    by_word,
    chosen,
    lag_of,
    map_of,
    row,
)
from buildfarm_web.read_models.build.waivers import waiver_json
from buildfarm_web.read_models.core.convert import parsed
from buildfarm_web.read_models.core.paging import decoded, encoded
from buildfarm_web.read_models.target.lag import stages_of

_HISTORY = 200


class SourceFilters(TypedDict):
    """Filters of a list of sources; empty text is no filter."""

    target: str
    sig: str
    word: str
    need: str
    source: str


def filters_of(args: Mapping[str, str]) -> SourceFilters:
    """The filters of a list of sources, as they stand in a URL."""

    def given(name: str) -> str:
        return args.get(name, "").strip()

    return SourceFilters(
        target=given("target"),
        sig=given("sig"),
        word=given("word"),
        need=given("need"),
        source=given("source"),
    )


def sources(
    hub: Hub,
    tx: Transaction,
    source_statuses: SourceStatusIndex,
    filters: SourceFilters,
    *,
    limit: int,
    cursor: str = "",
) -> responses.SourceList:
    """The map of all sources, and a page of the list (``before`` and ``cursor`` lead to the pages
    around it).

    :raises NotFound: no such target. :raises InputError: no such word, or a cursor of another list.
    """
    offset = int(str(decoded(cursor, [int])[0])) if cursor else 0
    if offset < 0:
        raise InputError(
            "`cursor` is none of this list", hint="take it from the answer of the page before"
        )
    found = source_statuses.of(hub, tx, filters["target"])
    shown = chosen(
        found,
        sig=filters["sig"],
        word=filters["word"],
        need=filters["need"],
        source=filters["source"],
    )
    return responses.SourceList(
        now=tx.now,
        words=by_word(shown),
        map=parsed(MapGroup, map_of(shown)),
        sigs=sorted({one.sig for one in found}),
        sources=parsed(SourceStatus, (row(tx, one) for one in shown[offset : offset + limit])),
        total=len(shown),
        offset=offset,
        before=encoded((max(offset - limit, 0),)) if offset else None,
        cursor=encoded((offset + limit,)) if len(shown) > offset + limit else None,
    )


def source_page(hub: Hub, tx: Transaction, target: str, source: str) -> responses.SourcePage:
    """One source of a target: who answers, its builds with their times, what holds for it.

    :raises NotFound: no such source.
    """
    known = hub.target(target)
    found = tx.find(
        Build, target=known.name, source=source, order_by="created", descending=True, limit=_HISTORY
    )
    if not found:
        raise NotFound(f"no source {source} in {known.name}", hint="`/sources` lists them")
    overrides = tx.find(
        SourceOverride,
        target=known.name,
        source=source,
        order_by="created",
        descending=True,
        limit=20,
    )
    listed_overrides = parsed(SourceOverrideRow, (override_json(one) for one in overrides))
    listed = builds.rows(hub, found)
    newest = found[0]
    return responses.SourcePage(
        **answers(hub, known.name, source),
        now=tx.now,
        target=known.name,
        source=source,
        newest=responses.NewestBuild(
            **fields_of(listed[0]),
            act=builds.act_on(newest),
            lag=lag_of(newest, tx),
            stages=stages_of(newest, tx.now),
        ),
        rule=_rule(newest),
        builds=[
            responses.TimedBuild(
                **fields_of(item),
                stages=stages_of(build, tx.now),
                lag=lag_of(build, tx),
                shipped=build.shipped,
            )
            for item, build in zip(listed, found, strict=True)
        ],
        total=tx.count(Build, target=known.name, source=source),
        override=next((one for one in listed_overrides if one.active), None),
        overrides=listed_overrides,
        waivers=_waivers(tx, known.name, newest),
    )


def _rule(build: Build) -> responses.AppliedRule | None:
    if not build.rule_digest:
        return None
    return responses.AppliedRule(
        digest=build.rule_digest, date=build.rule_date, audit=build.audit, build=build.id
    )


def _waivers(tx: Transaction, target: str, build: Build) -> list[Waiver]:
    """The waivers in force that may touch a source."""
    names = {build.source, build.debranded_name or build.source}
    in_force = (
        record
        for record in tx.find(WaiverRecord, ended=None, order_by="created,id")
        if record.waiver.covers_target(target)
        and any(glob(record.source).fullmatch(name) for name in names)
    )
    return parsed(Waiver, (waiver_json(tx, record) for record in in_force))
