"""Search: what begins so, in each kind of thing that people look for, a few of each with where they
lead.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from buildfarm.api.responses.overview import search as responses
from buildfarm.api.responses.overview.search import Hit
from buildfarm.domain.core.build import NVR_FIELDS, Build, nvr_of
from buildfarm.domain.core.records import FindingRecord, SearchEntry
from buildfarm.domain.core.search import SearchKind, words
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.publish.repository import Artifact
from buildfarm.errors import NotFound
from buildfarm.ports.store import Prefix, Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.builds import find_build
from buildfarm_web.read_models.core.convert import pick_each

SHORTEST = 2
_LONGEST = 500
MOST = 20
_READ = 200
"""Entries read of a kind, of which the rest of the query's words and the repeats take some away."""

_TITLES = {
    SearchKind.SOURCE: "Sources", SearchKind.RPM: "RPMs", SearchKind.FILE: "Files in RPMs", SearchKind.DROP: "Drops",
    SearchKind.FAILURE: "Failures",
}  # fmt: skip


def search(hub: Hub, tx: Transaction, query: str) -> responses.SearchResult:
    """Groups of hits, those that name one thing first.

    Names are found by each of their words, in any case; SRPMs, RPM files, builds, drops by digest
    and workers by their beginning as it is written; files and findings by a path's beginning or by
    its last part. Too short a query finds nothing.
    """
    text = query.replace("\0", "").strip()[:_LONGEST]
    groups: list[responses.HitGroup] = []
    if len(text) >= SHORTEST:
        exact = _exact(tx, text)
        builds = [] if exact else _builds(tx, text)
        groups = [_group("This build", exact), _group("SRPMs", builds)]
        groups += [_group(title, _entries(tx, kind, text)) for kind, title in _TITLES.items()]
        groups += [
            _group("RPM files", _artifacts(tx, text)), _group("Findings", _findings(tx, text)), _group("Drops by digest", _drops(tx, text)),
            _group("Workers and guests", _workers(tx, text)),
            _group("Targets", [_hit(one.name, one.title, "", f"/targets/{quote(one.name)}") for one in hub.config.targets.values()
                               if text.lower() in f"{one.name} {one.title}".lower()]),
        ]  # fmt: skip
    found = [group for group in groups if group.hits]
    return responses.SearchResult(
        query=text, groups=found, hits=sum(len(group.hits) for group in found), shortest=SHORTEST
    )


def _group(title: str, hits: list[Hit]) -> responses.HitGroup:
    return responses.HitGroup(title=title, hits=hits[:MOST], more=len(hits) > MOST)


def _hit(label: str, detail: str, target: str, href: str) -> Hit:
    return Hit(label=label, detail=detail, target=target, href=href)


def _build_hit(identity: str, nvr: str, target: str, state: str) -> Hit:
    return _hit(nvr, state.replace("_", " "), target, f"/builds/{quote(identity)}")


def _exact(tx: Transaction, text: str) -> list[Hit]:
    """The build that a full id or name-version-release names, the newest."""
    try:
        build = find_build(tx, text)
    except NotFound:
        return []
    return [_build_hit(build.id, build.nvr, build.target, build.state.value)]


def _builds(tx: Transaction, text: str) -> list[Hit]:
    asked = ("id", "target", "state", *NVR_FIELDS)
    found = tx.select_fields(
        Build, asked, srpm_filename=Prefix(text), order_by="srpm_filename", limit=MOST + 1
    )
    return [_build_hit(row[0], nvr_of(*row[3:]), row[1], row[2]) for row in found]


def _entries(tx: Transaction, kind: SearchKind, text: str) -> list[Hit]:
    """The longest word is looked up, the others must be in the name too; a name is one hit, however
    often it is found.
    """
    first, *others = words(text)
    found = tx.find(SearchEntry, kind=kind.value, token=Prefix(first), limit=_READ)
    found.sort(key=lambda entry: (len(entry.token), entry.label, entry.target))
    hits: dict[tuple[str, ...], Hit] = {}
    for entry in found:
        if all(word in entry.label.lower() for word in others):
            detail = {SearchKind.FILE: entry.detail, SearchKind.RPM: entry.source}.get(kind, "")
            key = (
                entry.label,
                detail,
                entry.target,
                entry.detail if kind is SearchKind.DROP else "",
            )
            hits.setdefault(key, _hit(entry.label, detail, entry.target, _HREFS[kind](entry)))
    return list(hits.values())


def _of_source(source: str, target: str) -> str:
    return f"/builds?{urlencode({'source': source, 'target': target})}"


_HREFS: dict[SearchKind, Callable[[SearchEntry], str]] = {
    SearchKind.SOURCE: lambda entry: _of_source(entry.source, entry.target),
    SearchKind.RPM: lambda entry: _of_source(entry.source, entry.target),
    SearchKind.FILE: lambda entry: _of_source(entry.source, entry.target),
    SearchKind.DROP: lambda entry: f"/drops/{quote(entry.detail)}",
    SearchKind.FAILURE: lambda entry: f"/targets/{quote(entry.target)}#failures",
}


def _artifacts(tx: Transaction, text: str) -> list[Hit]:
    asked = ("filename", "build")
    found = tx.select_fields(
        Artifact, asked, filename=Prefix(text), order_by="filename", limit=MOST + 1
    )
    targets = dict(pick_each(tx, Build, ("id", "target"), "id", (build for _, build in found)))
    return [
        _hit(name, "", targets.get(build, ""), f"/builds/{quote(build)}") for name, build in found
    ]


def _findings(tx: Transaction, text: str) -> list[Hit]:
    """Return where files that begin so, or are called so, differ in builds that are not superseded."""
    where = {"path": Prefix(text)} if text.startswith("/") else {"name": Prefix(text)}
    asked = ("path", "kind", "verdict", "source", "target", "build")
    found = tx.select_fields(
        FindingRecord, asked, order_by="", descending=False, limit=_READ, superseded=False, **where
    )
    hits = (
        _hit(
            path,
            f"{verdict}: {kind.replace('-', ' ')} in {source}",
            target,
            f"/builds/{quote(build)}#comparison",
        )
        for path, kind, verdict, source, target, build in sorted(found)
        if path
    )
    return list(dict.fromkeys(hits))


def _drops(tx: Transaction, text: str) -> list[Hit]:
    found = tx.select_fields(
        Drop, ("id", "name", "target"), id=Prefix(text.lower()), limit=MOST + 1
    )
    return [
        _hit(name, identity[:12], target, f"/drops/{identity}") for identity, name, target in found
    ]


def _workers(tx: Transaction, text: str) -> list[Hit]:
    found = tx.select_fields(
        Worker, ("id", "state", "host"), id=Prefix(text), order_by="id", limit=MOST + 1
    )
    return [
        _hit(name, f"{state}{', guest of ' if host else ''}{host}", "", "/workers")
        for name, state, host in found
    ]
