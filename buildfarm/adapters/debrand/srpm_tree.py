"""An SRPM as a tree of files, unpacked in the sandbox without evaluating its spec."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.adapters.system import sandbox
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.tree import spec_path
from buildfarm.errors import InputError, ToolFailed

_SECONDS = 600.0


def unpack(srpm: Path, work: Path) -> dict[str, bytes]:
    """Return ``SPECS/<name>.spec`` and ``SOURCES/<name>`` of an SRPM (v4 or v6).

    ``work`` is a scratch folder, emptied first.

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
            [
                "tar", "-xf", f"{copy}.tar", "-C", files, "--no-same-owner",
                "--no-same-permissions", "--delay-directory-restore",
            ],
            writable=[work],
            timeout=_SECONDS,
        )  # fmt: skip
        return _read(files)
    except ToolFailed as error:
        raise InputError(
            f"{srpm.name}: its payload cannot be unpacked: {error.output[-300:]}"
        ) from error
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


def identity(srpm: Path) -> tuple[str, EVR]:
    """Return name and EVR of an SRPM's header. :raises InputError: it is not a readable SRPM."""
    form = "%{NAME}\n%{EPOCHNUM}\n%{VERSION}\n%{RELEASE}\n%{SOURCEPACKAGE}"
    try:
        said = sandbox.run(
            ["rpm", "-qp", "--nosignature", "--nodigest", "--qf", form, srpm.resolve()],
            read_only=[srpm.resolve()],
        )
    except ToolFailed as error:
        raise InputError(f"{srpm}: {error.output.strip()[-300:]}") from error
    name, epoch, version, release, source = said.stdout.decode("utf-8", "replace").split("\n")
    if source != "1":
        raise InputError(f"{srpm} is no SRPM")
    return name, EVR(epoch=int(epoch), version=version, release=release)


def identities(srpms: Sequence[Path]) -> list[tuple[str, EVR] | InputError]:
    """Return name and EVR of many SRPMs, in that order, in one sandbox.

    Each is read to its end, so that damage is found.
    """
    answers: list[tuple[str, EVR] | InputError] = []
    for srpm, facts in zip(srpms, SandboxedReader(jobs=1).headers(srpms), strict=True):
        if facts.error:
            answers.append(InputError(f"{srpm.name}: {facts.error}"))
        elif not facts.is_source:
            answers.append(InputError(f"{srpm.name} is no SRPM"))
        else:
            answers.append(
                (
                    facts.name,
                    EVR(epoch=facts.epoch or 0, version=facts.version, release=facts.release),
                )
            )
    return answers


def build(
    tree: Mapping[str, bytes], target: Path, work: Path, *, epoch: int, macros: Mapping[str, str]
) -> Path:
    """Build an SRPM of the tree in ``target``, reproducibly.

    The same tree, ``epoch`` (its build time) and macros give the same bytes.

    :raises InputError: rpmbuild refuses the spec, or a source is not in the tree.
    """
    try:
        _rpmbuild("-bs", tree, work, epoch=epoch, macros=macros)
        made = next((work / "SRPMS").glob("*.src.rpm"))
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(made, target / made.name))
    except ToolFailed as error:
        raise InputError(
            f"{spec_path(tree)}: no SRPM can be made of it: {error.output.strip()[-500:]}"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def prepare(srpm: Path, work: Path, *, macros: Mapping[str, str]) -> Path:
    """Return the folder that ``%prep`` leaves: archives unpacked, patches applied.

    ``work`` is a scratch folder, emptied first.

    :raises InputError: the SRPM cannot be unpacked, or its ``%prep`` fails.
    """
    tree = unpack(srpm, work)
    try:
        _rpmbuild("-bp", tree, work, epoch=0, macros=macros)
    except ToolFailed as error:
        raise InputError(
            f"{srpm.name}: its %prep does not end well: {error.output.strip()[-500:]}"
        ) from error
    return work / "BUILD"


def _rpmbuild(
    stage: str, tree: Mapping[str, bytes], work: Path, *, epoch: int, macros: Mapping[str, str]
) -> None:
    shutil.rmtree(work, ignore_errors=True)
    for path, content in tree.items():
        place = work / (
            path if "/" in path else f"{'SPECS' if path.endswith('.spec') else 'SOURCES'}/{path}"
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        os.utime(place, (epoch, epoch))
    defines = {
        "_topdir": str(sandbox.HOME), "_buildhost": "reproducible",
        "use_source_date_epoch_as_buildtime": "1", **macros,
    }  # fmt: skip
    spec = next((work / "SPECS").glob("*.spec"))
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    sandbox.run(
        ["rpmbuild", stage, "--nodeps", *words, sandbox.HOME / "SPECS" / spec.name], home=work,
        timeout=_SECONDS, env={"SOURCE_DATE_EPOCH": str(epoch)},
    )  # fmt: skip


def pack(tree: Mapping[str, bytes], *, mtime: int) -> bytes:
    """Return a tar of the tree; the same tree and ``mtime`` (seconds since 1970) give the same
    bytes.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in sorted(tree.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mtime, info.mode = len(data), mtime, 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
