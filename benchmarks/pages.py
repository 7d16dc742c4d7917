"""Every page and its JSON, over a store of 100,000 builds, on SQLite and PostgreSQL.

The peer is Flask's empty page in the same run. The measure is the server's own time, in process,
without a network. First paint is Chromium's measure, from a server on the loopback. Goals: each
page's median under 50 ms, its first paint under 300 ms, no growth of memory over 1,000 requests.
The stores are made once and kept in ``var/bench/large``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from buildfarm_web import app_context
from buildfarm_web.app import create_app
from buildfarm_web.read_models.build.source_status import SourceStatusIndex
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.core.paging import page
from buildfarm_web.wsgi import settle
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from benchmarks import large_farm, large_store
from benchmarks.large_store import Size
from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.tables import TABLES
from buildfarm.domain.build.clusters import clusters
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.intake.drop import Drop
from buildfarm.domain.publish.repository import TagHead
from buildfarm.errors import InputError
from buildfarm.ports.intake import RpmHeader
from buildfarm.services.core.hub import Hub
from buildfarm.services.publish import publishing

_KEPT = Path("var/bench/large")
_GOAL_MS, _GOAL_PAINT_MS, _GOAL_GROWTH_MIB = 50.0, 300.0, 8.0
_REQUESTS = 1_000
_EACH = 15
# Root in a container has no user namespace for it.
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]
_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Milliseconds of one path; ``own`` is the median of CPU time, independent of the machine's
    load.
    """

    path: str
    median: float
    p95: float
    own: float
    bytes: int


