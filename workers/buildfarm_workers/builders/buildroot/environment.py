"""The build environment: a copy of the base, a control group, limits, and a way to run commands."""

from __future__ import annotations

import platform
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from buildfarm.adapters.system import process
from buildfarm.adapters.system.process import MEBIBYTE, Completed
from buildfarm.domain.core.build import FailureKind
from buildfarm.wire import WorkOrder
from buildfarm_workers.builders import macros
from buildfarm_workers.builders.buildroot import overlay, rpm_database, sandboxes
from buildfarm_workers.builders.buildroot.cgroup import ControlGroup
from buildfarm_workers.builders.buildroot.disk import DiskWatch
from buildfarm_workers.builders.port import BuildFailed, Stop, Stopped

_STAGE = re.compile(rb"^Executing\((%\w+)\)", re.MULTILINE)


class BuildEnvironment:
    """Made by :func:`opened`; every command is subject to the limits of the order."""

    def __init__(
        self, order: WorkOrder, root: Path, upper: Path, group: ControlGroup, stop: Stop
    ) -> None:
        self.root = root
        self.upper = upper
        self.facts: dict[str, str] = {}
        self._order = order
        self._group = group
        self._stop = stop
        self._disk = DiskWatch(upper, order.limits.disk)

    def place(self, payload: Path) -> str:
        """Put the macros and a copy of the payload into the build user's home; return its path
        inside.
        """
        home = self.root / sandboxes.HOME.lstrip("/")
        home.joinpath(".rpmmacros").write_text(
            macros.rpmmacros(self._order, dbpath=rpm_database.DBPATH), encoding="utf-8"
        )
        inside = f"{sandboxes.HOME}/build/originals/{Path(self._order.payload.filename).name}"
        copy = self.root / inside.lstrip("/")
        shutil.copyfile(payload, copy)
        copy.chmod(0o644)
        return inside

    def run(
        self, command: Sequence[str], *, timeout: float, out: BinaryIO | None = None
    ) -> Completed:
        """Run ``command`` as the build user; the caller checks its exit code.

        :raises BuildFailed: a limit was exceeded.
        :raises Stopped: the caller stopped the build.
        """
        limits = self._order.limits
        epoch = self._order.source_date_epoch
        boxed = sandboxes.builder(
            command,
            root=self.root,
            network=self._order.override.network,
            shared_memory=min(limits.memory, limits.disk),
            env={} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)},
        )
        if self._order.arch != platform.machine():
            boxed = ["setarch", self._order.arch, "--", *boxed]
        done = process.run(
            self._group.enter(boxed), timeout=timeout, ok=None, out=out, watch=self._watch,
            max_output=limits.log if out is None else max(0, limits.log - out.tell()),
            limits=self._prlimits(),
        )  # fmt: skip
        if peak := self._group.peak_memory():
            self.facts["memory.peak"] = f"{peak // MEBIBYTE} MiB"
        if reason := self._stop():
            raise Stopped(reason)
        if done.returncode != 0 or done.stopped:
            self._explain_limits(done, timeout)
        return done

    def _watch(self) -> str:
        return self._stop() or self._group.breach() or self._disk()

    def _prlimits(self) -> process.Limits:
        """Return limits on a file's size, and on what no control group limits."""
        limits = self._order.limits
        missing = self._group.missing
        return process.Limits(
            file_size=limits.disk,
            address_space=limits.memory if "memory" in missing else None,
            processes=limits.processes if "pids" in missing else None,
        )

    def _explain_limits(self, done: Completed, timeout: float) -> None:
        if self._disk.full:
            raise BuildFailed(FailureKind.INFRASTRUCTURE, done.stopped)
        if done.stopped.startswith("time limit"):
            raise BuildFailed(FailureKind.TIMEOUT, f"time limit of {timeout:.0f} s reached")
        if done.stopped.startswith("output limit"):
            raise BuildFailed(
                FailureKind.BUILD, f"log limit of {self._order.limits.log // MEBIBYTE} MiB reached"
            )
        if reason := self._group.breach() or done.stopped:
            raise BuildFailed(FailureKind.BUILD, reason)


@contextmanager
def opened(
    order: WorkOrder, base: Path, work: Path, *, owner: str, stop: Stop
) -> Iterator[BuildEnvironment]:
    """Yield an environment over ``base``; afterwards its processes, mounts and files are gone.

    :raises InfraError: overlayfs cannot be mounted.
    """
    with ExitStack() as stack:
        root, upper = stack.enter_context(overlay.over(base, work))
        group = ControlGroup(
            owner, order.task, memory=order.limits.memory, processes=order.limits.processes
        )
        stack.callback(group.close)  # before the overlay, which a process would hold
        room = BuildEnvironment(order, root, upper, group, stop)
        if group.missing:
            room.facts["limits.missing"] = (
                ", ".join(group.missing) + " (no control group; prlimit instead)"
            )
        yield room


def stage_reached(log: Path) -> str:
    """Return the rpmbuild section in which a log ends (``%build``), or an empty string."""
    found = _STAGE.findall(log.read_bytes())
    return found[-1].decode("ascii") if found else ""


class Deadline:
    """The rest of a time limit."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Return the seconds left, never negative: a command without time is ended at once."""
        return max(0.0, self._end - time.monotonic())
