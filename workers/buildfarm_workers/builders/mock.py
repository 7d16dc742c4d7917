"""The production builder: runs the real mock with a plain configuration, and reads its results.

Exit codes become failure kinds by :func:`buildfarm.domain.core.build.failure_of_mock`. Each build
has its own basedir, kept until the lock is read from the root; mock's root cache is shared by all
builds of one buildroot key.
"""

from __future__ import annotations

import grp
import os
import platform
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from buildfarm.adapters.system import process, sandbox
from buildfarm.adapters.system.process import MEBIBYTE, Completed
from buildfarm.domain.build.mock_configuration import MockConfig, MockRepository, render, root_name
from buildfarm.domain.core.build import FailureKind, failure_of_mock
from buildfarm.errors import BuildFarmError
from buildfarm.wire import InstalledRpm, WorkOrder
from buildfarm_workers.builders import macros, reasons
from buildfarm_workers.builders.buildroot import cgroup, dnf, rpm_database
from buildfarm_workers.builders.buildroot.cgroup import ControlGroup
from buildfarm_workers.builders.buildroot.disk import DiskWatch
from buildfarm_workers.builders.port import BuildFailed, Outcome, Stage, Stop, Stopped, one_line
from buildfarm_workers.builders.resultdir import Resultdir
from buildfarm_workers.config import MockSettings

_GROUP = "mock"
_SETUP_SECONDS = 3600
"""Time for mock in addition to rpmbuild: the root, the dependencies, its own start."""
_ROOT = "root"
_ROOT_STANDS = "Finish: chroot init"
_QUOTED = "Command failed:"
"""After it, mock quotes the failed command and its output on standard error."""


class MockBuilder:
    """Builds with mock; ``folder`` keeps mock's caches.

    ``settings.user`` is the ordinary user that mock drops to when the worker runs as root.
    """

    name = "mock"

    def __init__(self, folder: Path, settings: MockSettings, *, owner: str = "mock") -> None:
        self._folder = folder
        self._owner = owner
        self._settings = settings

    def version(self) -> str:
        """Return mock's version."""
        done = process.run(
            [self._settings.command, "--version"], timeout=30, ok=None, env=self._environment()
        )
        return f"mock {done.text.strip() or '?'}"

    def features(self) -> dict[str, str]:
        """Return the enforced limits and their mechanisms."""
        found = cgroup.hierarchies()
        names = {name: f"cgroup v{hierarchy.version}" for name, hierarchy in found.items()}
        return {
            "kernel": platform.release(),
            "limit.memory": names.get("memory", "none"),
            "limit.processes": names.get("pids", "none"),
        }

    def missing(self) -> tuple[str, ...]:
        """Return the steps that are needed before this builder works here."""
        problems = []
        if not shutil.which(self._settings.command, path=_path()):
            problems.append(
                f"{self._settings.command}: install mock (EL and Fedora package it; `pip install "
                "mock` is another thing)"
            )
        try:
            grp.getgrnam(_GROUP)
        except KeyError:
            problems.append(f"no group {_GROUP}: mock's package makes it")
        if os.geteuid() == 0 and self._user() is None:
            problems.append(
                f"mock refuses user 0: name an ordinary user of group {_GROUP} as mock.user"
            )
        return tuple(problems)

    def build(
        self, order: WorkOrder, payload: Path, work: Path, result: Path, *, stage: Stage, stop: Stop
    ) -> Outcome:
        """Build; see :meth:`buildfarm_workers.builders.port.Builder.build`."""
        making = Resultdir(result, stage=stage, stop=stop)
        run = _Run(order, making, work, stop, owner=self._owner)
        kind: FailureKind | None = None
        reason = ""
        try:
            if problems := self.missing():
                raise BuildFailed(FailureKind.CHROOT, "; ".join(problems))  # noqa: TRY301  # told like every failure
            with making.stage("buildroot"):
                run.prepare(self._folder, self._settings, self._user())
                command = run.command(payload)
            with making.stage("build"):
                done = run.mock([self._settings.command, *command], self._environment())
            with making.stage("collect"):
                run.read_lock()
                run.judge(done)
        except BuildFailed as failure:
            kind, reason = failure.kind, one_line(str(failure))
        except (BuildFarmError, OSError) as error:
            kind, reason = FailureKind.INFRASTRUCTURE, one_line(str(error))
        making.say(f"Result: {kind or 'ok'} {reason}".rstrip())
        return Outcome(
            kind=kind, reason=reason, lock=run.lock, seconds=making.seconds, facts=run.facts,
            asked_for=run.asked_for,
        )  # fmt: skip

    def remove_stale(self) -> None:
        """Remove control groups of a killed predecessor; mock's mounts ended with its namespace."""
        cgroup.remove_stale(self._owner)

    def _user(self) -> pwd.struct_passwd | None:
        name = self._settings.user
        try:
            members = grp.getgrnam(_GROUP).gr_mem
            return pwd.getpwnam(name or members[0])
        except (KeyError, IndexError):
            return None

    def _environment(self) -> dict[str, str]:
        user = self._user()
        if os.geteuid() != 0 or user is None:
            return {"PATH": _path()}
        return {"PATH": _path(), "SUDO_UID": str(user.pw_uid), "SUDO_GID": str(user.pw_gid)}


