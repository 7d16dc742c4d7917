"""Inside the sandbox: facts that need the files of both sides.

See :mod:`buildfarm.domain.compare.contents.both_sides`. Files are extracted from the RPMs into the
sandbox's work folder under our own names: a path in a payload is never a path here.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from buildfarm.adapters.compare.rpm_facts.elf import elf, elf_image, elf_notes
from buildfarm.adapters.compare.rpm_facts.elf.build_times import BuildTimes
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import ElfError
from buildfarm.adapters.compare.rpm_facts.elf.functions import Room
from buildfarm.adapters.compare.rpm_facts.headers import plain
from buildfarm.adapters.compare.rpm_facts.payload import build_time, files
from buildfarm.adapters.system import process
from buildfarm.adapters.system.process import MEBIBYTE
from buildfarm.adapters.system.rpm_bindings import rpm
from buildfarm.domain.compare.facts.content_facts import AbiFacts, CodePair

_MAX_FILE, _MAX_DEBUG = 96 * MEBIBYTE, 1024 * MEBIBYTE
_DEBUG_ROOT = "/usr/lib/debug/"
_DWZ = "/usr/lib/debug/.dwz/"
_ABIDIFF_SECONDS = 120.0
_SUPPRESSIONS = "".join(
    f"[suppress_{what}]\nchange_kind = {change}-{what}\nsymbol_name_regexp = .*\n"
    for what in ("function", "variable")
    for change in ("added", "deleted")
)
"""Added and removed symbols belong to the ELF layer, which tells weak templates from interface."""
_MAX_REPORT = 8_000
_DAMAGED = (rpm.error, OSError, ValueError, struct.error, MemoryError)


def answers(requests: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows ``{"path", "code", "abi"}`` for each :class:`PairRequest` as a
    dict.

    ``path`` is the new side's.
    """
    for request in requests:
        work = Path(tempfile.mkdtemp(prefix="pair-"))
        try:
            yield _answer(request, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _answer(request: dict[str, Any], work: Path) -> list[dict[str, Any]]:
    code, abi = ([tuple(pair) for pair in request[name]] for name in ("code", "abi"))
    pairs = list(dict.fromkeys([*code, *abi]))
    found = [
        _extracted(request[side], {pair[at] for pair in pairs}, work / side)
        for at, side in enumerate(("old", "new"))
    ]
    debug = _Debuginfo(request, work)
    abi = abi if shutil.which("abidiff") else []
    times = BuildTimes(old=build_time(request["old"]), new=build_time(request["new"]))
    there = [pair for pair in pairs if pair[0] in found[0] and pair[1] in found[1]]

    def ask(pair: tuple[str, str]) -> AbiFacts | None:
        return debug.compare(found[0][pair[0]], found[1][pair[1]]) if pair in abi else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(ask, there))
    rows = []
    room = Room()
    for (old, new), answer in zip(there, said, strict=True):
        one, two = found[0][old], found[1][new]
        facts = _code(one, two, debug, times, room) if (old, new) in code else None
        rows.append(
            {"path": new, "code": facts and asdict(facts), "abi": answer and asdict(answer)}
        )
    return rows


def _code(
    old: Path, new: Path, debug: _Debuginfo, times: BuildTimes, room: Room
) -> CodePair | None:
    from buildfarm.adapters.compare.rpm_facts.elf import code_pair  # noqa: PLC0415  # capstone takes long to import, and few ask

    sides = old.read_bytes(), new.read_bytes()
    try:
        return code_pair.compare(*sides, debug.of(*sides), times, room)
    except (ElfError, struct.error, IndexError, OverflowError):  # reported by the content facts
        return None


def _extracted(archive: str, wanted: set[str], folder: Path) -> dict[str, Path]:
    """Extract the wanted files, written under numbers; return them by their path in the RPM."""
    folder.mkdir()
    found: dict[str, Path] = {}
    for names, size, read in files(archive):
        chosen = names & wanted
        if chosen and size <= _MAX_FILE:
            place = folder / str(len(found))
            place.write_bytes(read())
            found.update(dict.fromkeys(chosen, place))
        if len(found) == len(wanted):
            break
    return found


class _Debuginfo:
    """The debuginfo of both sides, as folders for abidiff.

    They hold ``.build-id/xx/y….debug`` and dwz's common files.
    """

    def __init__(self, request: dict[str, Any], work: Path) -> None:
        self._error = ""
        self._suppressions = work / "suppressions"
        self._suppressions.write_text(_SUPPRESSIONS, encoding="ascii")
        self._roots: list[Path] = []
        for side in ("old", "new"):
            root = work / f"{side}-debug"
            root.mkdir()
            self._roots.append(root)
            try:
                if request[f"{side}_debug"]:
                    _unpack(request[f"{side}_debug"], root)
            except _DAMAGED as error:
                self._error = plain(f"{side} debuginfo cannot be read: {error}")

    def of(self, old: bytes, new: bytes) -> tuple[bytes, bytes]:
        """Return the debuginfo files of two files; empty where there is none."""
        one, two = (
            place.read_bytes() if (place := _place(root, _build_id(data))).is_file() else b""
            for data, root in zip((old, new), self._roots, strict=True)
        )
        return one, two

    def compare(self, old: Path, new: Path) -> AbiFacts | None:
        """Run abidiff on two libraries; return ``None`` if a side has no debuginfo."""
        if self._error:
            return AbiFacts(status=None, error=self._error)
        if not all(
            _has_debuginfo(file, root) for file, root in zip((old, new), self._roots, strict=True)
        ):
            return None
        roots = [
            word
            for option, root in zip(("--d1", "--d2"), self._roots, strict=True)
            for word in (option, root)
        ]
        done = process.run(
            [
                "abidiff", "--no-default-suppression", "--suppressions", self._suppressions, *roots,
                old, new,
            ],
            timeout=_ABIDIFF_SECONDS,
            ok=None,
            max_output=MEBIBYTE,
        )  # fmt: skip
        report = plain(done.text)[:_MAX_REPORT]
        if done.returncode < 0 or done.stopped or done.returncode >= 128:  # noqa: PLR2004 -- a signal
            return AbiFacts(
                status=None,
                report=report,
                error=done.stopped or f"abidiff crashed ({done.returncode})",
            )
        return AbiFacts(status=done.returncode, report=report, error=plain(done.error_text)[:300])


def _unpack(archive: str, root: Path) -> None:
    room = _MAX_DEBUG
    for names, size, read in files(archive):
        name = min(names)
        if not name.startswith(_DEBUG_ROOT) or size > room:
            continue
        room -= size
        if name.startswith(_DWZ):
            place = root / ".dwz" / Path(name).name
        else:
            data = read()
            identity = _build_id(data)
            if not identity:
                continue
            place = _place(root, identity)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(read() if name.startswith(_DWZ) else data)


def _build_id(data: bytes) -> str:
    try:
        return elf_notes.build_id(elf_image.parse(data)) if data.startswith(elf_image.MAGIC) else ""
    except (ElfError, struct.error, IndexError, OverflowError):
        return ""


def _has_debuginfo(file: Path, root: Path) -> bool:
    """Check for debuginfo in the file, or under its build-id; False for what is not an ELF file."""
    data = file.read_bytes()
    try:
        if elf.read(data).debuginfo:
            return True
    except ElfError:
        return False
    identity = _build_id(data)
    return bool(identity) and _place(root, identity).exists()


def _place(root: Path, identity: str) -> Path:
    return root / ".build-id" / identity[:2] / f"{identity[2:]}.debug"
