"""Waiting for another process, which has no way to tell a test: a condition is asked again until it
holds, or the test fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_SECONDS = 0.05
"""Between two questions, so that the asker leaves the CPU to whom it waits for; what is waited for
is the condition alone.
"""


def until(condition: Callable[[], T], what: str, *, seconds: float = 30) -> T:
    """What ``condition`` gives, once that is true.

    :raises AssertionError: ``what`` did not come to pass in ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not in {seconds:g} s"
        time.sleep(_PAUSE_SECONDS)
    return found
