"""Drops for reading: their builds, what is in the way, and how much of the vendor's drop ours can
stand in for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from buildfarm.api.responses.build.builds import Build as BuildRow
from buildfarm.api.responses.build.builds import NeedyBuild
from buildfarm.api.responses.core.base import fields_of
from buildfarm.api.responses.intake import drops as responses
from buildfarm.api.responses.schedule.forecast import DropPlan
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import Event
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import Drop, DropItem, DropState, ItemKind, VendorRpm
from buildfarm.ports.store import Above, Among, Transaction
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.build import builds
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.convert import find_each, parsed
from buildfarm_web.read_models.core.history import event_of
from buildfarm_web.read_models.core.paging import page
from buildfarm_web.read_models.intake.waves import Shipped, waves
from buildfarm_web.read_models.schedule.forecast import drop_plan

MOST = 150
"""Builds of a drop that its page lists and draws; of a larger drop it names the rest."""


def drop_of(tx: Transaction, drop: Drop) -> responses.Drop:
    """One drop as lists show it."""
    return _listed(tx, [drop])[0]


def _listed(tx: Transaction, found: Sequence[Drop]) -> list[responses.Drop]:
    """Drops as lists show them, counted all at once."""
    counted = tx.count_by(
        Build, ("drop_id", "state", "wait_kind", "gate"), drop_id=tuple(drop.id for drop in found), successor=""
    )  # fmt: skip
    states: dict[str, Counter[tuple[str]]] = {drop.id: Counter() for drop in found}
    moving = {drop.id for drop in found if drop.state is DropState.RECEIVED}
    for (identity, state, wait_kind, gate), count in counted.items():
        states[identity][state,] += count
        if builds.moves(state, wait_kind, gate):
            moving.add(identity)
    return [
        _row(drop, builds.ordered(BuildState, states[drop.id]), is_moving=drop.id in moving)
        for drop in found
    ]


def _row(drop: Drop, states: dict[BuildState, int], *, is_moving: bool) -> responses.Drop:
    return responses.Drop(
        id=drop.id,
        target=drop.target,
        name=drop.name,
        state=drop.state,
        reason=drop.reason,
        trigger=drop.trigger,
        owner=drop.owner,
        scratch=drop.scratch,
        priority=drop.priority,
        approval=drop.approval,
        created=drop.created,
        states=states,
        builds=sum(states.values()),
        moving=is_moving,
    )


def drops(tx: Transaction, *, limit: int, target: str = "", cursor: str = "") -> responses.DropList:
    """A page of drops, the newest first."""
    where: dict[str, object] = {"target": target} if target else {}
    found = page(tx, Drop, "created,id", where, limit=limit, cursor=cursor)
    return responses.DropList(drops=_listed(tx, found.records), cursor=found.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drop:
    """A drop with the builds that its page shows: all, or of a large one the first so many."""

    drop: Drop
    row: responses.Drop
    is_large: bool
    builds: list[Build]
    rows: list[BuildRow]


def _read(hub: Hub, tx: Transaction, name: str) -> _Drop:
    drop = builds.find_drop(tx, name)
    row = drop_of(tx, drop)
    is_large = row.builds > MOST
    shown = _shown(tx, drop, is_large=is_large)
    rows = parsed(BuildRow, builds.rows(hub, _by_source(shown)))
    return _Drop(drop=drop, row=row, is_large=is_large, builds=shown, rows=rows)


def _by_source(found: Iterable[Build]) -> list[Build]:
    return sorted(found, key=lambda build: (build.source, build.created))


def _summary(tx: Transaction, read: _Drop) -> responses.DropSummary:
    drop = read.drop
    binaries = tx.count(DropItem, drop_id=drop.id, kind=ItemKind.BINARY)
    return responses.DropSummary(
        **(fields_of(read.row) | {"builds": read.rows}),
        more=max(read.row.builds - len(read.rows), 0) if read.is_large else 0,
        counts=read.row.states if read.is_large else _counts(read.builds),
        compatibility=compatibility(tx, drop, binaries),
        plan=waves([], []) if read.is_large else waves(read.builds, _vendor(tx, drop)),
        outlook=DropPlan.from_json(drop_plan(tx, drop)),
    )


def drop_summary(hub: Hub, tx: Transaction, name: str) -> responses.DropSummary:
    """Return what the overview says of a drop: its builds, counts, waves, compatibility and plan.

    :raises NotFound: there is none.
    """
    return _summary(tx, _read(hub, tx, name))


def drop_page(hub: Hub, tx: Transaction, kept: Cache, name: str) -> responses.DropPage:
    """One drop with its builds, counts, waves and compatibility. :raises NotFound: there is none.

    Of a drop of more than :data:`MOST` builds ``builds`` are the first so many and ``more`` counts
    the rest; its waves are those of ``outlook``, ``plan`` is empty.
    """
    return kept.now(("drop", name), tx, lambda: _page(hub, tx, name))


def _page(hub: Hub, tx: Transaction, name: str) -> responses.DropPage:
    read = _read(hub, tx, name)
    drop, shown = read.drop, read.builds
    if read.is_large:
        verdicts = builds.ordered(
            Verdict, tx.count_by(Build, ("verdict",), drop_id=drop.id, successor="")
        )
        needs = builds.needs_person(hub, tx, limit=MOST, drop_id=drop.id)
    else:
        verdicts = builds.by_verdict(shown)
        needy = _by_source(build for build in shown if builds.need_of(build))
        needs = builds.with_next_step(hub, builds.rows(hub, needy), needy)
    return responses.DropPage(
        **fields_of(_summary(tx, read)),
        verdicts=verdicts,
        files=_files(tx, drop),
        needs_person=parsed(NeedyBuild, needs),
        events=[event_of(event) for event in reversed(_history(tx, drop))],
    )


def _files(tx: Transaction, drop: Drop) -> responses.DropFiles:
    kinds = {
        kind: count for (kind,), count in tx.count_by(DropItem, ("kind",), drop_id=drop.id).items()
    }
    binaries = kinds.get(ItemKind.BINARY.value, 0)
    refused = tx.find(
        DropItem, drop_id=drop.id, problem=Above(""), order_by="kind,filename", limit=MOST
    )
    return responses.DropFiles(
        srpms=sum(kinds.values()) - binaries,
        binaries=binaries,
        problems=[
            responses.DropFileProblem(
                filename=item.filename, kind=item.kind, sha256=item.sha256, problem=item.problem
            )
            for item in refused
        ],
    )


def _shown(tx: Transaction, drop: Drop, *, is_large: bool) -> list[Build]:
    """The drop's builds, and those of other drops that its files belong to; of each cycle the last
    round.
    """
    if is_large:
        return tx.find(Build, drop_id=drop.id, successor="", order_by="created,id", limit=MOST)
    own = tx.find(Build, drop_id=drop.id)
    elsewhere = {build for (build,) in tx.count_by(DropItem, ("build",), drop_id=drop.id) if build}
    others = find_each(tx, Build, "id", elsewhere - {build.id for build in own})
    return [build for build in (*own, *others[:MOST]) if not build.successor]


def _vendor(tx: Transaction, drop: Drop) -> list[Shipped]:
    """The vendor's binaries that came with a drop."""
    asked = ("name", "sourcerpm", "provides")
    named = Among(DropItem, "sha256", _binaries(drop))
    return [
        Shipped(*row)
        for row in tx.select_fields(VendorRpm, asked, target=drop.target, sha256=named)
    ]


