"""Control groups: memory and process limits of one build, on v2 or v1, whichever is writable.

A mixed machine (v2 mounted without controllers, v1 with them) is common in small guests. Limits
that cannot be enforced are named in :attr:`ControlGroup.missing`, and the caller falls back to
prlimit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "buildfarm-"
_WANTED = ("memory", "pids")
_V2 = 2
_REMOVE_SECONDS = 5.0
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The place of one controller's groups: ``parent`` is a folder in which children can be
    made.
    """

    controller: str
    version: int
    parent: Path


def hierarchies() -> dict[str, Hierarchy]:
    """Return the controllers that this process can use, by name; v2 before v1."""
    found: dict[str, Hierarchy] = {}
    mounts = _mounts()
    own = _own_paths()
    for controller in _WANTED:
        for version in (_V2, 1):
            for mount in mounts:
                if mount.version == version and (version == _V2 or controller in mount.controllers):
                    parent = mount.folder_of(own.get("" if version == _V2 else controller, "/"))
                    usable = (
                        _enable_v2(parent, controller)
                        if version == _V2
                        else os.access(parent, os.W_OK)
                    )
                    if usable:
                        found.setdefault(
                            controller,
                            Hierarchy(controller=controller, version=version, parent=parent),
                        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    version: int
    controllers: frozenset[str]
    root: str
    at: Path

    def folder_of(self, path: str) -> Path:
        """Return the folder of cgroup ``path``; in a container the mount may show only a part."""
        inside = path.removeprefix(self.root) if self.root != "/" else path
        return self.at / inside.lstrip("/")


def _mounts() -> list[_Mount]:
    mounts: list[_Mount] = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            fields = left.split()
            mounts.append(
                _Mount(
                    version=_V2 if kind == "cgroup2" else 1,
                    controllers=frozenset(options.split(",")),
                    root=fields[3],
                    at=Path(fields[4]),
                )
            )
    return mounts


def _own_paths() -> dict[str, str]:
    """Return this process's cgroup for each controller; the empty name is v2's."""
    paths: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            paths[name] = path
    return paths


def _enable_v2(parent: Path, controller: str) -> bool:
    """Enable ``controller`` in the children of ``parent``.

    v2 allows that only if no process is in ``parent`` itself, so this process first moves into a
    leaf of its own (as systemd's Delegate= expects of a service).
    """
    try:
        if controller not in (parent / "cgroup.controllers").read_text(encoding="ascii").split():
            return False
        switch = parent / "cgroup.subtree_control"
        if controller in switch.read_text(encoding="ascii").split():
            return os.access(parent, os.W_OK)
        try:
            switch.write_text(f"+{controller}", encoding="ascii")
        except OSError:
            leaf = parent / "supervisor"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0", encoding="ascii")
            switch.write_text(f"+{controller}", encoding="ascii")
    except OSError:
        return False
    return True


class ControlGroup:
    """The groups of one build; :meth:`close` ends everything in them."""

    def __init__(self, owner: str, name: str, *, memory: int, processes: int) -> None:
        """Make the groups; ``memory`` is in bytes."""
        self.memory = memory
        self.processes = processes
        self._folders: dict[str, tuple[Hierarchy, Path]] = {}
        for controller, hierarchy in hierarchies().items():
            folder = hierarchy.parent / f"{_PREFIX}{owner}.{name}"
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
                for file, value in _settings(hierarchy, memory, processes):
                    (folder / file).write_text(value, encoding="ascii")
                self._folders[controller] = (hierarchy, folder)
        self._oom_before = self._oom_kills()

    @property
    def missing(self) -> tuple[str, ...]:
        """Controllers whose limit could not be set."""
        return tuple(name for name in _WANTED if name not in self._folders)

    def enter(self, command: Sequence[str]) -> list[str]:
        """Return a command that starts ``command`` inside the groups."""
        files = sorted({str(folder / "cgroup.procs") for _, folder in self._folders.values()})
        return ["sh", "-c", _ENTER, "enter", *files, "--", *command] if files else list(command)

    def breach(self) -> str:
        """Return the limit that was exceeded, in words; empty if none was."""
        if self._oom_kills() > self._oom_before:
            return f"memory limit of {self.memory // 1048576} MiB reached"
        if refused := self._forks_refused():
            return f"process limit of {self.processes} reached ({refused} forks refused)"
        return ""

    def peak_memory(self) -> int:
        """Return the peak in bytes; 0 if unknown."""
        if "memory" not in self._folders:
            return 0
        hierarchy, folder = self._folders["memory"]
        name = "memory.peak" if hierarchy.version == _V2 else "memory.max_usage_in_bytes"
        return _number(folder / name)

    def close(self) -> None:
        """Kill the remaining processes and remove the groups."""
        for _, folder in self._folders.values():
            _remove(folder)
        self._folders = {}

    def _oom_kills(self) -> int:
        if "memory" not in self._folders:
            return 0
        hierarchy, folder = self._folders["memory"]
        return _field(
            folder / ("memory.events" if hierarchy.version == _V2 else "memory.oom_control"),
            "oom_kill",
        )

    def _forks_refused(self) -> int:
        if "pids" not in self._folders:
            return 0
        return _field(self._folders["pids"][1] / "pids.events", "max")


def _settings(hierarchy: Hierarchy, memory: int, processes: int) -> list[tuple[str, str]]:
    if hierarchy.controller == "pids":
        return [("pids.max", str(processes))]
    if hierarchy.version == _V2:
        return [("memory.max", str(memory)), ("memory.oom.group", "1")]
    return [("memory.limit_in_bytes", str(memory))]


def remove_stale(owner: str) -> int:
    """End and remove the groups of a killed predecessor of ``owner``; return the number."""
    count = 0
    for folder in {h.parent for h in hierarchies().values()}:
        for stale in folder.glob(f"{_PREFIX}{owner}.*"):
            _remove(stale)
            count += 1
    return count


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _REMOVE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.01)


def _number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _field(file: Path, name: str) -> int:
    """Return the number after ``name`` in a file of ``name number`` lines; 0 if there is none."""
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