def _path() -> str:
    return f"{process.BASE_ENV['PATH']}:/usr/local/bin"


class _Run:
    """One order in mock."""

    def __init__(
        self, order: WorkOrder, making: Resultdir, work: Path, stop: Stop, *, owner: str
    ) -> None:
        self._owner = owner
        self.lock: tuple[InstalledRpm, ...] = ()
        self.facts: dict[str, str] = {}
        self.asked_for: tuple[str, ...] = ()
        self._order = order
        self._making = making
        self._work = work
        self._stop = stop
        self._basedir = work / "mock"
        self._config = work / "mock.cfg"
        self._srpm = work / Path(order.payload.filename).name
        self._name = root_name(order.target, order.arch, order.buildroot.key)
        self._limit = ""

    def prepare(self, folder: Path, settings: MockSettings, user: pwd.struct_passwd | None) -> None:
        """Write the configuration, and give mock's user the folders it writes to."""
        cache = folder / "cache"
        _check_reachable(self._work, user)
        for place in (self._basedir, cache, self._making.folder):
            place.mkdir(parents=True, exist_ok=True)
            _give(place, user)
            place.chmod(0o2775)
        for log in self._making.folder.iterdir():
            _give(log, user)
        config = configuration(
            self._order, basedir=self._basedir, cache=cache, isolation=settings.isolation
        )
        self._config.write_text(render(config), encoding="utf-8")

    def command(self, payload: Path) -> list[str]:
        """Return mock's arguments for this order."""
        words = ["-r", str(self._config), "--resultdir", str(self._making.folder)]
        if self._order.kind == "build":
            # Under the name that the order gives it: mock's messages and logs contain that name.
            _check_srpm(payload, self._srpm.name)
            shutil.copyfile(payload, self._srpm)
            return [*words, "--rebuild", str(self._srpm)]
        tree = self._work / "tree"
        tree.mkdir()
        tree.chmod(0o777)  # the sandbox runs as an unprivileged user
        spec_folder, source_folder = tree / "SPECS", tree / "SOURCES"
        if self._order.payload.filename.endswith(".src.rpm"):  # to be made again under a condition
            spec_folder = source_folder = tree
            copy = tree / "in.src.rpm"
            shutil.copyfile(payload, copy)
            sandbox.run(["rpm2archive", copy], writable=[tree])
            payload = tree / "in.src.rpm.tgz"
        sandbox.run(
            ["tar", "-xf", payload, "--no-same-owner", "-C", tree],
            read_only=[payload],
            writable=[tree],
        )
        specs = sorted(spec_folder.glob("*.spec"))
        if len(specs) != 1:
            raise BuildFailed(
                FailureKind.BAD_SRPM, f"the source tree has {len(specs)} spec files, not one"
            )
        return [*words, "--buildsrpm", "--spec", str(specs[0]), "--sources", str(source_folder)]

    def mock(self, command: Sequence[str], env: dict[str, str]) -> Completed:
        """Run mock within the order's limits.

        :raises BuildFailed: a limit was exceeded.
        :raises Stopped: the caller stopped the build.
        """
        limits = self._order.limits
        group = ControlGroup(
            self._owner, self._order.task, memory=limits.memory, processes=limits.processes
        )
        if group.missing:
            self.facts["limits.missing"] = ", ".join(group.missing) + " (no control group)"
        disk = DiskWatch(self._basedir, limits.disk)

        def watch() -> str:
            self._limit = group.breach() or disk() or self._log_limit()
            return self._stop() or self._limit

        try:
            done = process.run(
                group.enter(command),
                timeout=limits.seconds + _SETUP_SECONDS,
                ok=None,
                env=env,
                watch=watch,
            )
            breach = group.breach()
        finally:
            group.close()
        if reason := self._stop():
            raise Stopped(reason)
        if disk.full:
            raise BuildFailed(FailureKind.INFRASTRUCTURE, self._limit)
        if done.returncode != 0 and (reason := self._limit or breach):
            raise BuildFailed(FailureKind.BUILD, reason)
        return done

    def read_lock(self) -> None:
        """Read the lock from the root's own database: mock's lockfile has no header digests."""
        root = self._basedir / self._name / _ROOT
        dbpath = rpm_database.find(root)
        if dbpath:
            found = rpm_database.query(root, dbpath=dbpath)
            self.lock = found.lock
            self._making.write_installed(found.log)

    def judge(self, done: Completed) -> None:
        """Keep the requested RPMs, or explain why there are none.

        :raises BuildFailed: with kind and reason.
        """
        for unwanted in self._making.rpms(source=self._order.kind == "build"):
            if self._order.kind == "build":
                self.asked_for = _beyond(self._srpm, unwanted)
            unwanted.unlink()  # mock always makes both
        if done.returncode == 0:
            if not list(self._making.folder.glob("*.rpm")):
                raise BuildFailed(
                    FailureKind.BUILD, "mock succeeded and made no RPM: is there a %files section?"
                )
            return
        kind = failure_of_mock(done.returncode)
        if done.stopped:
            raise BuildFailed(FailureKind.TIMEOUT, f"mock: {done.stopped}")
        raise BuildFailed(*self._explain(kind, done))

    def _explain(self, kind: FailureKind, done: Completed) -> tuple[FailureKind, str]:
        if kind is FailureKind.TIMEOUT:
            return kind, f"time limit of {self._order.limits.seconds} s reached"
        if kind is FailureKind.DEPENDENCIES:
            return self._explain_dnf(done)
        if kind is FailureKind.BUILD:
            with self._making.build_log.open(encoding="utf-8", errors="replace") as log:
                reading = reasons.read(log)
            return reading.kind, reading.reason
        # The line before only names the build.
        said = done.error_text.rpartition("ERROR: ")[2]
        return kind, f"mock: {one_line(said or f'exit code {done.returncode}')}"

    def _explain_dnf(self, done: Completed) -> tuple[FailureKind, str]:
        """Explain a failure of dnf.

        mock's exit code is 30 for all: for the SRPM's requirements, a repository, or the root's own
        packages.
        """
        said = done.stderr.decode("utf-8", "replace").rpartition(_QUOTED)[2]
        kind, reason = dnf.explain(said)
        if kind is FailureKind.DEPENDENCIES:
            if _ROOT_STANDS not in self._making.state_log.read_text(
                encoding="utf-8", errors="replace"
            ):
                # The SRPM is not at fault.
                return (FailureKind.CHROOT, f"the target's base packages: {reason}")
            self.asked_for = dnf.missing(said)
        return kind, reason

    def _log_limit(self) -> str:
        limit = self._order.limits.log
        size = self._making.build_log.stat().st_size
        return f"log limit of {limit // MEBIBYTE} MiB reached" if size > limit else ""


