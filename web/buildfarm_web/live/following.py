"""The one event loop of a web process: it looks at what is followed twice a second and sends what
is new to all clients.

It runs in a thread that starts with the first client. Files and the store are read in one more
thread, so that a slow disk holds nobody up. What a client has not taken stays in the log and the
table, not in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from buildfarm import log
from buildfarm.config import Live
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.ports.store import Store
from buildfarm_web.http.problems import TooMany
from buildfarm_web.live import sse
from buildfarm_web.live.changes import Changes, happened_since
from buildfarm_web.live.position import Position
from buildfarm_web.live.tail import Piece, Tail
from buildfarm_web.read_models.build.logs import LogFile
from buildfarm_web.read_models.core.convert import find_each

R = TypeVar("R")

_LOOK_SECONDS = 0.5
_HEARTBEAT_LOOKS = 30
_STATE_LOOKS = 10
"""Every so many looks: a heartbeat for all; and tasks are asked for their state even though no
event told of them.
"""
_PACE_SECONDS = 3.0
"""A page is told of changes so often at most."""
_PATIENCE_SECONDS = 60.0
"""A client whose connection takes nothing for so long is dropped; it comes back with the offset
it got to.
"""
_KEPT_PIECES = 32
_OTHER_FILES = 512


class _Bell:
    """Wakes everybody who waits."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Until the next ring."""
        await self._event.wait()

    def ring(self) -> None:
        """Wake those who wait now."""
        self._event.set()
        self._event = asyncio.Event()


class _Followed:
    """A log with clients: its tail, and its last pieces."""

    def __init__(self, task: str, tail: Tail, state: str) -> None:
        self.task, self.tail, self.state = task, tail, state
        self.clients = 0
        self.bell = _Bell()
        self.pieces: dict[int, asyncio.Future[Piece]] = {}


