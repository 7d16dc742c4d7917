"""The timeline of a drop, from the API's tasks: every moment gets exactly one label.

A moment belongs to the tasks that run in it; if none runs, to those that wait for their worker; if
there are none at all, to the hub, which moves the build on, plans, or has not been asked yet. So
the parts add up to the whole. Pure functions.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One task; times are seconds after the POST, ``steps`` the builder's stages."""

    name: str
    created: float
    started: float
    finished: float
    steps: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of time with one label."""

    label: str
    start: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One drop from its POST to ``published``: ``total`` seconds, its tasks and its parts in
    order.
    """

    total: float
    spans: tuple[Span, ...]
    parts: tuple[Part, ...]


def seconds_after(moment: str, zero: datetime) -> float:
    """Return the seconds from ``zero`` to a time as the API writes it.

    >>> seconds_after("2026-01-02T03:04:05.678Z", datetime.fromisoformat("2026-01-02T03:04:05Z"))
    0.678
    """
    return (datetime.fromisoformat(moment) - zero).total_seconds()


def way_of(tasks: Sequence[Json], states: Sequence[Json], *, zero: datetime, total: float) -> Way:
    """Return the timeline of one drop.

    :param tasks: the API's tasks; those created before ``zero`` (the POST) or never finished are
        left out.
    :param states: the build's states as its page has them.
    """
    spans = _spans(tasks, zero)
    marks = [(seconds_after(state["at"], zero), str(state["state"])) for state in states]
    cuts = {0.0, total, *(at for at, _ in marks)}
    cuts |= {at for span in spans for at in (span.created, span.started, span.finished)}
    edges = sorted(at for at in cuts if 0.0 <= at <= total)
    parts: list[Part] = []
    for start, end in pairwise(edges):
        label = _label((start + end) / 2, spans, marks)
        if parts and parts[-1].label == label:
            last = parts.pop()
            parts.append(Part(label=label, start=last.start, seconds=end - last.start))
        else:
            parts.append(Part(label=label, start=start, seconds=end - start))
    return Way(total=total, spans=spans, parts=tuple(parts))


def _spans(tasks: Sequence[Json], zero: datetime) -> tuple[Span, ...]:
    seen: Counter[str] = Counter()
    spans = []
    for task in sorted(tasks, key=lambda task: (str(task["created"]), str(task["started"]))):
        if not (task["started"] and task["finished"]) or seconds_after(task["created"], zero) < 0:
            continue
        seen[task["kind"]] += 1
        count = seen[task["kind"]]
        spans.append(
            Span(
                name=task["kind"] if count == 1 else f"{task['kind']} {count}",
                created=seconds_after(task["created"], zero),
                started=seconds_after(task["started"], zero),
                finished=seconds_after(task["finished"], zero),
                steps=dict(task["steps"]),
            )
        )
    return tuple(spans)


def _label(at: float, spans: Sequence[Span], marks: Sequence[tuple[float, str]]) -> str:
    if running := [span.name for span in spans if span.started <= at < span.finished]:
        return f"{' + '.join(running)}: runs"
    if waiting := [span.name for span in spans if span.created <= at < span.started]:
        return f"{' + '.join(waiting)}: waits for its worker"
    if not any(span.created <= at for span in spans):
        return "POST: until its task is there"
    reached = [state for moment, state in marks if moment <= at]
    return f"no task; the build is {reached[-1]}" if reached else "no task"


def table(ways: Sequence[Way]) -> list[str]:
    """Return lines: the last run by parts, each with its median over all runs, then the builder's
    stages.
    """
    last = ways[-1]
    lines = [
        "      at   seconds    median   what (the last run; median over all runs of the same label)"
    ]
    shown: set[str] = set()
    for part in last.parts:
        every = [sum(one.seconds for one in way.parts if one.label == part.label) for way in ways]
        middle = "" if part.label in shown else f"{statistics.median(every):.3f}"
        shown.add(part.label)
        lines.append(f"  {part.start:6.3f}  {part.seconds:8.3f}  {middle:>8}   {part.label}")
    lines.append(f"  {last.total:6.3f}                       published, as seen through the API")
    lines += _sums(ways)
    return lines + _steps(ways)


def _sums(ways: Sequence[Way]) -> list[str]:
    kinds = {
        "a task runs": ": runs",
        "a task waits for its worker": "worker",
        "the hub moves on, plans, answers": "",
    }
    sums: dict[str, list[float]] = {name: [] for name in kinds}
    for way in ways:
        found = dict.fromkeys(kinds, 0.0)
        for part in way.parts:
            found[next(name for name, ending in kinds.items() if part.label.endswith(ending))] += (
                part.seconds
            )
        for name, seconds in found.items():
            sums[name].append(seconds)
    return ["  in sum (medians):"] + [
        f"  {statistics.median(of):16.3f}             {name}" for name, of in sums.items()
    ]


def _steps(ways: Sequence[Way]) -> list[str]:
    builds = [span for way in ways for span in way.spans if span.name == "build"]
    names = list(dict.fromkeys(name for span in builds for name in span.steps))
    lines = ["  inside the build task (medians):"] if builds else []
    for name in names:
        middle = statistics.median(span.steps.get(name, 0.0) for span in builds)
        lines += [f"  {middle:16.3f}             {name}"]
    if builds:
        rest = statistics.median(
            span.finished - span.started - sum(span.steps.values()) for span in builds
        )
        lines.append(f"  {rest:16.3f}             the rest: payload, upload, log, report")
    return lines