def run(runs: int) -> None:
    """Print a table for each database."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    size = Size()
    for name, kept in (("SQLite", _sqlite(size)), ("PostgreSQL", _postgresql(size))):
        with kept as hub:
            _measure(name, hub, max(runs, _EACH))


@contextmanager
def _sqlite(size: Size) -> Iterator[Hub]:
    home = (_KEPT / size.name / "sqlite").absolute()
    url = f"sqlite:///{home / 'farm.db'}"
    if not _is_made(home):
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _fill(home, url, size)
    hub = large_farm.open_hub(home, url)
    yield hub
    _close(hub)


@contextmanager
def _postgresql(size: Size) -> Iterator[Hub]:
    """Yield the hub of a private cluster in the folder; its socket is in /tmp (a short path)."""
    home = (_KEPT / size.name / "postgresql").absolute()
    socket = Path("/tmp") / f"buildfarm-bench-{os.getpid()}"
    socket.mkdir(mode=0o700)
    is_new = not _is_made(home)
    data = home / "data"
    if is_new:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        data.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.geteuid() == 0:  # initdb refuses root
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        for folder in (socket, data):
            shutil.chown(folder, "postgres", "postgres")
    tool = _POSTGRES[-1]
    if is_new:
        argv: list[str | Path] = [
            *as_user,
            tool / "initdb",
            "--pgdata",
            data,
            "--auth=trust",
            "--username=farm",
            "--no-sync",
        ]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")
    control: list[str | Path] = [*as_user, tool / "pg_ctl", "--pgdata", data, "--wait", "--silent"]
    options = f"-k {socket} -c listen_addresses='' -c fsync=off -c shared_buffers=256MB"
    subprocess.run(
        [*control, "--log", socket / "log", "--options", options, "start"], check=True, cwd="/"
    )
    try:
        url = f"postgresql+psycopg://farm@/postgres?host={socket}"
        if is_new:
            _fill(home, url, size)
        hub = large_farm.open_hub(home, url)
        yield hub
        _close(hub)
    finally:
        subprocess.run([*control, "--mode=fast", "stop"], check=True, cwd="/")
        shutil.rmtree(socket)


def _fill(home: Path, url: str, size: Size) -> None:
    began = time.perf_counter()
    large_store.fill(home, url, size)
    print(
        f"made {size.builds:,} builds of {size.sources:,} sources with {size.findings:,} findings "
        f"in {time.perf_counter() - began:.0f} s"
    )
    (home / "done").write_text(_made_of(), encoding="ascii")


def _is_made(home: Path) -> bool:
    """Check for a store of these tables by this generator."""
    done = home / "done"
    return done.exists() and done.read_text(encoding="ascii") == _made_of()


def _made_of() -> str:
    tables = [
        f"{table.name} {column.name} {column.type}"
        for table in TABLES.values()
        for column in table.columns
    ]
    indices = sorted(str(index.name) for table in TABLES.values() for index in table.indexes)
    generators = [
        Path(str(one.__file__)).read_text(encoding="utf-8") for one in (large_farm, large_store)
    ]
    return hashlib.sha256("\n".join([*tables, *indices, *generators]).encode()).hexdigest()


def _close(hub: Hub) -> None:
    assert isinstance(hub.store, SqlStore)
    hub.store.dispose()


def paths(hub: Hub) -> list[str]:
    """Return every page, and those of some builds and drops: usual ones and the largest."""
    with hub.store.read() as tx:
        published = tx.find(
            Build,
            target="reef-9",
            state=BuildState.PUBLISHED,
            order_by="created",
            descending=True,
            limit=1,
        )[0]
        failed = tx.find(
            Build,
            target="reef-9",
            state=BuildState.FAILED,
            order_by="created",
            descending=True,
            limit=1,
        )[0]
        current = tx.first(Build, state=BuildState.FAILED, superseded=False)
        refused = tx.find(
            Build,
            target="reef-9",
            state=BuildState.REFUSED,
            order_by="created",
            descending=True,
            limit=1,
        )[0]
        usual = tx.find(Drop, target="reef-9", order_by="created", descending=True, limit=2)[1]
        first = tx.find(Drop, target="reef-9", order_by="created", limit=1)[0]
        head = tx.find(TagHead, id="reef-9")[0]
        middle = page(
            tx, Build, "created,id", {"target": "reef-9"}, limit=1, descending=False
        ).cursor
    return [
        "/", "/builds", f"/builds?cursor={middle}", "/builds?state=failed",
        "/builds?state=failed,on_hold&target=reef-8", f"/builds?source={published.source}",
        "/builds?verdict=INCOMPATIBLE&state=compared", "/builds?verdict=ERROR",
        f"/builds?drop={first.id[:12]}", f"/builds/{published.id}", f"/builds/{failed.nvr}",
        f"/builds/{refused.id}", "/drops", f"/drops/{usual.id}", f"/drops/{first.id[:12]}",
        "/targets", "/targets/reef-9", "/targets/reef-9/seeds", "/workers", "/generations",
        "/generations?tag=reef-9", "/waivers", "/waivers?all=1", f"/search?q={published.source}",
        "/search?q=/etc/lib", "/search?q=strlcpy", f"/search?q={published.nvr}", "/action-required",
        "/sources", f"/sources/reef-9/{published.source}", "/sigs", "/sigs/core", "/lag",
        "/machines", f"/generations/{head.generation}", f"/builds/{published.id}/buildroot",
        "/triggers", "/subscriptions",
        *([f"/clusters/{current.target}/{clusters([current])[0].id}"] if current else []),
    ]  # fmt: skip


def json_paths(pages: Sequence[str]) -> list[str]:
    """Return the JSON paths of each page, and those for programs only."""
    build = next(path for path in pages if path.startswith("/builds/"))
    more = [
        f"{build}/why", f"{build}/findings", f"{build}/lock", "/events",
        f"/events?subject={build[8:]}", "/events?after=400000", "/tasks", "/tasks?active=1",
        "/tasks?state=failed", "/overrides", "/targets/reef-9/failures", "/targets/reef-9/plan",
        "/health",
    ]  # fmt: skip
    return [f"/api/v1{path}" for path in (*pages, *more)] + ["/metrics"]


def _measure(name: str, hub: Hub, runs: int) -> None:
    app = create_app(hub, intake=no_intake)
    settle()
    floor = _timed(_empty(), "/", 200).median
    pages = paths(hub)
    found = [_timed(app, path, runs) for path in (*pages, *json_paths(pages))]
    print(
        f"\n{name}: server time in ms, in process ({runs} requests each); Flask's empty page: "
        f"{floor:.3f}"
    )
    print(f"{'median':>8} {'p95':>8} {'own CPU':>8} {'KiB':>7} {'RATIO':>8}  path")
    for one in found:
        late = "" if one.median < _GOAL_MS else "   NOT MET"
        print(
            f"{one.median:>8.1f} {one.p95:>8.1f} {one.own:>8.1f} {one.bytes / 1024:>7.0f} "
            f"{one.median / floor:>8.1f}  {one.path[:70]}{late}"
        )
    slow = [one for one in found if one.median >= _GOAL_MS]
    print(
        f"  goal: each median under {_GOAL_MS:.0f} ms: "
        f"{'met' if not slow else f'NOT MET by {len(slow)} of {len(found)}'}"
    )
    _anew(app, hub)
    _ticks(hub)
    _memory(app, pages)
    _paint(app, pages)


def _anew(app: Flask, hub: Hub) -> None:
    """Measure pages that cache answers right after an event, and what a web process reads at its
    start.
    """
    client, source_statuses = app.test_client(), app_context.of(app.extensions).source_statuses
    with hub.store.read() as tx:
        large = f"/drops/{tx.find(Drop, target='reef-9', order_by='created', limit=1)[0].id}"
    print("  right after an event, own CPU in ms (median of 9):")
    for path in ("/", "/action-required", "/sigs", "/sigs/core", "/lag", "/targets/reef-9", large):
        took = []
        for _ in range(9):
            _something_happens(source_statuses.kept)
            began = time.thread_time()
            client.get(path, buffered=True)
            took.append((time.thread_time() - began) * 1000)
        print(f"{statistics.median(took):>8.0f}  {path}")
    began = time.thread_time()
    with hub.store.read() as tx:
        SourceStatusIndex().of(hub, tx)
    print(
        f"{(time.thread_time() - began) * 1000:>8.0f}  all source_statuses, at the start and every "
        "ten minutes"
    )


def _something_happens(kept: Cache) -> None:
    """Expire the cache as a second and an event would: the store's clock stands still."""
    known = kept._entries  # noqa: SLF001  # only a clock does this otherwise
    for what, one in known.items():
        known[what] = replace(one, at=one.at - timedelta(seconds=1), event=-1)


