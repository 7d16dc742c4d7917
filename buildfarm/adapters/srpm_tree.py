"""An SRPM as a tree of files, and a tree as a tar: unpacked in the sandbox, its spec never evaluated."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

from buildfarm.adapters import sandbox
from buildfarm.errors import InputError, ToolFailed

_SECONDS = 600.0


def unpack(srpm: Path, work: Path) -> dict[str, bytes]:
    """``SPECS/<name>.spec`` and ``SOURCES/<name>`` of an SRPM (v4 or v6). ``work`` is a scratch folder, emptied first.

    :raises InputError: the payload is damaged, or holds anything but plain files.
    """
    shutil.rmtree(work, ignore_errors=True)
    files = work / "files"
    files.mkdir(parents=True)
    copy = work / "in.src.rpm"
    shutil.copyfile(srpm, copy)
    try:
        sandbox.run(["rpm2archive", "-n", copy], writable=[work], timeout=_SECONDS)
        sandbox.run(
            ["tar", "-xf", f"{copy}.tar", "-C", files, "--no-same-owner", "--no-same-permissions", "--delay-directory-restore"],
            writable=[work], timeout=_SECONDS,
        )  # fmt: skip
        return _read(files)
    except ToolFailed as error:
        raise InputError(f"{srpm.name}: its payload cannot be unpacked: {error.output[-300:]}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read(folder: Path) -> dict[str, bytes]:
    tree: dict[str, bytes] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not entry.is_file(follow_symlinks=False):
            raise InputError(f"{entry.name}: an SRPM holds plain files only")
        kind = "SPECS" if entry.name.endswith(".spec") else "SOURCES"
        tree[f"{kind}/{entry.name}"] = Path(entry.path).read_bytes()
    return tree


def pack(tree: Mapping[str, bytes], *, mtime: int) -> bytes:
    """A tar of the tree; same tree and ``mtime`` (seconds since the epoch), same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in sorted(tree.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(data), mtime, 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
