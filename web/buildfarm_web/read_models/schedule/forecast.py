"""The forecast of a target, and of one build why it waits, where it stands and when it
should start.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from buildfarm.domain.build.hints import hint
from buildfarm.domain.core.build import NVR_FIELDS, TO_BUILD, Build, BuildState, nvr_of
from buildfarm.domain.core.records import ForecastRecord, SourceSurvey
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.schedule.sharing import Demand, in_turn
from buildfarm.ports.store import Above, Among, Transaction
from buildfarm.services.core import pausing
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json, find_each, pick_each, stamp

_STUCK = (BuildState.ON_HOLD, BuildState.EXCLUDED, BuildState.FAILED)
_NO_FORECAST: Json = {
    "steps": [], "workers": 0, "makespan": 0.0, "bound": 0.0, "critical_path": 0.0, "unscheduled_cycles": [],
}  # fmt: skip


def outlook(hub: Hub, tx: Transaction, name: str) -> Json:
    """The newest forecast with its waves, and what is not in it and why.

    :raises NotFound: no such target.
    """
    target = hub.target(name)
    record = tx.first(ForecastRecord, id=target.name)
    found: Json = {**_NO_FORECAST, **(record.forecast if record else {})}
    coming = {
        key for (key,) in tx.select_fields(Build, ("id",), target=target.name, state=TO_BUILD)
    }
    steps: list[Json] = [
        step for step in found["steps"] if step["build"] in coming
    ]  # others were built meanwhile
    pause = pausing.paused(tx, target.name)
    waiting = _named(tx, target=target.name, state=BuildState.WAITING)
    stuck = _named(tx, target=target.name, state=_STUCK, superseded=False)
    return {
        **found,
        "steps": steps,
        "makespan": max((step["end"] for step in steps), default=0.0),
        "target": target.name,
        "paused": pausing.words(pause) if pause else "",
        "created": stamp(record.created) if record else None,
        **_in_waves(steps),
        "waiting": [{"id": b["id"], "nvr": b["nvr"], "kind": b["wait_kind"], "reason": b["reason"]} for b in waiting],
        "stuck": [_left_out(b) for b in stuck],
    }  # fmt: skip


def drop_plan(tx: Transaction, drop: Drop) -> Json:
    """The plan of a drop as it was made (while it awaits approval: as it is), and what of it will
    not be built and why.
    """
    record, pause = tx.first(ForecastRecord, id=drop.id), pausing.paused(tx, drop.id)
    found: Json = {**_NO_FORECAST, **(record.forecast if record else {})}
    left_out = _named(tx, drop_id=drop.id, state=_STUCK)
    return {
        "problems": [], "cycles": [],
        **found,
        **_in_waves(found["steps"]),
        "drop": drop.id,
        "target": drop.target,
        "approval": drop.approval.value,
        "reason": drop.reason,
        "paused": pausing.words(pause) if pause else "",
        "created": stamp(record.created) if record else None,
        "left_out": [_left_out(b) for b in left_out],
        **_surveyed(tx, drop),
    }  # fmt: skip


def _surveyed(tx: Transaction, drop: Drop) -> Json:
    """Sources with brand words and no rule, those that could not be read for it, and how many were
    read.
    """
    sources: dict[str, Any] = {"drop_id": drop.id, "version": Above("")}
    asked = ("id", "found", "problem")
    surveys = {
        row[0]: row
        for row in tx.select_fields(SourceSurvey, asked, id=Among(Build, "srpm", sources))
    }
    notifications = {srpm for srpm, found, problem in surveys.values() if found or problem}
    rows = pick_each(
        tx,
        Build,
        ("id", "srpm", "state", "rule_digest", *NVR_FIELDS),
        "srpm",
        notifications,
        **sources,
    )
    named = sorted((nvr_of(*row[4:]), *row[:4]) for row in rows)
    ruled = {
        BuildState.INGESTED,
        BuildState.EXCLUDED,
    }  # whether a rule is there is known once it was debranded
    branded = [row for row in named if surveys[row[2]][1] and not row[4] and row[3] not in ruled]
    hits = {one.id: one for one in find_each(tx, SourceSurvey, "id", {row[2] for row in branded})}
    return {
        "branded": [
            {"id": build, "nvr": nvr, "hits": hits[srpm].found, "first": _first(hits[srpm])}
            for nvr, build, srpm, *_ in branded
        ],
        "unread": [
            {"id": build, "nvr": nvr, "reason": surveys[srpm][2]}
            for nvr, build, srpm, *_ in named
            if surveys[srpm][2]
        ],
        "surveyed": {
            "read": tx.count(Build, srpm=Among(SourceSurvey, "id", {}), **sources)
            if surveys
            else 0,
            "of": tx.count(Build, **sources),
        },
    }


def _first(survey: SourceSurvey) -> str:
    if not survey.hits:
        return ""
    hit = survey.hits[0]
    return (
        f"{hit['where']}:{hit['line']}: {hit['context']}"
        if hit["line"]
        else f"{hit['where']}: {hit['context']}"
    )


_ASKED = ("id", "state", "wait_kind", "reason")


def _named(tx: Transaction, **where: object) -> list[Json]:
    """Builds by source, with no more than their names and why they stand where they do."""
    asked = (*_ASKED, *NVR_FIELDS)
    found = tx.select_fields(Build, asked, order_by="source", descending=False, limit=None, **where)
    return [
        {**dict(zip(_ASKED, row, strict=False)), "nvr": nvr_of(*row[len(_ASKED) :])}
        for row in found
    ]


def _left_out(build: Json) -> Json:
    return {name: build[name] for name in ("id", "nvr", "state", "reason")}


def _in_waves(steps: list[Json]) -> Json:
    waves: dict[int, list[str]] = {}
    for step in steps:
        waves.setdefault(step["wave"], []).append(step["name"])
    return {
        "waves": [sorted(waves[number]) for number in sorted(waves)],
        "critical": [step["name"] for step in steps if step["critical"]],
    }


def why(hub: Hub, tx: Transaction, build: Build) -> Json:
    """Return why a build is where it is: its reason, what it waits for, its rank among those that
    could start, and when it should.
    """
    record, pause = tx.first(ForecastRecord, id=build.target), pausing.paused(tx, build.target)
    steps: list[Json] = record.forecast["steps"] if record else []  # type: ignore[assignment]  # JSON
    by_id = {step["build"]: step for step in steps}
    step = by_id.get(build.id) if build.state in TO_BUILD else None
    tasks = tx.find(Task, subject=build.id, order_by="created", descending=True, limit=1)
    task = tasks[0] if tasks else None
    start = record.created + timedelta(seconds=step["start"]) if record and step else None
    return {
        "id": build.id,
        "nvr": build.nvr,
        "state": build.state.value,
        "since": stamp(build.state_since),
        "wait_kind": build.wait_kind,
        "paused": pausing.words(pause) if pause and build.state in TO_BUILD else "",
        "reason": build.reason or build.gate_reason or (task.reason if task else ""),
        "next": hint(build, task_reason=task.reason if task and task.state is TaskState.FREE else ""),
        "task": {"kind": task.kind.value, "state": task.state.value, "reason": task.reason, "stage": task.stage} if task else None,
        "decision": task.order.get("decision") if task else None,
        "rank": _rank(hub, tx, task, by_id),
        "waits_for": [by_id[key]["name"] for key in (step or {}).get("needs", ()) if key in by_id],
        "wave": step["wave"] if step else None,
        "critical": bool(step and step["critical"]),
        "seconds_behind_it": round(step["remaining_path"], 1) if step else None,
        "estimated_start": stamp(start),
        "estimated_end": stamp(start + timedelta(seconds=step["cost"])) if start and step else None,
    }  # fmt: skip


def _rank(hub: Hub, tx: Transaction, task: Task | None, steps: dict[str, Json]) -> Json | None:
    """The place of a builder's free task in its queue, by the order in which the scheduler gives
    slots away.

    What the hub's services and the signer do is in no such queue: they take it as it comes.
    """
    if task is None or task.state is not TaskState.FREE or task.kind.handler != "builder":
        return None
    demand = Demand(
        free=tx.find(Task, state=TaskState.FREE, kind=(TaskKind.BUILD, TaskKind.SRPM)),
        held=tx.find(Task, state=(TaskState.ASSIGNED, TaskState.OPEN)),
        sigs=hub.config.sigs,
        remaining_paths={key: float(step["remaining_path"]) for key, step in steps.items()},
        sharing=hub.config.farm.sharing,
    )
    ordered = [one.id for one in in_turn(demand) if one.queue == task.queue]
    return {"position": ordered.index(task.id) + 1, "of": len(ordered), "queue": task.queue}
