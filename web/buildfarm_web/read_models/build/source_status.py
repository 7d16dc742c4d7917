"""Status of every source: its newest build for each target, read without reading the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from buildfarm.domain.core.build import Build, BuildState, Gate
from buildfarm.domain.core.lag import Stage, spent_until, stage_of
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import InputError
from buildfarm.ports.store import Above, Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build.builds import need_of, why_of
from buildfarm_web.read_models.core.cache import Cache, last_event
from buildfarm_web.read_models.core.convert import Json, Row, by_name, pick_each, stamp

COLUMNS = (
    "id", "target", "source", "epoch", "version", "release", "debranded_name", "debranded_release", "srpm_filename", "state",
    "state_since", "stage_since", "wait_kind", "reason", "failure_kind", "verdict", "gate", "gate_reason", "round", "seeded",
    "successor", "bootstrap", "finding", "shipped", "spent", "created", "finished",
)  # fmt: skip
"""Fields of a build that lists need: the long lists of its header and its lock stay unread."""

_WHOLE = timedelta(minutes=10)
_STEPS, _CHANGES = 2_000, 200
"""After how long, and after how many events or changed sources of a target, everything is read
anew.
"""
_AGAIN = timedelta(minutes=1)
"""Time for which a later event may be seen before an earlier one: PostgreSQL numbers them at
insert, not at commit.
"""

WORDS = (
    "failed", "on_hold", "stuck", "ERROR", "MISSING", "INCOMPATIBLE", "EXTRA", "REVIEW", "UNCOMPARED", "building", "comparing",
    "built", "queued", "waiting", "debranded", "ingested", "COMPATIBLE", "EXPECTED", "EQUIVALENT", "IDENTICAL", "canceled", "excluded",
)  # fmt: skip
"""Words of a source on the map, the most pressing first: its verdict, or without one its state."""

_RANK = {word: place for place, word in enumerate(WORDS)}

FEW = 120
"""Up to so many sources of a SIG are on the map one by one; of more it says how many there are of
each word.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """One source of a target: its newest build as far as a list needs it, who answers, and its word
    on the map.
    """

    build: Build
    sig: str
    word: str
    need: str

    @property
    def source(self) -> str:
        """The source's name."""
        return self.build.source


class SourceStatusIndex:
    """The source_statuses, kept: what events say has changed is read anew, and once more when no
    earlier event can follow.
    """

    def __init__(self) -> None:
        self._event = 0
        self._read_at: datetime | None = None
        self._again = _Again(at=datetime.min.replace(tzinfo=UTC), before=0, last=0)
        self._known: dict[str, dict[str, SourceStatus]] = {}
        self._listed: dict[str, tuple[SourceStatus, ...]] = {}
        self._lock = Lock()
        self.kept = Cache()

    def of(self, hub: Hub, tx: Transaction, target: str = "") -> tuple[SourceStatus, ...]:
        """Of one target or of all, the most pressing first, then by source.

        :raises NotFound: no such target.
        """
        names = (hub.target(target).name,) if target else sorted(hub.config.targets)
        with self._lock:
            self._catch_up(hub, tx)
            if target not in self._listed:
                for name in names:
                    if name not in self._known:
                        self._known[name] = _read(hub, tx, name)
                found = (one for name in names for one in self._known[name].values())
                self._listed[target] = tuple(sorted(found, key=_pressing))
            return self._listed[target]

    def _catch_up(self, hub: Hub, tx: Transaction) -> None:
        """Bring what is known to the newest event this transaction sees."""
        newest, after = last_event(tx), self._event
        if not timedelta(0) <= tx.now - self._again.at < _AGAIN:
            after = min(after, self._again.before)
            self._again = _Again(at=tx.now, before=self._again.last, last=newest)
        is_old = self._read_at is None or not timedelta(0) <= tx.now - self._read_at < _WHOLE
        if is_old or newest < self._event or newest - after > _STEPS:
            self._known, self._listed, self._read_at = {}, {}, tx.now
        else:
            for target, sources in _changed(tx, after, newest).items():
                if target in self._known:
                    self._refresh(hub, tx, target, sources)
        self._event = newest

    def _refresh(self, hub: Hub, tx: Transaction, target: str, sources: Sequence[str]) -> None:
        if len(sources) > _CHANGES:
            self._known[target] = _read(hub, tx, target)
        else:
            known = {name: one for name, one in self._known[target].items() if name not in sources}
            self._known[target] = known | _read_some(hub, tx, target, sources)
        self._listed = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    """When events were last looked at once more, which was the newest then, and which the time
    before.
    """

    at: datetime
    before: int
    last: int


def _pressing(standing: SourceStatus) -> tuple[int, str, str]:
    return _RANK.get(standing.word, len(_RANK)), standing.build.source, standing.build.target


