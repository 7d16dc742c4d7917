"""The told farm behind the web server of a real one, in a process of its own, and clients over
plain sockets.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from buildfarm_web.app import create_app
from flask import Flask

from buildfarm.adapters.core.database.store import utc_now
from buildfarm.cli.farm.processes import web_server
from buildfarm.config import Live
from tests.integration.web import scenarios
from tests.waiting import until

HOME, ROOM = "BUILDFARM_TOLD_HOME", "BUILDFARM_TOLD_ROOM"


def application() -> Flask:
    """What gunicorn starts: the farm whose home the environment names, with room for so many
    clients.
    """
    hub = scenarios.open_hub(Path(os.environ[HOME]), utc_now)
    farm = replace(hub.config.farm, live=Live(per_address=int(os.environ[ROOM])))
    return create_app(
        replace(hub, config=replace(hub.config, farm=farm)), intake=scenarios.fake_intake
    )


@dataclass
class Server:
    url: str
    process: subprocess.Popen[bytes]

    @property
    def worker(self) -> int:
        """The process that answers: gunicorn's only child."""
        return int(
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            .read_text()
            .split()[0]
        )

    def open_files(self, path: Path) -> int:
        return sum(
            os.path.realpath(link) == str(path)
            for link in Path(f"/proc/{self.worker}/fd").iterdir()
        )

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.worker}/task").iterdir()))

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.worker}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def figure(self, name: str) -> float:
        lines = httpx.get(f"{self.url}/metrics", trust_env=False).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@contextmanager
def serving(home: Path, *, room: int = 200) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    env = {**os.environ, HOME: str(home), ROOM: str(room), "PYTHONPATH": str(Path(__file__).parent)}
    with (home / "web.log").open("wb") as log:
        argv = web_server(listen, "live_server:application()")
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
    try:
        _wait_for(f"http://{listen}/healthz", process)
        yield Server(f"http://{listen}", process)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, f"the server ended: {process.poll()}"
        try:
            return httpx.get(url, trust_env=False).is_success
        except httpx.TransportError:
            return False

    until(answers, "the server answers")


@dataclass
class SseClient:
    """One client of server-sent events: what it was told, byte for byte."""

    text: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    last_id: str = ""
    status: int = 0

    @property
    def heard(self) -> str:
        return "".join(self.text)

    @property
    def is_gapless(self) -> bool:
        """Whether each text began where the one before had ended."""
        ends = [
            offset + len(text.encode())
            for offset, text in zip(self.offsets, self.text, strict=True)
        ]
        return self.offsets[1:] == ends[:-1]

    async def follow(self, url: str, path: str, *, events: int = 1 << 62) -> None:
        """Read until the server ends the stream, or so many events came."""
        wanted = len(self.events) + events
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 22)
        again = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{again}\r\n".encode())
        self.status = int((await reader.readline()).split()[1])
        name = ""
        while (await reader.readline()).strip():
            pass  # the head of the answer
        while line := await reader.readline():
            key, _, value = line.decode().removesuffix("\n").partition(": ")
            if key == "id":
                self.last_id = value
            elif key == "event":
                name = value
                self.events.append(value)
            elif key == "data" and name == "lines":
                self._hear(json.loads(value))
            elif not key and len(self.events) >= wanted:
                break
        writer.close()

    def _hear(self, lines: list[tuple[int, str, int]]) -> None:
        for offset, text, is_error in lines:
            self.offsets.append(offset)
            self.text.append(text)
            if is_error:
                self.marked.append(text)
