"""The worker as an RPM, so that an image consists of RPMs alone and its lock is complete."""

from __future__ import annotations

from pathlib import Path

from buildfarm.adapters.system import process
from buildfarm_workers.guests.image.worker_files import copy_worker, guest_files

_RPMBUILD_SECONDS = 600


def build(work: Path, *, arch: str) -> Path:
    """Build ``buildfarm-worker`` under ``work``; return the RPM's path.

    :raises ToolFailed: rpmbuild failed.
    """
    guest = guest_files()
    version = copy_worker(work / "tree")
    process.run(
        [
            "rpmbuild", "-bb", "--quiet", "--target", arch, "--define", f"_topdir {work}",
            "--define", f"_rpmdir {work / 'RPMS'}", "--define", f"_dbpath {work / 'db'}",
            "--define", "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "--define",
            f"tree {work / 'tree'}", "--define", f"guest {guest}", "--define",
            f"worker_version {version}", guest / "buildfarm-worker.spec",
        ],
        timeout=_RPMBUILD_SECONDS,
        env={"HOME": str(work)},
    )  # fmt: skip
    return next((work / "RPMS").glob("*.rpm"))