def _changed(tx: Transaction, after: int, newest: int) -> dict[str, list[str]]:
    """The sources, by target, of the builds that something happened to."""
    if newest == after:
        return {}
    events = tx.select_fields(Event, ("subject", "kind"), id=Above(after))
    subjects = {subject for subject, kind in events if kind.startswith("build.")}
    found: dict[str, dict[str, None]] = {}
    for target, source in pick_each(tx, Build, ("target", "source"), "id", subjects):
        found.setdefault(target, {})[source] = None
    return {target: list(sources) for target, sources in found.items()}


def _read(hub: Hub, tx: Transaction, target: str) -> dict[str, SourceStatus]:
    return _source_statuses(
        hub, target, tx.newest(Build, COLUMNS, of_each="source", target=target, scratch=False)
    )


def _read_some(
    hub: Hub, tx: Transaction, target: str, sources: Sequence[str]
) -> dict[str, SourceStatus]:
    """Return what :func:`_read` would give of these sources."""
    known = tx.select_fields(
        Build, ("source", "created", "id"), target=target, scratch=False, source=tuple(sources)
    )
    newest = {source: identity for source, _, identity in sorted(known)}
    return _source_statuses(
        hub, target, tx.select_fields(Build, COLUMNS, id=tuple(newest.values())) if newest else []
    )


def _source_statuses(
    hub: Hub, target: str, rows: Iterable[Sequence[Any]]
) -> dict[str, SourceStatus]:
    found = (as_far_as_read(row) for row in by_name(COLUMNS, rows))
    return {
        build.source: _source_status(build, hub.config.sig_of(target, build.source))
        for build in found
    }


def as_far_as_read(row: Row) -> Build:
    """A build with what lists need; the rest is empty."""
    known = {
        **row,
        "state": BuildState(row["state"]),
        "gate": Gate(row["gate"]),
        "seeded": tuple(row["seeded"]),
    }
    return Build(**known, drop_id="", dist="", srpm="", owner="")


def _source_status(build: Build, sig: str) -> SourceStatus:
    need = need_of(build)
    word = "stuck" if need == "stuck" else build.verdict or build.state.value
    return SourceStatus(build=build, sig=sig, word=word, need=need)


def since_of(build: Build) -> datetime:
    """Since when a build is as it is: of what waits for a person, since it does."""
    stage = stage_of(build.state, wait_kind=build.wait_kind, seeded=bool(build.seeded))
    return (build.stage_since if stage is Stage.HELD else None) or build.state_since


def lag_of(build: Build, tx: Transaction) -> float | None:
    """Seconds since the vendor shipped it, until it was published; ``None`` where nobody knows when
    that was.
    """
    return round(sum(spent_until(build, tx.now).values()), 1) if build.shipped else None


def row(tx: Transaction, standing: SourceStatus) -> Json:
    """One source as lists show it."""
    build = standing.build
    return {
        "source": build.source, "target": build.target, "sig": standing.sig, "build": build.id, "nvr": build.nvr,
        "state": build.state.value, "verdict": build.verdict, "word": standing.word, "needs_person": standing.need,
        "why": why_of(build), "since": stamp(since_of(build)), "lag": lag_of(build, tx),
    }  # fmt: skip


def by_word(source_statuses: Iterable[SourceStatus]) -> dict[str, int]:
    """Return how many sources there are of each word, the most pressing first."""
    counted = Counter([standing.word for standing in source_statuses])
    return {
        word: counted[word]
        for word in sorted(counted, key=lambda word: (_RANK.get(word, len(_RANK)), word))
    }


def map_of(source_statuses: Iterable[SourceStatus]) -> list[Json]:
    """The verdict map: for each SIG its sources as ``[source, target, word, build]``, the most
    pressing first.

    Of more than :data:`FEW` there are no ``cells``: ``words`` says in their order how many there
    are of each.
    """
    groups: dict[str, list[SourceStatus]] = {}
    for standing in source_statuses:
        groups.setdefault(standing.sig, []).append(standing)
    return [
        {
            "sig": sig,
            "total": len(group),
            "words": by_word(group),
            "cells": _cells(group) if len(group) <= FEW else [],
        }
        for sig, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def _cells(group: Iterable[SourceStatus]) -> list[list[str]]:
    found = sorted(group, key=_pressing)
    return [[one.source, one.build.target, one.word, one.build.id] for one in found]


def chosen(
    source_statuses: Sequence[SourceStatus],
    *,
    sig: str = "",
    word: str = "",
    need: str = "",
    source: str = "",
) -> list[SourceStatus]:
    """Those that pass the filters of a list, in their order; ``source`` is a part of the name.

    :raises InputError: no such word.
    """
    if word and word not in WORDS and word not in set(BuildState) | set(Verdict):
        raise InputError(f"no verdict or state {word!r}", hint=f"one of {', '.join(WORDS)}")
    part = source.casefold()
    return [
        one
        for one in source_statuses
        if (not sig or one.sig == sig)
        and (not word or one.word == word)
        and (not need or one.need)
        and (not part or part in one.source.casefold())
    ]
