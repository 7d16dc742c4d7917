"""Write folders and lines into a root that RPMs have filled, without following its symbolic
links.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path


def make_folder(root: Path, path: str, *, owner: int = 0, mode: int | None = None) -> None:
    """Make ``path`` (with its parents, 0755) below ``root``; ``mode`` is set even if it was there.

    :raises OSError: something that is not a folder is in the way.
    """
    with ExitStack() as stack:
        fd = _open(stack, root, path.strip("/").split("/"), owner)
        if mode is not None:
            os.fchmod(fd, mode)


def append_line(root: Path, path: str, line: str, *, first: str) -> None:
    """Add ``line`` to a colon-separated file such as /etc/passwd, unless its first field is there.

    A new file begins with ``first``.
    """
    *parents, name = path.strip("/").split("/")
    with ExitStack() as stack:
        folder = _open(stack, root, parents, 0)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        file = stack.enter_context(
            os.fdopen(os.open(name, flags, 0o644, dir_fd=folder), "r+", encoding="utf-8")
        )
        present = file.read()
        if not present:
            file.write(first)
        elif not present.endswith("\n"):
            file.write("\n")
        key = line.partition(":")[0] + ":"
        if not any(have.startswith(key) for have in present.splitlines()):
            file.write(line)


def write_file(root: Path, path: str, text: str) -> None:
    """Write a small file below ``root``, replacing its content; its folder must exist."""
    *parents, name = path.strip("/").split("/")
    with ExitStack() as stack:
        folder = _open(stack, root, parents, 0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        file = stack.enter_context(
            os.fdopen(os.open(name, flags, 0o644, dir_fd=folder), "w", encoding="utf-8")
        )
        file.write(text)


def _open(stack: ExitStack, root: Path, names: Sequence[str], owner: int) -> int:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    stack.callback(os.close, fd)
    for name in names:
        made = True
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            made = False
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        stack.callback(os.close, fd)
        if made:
            os.fchown(fd, owner, owner)
            os.fchmod(fd, 0o755)
    return fd
