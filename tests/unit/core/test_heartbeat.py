"""A heart-beat outlives errors and ends with the work, or when it is told that it is over."""

from __future__ import annotations

import threading

from buildfarm.errors import InfraError
from buildfarm.heartbeat import beating

SOON = 0.001


def test_a_heartbeat_goes_on_after_an_error_and_ends_with_its_block() -> None:
    beats: list[str] = []
    enough = threading.Event()

    def beat() -> bool:
        beats.append(threading.current_thread().name)
        if len(beats) > 2:
            enough.set()
        raise InfraError("the hub is away")

    with beating(beat, interval=SOON, name="heartbeat-test"):
        assert enough.wait(10)
    assert set(beats) == {"heartbeat-test"}
    assert "heartbeat-test" not in {thread.name for thread in threading.enumerate()}


def test_a_heartbeat_that_says_false_is_the_last() -> None:
    beats: list[threading.Thread] = []
    first = threading.Event()

    def beat() -> bool:
        beats.append(threading.current_thread())
        first.set()
        return False

    with beating(beat, interval=SOON, name="heartbeat-test"):
        assert first.wait(10)
        beats[0].join(10)
        assert not beats[0].is_alive()
    assert len(beats) == 1
