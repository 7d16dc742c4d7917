"""The embedded builder: dnf --installroot for a base, overlayfs for each build, bubblewrap around
it.

Stages: ``buildroot`` (the base, its overlay), ``dependencies`` (the SRPM's digests and
requirements), ``build``, ``collect``. :meth:`ChrootBuilder.missing` names everything it needs from
the machine.
"""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import ExitStack
from pathlib import Path

from buildfarm.adapters.system import process
from buildfarm.domain.core.build import FailureKind
from buildfarm.errors import BuildFarmError
from buildfarm.wire import InstalledRpm, WorkOrder
from buildfarm_workers.builders import macros, reasons, requires
from buildfarm_workers.builders.buildroot import cgroup, overlay, rpm_database
from buildfarm_workers.builders.buildroot import environment as room
from buildfarm_workers.builders.buildroot.base_cache import Base, BaseCache
from buildfarm_workers.builders.buildroot.dnf import Installer
from buildfarm_workers.builders.buildroot.environment import BuildEnvironment, Deadline
from buildfarm_workers.builders.port import BuildFailed, Outcome, Stage, Stop, Stopped, one_line
from buildfarm_workers.builders.resultdir import Resultdir

_TOOLS = {
    "dnf": "dnf",
    "rpm": "rpm",
    "bwrap": "bubblewrap",
    "setpriv": "util-linux",
    "mount": "mount",
}
_ROUNDS = 4
"""Limit for repeated runs of rpmbuild.

Repeats are due to %generate_buildrequires, or a condition that changes BuildRequires.
"""
_CHECK_SECONDS = 300
_CHECK = (
    'rpmkeys --checksig --nosignature "$1" >&2 && '
    'exec rpm -qp --nosignature --qf "%{SOURCEPACKAGE}\\n[%{REQUIRENEVRS}\\n]" "$1"'
)
_MAGIC = b"\xed\xab\xee\xdb"
_MAKE_SRPM = (
    'tar -xf "$1" --no-same-owner -C /builddir/build && shift && '
    'set -- "$@" /builddir/build/SPECS/*.spec && exec "$@"'
)


class ChrootBuilder:
    """Builds on this machine, as root.

    ``folder`` keeps bases and dnf's cache, ``owner`` names our control groups.
    """

    name = "chroot"

    def __init__(self, folder: Path, *, owner: str, keep_bases: int = 4) -> None:
        overlay.check_path(folder)
        self._owner = owner
        self._installer = Installer(folder)
        self._bases = BaseCache(folder / "bases", self._installer, keep=keep_bases)

    def version(self) -> str:
        """Return the tools' versions."""
        rpm = process.run(["rpm", "--version"], timeout=10).text.split()[-1]
        return f"chroot (rpm {rpm}, {process.run(['bwrap', '--version'], timeout=10).text.strip()})"

    def features(self) -> dict[str, str]:
        """Return the enforced limits and their mechanisms."""
        found = cgroup.hierarchies()
        names = {name: f"cgroup v{hierarchy.version}" for name, hierarchy in found.items()}
        return {
            "kernel": platform.release(),
            "limit.memory": names.get(
                "memory", "prlimit: address space of each process, not their sum"
            ),
            "limit.processes": names.get(
                "pids", "prlimit: all processes of the build user on this machine"
            ),
        }

    def missing(self) -> tuple[str, ...]:
        """Return the steps that are needed before this builder works here."""
        problems = (
            []
            if os.geteuid() == 0
            else ["not root: run the worker as root (overlayfs, dnf --installroot)"]
        )
        path = process.BASE_ENV["PATH"]
        problems += [
            f"{tool}: install {name}"
            for tool, name in _TOOLS.items()
            if not shutil.which(tool, path=path)
        ]
        if not any(Path("/usr/lib").glob("python3*/*-packages/dnf-plugins/builddep.py")):
            problems.append("dnf builddep: install dnf-plugins-core")
        if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
            problems.append("overlayfs: modprobe overlay")
        return tuple(problems)

    def remove_stale(self) -> None:
        """Remove partial bases and control groups of a killed predecessor."""
        cgroup.remove_stale(self._owner)
        self._bases.remove_unfinished()

    def build(
        self, order: WorkOrder, payload: Path, work: Path, result: Path, *, stage: Stage, stop: Stop
    ) -> Outcome:
        """Build; see :meth:`buildfarm_workers.builders.port.Builder.build`."""
        making = Resultdir(result, stage=stage, stop=stop)
        build = _Build(order, making, self._installer, work, stop)
        kind: FailureKind | None = None
        reason = ""
        try:
            if problems := self.missing():
                raise BuildFailed(FailureKind.CHROOT, "; ".join(problems))  # noqa: TRY301  # told like every failure
            overlay.check_path(work)
            with ExitStack() as stack:
                with making.stage("buildroot"):
                    base = stack.enter_context(
                        self._bases.held(order.buildroot, making.root_log, stop)
                    )
                    build.room = stack.enter_context(
                        room.opened(order, base.root, work / "room", owner=self._owner, stop=stop)
                    )
                build.run(base, payload)
        except BuildFailed as failure:
            kind, reason = failure.kind, one_line(str(failure))
            if making.current == "buildroot" and kind is FailureKind.DEPENDENCIES:
                # The SRPM is not at fault.
                kind, reason = (FailureKind.CHROOT, f"the target's base packages: {reason}")
        except (BuildFarmError, OSError) as error:
            kind = (
                FailureKind.CHROOT if making.current == "buildroot" else FailureKind.INFRASTRUCTURE
            )
            reason = one_line(str(error))
        making.say(f"Result: {kind or 'ok'} {reason}".rstrip())
        return Outcome(
            kind=kind, reason=reason, lock=build.lock, seconds=making.seconds, facts=build.facts,
            asked_for=build.asked_for,
        )  # fmt: skip