class Following(Collector):
    """All clients of one web process.

    :meth:`log` and :meth:`changes` may be called by any thread.
    """

    def __init__(self, store: Store, room: Live) -> None:
        self._store = store
        self._room = room
        self._start_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._addresses: Counter[str] = Counter()
        self._logs: dict[str, _Followed] = {}
        self._watched: Counter[str] = Counter()
        self._changes = Changes()
        self._changed = _Bell()
        self._watch: asyncio.Task[None] | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="live-reader")
        self.opened = self.reads = 0

    @property
    def clients(self) -> int:
        """Return how many follow now."""
        return self._addresses.total()

    def collect(self) -> Iterator[Metric]:
        """For Prometheus: who follows in this process, and what that costs."""
        yield GaugeMetricFamily("buildfarm_live_clients", "Clients of logs and pages", self.clients)
        yield GaugeMetricFamily(
            "buildfarm_live_logs_open", "Logs that are open for clients", len(self._logs)
        )
        yield CounterMetricFamily(
            "buildfarm_live_logs_opened", "Logs opened for clients", self.opened
        )
        yield CounterMetricFamily(
            "buildfarm_live_pieces_read", "Pieces of logs read for clients", self.reads
        )

    def check_room(self, address: str) -> None:
        """:raises TooMany: this address, or all together, follow as much as they may."""
        if self.clients >= self._room.clients:
            raise TooMany(
                f"{self.clients} clients are connected",
                hint="`live.clients` in farm.yaml; pages are read without it",
            )
        if self._addresses[address] >= self._room.per_address:
            raise TooMany(
                f"{address} follows {self._addresses[address]} times already",
                hint="close a page, or raise `live.per_address`",
            )

    def log(
        self,
        connection: socket.socket,
        head: bytes,
        *,
        address: str,
        file: LogFile,
        position: Position,
    ) -> None:
        """Send a log's lines from ``position`` on until its task ends."""
        self._begin(connection, head, address, self._lines(file, position))

    def changes(
        self,
        connection: socket.socket,
        head: bytes,
        *,
        address: str,
        subject: str,
        since: datetime | None,
    ) -> None:
        """Tell whenever something new concerns ``subject``; at once if anything happened ``since``."""
        self._begin(connection, head, address, self._ticks(subject, since))

    def _begin(
        self,
        connection: socket.socket,
        head: bytes,
        address: str,
        messages: AsyncGenerator[bytes, None],
    ) -> None:
        with self._start_lock:
            if self._loop is None:
                _make_room_for_files(self._room.clients + _OTHER_FILES)
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="live", daemon=True).start()
        asyncio.run_coroutine_threadsafe(
            self._send(connection, head, address, messages), self._loop
        )

    async def _send(
        self,
        connection: socket.socket,
        head: bytes,
        address: str,
        messages: AsyncGenerator[bytes, None],
    ) -> None:
        """One client, from its first byte to its last."""
        self._addresses[address] += 1
        try:
            connection.setblocking(False)  # noqa: FBT003  # the socket's own interface
            reader, writer = await asyncio.open_connection(sock=connection)
            sending = asyncio.ensure_future(_write(writer, head, messages))
            leaving = asyncio.ensure_future(
                reader.read(1)
            )  # ends when the client goes; it has nothing more to say
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            for one in (sending, leaving):
                one.cancel()
            failed, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(failed, TimeoutError):
                writer.transport.abort()
            elif isinstance(failed, Exception) and not isinstance(failed, ConnectionError):
                log.get().warning("live.broke", exc_info=failed)
            writer.close()
        finally:
            self._addresses[address] -= 1
            self._addresses += Counter()  # forgets those who follow nothing

    async def _lines(self, file: LogFile, position: Position) -> AsyncGenerator[bytes, None]:
        yield sse.RETRY
        offset = position.offset
        with self._followed(file) as followed:
            if position.run not in (0, file.run) or offset > file.end():
                offset = 0
                yield sse.event(
                    "again", {}, last_id=Position(file.run, 0)
                )  # a worker that began anew writes another log
            while True:
                if offset < followed.tail.published:
                    piece = await self._piece(followed, offset)
                    offset = piece.end
                    yield piece.message
                elif followed.state:
                    yield sse.event(
                        "end", {"state": followed.state}, last_id=Position(file.run, offset)
                    )
                    return
                else:
                    await followed.bell.wait()
                    if offset >= followed.tail.published and not followed.state:
                        yield sse.HEARTBEAT

    async def _ticks(self, subject: str, since: datetime | None) -> AsyncGenerator[bytes, None]:
        yield sse.RETRY
        self._watched[subject] += 1
        try:
            self._keep_watching()
            sent = self._changes.seen.get(subject, 0)
            if since is not None and await self._in_reader(self._happened, since):
                yield sse.event("change", {})
            while True:
                if (seen := self._changes.seen.get(subject, 0)) != sent:
                    sent = seen
                    yield sse.event("change", {})
                    await asyncio.sleep(_PACE_SECONDS)
                else:
                    await self._changed.wait()
                    if self._changes.seen.get(subject, 0) == sent:
                        yield sse.HEARTBEAT
        finally:
            self._watched[subject] -= 1
            self._watched += Counter()

    @contextlib.contextmanager
    def _followed(self, file: LogFile) -> Iterator[_Followed]:
        """The log with one client more; it is opened for the first and closed after the last."""
        key = f"{file.task.id} {file.run} {file.path}"
        followed = self._logs.get(key)
        if followed is None:
            tail = Tail(file.path, growing=file.growing, run=file.run)
            followed = self._logs[key] = _Followed(
                file.task.id, tail, "" if file.growing else file.task.state.value
            )
            self.opened += 1
        followed.clients += 1
        self._keep_watching()
        try:
            yield followed
        finally:
            followed.clients -= 1
            if not followed.clients:
                del self._logs[key]
                self._reader.submit(followed.tail.close)

    async def _piece(self, followed: _Followed, begin: int) -> Piece:
        """A piece, read by the first who asks for it."""
        known = followed.pieces.get(begin)
        if known is None:
            known = followed.pieces[begin] = self._in_reader(followed.tail.piece, begin)
            self.reads += 1
            if len(followed.pieces) > _KEPT_PIECES:
                del followed.pieces[next(iter(followed.pieces))]
        return await asyncio.shield(known)  # one who leaves takes it from nobody

    def _keep_watching(self) -> None:
        if self._watch is None:
            self._changes = Changes()
            self._in_reader(self._look, (), (), False)  # noqa: FBT003  # what happens from now on counts
            self._watch = asyncio.ensure_future(self._watch_all())

    async def _watch_all(self) -> None:
        """Look as long as anybody follows."""
        looks = 0
        try:
            while self._logs or self._watched:
                await asyncio.sleep(_LOOK_SECONDS)
                looks += 1
                try:
                    await self._look_at_all(
                        beat=looks % _HEARTBEAT_LOOKS == 0, ask=looks % _STATE_LOOKS == 0
                    )
                except Exception as error:  # noqa: BLE001  # the next look may do better, and all clients wait for it
                    log.get().warning("live.look_failed", exc_info=error)
        finally:
            self._watch = None

    async def _look_at_all(self, *, beat: bool, ask: bool) -> None:
        followed = tuple(one for one in self._logs.values() if not one.state)
        moved, states, changed = await self._in_reader(
            self._look, followed, tuple(self._watched), ask
        )
        for one in followed:
            one.state = states.get(one.task, "")
        for one in (
            self._logs.values() if beat else (one for one in followed if one in moved or one.state)
        ):
            one.bell.ring()
        if changed or beat:
            self._changed.ring()

    def _look(
        self,
        followed: Collection[_Followed],
        watched: Collection[str],
        ask: bool,  # noqa: FBT001  # through an executor
    ) -> tuple[list[_Followed], dict[str, str], bool]:
        """Return which logs grew, which tasks are over and in which state, and whether something
        watched changed.
        """
        with self._store.read() as tx:
            names = self._changes.look(tx, watched)
            asked = [one for one in followed if ask or one.task in names]
            tasks = find_each(tx, Task, "id", (one.task for one in asked))
        states = {task.id: task.state.value for task in tasks if task.state is not TaskState.OPEN}
        states = {one.task: "replaced" for one in followed if one.tail.is_replaced()} | states
        moved = [
            one for one in followed if (one.tail.finish if one.task in states else one.tail.look)()
        ]
        return moved, states, not names.isdisjoint(watched)

    def _happened(self, since: datetime) -> bool:
        with self._store.read() as tx:
            return happened_since(tx, since)

    def _in_reader(self, ask: Callable[..., R], *given: object) -> asyncio.Future[R]:
        """Return what ``ask`` answers in the one thread that reads."""
        return asyncio.get_running_loop().run_in_executor(self._reader, ask, *given)


async def _write(
    writer: asyncio.StreamWriter, head: bytes, messages: AsyncGenerator[bytes, None]
) -> None:
    writer.write(head)
    async with contextlib.aclosing(messages):
        async for message in messages:
            writer.write(message)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await writer.drain()


def _make_room_for_files(count: int) -> None:
    """Let this process open ``count`` files, as far as its hard limit allows: a client is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(
            resource.RLIMIT_NOFILE,
            (count if hard == resource.RLIM_INFINITY else min(count, hard), hard),
        )
