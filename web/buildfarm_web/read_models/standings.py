"""Where every source stands: its newest build for each target, read without reading the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from buildfarm.domain.build import Build, BuildState, Gate
from buildfarm.domain.lag import Stage, spent_until, stage_of
from buildfarm.domain.records import Event
from buildfarm.domain.verdict import Verdict
from buildfarm.errors import InputError
from buildfarm.ports import Transaction
from buildfarm.services.hub import Hub
from buildfarm_web.read_models.builds import need_of, why_of
from buildfarm_web.read_models.plain import Json, Row, by_name, stamp

COLUMNS = (
    "id", "target", "source", "epoch", "version", "release", "debranded_name", "debranded_release", "srpm_filename", "state",
    "state_since", "stage_since", "wait_kind", "reason", "failure_kind", "verdict", "gate", "gate_reason", "round", "seeded",
    "successor", "bootstrap", "finding", "shipped", "spent", "created", "finished",
)  # fmt: skip
"""What lists need of a build: the long lists of its header and its lock stay unread."""

_WHOLE = timedelta(minutes=1)
_STEPS = 400
"""After how long, and after how many events, everything is read anew."""
_SLOW = timedelta(seconds=10)

WORDS = (
    "failed", "on_hold", "stuck", "ERROR", "MISSING", "INCOMPATIBLE", "EXTRA", "REVIEW", "UNCOMPARED", "building", "comparing",
    "built", "queued", "waiting", "debranded", "ingested", "COMPATIBLE", "EXPECTED", "EQUIVALENT", "IDENTICAL", "canceled", "excluded",
)  # fmt: skip
"""What a source can be on the map, the most pressing first: its verdict, or without one its state."""

_RANK = {word: place for place, word in enumerate(WORDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One source of a target: its newest build as far as a list needs it, who answers, and its word on the map."""

    build: Build
    sig: str
    word: str
    need: str

    @property
    def source(self) -> str:
        """The source's name."""
        return self.build.source


class Standings:
    """The standings, kept: what events say has changed is read anew, everything once a minute.

    The minute is for databases that show a later event before an earlier one (PostgreSQL numbers at insert, not at commit).
    """

    def __init__(self) -> None:
        self._event = 0
        self._read_at: datetime | None = None
        self._known: dict[str, dict[str, Standing]] = {}
        self._derived: dict[str, tuple[int, datetime, Json]] = {}
        self._lock = Lock()

    def of(self, hub: Hub, tx: Transaction, target: str = "") -> tuple[Standing, ...]:
        """Of one target or of all, by target and source. :raises NotFound: no such target."""
        names = (hub.target(target).name,) if target else sorted(hub.config.targets)
        with self._lock:
            self._catch_up(hub, tx)
            for name in names:
                if name not in self._known:
                    self._known[name] = _read(hub, tx, name)
            return tuple(self._known[name][source] for name in names for source in sorted(self._known[name]))

    def derived(self, name: str, tx: Transaction, make: Callable[[], Json]) -> Json:
        """What is made of all standings and moves slowly: the same until something happens, and then for a few seconds."""
        newest = last_event(tx)
        event, at, value = self._derived.get(name, (-1, tx.now, {}))
        age = tx.now - at
        if not timedelta(0) <= age < _SLOW or (
            event != newest and not age
        ):  # within one instant only the same event will do
            value = make()
            self._derived[name] = (newest, tx.now, value)
        return value

    def _catch_up(self, hub: Hub, tx: Transaction) -> None:
        """Bring what is known to the newest event this transaction sees."""
        newest = last_event(tx)
        is_old = self._read_at is None or not timedelta(0) <= tx.now - self._read_at < _WHOLE
        if is_old or newest < self._event or newest - self._event > _STEPS:
            self._known, self._read_at = {}, tx.now
        else:
            for build in _changed(tx, self._event, newest):
                if build["target"] in self._known:
                    self._refresh(hub, tx, build["target"], build["source"])
        self._event = newest

    def _refresh(self, hub: Hub, tx: Transaction, target: str, source: str) -> None:
        known = {**self._known[target]}
        known.pop(source, None)
        rows = tx.pick(
            Build, COLUMNS, target=target, source=source, scratch=False, order_by="created", descending=True, limit=1
        )
        if rows:
            known[source] = _standing(as_far_as_read(by_name(COLUMNS, rows)[0]), hub.config.sig_of(target, source))
        self._known[target] = known


