"""A distribution's graph: its edges, cycles and waves, then builds in virtual time by several
orders.

The floor of the first is Python reading the same JSON; the peers of the second are first come first
served and the alphabet, as in most build systems. Goals: cold under 10 s and 2 GiB; an event
handled in under 2 ms in the median; a makespan of at most 1.05 of the lower bound if critical path
and work/N are a factor of two apart.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import debian_graph
from buildfarm.adapters.schedule import work_graphs
from buildfarm.domain.schedule.dispatch import Order
from buildfarm.domain.schedule.simulation import lower_bound, simulate

_WORKERS = (10, 100, 1000)
_GOAL_SECONDS, _GOAL_MIB, _GOAL_MS, _GOAL_RATIO, _FACTOR = 10.0, 2048, 2.0, 1.05, 2.0
_COLD = """
import json, resource, sys, time
began = time.perf_counter()
from pathlib import Path
from buildfarm.adapters.schedule import work_graphs
graph = work_graphs.read(Path(sys.argv[1]))
graph.waves, graph.levels
seconds = time.perf_counter() - began
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
_FLOOR = """
import json, sys, time
began = time.perf_counter()
json.load(open(sys.argv[1]))
print(time.perf_counter() - began)
"""


def run(runs: int) -> None:
    """Print both tables. :raises CalledProcessError: Debian's indices cannot be fetched."""
    with tempfile.TemporaryDirectory(prefix="bench-schedule-") as folder:
        file = Path(folder) / "graph.json"
        debian_graph.write(*debian_graph.fetch(Path(folder)), file)
        _cold(file, runs)
        _orders(file)


def _cold(file: Path, runs: int) -> None:
    """Run each measurement in a process of its own."""
    took, memory, floor = [], [], []
    for _ in range(runs):
        seconds, mib = json.loads(_python(_COLD, file))
        took.append(float(seconds))
        memory.append(float(mib))
        floor.append(float(_python(_FLOOR, file)))
    seconds, mib = statistics.median(took), max(memory)
    print(
        f"\ngraph to edges, cycles, waves and levels, cold (median of {runs}): {seconds:.2f} s, "
        f"{mib:.0f} MiB at most"
    )
    print(
        f"  goal: under {_GOAL_SECONDS:.0f} s and {_GOAL_MIB} MiB: "
        f"{'met' if seconds < _GOAL_SECONDS and mib < _GOAL_MIB else 'NOT MET'}; "
        f"{seconds / statistics.median(floor):.1f} x reading the JSON alone "
        f"({statistics.median(floor):.2f} s)"
    )


def _python(code: str, file: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, file], check=True, capture_output=True, text=True
    ).stdout


def _orders(file: Path) -> None:
    graph = work_graphs.read(file)
    largest = max((len(cycle) for cycle in graph.cycles), default=0)
    print(
        f"{len(graph.names)} sources, {graph.edges} needs, {len(graph.cycles)} cycles "
        f"(the largest {largest}), {max(graph.waves) + 1} waves; "
        f"critical path {graph.critical_path:.0f} s, work {graph.work:.0f} s"
    )
    print(
        f"\n{'workers':>8} {'bound (h)':>10}",
        *(f"{order.value:>14}" for order in Order),
        "   an event (ms: median, max)",
    )
    for workers in _WORKERS:
        bound = lower_bound(graph, workers)
        done = {
            order: simulate(graph, workers, order=order, clock=time.perf_counter) for order in Order
        }
        ratios = {order: found.makespan / bound for order, found in done.items()}
        deciding = [seconds * 1000 for seconds in done[Order.CRITICAL_PATH].deciding]
        print(
            f"{workers:>8} {bound / 3600:>10.2f}",
            *(f"{ratios[order]:>14.4f}" for order in Order),
            f"   {statistics.median(deciding):.4f}, {max(deciding):.2f}",
        )
        apart = max(graph.critical_path, graph.work / workers) / min(
            graph.critical_path, graph.work / workers
        )
        if apart >= _FACTOR:
            good = (
                ratios[Order.CRITICAL_PATH] <= _GOAL_RATIO
                and statistics.median(deciding) < _GOAL_MS
            )
            print(
                f"{'':>8} goal: at most {_GOAL_RATIO}, an event under {_GOAL_MS:.0f} ms: "
                f"{'met' if good else 'NOT MET'}"
            )
        else:
            print(f"{'':>8} no goal: critical path and work/N are only {apart:.2f} apart")
