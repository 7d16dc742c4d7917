"""Drop plans: the forecast, problems and cycles of a drop's builds, as its page shows them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from buildfarm.domain.core.build import TO_BUILD, Build, WaitKind
from buildfarm.domain.core.records import ForecastRecord
from buildfarm.domain.intake.drop import Approval, Drop, DropState
from buildfarm.domain.schedule.forecast import forecast
from buildfarm.domain.schedule.plan import Node, Plan
from buildfarm.domain.target.target import Target
from buildfarm.ports.store import Store
from buildfarm.services.schedule.forecasting import Durations, slots


def write(
    store: Store, durations: Durations, target: Target, nodes: Sequence[Node], decided: Plan
) -> None:
    """Store the plan of each drop that has none, and update the plans of drops that await
    approval.
    """
    by_key = {node.key: node for node in nodes}
    with store.begin() as tx:
        there = {
            build.id: build
            for build in tx.find(Build, target=target.name, state=TO_BUILD)
            if build.id in by_key
        }
        for drop in tx.find(
            Drop, target=target.name, id=tuple({build.drop_id for build in there.values()})
        ):
            record = tx.first(ForecastRecord, id=drop.id)
            if drop.state is not DropState.INGESTED or (
                record and drop.approval is not Approval.AWAITED
            ):
                continue
            costs = {
                key: durations.of(build) for key, build in there.items() if build.drop_id == drop.id
            }
            nvrs = {key: there[key].nvr for key in costs}
            made = _plan_of(nvrs, costs, by_key, decided, workers=slots(tx, target))
            if record is None:
                tx.add(ForecastRecord(id=drop.id, forecast=made, created=tx.now))
            elif record.forecast != made:
                tx.update(record, forecast=made, created=tx.now)


def _plan_of(
    nvrs: Mapping[str, str],
    costs: Mapping[str, float],
    by_key: Mapping[str, Node],
    decided: Plan,
    *,
    workers: int,
) -> dict[str, object]:
    """Return the plan of a drop's builds: a forecast, what cannot be resolved, cycles and the edges
    that close them.
    """
    needs = {
        key: [other for other in by_key[key].needs if other in nvrs and other != key]
        for key in nvrs
    }
    problems = [
        {"nvr": nvrs[one.key], "kind": one.wait.value, "reason": one.reason}
        for one in decided.decisions
        if one.key in nvrs and one.wait in (WaitKind.UNRESOLVABLE, WaitKind.CYCLE)
    ]
    cycles = [
        {
            "members": [by_key[key].name for key in cycle.members],
            "closing": [
                [by_key[source].name, by_key[needed].name] for source, needed in cycle.closing
            ],
            "conditions": [
                [by_key[key].name, by_key[key].condition]
                for key in cycle.members
                if by_key[key].condition
            ],
        }
        for cycle in decided.cycles
        if any(key in nvrs for key in cycle.members)
    ]
    found = dataclasses.asdict(forecast(needs, costs, nvrs, workers=workers))
    return json.loads(json.dumps({**found, "problems": problems, "cycles": cycles}))  # type: ignore[no-any-return]  # as stored
