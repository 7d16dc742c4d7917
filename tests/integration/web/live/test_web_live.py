"""Live parts over HTTP: a real server, clients over sockets, a log that grows, and what it costs
the hub.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from buildfarm_web.live import following
from buildfarm_web.live.position import Position
from buildfarm_web.read_models.build.logs import LogFile
from flask.testing import FlaskClient

from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.core.database.store import utc_now
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.task import Task, TaskKind, TaskState
from buildfarm.services.build.building import log_path
from buildfarm.services.core import builds, tasks
from buildfarm.services.core.hub import Hub
from tests.integration.web import scenarios
from tests.integration.web.live_server import Server, SseClient, serving
from tests.integration.web.scenarios import Scenario

PIECE = (
    "".join(f"gcc -c part{number}.c -o part{number}.o\n" for number in range(40))
    + "x.c:3: error: ö\n"
)
ROOM = 600


class Farm:
    """The told farm behind a server, and tasks that run in it."""

    def __init__(self, hub: Hub, server: Server, ids: dict[str, str]) -> None:
        self.hub, self.server, self.ids = hub, server, ids

    def task(self, text: str = "") -> Task:
        """A new running task of a build, with a log of its own."""
        name = tasks.new_id()
        task = Task(
            id=name, kind=TaskKind.BUILD, subject=self.ids["diffutils"], target="reef-9", arch=f"arch-{name}",
            queue="q", state=TaskState.OPEN, worker="local-1", lease_token="x", created=utc_now(), started=utc_now(),
        )  # fmt: skip
        with self.hub.store.begin() as tx:
            tx.add(task)
        self.log(task).write_text(text, encoding="utf-8")
        return task

    def log(self, task: Task) -> Path:
        return log_path(self.hub, task.id)

    def append(self, task: Task, text: str) -> None:
        with self.log(task).open("a", encoding="utf-8") as file:
            file.write(text)

    def end(self, task: Task) -> None:
        with self.hub.store.begin() as tx:
            tasks.close(
                tx, tx.get(Task, task.id), log=self.hub.blobs.put_file(self.log(task)).sha256
            )


@asynccontextmanager
async def followed(server: Server, path: str, count: int = 1) -> AsyncIterator[list[SseClient]]:
    """So many clients, all connected; at the end all of their streams are over."""
    clients = [SseClient() for _ in range(count)]
    await until(lambda: server.figure("buildfarm_live_clients") == 0)
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.follow(server.url, path))
        await until(lambda: server.figure("buildfarm_live_clients") == count)
        yield clients


async def until(holds: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(holds):
        await asyncio.sleep(0.02)


def log_url(task: Task, offset: int = 0) -> str:
    return f"/live/builds/{task.subject}/log?task={task.id}&offset={offset}"


@pytest.fixture(scope="module")
def farm(told: tuple[Path, Scenario], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    home = tmp_path_factory.mktemp("live") / "home"
    shutil.copytree(told[0], home, symlinks=True)
    hub = scenarios.open_hub(home, utc_now)
    with serving(home, room=ROOM) as server:
        yield Farm(hub, server, told[1].ids)
    assert isinstance(hub.store, SqlStore)
    hub.store.dispose()


async def crowd(farm: Farm, count: int) -> list[float]:
    """``count`` clients of a log that grows by 200 pieces and ends; seconds that other pages took
    meanwhile.
    """
    server, pages = farm.server, []
    task = farm.task("begun\n")
    read, opened = (
        server.figure(f"buildfarm_live_{name}_total") for name in ("pieces_read", "logs_opened")
    )
    began = time.monotonic()
    async with followed(server, log_url(task), count) as clients:
        assert server.open_files(farm.log(task)) == 1
        memory = server.resident_mib()
        for number in range(200):
            farm.append(task, f"{number}\n{PIECE}")
            if number % 20 == 0:
                started = time.perf_counter()
                answer = await asyncio.to_thread(
                    httpx.get, f"{server.url}/builds/{task.subject}", trust_env=False
                )
                assert answer.status_code == 200
                pages.append(time.perf_counter() - started)
        assert server.open_files(farm.log(task)) == 1
        assert server.threads() < 25, "gunicorn's 16 threads and a few more, however many follow"
        await until(lambda: all(len(client.marked) == 200 for client in clients))
        assert server.resident_mib() - memory < 20, (
            "what clients have not fetched is not kept for them"
        )
        farm.end(task)
    whole = farm.log(task).read_text(encoding="utf-8")
    for client in clients:
        assert (client.status, client.heard, client.events[-1]) == (200, whole, "end")
        assert client.is_gapless
    looks = 2 * (time.monotonic() - began)
    assert (
        server.figure("buildfarm_live_pieces_read_total") - read < looks + len(whole) / 2**16 + 10
    )
    assert server.figure("buildfarm_live_logs_opened_total") == opened + 1
    return pages


def test_fifty_clients_of_one_log_hear_every_byte_once_and_cost_one_reader(farm: Farm) -> None:
    pages = asyncio.run(crowd(farm, 50))
    assert statistics.median(pages) < 1.0


@pytest.mark.full
def test_five_hundred_clients_of_one_log_cost_one_reader(farm: Farm) -> None:
    pages = asyncio.run(crowd(farm, 500))
    assert statistics.median(pages) < 2.0


def test_who_comes_back_goes_on_where_it_was(farm: Farm) -> None:
    text = PIECE * 100  # more than one piece
    task = farm.task(text)
    client = SseClient()

    async def follow() -> None:
        while len(client.heard.encode()) < len(text.encode()):  # leaves after each piece
            await client.follow(farm.server.url, log_url(task), events=1)
        farm.append(task, "half a li")
        await client.follow(farm.server.url, log_url(task), events=1)
        farm.append(task, "ne: error: whole\n")
        await client.follow(farm.server.url, log_url(task), events=1)
        farm.append(task, "no line break at the end")
        farm.end(task)
        await client.follow(farm.server.url, log_url(task))

    asyncio.run(asyncio.wait_for(follow(), 60))
    assert client.heard == text + "half a line: error: whole\nno line break at the end"
    assert client.is_gapless
    assert client.marked == ["x.c:3: error: ö\n"] * 100 + ["ne: error: whole\n"], (
        "the line is judged whole"
    )
    assert client.events[-1] == "end"


def test_a_log_that_is_over_is_told_to_its_end(farm: Farm) -> None:
    task = farm.task(PIECE)
    farm.end(task)
    client = SseClient()
    asyncio.run(client.follow(farm.server.url, log_url(task, offset=len(b"gcc -c"))))
    assert client.heard == PIECE[len("gcc -c") :]
    assert client.events == ["lines", "end"]


@pytest.mark.parametrize("anew", ["shorter\n", f"longer than what was there\n{PIECE}"])
def test_a_log_that_begins_anew_is_told_anew(farm: Farm, anew: str) -> None:
    task = farm.task(PIECE)

    async def follow() -> SseClient:
        async with followed(farm.server, log_url(task)) as (first,):
            await until(lambda: first.heard == PIECE)
            farm.log(task).rename(
                farm.log(task).with_suffix(".1.log")
            )  # as a claim by another worker does
            farm.log(task).write_text(anew)
            with farm.hub.store.begin() as tx:
                tx.update(tx.get(Task, task.id), started=tx.now + timedelta(seconds=1))
        second = SseClient(last_id=first.last_id)
        await second.follow(farm.server.url, log_url(task), events=2)
        return second

    second = asyncio.run(asyncio.wait_for(follow(), 60))
    assert (second.events, second.heard) == (["again", "lines"], anew)


def test_a_page_is_told_of_what_concerns_it_and_of_nothing_else(farm: Farm) -> None:
    with farm.hub.store.read() as tx:
        build = tx.get(Build, farm.ids["less"])
    subjects = {
        "build": build.id,
        "drop": build.drop_id,
        "target": build.target,
        "all": "",
        "other": farm.ids["tree"],
    }

    async def watch() -> dict[str, SseClient]:
        clients = {name: SseClient() for name in subjects}
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            await until(lambda: farm.server.figure("buildfarm_live_clients") == 0)
            for name, client in clients.items():
                path = f"/live/changes?subject={subjects[name]}"
                group.create_task(client.follow(farm.server.url, path, events=1))
            await until(lambda: farm.server.figure("buildfarm_live_clients") == len(subjects))
            change_priority(farm, farm.ids["less"], "sooner")
            await until(lambda: all(clients[name].events for name in subjects if name != "other"))
            assert not clients["other"].events
            change_priority(farm, farm.ids["tree"], "the other's turn")
        return clients

    assert all(client.events == ["change"] for client in asyncio.run(watch()).values())


def change_priority(farm: Farm, build: str, why: str) -> None:
    with farm.hub.store.begin() as tx:
        found = tx.get(Build, build)
        builds.prioritise(tx, found, found.priority + 1, actor="ann", why=why)


def test_a_page_made_before_the_last_event_is_told_at_once(farm: Farm) -> None:
    since = utc_now().isoformat().replace("+00:00", "Z")
    change_priority(farm, farm.ids["less"], "between the page and its stream")
    client = SseClient()
    asyncio.run(
        asyncio.wait_for(
            client.follow(farm.server.url, f"/live/changes?since={since}", events=1), 20
        )
    )
    assert client.events == ["change"]


def test_who_leaves_is_forgotten_and_the_log_is_closed(farm: Farm) -> None:
    task = farm.task(PIECE)
    host, port = farm.server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"GET {log_url(task)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while b"event: lines" not in client.recv(1 << 16):
            pass
        assert farm.server.open_files(farm.log(task)) == 1
    asyncio.run(
        asyncio.wait_for(until(lambda: farm.server.figure("buildfarm_live_clients") == 0), 20)
    )
    asyncio.run(asyncio.wait_for(until(lambda: farm.server.open_files(farm.log(task)) == 0), 20))


def test_who_does_not_read_is_dropped_and_holds_nobody_up(
    hub: Hub, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PATIENCE_SECONDS", 0.3)
    with hub.store.read() as tx:
        task = tx.find(Task, subject=scenario.ids["diffutils"], state=TaskState.OPEN)[0]
    path = log_path(hub, task.id)
    path.write_text(
        PIECE * 2_000, encoding="utf-8"
    )  # more than the kernel takes for somebody who does not read
    live = following.Following(hub.store, hub.config.farm.live)
    ends = [socket.socketpair() for _ in range(2)]
    for number, (ours, _) in enumerate(ends):
        live.log(
            ours,
            b"",
            address=str(number),
            file=LogFile(task=task, path=path, growing=True),
            position=Position(0, 0),
        )
    heard = bytearray()
    ends[1][1].settimeout(30)
    while f"-{path.stat().st_size}\nevent: lines\n".encode() not in heard:
        heard += ends[1][1].recv(1 << 20)
    asyncio.run(asyncio.wait_for(until(lambda: live.clients == 1), 30))
    for _, theirs in ends:
        theirs.close()
    asyncio.run(asyncio.wait_for(until(lambda: live.clients == 0), 30))


def test_what_cannot_be_followed_is_a_problem_with_a_next_step(farm: Farm) -> None:
    with httpx.Client(base_url=farm.server.url, trust_env=False) as client:
        gone = client.get("/live/builds/nothing/log")
        assert (gone.status_code, gone.headers["Content-Type"]) == (404, "application/problem+json")
        assert client.get("/live/changes?since=yesterday").status_code == 422
        head = client.head("/live/changes")
        assert (head.status_code, head.headers["Cache-Control"]) == (200, "no-store")
        assert "connect-src 'self'" in head.headers["Content-Security-Policy"]


def test_one_address_has_its_share_and_the_end_of_the_server_ends_every_stream(
    told: tuple[Path, Scenario], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(told[0], home, symlinks=True)

    async def follow(server: Server) -> float:
        async with followed(server, "/live/changes", 2) as clients:
            answer = await asyncio.to_thread(
                httpx.get, f"{server.url}/live/changes", trust_env=False
            )
            assert answer.status_code == 429
            assert "live.per_address" in answer.json()["hint"]
            started = time.monotonic()
            server.process.terminate()
        assert [client.status for client in clients] == [200, 200]
        return time.monotonic() - started

    with serving(home, room=2) as server:
        assert asyncio.run(follow(server)) < 3
        server.process.wait(10)
    assert "Traceback" not in (home / "web.log").read_text()


def test_a_server_that_cannot_hand_a_connection_over_says_not_to_come_back(
    client: FlaskClient,
) -> None:
    answer = client.get("/live/changes")
    assert (answer.status_code, answer.data) == (204, b"")
