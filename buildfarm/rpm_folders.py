"""The RPM files below a folder; of a repository that the farm published also those that its
``Packages`` only links to.

Links to other folders are not followed: a folder may be somebody else's, and lead anywhere.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

POOL = ".pool"
"""Where generations keep the folders that they share, see
:mod:`buildfarm.adapters.publish.package_pool`.
"""


def file_of(folder: Path, href: str) -> Path | None:
    """The file that a repository's metadata calls ``href``, in the folder itself or on a shard;
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
    """Every file below ``folder`` whose name fits, sorted."""
    pool = [
        link
        for link in folder.rglob("Packages/*")
        if link.is_symlink() and link.readlink().parent.name == POOL
    ]
    places = [*folder.rglob(pattern), *(file for shard in pool for file in shard.glob(pattern))]
    return sorted(path for path in places if path.is_file())