class _Build:
    """One order in its build environment."""

    room: BuildEnvironment

    def __init__(
        self, order: WorkOrder, making: Resultdir, installer: Installer, work: Path, stop: Stop
    ) -> None:
        self.lock: tuple[InstalledRpm, ...] = ()
        self.asked_for: tuple[str, ...] = ()
        self._order = order
        self._making = making
        self._installer = installer
        self._work = work
        self._stop = stop

    @property
    def facts(self) -> dict[str, str]:
        """Return the observations of the environment, if there was one."""
        return self.room.facts if hasattr(self, "room") else {}

    def run(self, base: Base, payload: Path) -> None:
        """Install dependencies, build and collect. :raises BuildFailed: with kind and reason."""
        with self._making.stage("dependencies"):
            inside = self.room.place(payload)
            missing = self._check(inside, base) if self._order.kind == "build" else []
            if missing:
                self._making.say(f"not in the base: {', '.join(missing)}")
                srpm = self.room.root / inside.lstrip("/")
                self._installer.builddep(
                    self.room.root, self._order.buildroot, srpm,
                    log=self._making.root_log, work=self._work / "dnf", stop=self._stop,
                )  # fmt: skip
                self._take_lock()
            else:
                self.lock = base.lock
                self._making.write_installed(base.log)
        with self._making.stage("build"):
            self._rpmbuild(inside)
        with self._making.stage("collect"):
            top = "SRPMS" if self._order.kind == "srpm" else "RPMS"
            if not self._making.collect(self.room.upper, ("builddir", "build", top)):
                raise BuildFailed(
                    FailureKind.BUILD,
                    "rpmbuild succeeded and made no RPM: is there a %files section?",
                )

    def _check(self, inside: str, base: Base) -> list[str]:
        """Check the SRPM's digests; return its requirements that the base lacks.

        The header is read in the sandbox.
        """
        with (self.room.root / inside.lstrip("/")).open("rb") as srpm:
            if srpm.read(len(_MAGIC)) != _MAGIC:
                raise BuildFailed(
                    FailureKind.BAD_SRPM, f"{self._order.payload.filename} is no RPM file at all"
                )
        done = self.room.run(["sh", "-c", _CHECK, "check", inside], timeout=_CHECK_SECONDS)
        if done.returncode != 0:
            said = [
                line.removeprefix("error: ")
                for line in done.error_text.splitlines()
                if not line.startswith("warning:")
            ]
            reason = " ".join(said).replace(inside, self._order.payload.filename)
            raise BuildFailed(FailureKind.BAD_SRPM, f"not a sound SRPM: {reason}")
        source, *needs = done.text.splitlines()
        if source != "1":
            raise BuildFailed(
                FailureKind.BAD_SRPM, f"{self._order.payload.filename} is an RPM and not an SRPM"
            )
        return requires.missing(needs, base.provides)

    def _take_lock(self) -> None:
        found = rpm_database.query(self.room.root)
        self.lock = found.lock
        self._making.write_installed(found.log)

    def _rpmbuild(self, inside: str) -> None:
        """Run rpmbuild; while it reports further requirements, install them and run it again."""
        deadline = Deadline(self._order.limits.seconds)
        for _ in range(_ROUNDS):
            read_from = self._making.build_log.stat().st_size
            try:
                with self._making.build_log.open("ab") as out:
                    done = self.room.run(self._command(inside), timeout=deadline.left, out=out)
            except Stopped:
                raise
            except BuildFailed as failure:
                raise self._where(failure, deadline) from failure
            if done.returncode == 0:
                return
            with self._making.build_log.open(encoding="utf-8", errors="replace") as said:
                said.seek(read_from)
                reading = reasons.read(said)
            new = [name for name in reading.missing if name not in self.asked_for]
            if not new:
                break
            self.asked_for = (*self.asked_for, *new)
            self._making.say(f"rpmbuild asks for: {', '.join(new)}")
            self._installer.install(
                self.room.root, self._order.buildroot, new,
                log=self._making.root_log, work=self._work / "dnf", stop=self._stop,
            )  # fmt: skip
            self._take_lock()
        if reading.file_limit:
            limit = self._order.limits.disk // process.MEBIBYTE
            raise BuildFailed(
                FailureKind.BUILD, f"disk limit of {limit} MiB reached: {reading.reason}"
            )
        raise BuildFailed(reading.kind, reading.reason)

    def _command(self, inside: str) -> list[str]:
        options = ["--target", self._order.arch, *macros.options(self._order)]
        if self._order.kind == "srpm" and inside.endswith(".src.rpm"):
            return ["rpmbuild", "-rs", "--nodeps", *options, inside]
        if self._order.kind == "srpm":
            return ["sh", "-c", _MAKE_SRPM, "make", inside, "rpmbuild", "-bs", "--nodeps", *options]
        return ["rpmbuild", "--rebuild", *options, inside]

    def _where(self, failure: BuildFailed, deadline: Deadline) -> BuildFailed:
        """Return ``failure`` with the rpmbuild section in which it happened."""
        at = room.stage_reached(self._making.build_log)
        reason = str(failure)
        if failure.kind is FailureKind.TIMEOUT:
            reason = f"time limit of {deadline.seconds:.0f} s reached"
        return BuildFailed(failure.kind, f"{at}: {reason}" if at else reason)
