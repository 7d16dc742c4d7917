"""The growing log of a running task: appended at an offset, bounded, set aside when the task starts
anew.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from buildfarm.errors import InputError


def append(path: Path, offset: int, data: bytes, *, most: int) -> int:
    """Write ``data`` at ``offset`` as far as it is new; how many bytes the log has then.

    Nothing is written where ``offset`` leaves a gap. Several processes may do this at once.

    :raises InputError: the log would be longer than ``most`` bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file.fileno()).st_size
        if offset > size:
            return size
        fresh = data[size - offset :]
        if size + len(fresh) > most:
            raise InputError(
                f"the log is longer than {most} bytes",
                hint="the worker cuts it at the order's limit",
            )
        file.write(fresh)
        return size + len(fresh)


def begin(path: Path) -> None:
    """Make an empty log, which can be followed before its first line; that of an earlier lease is
    kept under another name.
    """
    if path.exists() and path.stat().st_size:
        number = 1
        while (kept := path.with_suffix(f".{number}.log")).exists():
            number += 1
        path.rename(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
