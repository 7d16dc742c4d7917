"""``buildfarm simulate``: build a graph of sources with a fleet of workers, in virtual time."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click

from buildfarm.adapters.schedule import work_graphs
from buildfarm.cli import output
from buildfarm.domain.schedule.dispatch import Order, WorkGraph
from buildfarm.domain.schedule.simulation import Simulated, lower_bound, simulate

_SHOWN = 8
_MILLI = 1000


@click.command("simulate")
@click.argument("graph", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--workers", "-w", type=click.IntRange(min=1), required=True, help="Builds at the same time."
)
@click.option(
    "--failures",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Probability that a build fails.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Chooses the builds that fail, reproducibly.",
)
@click.option(
    "--order", type=click.Choice([order.value for order in Order]),
    default=Order.CRITICAL_PATH.value, show_default=True,
    help="Order of builds; the farm uses the first, the others are for comparison.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="As JSON, every build with its start and end."
)
def simulate_command(
    graph: Path, workers: int, failures: float, seed: int, order: str, *, as_json: bool
) -> None:
    """Build GRAPH in virtual time, with the farm's own dispatcher.

    GRAPH is JSON: {"sources": [{"name": "a", "build_requires": ["b"], "cost_s": 60}]}. Requirements
    outside the graph count as present. Sources of a cycle start from a seed; `broken` lists the
    requirements that it satisfies.
    """
    found = work_graphs.read(graph)
    done = simulate(
        found, workers, order=Order(order), failures=failures, seed=seed, clock=time.perf_counter
    )
    if as_json:
        output.as_json(_document(found, done, order))
    else:
        _print(found, done, order)


def _summary(graph: WorkGraph, done: Simulated, order: str) -> dict[str, object]:
    bound = lower_bound(graph, done.workers)
    deciding = done.deciding or (0.0,)
    return {
        "sources": len(graph.names),
        "edges": graph.edges,
        "outside": graph.outside,
        "workers": done.workers,
        "order": order,
        "waves": max(graph.waves, default=-1) + 1,
        "makespan_s": done.makespan,
        "lower_bound_s": bound,
        "ratio": done.makespan / bound if bound else 1.0,
        "critical_path_s": graph.critical_path,
        "work_s": graph.work,
        "utilisation": done.utilisation,
        "built": sum(not run.failed for run in done.runs),
        "failed": sum(run.failed for run in done.runs),
        "blocked": len(done.blocked),
        "decision_ms": {
            "median": statistics.median(deciding) * _MILLI,
            "max": max(deciding) * _MILLI,
        },
    }


def _document(graph: WorkGraph, done: Simulated, order: str) -> dict[str, object]:
    name = graph.names.__getitem__
    return {
        **_summary(graph, done, order),
        "critical_path": [name(place) for place in graph.critical_sources()],
        "cycles": [[name(place) for place in cycle] for cycle in graph.cycles],
        "broken": [[name(source), name(needed)] for source, needed in graph.broken],
        "builds": [
            {
                "source": name(run.source),
                "worker": run.worker,
                "start_s": run.start,
                "end_s": run.end,
                "state": "failed" if run.failed else "built",
            }
            for run in done.runs
        ],
        "blocked_by": {name(source): name(by) for source, by in sorted(done.blocked.items())},
    }


def _print(graph: WorkGraph, done: Simulated, order: str) -> None:
    said = _summary(graph, done, order)
    out = output.out
    out.print(
        f"{said['sources']} sources, {said['edges']} needs between them, {said['waves']} waves, "
        f"{len(graph.cycles)} cycles ({len(graph.broken)} needs satisfied by a seed)",
        highlight=False,
    )
    rows = [
        ("makespan", _time(done.makespan)),
        ("lower bound", _time(lower_bound(graph, done.workers))),
        ("makespan / lower bound", f"{said['ratio']:.3f}"),
        ("critical path", _time(graph.critical_path)),
        ("work / workers", _time(graph.work / done.workers)),
        ("utilisation", f"{done.utilisation:.1%}"),
        ("built, failed, blocked", f"{said['built']}, {said['failed']}, {said['blocked']}"),
        ("a decision (median)", f"{statistics.median(done.deciding or (0.0,)) * _MILLI:.3f} ms"),
    ]  # fmt: skip
    output.table(("", f"{done.workers} workers, {order}"), rows)
    path = [graph.names[place] for place in graph.critical_sources()]
    more = f" → … ({len(path)} sources)" if len(path) > _SHOWN else ""
    out.print(f"critical path: {' → '.join(path[:_SHOWN])}{more}", highlight=False, markup=False)


def _time(seconds: float) -> str:
    """Return hours, minutes, seconds.

    >>> _time(3725)
    '1 h 02 min 05 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min {rest:02} s" if hours else f"{minutes} min {rest:02} s"


COMMANDS = (simulate_command,)
