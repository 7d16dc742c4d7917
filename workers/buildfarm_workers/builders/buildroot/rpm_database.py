"""The contents of a buildroot, read from its rpm database with the host's rpm.

Debian's rpm keeps its database in the caller's home, so every command here names :data:`DBPATH`,
and the build user's ``.rpmmacros`` does so for the buildroot's own rpm.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.system import process
from buildfarm.wire import InstalledRpm

DBPATH = "/var/lib/rpm"
_DATABASES = ("rpmdb.sqlite", "Packages.db", "Packages")
_QUERY_SECONDS = 120
_MARK = "\x1e"
_RECORD = (
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SHA256HEADER}\\t"
    "%{BUILDTIME}\\t%{SIZE}\\n"
)
_PATHS = ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/", "/etc/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The contents of one root: the lock, mock's text form of it, and everything it provides."""

    lock: tuple[InstalledRpm, ...]
    log: str
    provides: tuple[str, ...] = ()


def find(root: Path) -> str:
    """Return the folder in ``root`` of the database that mock's dnf wrote; empty if there is none.

    Debian's rpm keeps it in HOME, which mock sets to a folder of the chroot, so it is below that
    folder's whole path.
    """
    in_home = f"{root}/installation-homedir/.rpmdb"
    for place in (in_home, DBPATH, "/usr/lib/sysimage/rpm"):
        folder = root / place.lstrip("/")
        if any(
            (folder / name).is_file() and not (folder / name).is_symlink() for name in _DATABASES
        ):
            return place
    return ""


def query(root: Path, *, provides: bool = False, dbpath: str = DBPATH) -> Installed:
    """Read the database of ``root``; with ``provides`` also what its RPMs provide, which is slower.

    :raises ToolFailed: rpm cannot read it.
    """
    rpm: list[str | Path] = ["rpm", "--root", root, "--dbpath", dbpath, "-qa", "--qf"]
    lines = process.run([*rpm, _RECORD], timeout=_QUERY_SECONDS).text.splitlines()
    lock: list[InstalledRpm] = []
    log: list[str] = []
    for line in sorted(lines):
        name, epoch, version, release, arch, sha256, built, size = line.split("\t")
        if name == "gpg-pubkey":  # a key that dnf imported
            continue
        lock.append(
            InstalledRpm(
                name=name,
                epoch=int(epoch),
                version=version,
                release=release,
                arch=arch,
                sha256=sha256,
            )
        )
        shown = f"{epoch}:" if epoch != "0" else ""
        log.append(f"{name}-{shown}{version}-{release}.{arch} {built} {size} installed\n")
    return Installed(
        lock=tuple(lock), log="".join(log), provides=_provides(rpm) if provides else ()
    )


def _provides(rpm: list[str | Path]) -> tuple[str, ...]:
    text = process.run(
        [*rpm, f"[%{{PROVIDENEVRS}}\\n]{_MARK}\\n[%{{FILENAMES}}\\n]"], timeout=_QUERY_SECONDS
    ).text
    names: set[str] = set()
    for line in text.splitlines():
        if (
            line
            and not line.startswith(_MARK)
            and (not line.startswith("/") or line.startswith(_PATHS))
        ):
            names.add(line)
    return tuple(sorted(names))
