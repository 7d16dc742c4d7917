"""Live parts over HTTP: a real server, followers over sockets, a log that grows, and what it costs the hub."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from live_server import Follower, Server, serving
from web_story import Story

from buildfarm.domain.task import Task, TaskState
from buildfarm.services import tasks
from buildfarm.services.building import log_path

PIECE = "".join(f"gcc -c part{number}.c -o part{number}.o\n" for number in range(40)) + "x.c:3: error: ö\n"


@pytest.fixture
def server(story: Story, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def task(story: Story) -> Task:
    """The running task whose log grows."""
    with story.hub.store.read() as tx:
        return tx.find(Task, subject=story.ids["diffutils"], state=TaskState.OPEN)[0]


@pytest.fixture
def log(story: Story, task: Task) -> Path:
    return log_path(story.hub, task.id)


def append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def end(story: Story, task: Task) -> None:
    with story.hub.store.begin() as tx:
        tasks.close(tx, tx.get(Task, task.id))


def log_url(task: Task, offset: int = 0) -> str:
    return f"/live/builds/{task.subject}/log?task={task.id}&offset={offset}"


@asynccontextmanager
async def following(server: Server, path: str, count: int) -> AsyncIterator[list[Follower]]:
    """So many followers, all connected; at the end all of their streams are over."""
    followers = [Follower() for _ in range(count)]
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for follower in followers:
            group.create_task(follower.follow(server.url, path))
        while await asyncio.to_thread(server.figure, "buildfarm_live_followers") < count:
            await asyncio.sleep(0.05)
        yield followers


async def crowd(server: Server, story: Story, task: Task, log: Path, count: int) -> list[float]:
    """``count`` followers of a log that grows by 200 pieces and ends; seconds that other pages took meanwhile."""
    pages: list[float] = []
    begin = log.stat().st_size
    async with following(server, log_url(task), count) as followers:
        assert server.open_files(log) == 1
        threads = server.threads()
        before = server.resident_mib()
        for number in range(200):
            append(log, f"{number}\n{PIECE}")
            if number % 10 == 0:
                started = time.perf_counter()
                answer = await asyncio.to_thread(httpx.get, f"{server.url}/builds/{task.subject}", trust_env=False)
                assert answer.status_code == 200
                pages.append(time.perf_counter() - started)
        assert server.open_files(log) == 1
        assert server.threads() <= threads + 16, "only gunicorn's own threads may have come"
        end(story, task)
    whole = log.read_text(encoding="utf-8")
    for follower in followers:
        assert follower.status == 200
        assert follower.heard == whole
        assert follower.events[-1] == "end"
        assert len(follower.marked) == 200
    pieces = server.figure("buildfarm_live_pieces_read_total")
    grown = (log.stat().st_size - begin) / 2**16
    assert pieces < 2 * len(pages) * 40 + grown, f"{pieces} pieces of a log were read for {count} followers"
    assert server.resident_mib() - before < 40, "what followers cost is theirs to fetch, not kept for them"
    return pages


def test_fifty_followers_of_one_log_hear_every_byte_once_and_cost_one_reader(
    server: Server, story: Story, task: Task, log: Path
) -> None:
    pages = asyncio.run(crowd(server, story, task, log, 50))
    assert statistics.median(pages) < 1.0
    assert server.figure("buildfarm_live_logs_opened_total") == 1
    assert server.figure("buildfarm_live_logs_open") == 0
