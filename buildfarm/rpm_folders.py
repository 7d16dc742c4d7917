"""Find RPM files below a folder, and in a published repository also those of linked shards.

Other links are not followed, because a folder may be untrusted and its links may lead anywhere.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

POOL = ".pool"
"""Folder of the package pool, see :mod:`buildfarm.adapters.publish.package_pool`."""


def file_of(folder: Path, href: str) -> Path | None:
    """Return the file for ``href`` of a repository's metadata, in the folder itself or in a shard.

    ``None`` if it is in neither.
    """
    path = (folder / href).resolve()
    is_inside = path.is_relative_to(folder.resolve())
    is_shelved = (
        path.parent.parent.name == POOL
        and not PurePosixPath(href).is_absolute()
        and ".." not in href.split("/")
    )
    return path if (is_inside or is_shelved) and path.is_file() else None


def rpms_below(folder: Path, pattern: str = "*.rpm") -> list[Path]:
    """Return every file below ``folder`` whose name matches, sorted."""
    pool = [
        link
        for link in folder.rglob("Packages/*")
        if link.is_symlink() and link.readlink().parent.name == POOL
    ]
    places = [*folder.rglob(pattern), *(file for shard in pool for file in shard.glob(pattern))]
    return sorted(path for path in places if path.is_file())
