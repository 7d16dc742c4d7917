"""Requests per second and tail latency of the overview, a build page and the API's list.

The peer is Flask's empty page behind the same web server, requested in turn by wrk in the same run:
the ratio counts, because it hardly depends on the machine's speed and load.
``BUILDFARM_BENCH_HOME`` names a farm's home with a store to use; otherwise a small one is made
here.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
from flask import Flask

from buildfarm import bootstrap, config
from buildfarm.cli.farm.processes import web_server
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.domain.intake.drop import Drop, DropState
from buildfarm.ports.store import Transaction
from demo.drive import DemoFailed, prepare_home

CHECKOUT = Path(__file__).resolve().parents[1]
EMPTY, OVERVIEW, BUILD, LIST = "Flask's empty page", "overview", "build page", "API: 100 builds"
_BUILDS = 1000
_CONNECTIONS, _SECONDS = 4, 5
_START_SECONDS = 30.0
_PERCENTILES = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("\\nresult %f %d %d %d %d\\n", summary.requests * 1e6 / summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass(frozen=True)
class Sample:
    """One result of wrk: requests per second, and latencies in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float


def run(runs: int) -> None:
    """Measure the store named by the environment, or a small one."""
    named = os.environ.get("BUILDFARM_BENCH_HOME")
    if named:
        measure(Path(named).absolute(), runs)
        return
    with tempfile.TemporaryDirectory(prefix="bench-web-", dir="/var/tmp") as work:
        home = Path(work) / "home"
        prepare_home(home, CHECKOUT)
        loaded = config.load(home / "farm.yaml")
        loaded = replace(loaded, farm=replace(loaded.farm, home=str(home)))
        bootstrap.initialise(loaded)
        store = bootstrap.store_of(loaded)
        with store.begin() as tx:
            _fill(tx, next(iter(loaded.targets)))
        store.dispose()
        measure(home, runs)


def empty() -> Flask:
    """Return the peer: an application with one empty route."""
    app = Flask("empty")
    app.add_url_rule("/", view_func=lambda: "")
    return app


def measure(home: Path, runs: int) -> None:
    """Print a table for the farm in ``home``.

    :raises DemoFailed: a page does not answer as expected.
    """
    if not shutil.which("wrk"):
        raise DemoFailed("no wrk on this machine: apt-get install wrk")
    env = {"BUILDFARM_HOME": str(home), "BUILDFARM_CONFIG": str(home / "farm.yaml")}
    with ExitStack() as servers:
        ours = servers.enter_context(_serving("buildfarm_web.wsgi:application()", env, home))
        peer = servers.enter_context(_serving("benchmarks.web:empty()", env, home))
        known = httpx.get(f"{ours}/api/v1/builds?limit=1", trust_env=False, timeout=60).json()
        if not known["builds"]:
            raise DemoFailed(f"{home}: there is no build in this store")
        pages = {
            EMPTY: f"{peer}/", OVERVIEW: f"{ours}/",
            BUILD: f"{ours}/builds/{known['builds'][0]['id']}",
            LIST: f"{ours}/api/v1/builds?limit=100",
        }  # fmt: skip
        samples: dict[str, list[Sample]] = {name: [] for name in pages}
        for _ in range(runs):
            for name, url in pages.items():
                samples[name].append(_ask(url))
    print("\n".join(report(samples, known["total"])))


def report(samples: Mapping[str, list[Sample]], builds: int) -> list[str]:
    """Return the table: medians over the runs, and the ratio to the empty page of the same turn."""
    runs = len(samples[EMPTY])
    how = f"{_CONNECTIONS} connections, {_SECONDS} s a turn, {runs} turns"
    machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    columns = f"{'a second':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'of the empty page':>20}"
    lines = [f"web: a store of {builds} builds, {how} ({machine})", f"  {'medians':<22}{columns}"]
    for name, seen in samples.items():
        ratio = statistics.median(
            one.per_second / peer.per_second for one, peer in zip(seen, samples[EMPTY], strict=True)
        )
        numbers = [
            statistics.median(getattr(one, field) for one in seen)
            for field in ("per_second", "p50", "p95", "p99")
        ]
        lines.append(
            f"  {name:<22}{numbers[0]:>10.1f}"
            + "".join(f"{n:>9.1f}" for n in numbers[1:])
            + f"{ratio:>20.4f}"
        )
    return lines


def _ask(url: str) -> Sample:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_PERCENTILES)
        script.flush()
        # The first answer fills caches.
        httpx.get(url, trust_env=False, timeout=60).raise_for_status()
        started = time.perf_counter()
        httpx.get(url, trust_env=False, timeout=60)
        alone = time.perf_counter() - started
        argv = [
            "wrk", "--threads", "1", "--connections", str(_CONNECTIONS), "--duration",
            f"{_SECONDS}s", "--timeout", "30s", "--script", script.name, url,
        ]  # fmt: skip
        output = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    words = next(line for line in output.splitlines() if line.startswith("result ")).split()
    if words[5] != "0":
        raise DemoFailed(f"{url}: {words[5]} requests failed:\n{output}")
    if float(words[1]) == 0:  # no request finished in time: the single request is a lower bound
        return Sample(1 / alone, alone * 1000, alone * 1000, alone * 1000)
    p50, p95, p99 = (int(word) / 1000 for word in words[2:5])
    return Sample(float(words[1]), p50, p95, p99)


@contextmanager
def _serving(application: str, env: Mapping[str, str], home: Path) -> Iterator[str]:
    """Yield the URL of the farm's web server with an application."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    (home / "logs").mkdir(exist_ok=True)
    with (home / "logs" / "bench-web.log").open("ab") as log:
        process = subprocess.Popen(
            web_server(listen, application), cwd=CHECKOUT,
            env={**os.environ, **env, "PYTHONPATH": str(CHECKOUT)}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for(f"http://{listen}/", process)
        yield f"http://{listen}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, trust_env=False, timeout=_START_SECONDS)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise DemoFailed(f"{url} does not answer; see logs/bench-web.log in the farm's home")


def _fill(tx: Transaction, target: str) -> None:
    """Fill a store with published builds, each with a task and its events."""
    drop = Drop(
        id="0" * 64, target=target, name="bench", trigger="http", owner="bench",
        state=DropState.INGESTED, created=tx.now - timedelta(days=1),
    )  # fmt: skip
    tx.add(drop)
    for number in range(_BUILDS):
        name, at = f"source{number}", tx.now - timedelta(days=1) + timedelta(seconds=30 * number)
        build = Build(
            id=f"{number:016x}", target=target, drop_id=drop.id, source=name, epoch=0,
            version="1.0", release="1.el9", dist=".el9", srpm=f"{number:064x}",
            srpm_filename=f"{name}-1.0-1.el9.src.rpm", state=BuildState.PUBLISHED, state_since=at,
            verdict="EQUIVALENT", owner="bench", arches=("x86_64",), created=at,
        )  # fmt: skip
        tx.add(build)
        tx.add(
            Task(
                id=f"t{number:015x}", kind=TaskKind.BUILD, subject=build.id, target=target,
                arch="x86_64", queue="q", state=TaskState.CLOSED, worker="local-1", created=at,
                started=at, finished=at + timedelta(seconds=20),
            )
        )  # fmt: skip
        for state in (
            "ingested",
            "debranded",
            "waiting",
            "queued",
            "building",
            "built",
            "comparing",
            "compared",
            "published",
        ):
            tx.event(f"build.{state}", build.id, actor="bench")
