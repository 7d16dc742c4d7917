"""The cache of base chroots: the minimal buildroot of each buildroot key, installed once, then
read.

A base is made aside and renamed into place, under a file lock, so that it is made once and a killed
worker leaves no partial one. A build holds a shared lock on its base. Beyond a number of bases, the
least recently used ones without a lock are deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildfarm.wire import Buildroot, InstalledRpm, Report
from buildfarm_workers.builders.buildroot import rpm_database, safe_write, sandboxes
from buildfarm_workers.builders.buildroot.dnf import Installer
from buildfarm_workers.builders.port import Stop, Stopped
from buildfarm_workers.builders.requires import Provides, index

_SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_WAIT_SECONDS = 0.2
_LOCK, _LOG, _PROVIDES, _USED = "lock.json", "installed_pkgs.log", "provides", "used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A finished base and the contents of its rpm database."""

    root: Path
    lock: tuple[InstalledRpm, ...]
    log: str
    provides: Provides


class BaseCache:
    """The bases in one folder; at most ``keep`` of them stay."""

    def __init__(self, folder: Path, installer: Installer, *, keep: int = 4) -> None:
        self._folder = folder
        self._installer = installer
        self._keep = keep

    @contextmanager
    def held(self, buildroot: Buildroot, log: Path, stop: Stop) -> Iterator[Base]:
        """Yield the base of ``buildroot``, made if it is missing; it is not deleted while held.

        :raises BuildFailed: dnf could not install it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        key = key_of(buildroot)
        place = self._folder / key
        with self._lock_file(key).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            while not (place / _USED).exists():
                _lock_exclusively(lock.fileno(), stop)
                if not (place / _USED).exists():
                    self._make(buildroot, place, log, stop)
                    self._delete_least_used(but=key)
                fcntl.flock(lock, fcntl.LOCK_SH)
            os.utime(place / _USED)
            yield _read(place)

    def remove_unfinished(self) -> None:
        """Delete partial bases of a killed process; those in progress are locked and stay."""
        for leftover in self._folder.glob(".*"):
            key = leftover.name.rpartition(".")[0].removeprefix(".")
            with self._lock_file(key).open("w") as lock, contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)

    def _lock_file(self, key: str) -> Path:
        return self._folder / f"{key}.lock"

    def _make(self, buildroot: Buildroot, place: Path, log: Path, stop: Stop) -> None:
        aside = self._folder / f".{place.name}.{os.getpid()}"
        root = aside / "root"
        root.mkdir(parents=True)
        try:
            self._installer.install(
                root, buildroot, buildroot.packages, log=log, work=aside / "dnf", stop=stop
            )
            _add_build_user(root)
            found = rpm_database.query(root, provides=True)
            (aside / _LOCK).write_text(
                Report(ok=True, lock=found.lock).model_dump_json(), encoding="utf-8"
            )
            (aside / _LOG).write_text(found.log, encoding="utf-8")
            (aside / _PROVIDES).write_text("\n".join(found.provides), encoding="utf-8")
            (aside / _USED).touch()
            shutil.rmtree(place, ignore_errors=True)
            aside.rename(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _delete_least_used(self, *, but: str) -> None:
        others = [
            place
            for place in self._folder.iterdir()
            if (place / _USED).exists() and place.name != but
        ]
        others.sort(key=lambda place: (place / _USED).stat().st_mtime, reverse=True)
        for place in others[max(0, self._keep - 1) :]:
            with self._lock_file(place.name).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # a build uses it
                gone = self._folder / f".{place.name}.{os.getpid()}"
                place.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)


def key_of(buildroot: Buildroot) -> str:
    """Return a folder's name for the buildroot: its key, or a digest if that is not a valid
    name.
    """
    if _SAFE_KEY.fullmatch(buildroot.key):
        return buildroot.key
    return hashlib.sha256(buildroot.model_dump_json().encode()).hexdigest()


def _lock_exclusively(lock: int, stop: Stop) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)  # two holders of the shared lock would wait for each other
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if reason := stop():
                raise Stopped(reason) from None
            time.sleep(_WAIT_SECONDS)
        else:
            return


def _read(place: Path) -> Base:
    report = Report.model_validate_json((place / _LOCK).read_bytes())
    return Base(
        root=place / "root",
        lock=report.lock,
        log=(place / _LOG).read_text(encoding="utf-8"),
        provides=index((place / _PROVIDES).read_text(encoding="utf-8").splitlines()),
    )


def _add_build_user(root: Path) -> None:
    """Add ``mockbuild`` and its folders, as mock does."""
    uid, user = sandboxes.BUILD_UID, sandboxes.BUILD_USER
    passwd = f"{user}:x:{uid}:{uid}::{sandboxes.HOME}:/bin/bash\n"
    safe_write.append_line(root, "/etc/passwd", passwd, first="root:x:0:0:root:/root:/bin/bash\n")
    safe_write.append_line(root, "/etc/group", f"{user}:x:{uid}:\n", first="root:x:0:\n")
    for name in ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS", "originals"):
        safe_write.make_folder(root, f"{'/'.join(sandboxes.TOPDIR)}/{name}", owner=uid)
    for name in ("/tmp", "/var/tmp"):  # the buildroot's own
        safe_write.make_folder(root, name, mode=0o1777)