def _check_reachable(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Check a folder. :raises BuildFailed: mock, which drops root, cannot reach ``folder``."""
    if user is None or os.geteuid() != 0:
        return
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & 0o001 and parent.stat().st_uid != user.pw_uid:
            reason = (
                f"mock's user {user.pw_name} cannot enter {parent}: chmod o+x, or another workdir"
            )
            raise BuildFailed(FailureKind.CHROOT, reason)


def _check_srpm(payload: Path, name: str) -> None:
    """Check the digests first: for some damage mock exits with 1, as for a failed build.

    :raises BuildFailed: the file is damaged.
    """
    done = sandbox.run(
        ["rpmkeys", "--checksig", "--nosignature", payload], read_only=[payload], ok=None
    )
    if done.returncode != 0:
        said = done.error_text.replace(str(payload), name) or "rpmkeys cannot read it"
        raise BuildFailed(FailureKind.BAD_SRPM, f"not a sound SRPM: {said}")


def _beyond(sent: Path, made: Path) -> tuple[str, ...]:
    """Return the requirements of the SRPM that mock ``made`` and of the one ``sent`` that differ.

    Its header has the generated ones as well.
    """
    known = _requires(sent)
    return tuple(
        text for text in _requires(made) if text not in known and not text.startswith("rpmlib(")
    )


def _requires(srpm: Path) -> dict[str, None]:
    """Return requirements in the header's order, in rpm's notation.

    Empty if a build left something else under the SRPM's name.
    """
    done = sandbox.run(
        ["rpm", "-qp", "--nosignature", "--qf", "[%{REQUIRENEVRS}\\n]", srpm],
        read_only=[srpm],
        ok=None,
    )
    return dict.fromkeys(done.text.splitlines())


def configuration(order: WorkOrder, *, basedir: Path, cache: Path, isolation: str) -> MockConfig:
    """Return the order as a mock configuration."""
    epoch = order.source_date_epoch
    return MockConfig(
        root=root_name(order.target, order.arch, order.buildroot.key),
        title=f"{order.nvr} for {order.target}, generation {order.buildroot.generation}",
        arch=order.arch,
        packages=order.buildroot.packages,
        repositories=tuple(
            MockRepository(**repo.model_dump()) for repo in order.buildroot.repositories
        ),
        releasever=order.buildroot.releasever,
        modules=order.buildroot.modules,
        macros=macros.for_order(order),
        with_=order.override.with_,
        without=order.override.without,
        nocheck=order.override.nocheck,
        timeout=order.limits.seconds,
        network=order.override.network,
        isolation=isolation,
        environment={} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)},
        basedir=str(basedir),
        cache=str(cache),
        keep_root=True,
    )


def _give(path: Path, user: pwd.struct_passwd | None) -> None:
    if user is not None and os.geteuid() == 0:
        os.chown(path, user.pw_uid, grp.getgrnam(_GROUP).gr_gid)
