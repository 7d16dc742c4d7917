"""The RPM files below a folder; of a repository that the farm published also those that its ``Packages`` only links to.

Links to other folders are not followed: a folder may be somebody else's, and lead anywhere.
"""

from __future__ import annotations

from pathlib import Path

SHELVES = ".shelves"
"""Where generations keep the folders that they share, see :mod:`buildfarm.adapters.shelves`."""


def rpms_below(folder: Path, pattern: str = "*.rpm") -> list[Path]:
    """Every file below ``folder`` whose name fits, sorted."""
    shelves = [
        link for link in folder.rglob("Packages/*") if link.is_symlink() and link.readlink().parent.name == SHELVES
    ]
    places = [*folder.rglob(pattern), *(file for shelf in shelves for file in shelf.glob(pattern))]
    return sorted(path for path in places if path.is_file())
