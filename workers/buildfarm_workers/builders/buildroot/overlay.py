"""A temporary copy of a base chroot: overlayfs over it, in this process's mount namespace.

Nothing is synced (``volatile``), because the copy lives for one build. The worker runs in a mount
namespace of its own, so a SIGKILL ends the mount with it; :func:`remove_stale` is for processes
without one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildfarm.adapters.system import process
from buildfarm.errors import ConfigError, InfraError, ToolFailed

_MOUNT_SECONDS = 30


@contextmanager
def over(base: Path, work: Path) -> Iterator[tuple[Path, Path]]:
    """Mount a copy of ``base``; yield ``(root, upper)``, where ``upper`` holds the build's changes.

    ``work`` is emptied.

    :raises InfraError: the kernel refuses (not root, or ``work`` is on a file system that cannot be
        an upper layer).
    """
    root, upper, inner = work / "root", work / "upper", work / "inner"
    for folder in (root, upper, inner):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={base},upperdir={upper},workdir={inner},volatile"
    try:
        process.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, root], timeout=_MOUNT_SECONDS
        )
    except ToolFailed as error:
        hint = "overlayfs needs root, and a workdir on ext4, xfs or tmpfs"
        raise InfraError(f"overlayfs over {base}: {error.output}", hint=hint) from error
    try:
        yield root, upper
    finally:
        unmount(root)
        for folder in (root, upper, inner):
            remove_tree(folder)


def check_path(folder: Path) -> None:
    """Check a path. :raises ConfigError: it cannot be used in mount options."""
    if any(mark in str(folder) for mark in ",:\\"):
        raise ConfigError(
            f"{folder}: a comma, colon or backslash cannot be in the workdir's path (overlayfs "
            "options)"
        )


def unmount(root: Path) -> None:
    """Unmount; lazily if something still holds it."""
    done = process.run(["umount", root], timeout=_MOUNT_SECONDS, ok=None)
    if done.returncode != 0 and root in mounted_under(root):
        process.run(["umount", "--lazy", root], timeout=_MOUNT_SECONDS, ok=None)


def mounted_under(folder: Path) -> list[Path]:
    """Return mount points at or below ``folder``, the deepest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        # Octal escapes: proc(5) writes \\040 for a blank.
        point = Path(line.split()[4].encode().decode("unicode_escape"))
        if point == folder or folder in point.parents:
            points.append(point)
    return sorted(points, reverse=True)


def remove_tree(folder: Path) -> None:
    """Delete ``folder`` and everything below, unless something is still mounted there."""
    if not mounted_under(folder):
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(folder: Path) -> int:
    """Unmount and delete everything that a killed process left below ``folder``; return the
    number.
    """
    if not folder.is_dir():
        return 0
    for point in mounted_under(folder):
        unmount(point)
    entries = list(folder.iterdir())
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            entry.unlink()
    return len(entries)
