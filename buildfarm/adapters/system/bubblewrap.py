"""The command line of bubblewrap, see bwrap(1).

Options apply in their order: a later mount covers an earlier one. The sandboxes themselves, and
with them the flags that make them safe, are chosen by the callers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_PROGRAMS = ("/usr", "/etc/alternatives", "/etc/ld.so.cache", "/etc/rpm")
_MERGED = ("/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
"""Links into /usr on most hosts."""


def argv(command: Sequence[str | Path], *options: Iterable[str | Path]) -> list[str]:
    """Return the command that runs ``command`` under the given groups of options.

    >>> argv(["true"], ["--unshare-all"], read_only(["/srv"]))
    ['bwrap', '--unshare-all', '--ro-bind', '/srv', '/srv', '--', 'true']
    """
    return ["bwrap", *map(str, itertools.chain(*options)), "--", *map(str, command)]


def environment(variables: Mapping[str, str]) -> list[str]:
    """Return the options that set variables; it needs ``--clearenv`` before it."""
    return [word for name, value in variables.items() for word in ("--setenv", name, value)]


def capabilities(names: Iterable[str]) -> list[str]:
    """Return the options that give capabilities back after ``--cap-drop ALL``."""
    return [word for name in names for word in ("--cap-add", name)]


def read_only(paths: Iterable[str | Path]) -> list[str]:
    """Return the options that show paths under their own names."""
    return [word for path in paths for word in ("--ro-bind", str(path), str(path))]


def writable(paths: Iterable[str | Path]) -> list[str]:
    """Return the options that show paths under their own names, writable."""
    return [word for path in paths for word in ("--bind", str(path), str(path))]


def host_programs(*more: str) -> list[str]:
    """Return the options that show the host's programs and ``more`` of its files, read-only, as far
    as they exist.
    """
    words = [word for path in (*_PROGRAMS, *more) for word in ("--ro-bind-try", path, path)]
    for path in map(Path, _MERGED):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            words += read_only([path])
    return words


def proc(at: str) -> list[str]:
    """Return the options for a /proc of the sandbox's own, whose kernel-wide switches are
    read-only.

    bubblewrap covers them only for a caller that may write by access(2); for user 0 without
    capabilities access(2) says no and the files' own check says yes.
    """
    words = ["--proc", at]
    for name in ("sys", "sysrq-trigger"):
        words += ["--ro-bind-try", f"/proc/{name}", f"{at}/{name}"]
    return words
