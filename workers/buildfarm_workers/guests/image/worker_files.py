"""Copy the worker as a folder of Python packages: the files that this process runs with.

No registry is used and no version can differ: a guest runs the code of the host that makes its
image.
"""

from __future__ import annotations

import shutil
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from buildfarm.errors import InfraError

_OWN = {"buildfarm": "buildfarm", "buildfarm-workers": "buildfarm_workers"}
"""Our distributions and packages; copied whole, because a checkout does not list their files."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def guest_files() -> Path:
    """Return the folder ``workers/guest`` of the checkout, or of the wheel.

    :raises InfraError: it is in neither.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "guest", package.parent / "guest"):
        if (folder / "buildfarm-guest").is_file():
            return folder
    raise InfraError(
        f"no folder `guest` beside {package}", hint="install the wheel buildfarm-workers anew"
    )


def copy_worker(target: Path) -> str:
    """Copy the worker and every distribution it requires into ``target``; return the worker's
    version.

    :raises InfraError: a requirement is not installed here.
    """
    target.mkdir(parents=True)
    for name in sorted(_closure("buildfarm-workers")):
        if package := _OWN.get(name):
            spec = find_spec(package)
            assert spec is not None
            assert spec.origin is not None  # both are running
            shutil.copytree(Path(spec.origin).parent, target / package, ignore=_LEFT_OUT)
            _copy_record(name, target)
        else:
            _copy_files(name, target)
    return metadata.version("buildfarm-workers")


def _closure(root: str) -> set[str]:
    found: set[str] = set()
    left = [root]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise InfraError(f"{name} is required by the worker and not installed here") from error
        for line in lines:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                left.append(wanted.name.lower().replace("_", "-"))
    return found


def _copy_files(name: str, target: Path) -> None:
    for entry in metadata.files(name) or ():
        if ".." in entry.parts or "__pycache__" in entry.parts:  # scripts are outside
            continue
        place = target / entry
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(entry.locate()), place)


def _copy_record(name: str, target: Path) -> None:
    """Copy the metadata of one of our distributions, so that its version can be read."""
    for entry in metadata.files(name) or ():
        if entry.parts[0].endswith(".dist-info") and entry.name == "METADATA":
            place = target / entry
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(entry.locate()), place)
