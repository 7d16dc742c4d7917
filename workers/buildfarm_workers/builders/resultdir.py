"""The layout of a result, as in mock: ``build.log root.log state.log installed_pkgs.log *.rpm``."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

from buildfarm.domain.core.build import FailureKind
from buildfarm_workers.builders.port import BuildFailed, Stage, Stop, Stopped

BUILD_LOG = "build.log"
ROOT_LOG = "root.log"
STATE_LOG = "state.log"
INSTALLED_LOG = "installed_pkgs.log"
SIDE_LOGS = (ROOT_LOG, STATE_LOG, INSTALLED_LOG)
"""The logs beside build.log, which is streamed."""

_RPM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^-]*\.rpm")


class Resultdir:
    """A result in progress; it measures the stages."""

    def __init__(self, folder: Path, *, stage: Stage, stop: Stop) -> None:
        self.folder = folder
        self.build_log = folder / BUILD_LOG
        self.root_log = folder / ROOT_LOG
        self.state_log = folder / STATE_LOG
        self.installed_log = folder / INSTALLED_LOG
        self.seconds: dict[str, float] = {}
        self.current = ""
        self._stage = stage
        self._stop = stop
        for name in (BUILD_LOG, *SIDE_LOGS):
            (folder / name).touch()

    def say(self, line: str) -> None:
        """Append one line to state.log, with the time."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with self.state_log.open("a", encoding="utf-8") as log:
            log.write(f"{stamp} - {line}\n")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one stage. :raises Stopped: the caller stopped the build."""
        if reason := self._stop():
            raise Stopped(reason)
        self.current = name
        self._stage(name)
        self.say(f"Start: {name}")
        started = time.monotonic()
        try:
            yield
        finally:
            taken = time.monotonic() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + taken, 3)
            self.say(f"Finish: {name} ({taken:.2f} s)")

    def write_installed(self, text: str) -> None:
        """Write installed_pkgs.log: one line for each RPM, in mock's format."""
        self.installed_log.write_text(text, encoding="utf-8")

    def rpms(self, *, source: bool) -> list[Path]:
        """Return the collected RPMs: SRPMs or all others."""
        return sorted(p for p in self.folder.glob("*.rpm") if p.name.endswith(".src.rpm") is source)

    def collect(self, top: Path, inside: Sequence[str]) -> int:
        """Move the RPMs out of ``top/inside[0]/inside[1]/…`` and its sub-folders; return the
        number.

        The build owned those folders: symbolic links, and names that are not an RPM's, are not
        followed.

        :raises BuildFailed: the build left something there that is not an RPM's file.
        """
        folder = top
        for name in inside:
            folder = folder / name
            if not folder.is_symlink() and not folder.exists():
                return 0
            if not S_ISDIR(folder.lstat().st_mode):
                raise BuildFailed(
                    FailureKind.BUILD, f"the build replaced /{'/'.join(inside)} by something else"
                )
        found = []
        for parent, _, files in os.walk(folder, followlinks=False):
            for name in sorted(files):
                file = Path(parent) / name
                if file.is_symlink() or not file.is_file() or not _RPM_NAME.fullmatch(name):
                    raise BuildFailed(FailureKind.BUILD, f"the build left {name!r} among its RPMs")
                found.append(file)
        for file in found:
            _take(file, self.folder / file.name)
        return len(found)


def _take(source: Path, target: Path) -> None:
    """Move one file and give it ordinary owner and mode."""
    try:
        source.rename(target)
    except OSError:  # on another file system
        shutil.copyfile(source, target)
    target.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(target, 0, 0)