def _ticks(hub: Hub) -> None:
    """Measure the scheduler's tick without any event."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with hub.store.read() as tx:
            for target in hub.config.targets.values():
                publishing.needs_publishing(tx, target, publishing.extra_metadata_now(hub, target))
        took.append((time.perf_counter() - began) * 1000)
    print(
        f"  a tick's look at {len(hub.config.targets)} targets for something to publish: "
        f"{statistics.median(took):.0f} ms"
    )


def no_intake(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:  # noqa: ARG001  # a protocol
    """Stand in for the intake; nothing is uploaded here."""
    return []


def _empty() -> Flask:
    app = Flask("empty")
    app.add_url_rule("/", view_func=lambda: "")
    return app


def _timed(app: Flask, path: str, runs: int) -> Measured:
    client = app.test_client()
    took: list[float] = []
    own: list[float] = []
    size = 0
    for number in range(runs + 2):
        began, began_own = time.perf_counter(), time.thread_time()
        answer = client.get(path, buffered=True)
        if number >= 2:  # noqa: PLR2004  # the first ones compile templates and queries
            took.append((time.perf_counter() - began) * 1000)
            own.append((time.thread_time() - began_own) * 1000)
        size = len(answer.data)
        if answer.status_code != 200:  # noqa: PLR2004  # OK
            raise InputError(
                f"{path} answers {answer.status_code}", hint=answer.get_data(as_text=True)[:300]
            )
    ordered = sorted(took)
    late = ordered[int(len(ordered) * 0.95)]
    return Measured(
        path=path, median=statistics.median(took), p95=late, own=statistics.median(own), bytes=size
    )


def _memory(app: Flask, pages: Sequence[str]) -> None:
    """Print the growth of this process over 1,000 requests, after a first round."""
    client = app.test_client()
    for path in pages:
        client.get(path, buffered=True)
    before = _resident()
    for number in range(_REQUESTS):
        client.get(pages[number % len(pages)], buffered=True)
    grown = _resident() - before
    print(
        f"  memory: {before:.0f} MiB, {grown:+.1f} MiB after {_REQUESTS} requests; "
        f"goal at most {_GOAL_GROWTH_MIB:.0f}: {'met' if grown <= _GOAL_GROWTH_MIB else 'NOT MET'}"
    )


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _paint(app: Flask, pages: Sequence[str]) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("  first paint: not measured, there is no Chromium here")
        return
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=_FLAGS)
            page = browser.new_page()
            print("  first paint in Chromium, ms (median of 5):")
            for path in [one for one in pages if "?" not in one or one.startswith("/search")]:
                found = [
                    _painted(page, f"http://127.0.0.1:{server.server_port}{path}") for _ in range(5)
                ]
                median = statistics.median(found)
                print(
                    f"{median:>8.0f}  {path[:70]}{'' if median < _GOAL_PAINT_MS else '   NOT MET'}"
                )
            browser.close()
    finally:
        server.shutdown()
        thread.join()


def _painted(page: Page, url: str) -> float:
    page.goto(url)
    script = """() => new Promise(done => new PerformanceObserver(list => {
        const one = list.getEntries().find(entry => entry.name === 'first-contentful-paint');
        if (one) done(one.startTime);
    }).observe({type: 'paint', buffered: true}))"""
    return float(page.evaluate(script))
