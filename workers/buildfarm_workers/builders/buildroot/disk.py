"""Watch the disk usage of a build.

Walking a large tree is expensive, so its frequency depends on the time it takes.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_WALK_SHARE = 20
"""A walk that took a second is repeated after twenty at the earliest."""
_RESERVE = 256 * 1024 * 1024
"""Bytes that must stay free; below, the machine is at fault and not the build."""


class DiskWatch:
    """Called regularly; returns a reason once the limit (bytes) is exceeded."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._free = free_bytes(folder)
        self._next = 0.0
        self.full = False

    def __call__(self) -> str:
        """Return the reason to end the build, or an empty string."""
        free = free_bytes(self._folder)
        if free < _RESERVE:
            self.full = True
            return f"the worker's disk is full ({free // 1048576} MiB left at {self._folder})"
        now = time.monotonic()
        if now < self._next and self._free - free < self._limit // 8:
            return ""
        used = used_bytes(self._folder)
        self._free = free
        self._next = time.monotonic() + max(0.5, (time.monotonic() - now) * _WALK_SHARE)
        return f"disk limit of {self._limit // 1048576} MiB reached" if used > self._limit else ""


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the file system of ``folder``."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def used_bytes(folder: Path) -> int:
    """Return the bytes of disk below ``folder``, counted in blocks (holes are free)."""
    total = 0
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # the build may delete files meanwhile
    return total
