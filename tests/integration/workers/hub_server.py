"""The worker API as a small real HTTP server: what the hub promises, and a few ways in which it can
misbehave.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from buildfarm import wire

WORKER_TOKEN = "worker-secret"


@dataclass
class HubTask:
    """One task as the hub keeps it."""

    order: wire.WorkOrder
    payload: bytes
    token: str = ""
    claims: int = 0
    beats: list[str] = field(default_factory=list)
    log: bytearray = field(default_factory=bytearray)
    artifacts: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    reports: list[wire.Report] = field(default_factory=list)
    go_on: bool = True
    lost: bool = False
    claimable: bool = True
    finished: threading.Event = field(default_factory=threading.Event)


class HubServer:
    """``trouble`` answers that many coming requests with 503."""

    def __init__(self) -> None:
        self.tasks: dict[str, HubTask] = {}
        self.hellos: list[wire.Hello] = []
        self.trouble = 0
        self.refuse_reports = 0
        self.lose_log_bytes = 0
        self.lock = threading.Lock()
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, order: wire.WorkOrder, payload: bytes) -> HubTask:
        task = HubTask(order=order, payload=payload)
        self.tasks[order.task] = task
        return task

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: object = None) -> None:
        data = (
            body.model_dump_json().encode()
            if isinstance(body, wire.Message)
            else json.dumps(body or {}).encode()
        )
        kind = "application/problem+json" if status >= 400 else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def problem(self, status: int, detail: str) -> None:
        self.answer(status, {"status": status, "title": "no", "detail": detail})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_all(self) -> None:
        hub = self.server_hub
        body = self.body()
        with hub.lock:
            if hub.trouble > 0:
                hub.trouble -= 1
                self.problem(503, "starting")
                return
        url = urlsplit(self.path)
        parts = url.path.removeprefix("/worker/v1/").split("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if parts == ["hello"]:
            if token != WORKER_TOKEN:
                self.problem(401, "who are you?")
                return
            hub.hellos.append(wire.Hello.model_validate_json(body))
            self.answer(200, wire.Welcome(heartbeat_seconds=0.2, lease_seconds=3))
            return
        task = hub.tasks.get(parts[1])
        if task is None:
            self.problem(404, "no such task")
        elif parts[2] == "claim":
            self.claim(task, token)
        elif token != task.token or task.lost:
            self.problem(409, "the lease is lost")
        else:
            getattr(self, f"do_{parts[2]}_of")(task, parts[3:], query, body)

    do_GET = do_POST = do_PUT = handle_all  # noqa: N815  # http.server's names

    def claim(self, task: HubTask, token: str) -> None:
        with self.server_hub.lock:
            if token != WORKER_TOKEN or not task.claimable:
                self.problem(409, "task is not yours to claim")
                return
            task.claims += 1
            task.claimable = False
            task.token = f"task-token-{task.claims}"
        self.answer(200, wire.Claim(order=task.order, token=task.token, lease_seconds=3))

    def do_payload_of(
        self, task: HubTask, _rest: list[str], _query: dict[str, str], _body: bytes
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(task.payload)))
        self.end_headers()
        self.wfile.write(task.payload)

    def do_heartbeat_of(
        self, task: HubTask, _rest: list[str], _query: dict[str, str], body: bytes
    ) -> None:
        task.beats.append(wire.Heartbeat.model_validate_json(body).stage)
        self.answer(
            200,
            wire.HeartbeatAnswer(go_on=task.go_on, reason="" if task.go_on else "canceled by anna"),
        )

    def do_log_of(
        self, task: HubTask, _rest: list[str], query: dict[str, str], body: bytes
    ) -> None:
        offset = int(query["offset"])
        with self.server_hub.lock:
            if self.server_hub.lose_log_bytes:
                body = body[: self.server_hub.lose_log_bytes]
                self.server_hub.lose_log_bytes = 0
            if offset <= len(task.log):
                task.log[offset:] = body
        self.answer(200, wire.LogAnswer(offset=len(task.log)))

    def do_artifacts_of(
        self, task: HubTask, rest: list[str], query: dict[str, str], body: bytes
    ) -> None:
        assert hashlib.sha256(body).hexdigest() == rest[0]
        task.artifacts[query["filename"]] = (rest[0], body)
        self.answer(201)

    def do_finish_of(
        self, task: HubTask, _rest: list[str], _query: dict[str, str], body: bytes
    ) -> None:
        with self.server_hub.lock:
            if self.server_hub.refuse_reports:
                self.server_hub.refuse_reports -= 1
                self.problem(422, "an RPM calls itself something else")
                return
        task.reports.append(wire.Report.model_validate_json(body))
        self.answer(200)
        task.finished.set()
