"""Superseding: a build is superseded once every tag carries a newer build of its source, so that
ticks no longer read it.

It is marked when a tag switches. If a tag drops a build, older builds of the same source are
un-superseded so that publishing can fall back to them
(:func:`buildfarm.services.publish.publishing.wanted`); a source that a tag no longer carries has no
superseded builds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from buildfarm.domain.core.build import SETTLED, Build
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.core.records import FindingRecord
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Transaction, matching

_AT_ONCE = 500
_ASKED = ("id", "source", "superseded", "epoch", "version", "release", "round")


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    source: str
    superseded: bool
    rank: tuple[EVR, int]


def after_switch(
    tx: Transaction, target: Target, carried: Sequence[Collection[str]], *, went: Collection[str]
) -> None:
    """Mark what is superseded now that the tags carry these builds; ``went`` has left the one that
    was switched.
    """
    there = [list(_rows(tx, ids)) for ids in carried]
    newest = [{row.source: row.rank for row in rows} for rows in there]
    back = [row.id for rows in there for row in rows if row.superseded]
    left = {row.source for row in _rows(tx, went)}
    for source in sorted(one for one in left if not all(one in known for known in newest)):
        back += [row.id for row in _picked(tx, target=target.name, source=source, superseded=True)]
    _mark(tx, back, superseded=False)
    kept = {row.id for rows in there for row in rows}
    history = [
        row.id
        for row in _picked(tx, target=target.name, superseded=False, state=SETTLED)
        if row.id not in kept
        and all(row.source in known and row.rank < known[row.source] for known in newest)
    ]
    _mark(tx, history, superseded=True)


def _rows(tx: Transaction, ids: Collection[str]) -> Iterator[_Row]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), _AT_ONCE):
        yield from _picked(tx, id=tuple(wanted[start : start + _AT_ONCE]))


def _picked(tx: Transaction, **where: object) -> Iterator[_Row]:
    for identity, source, superseded, epoch, version, release, number in tx.select_fields(
        Build, _ASKED, **matching(Build, **where)
    ):
        yield _Row(
            identity,
            source,
            superseded,
            (EVR(epoch=epoch, version=version, release=release), number),
        )


def _mark(tx: Transaction, ids: Sequence[str], *, superseded: bool) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        some = tuple(ids[start : start + _AT_ONCE])
        tx.change_all(Build, {"id": some}, superseded=superseded)
        tx.change_all(FindingRecord, {"build": some}, superseded=superseded)