def _binaries(drop: Drop) -> dict[str, object]:
    return {"drop_id": drop.id, "kind": ItemKind.BINARY}


def _history(tx: Transaction, drop: Drop) -> list[Event]:
    return tx.find(Event, subject=drop.id, order_by="id", descending=True, limit=MOST)


def _counts(shown: Iterable[Build]) -> dict[BuildState, int]:
    found = Counter((build.state.value,) for build in shown)
    return builds.ordered(BuildState, found)


def compatibility(tx: Transaction, drop: Drop, total: int) -> responses.Compatibility | None:
    """Return how many of the vendor's RPMs of a drop (``total``) ours can stand in for; ``None``
    when it brought none.

    "100 %" counts over every vendor RPM: MISSING, ERROR and UNCOMPARED count against it, and what a
    waiver lifted is counted apart, in ``waived`` alone.
    """
    if not total:
        return None
    sound = Among(DropItem, "sha256", {**_binaries(drop), "problem": ""})
    judged = tx.count_by(
        VendorRpm, ("verdict", "waived"), target=drop.target, problem="", sha256=sound
    )
    verdicts = dict.fromkeys(Verdict, 0)
    compatible = waived = 0
    for (said, is_waived), count in judged.items():
        verdict = (
            Verdict(said) if said in verdicts else Verdict.ERROR if said else Verdict.UNCOMPARED
        )
        verdicts[verdict] += count
        if verdict.is_compatible:
            compatible += 0 if is_waived else count
            waived += count if is_waived else 0
    verdicts[Verdict.ERROR] += total - sum(judged.values())  # damaged, or not to be trusted
    return responses.Compatibility(
        compatible=compatible,
        total=total,
        waived=waived,
        share=compatible / total,
        by_verdict={verdict: count for verdict, count in verdicts.items() if count},
    )
