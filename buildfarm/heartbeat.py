"""Heart-beats of hub and workers: a call that is repeated in a thread beside other work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from buildfarm import log
from buildfarm.errors import BuildFarmError


@contextmanager
def beating(beat: Callable[[], bool], *, interval: float, name: str) -> Iterator[None]:
    """Call ``beat`` every ``interval`` seconds until the block ends or ``beat`` returns False.

    An error of the farm is logged and the next beat tries again: a hub or a database that is away
    for a while ends nothing. ``beat`` must not start programs, because a child's parent-death
    signal refers to the thread that started it.
    """
    over = threading.Event()

    def keep() -> None:
        while not over.wait(interval):
            try:
                if not beat():
                    return
            except BuildFarmError as error:
                log.get().warning("heartbeat.failed", heartbeat=name, reason=str(error))

    thread = threading.Thread(target=copy_context().run, args=(keep,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