def _changed(tx: Transaction, after: int, newest: int) -> list[Row]:
    """Target and source of the builds that something happened to."""
    if newest == after:
        return []
    told = tx.pick(Event, ("subject", "kind"), id=tuple(range(after + 1, newest + 1)))
    subjects = sorted({subject for subject, kind in told if kind.startswith("build.")})
    asked = ("target", "source")
    return by_name(asked, tx.pick(Build, asked, id=tuple(subjects))) if subjects else []


def last_event(tx: Transaction) -> int:
    """The number of the newest event, 0 before the first."""
    found = tx.pick(Event, ("id",), order_by="id", descending=True, limit=1)
    return int(found[0][0]) if found else 0


def _read(hub: Hub, tx: Transaction, target: str) -> dict[str, Standing]:
    rows = by_name(COLUMNS, tx.newest(Build, COLUMNS, of_each="source", target=target, scratch=False))
    answers = partial(hub.config.sig_of, target)
    return {row["source"]: _standing(as_far_as_read(row), answers(row["source"])) for row in rows}


def as_far_as_read(row: Row) -> Build:
    """A build with what lists need; the rest is empty."""
    known = {**row, "state": BuildState(row["state"]), "gate": Gate(row["gate"]), "seeded": tuple(row["seeded"])}
    return Build(**known, drop_id="", dist="", srpm="", owner="")


def _standing(build: Build, sig: str) -> Standing:
    need = need_of(build)
    word = "stuck" if need == "stuck" else build.verdict or build.state.value
    return Standing(build=build, sig=sig, word=word, need=need)


def since_of(build: Build) -> str | None:
    """Since when a build is as it is: of what waits for a person, since it does."""
    stage = stage_of(build.state, wait_kind=build.wait_kind, gate=build.gate, seeded=bool(build.seeded))
    return stamp((build.stage_since if stage is Stage.HELD else None) or build.state_since)


def lag_of(build: Build, tx: Transaction) -> float | None:
    """Seconds since the vendor shipped it, until it was published; ``None`` where nobody knows when that was."""
    return round(sum(spent_until(build, tx.now).values()), 1) if build.shipped else None


def row(tx: Transaction, standing: Standing) -> Json:
    """One source as lists show it."""
    build = standing.build
    return {
        "source": build.source, "target": build.target, "sig": standing.sig, "build": build.id, "nvr": build.nvr,
        "state": build.state.value, "verdict": build.verdict, "word": standing.word, "needs_person": standing.need,
        "why": why_of(build), "since": since_of(build), "lag": lag_of(build, tx),
    }  # fmt: skip


def by_word(standings: Iterable[Standing]) -> dict[str, int]:
    """How many sources there are of each word, the most pressing first."""
    counted = Counter(standing.word for standing in standings)
    return {word: counted[word] for word in WORDS if counted[word]}


def map_of(standings: Sequence[Standing]) -> list[Json]:
    """The verdict map: for each SIG its sources as ``[source, target, word, build]``, the most pressing first."""
    groups: dict[str, list[Standing]] = {}
    for standing in standings:
        groups.setdefault(standing.sig, []).append(standing)
    return [
        {
            "sig": sig,
            "total": len(group),
            "words": by_word(group),
            "cells": [
                [one.source, one.build.target, one.word, one.build.id]
                for one in sorted(group, key=lambda one: (_RANK.get(one.word, len(_RANK)), one.source))
            ],
        }
        for sig, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def chosen(
    standings: Sequence[Standing], *, sig: str = "", word: str = "", need: str = "", source: str = ""
) -> list[Standing]:
    """Those that pass the filters of a list, the most pressing first; ``source`` is a part of the name.

    :raises InputError: no such word.
    """
    if word and word not in WORDS and word not in set(BuildState) | set(Verdict):
        raise InputError(f"no verdict or state {word!r}", hint=f"one of {', '.join(WORDS)}")
    passed = (
        one
        for one in standings
        if (not sig or one.sig == sig)
        and (not word or one.word == word)
        and (not need or one.need)
        and (not source or source.casefold() in one.source.casefold())
    )
    return sorted(passed, key=lambda one: (_RANK.get(one.word, len(_RANK)), one.source))
