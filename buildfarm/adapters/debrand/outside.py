"""Tools for debrand rules, each in the sandbox: rpm's view of a spec, archive edits, scripts."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from buildfarm.adapters.system import sandbox
from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.rule import ArchiveEdit, Script
from buildfarm.domain.debrand.tree import RuleDoesNotFit, Tree, spec_path
from buildfarm.errors import ToolFailed

_SECONDS = 120.0
_ARCHIVE_SECONDS = 600.0
_STAND_INS: Mapping[str, str] = {
    "__python": "/usr/bin/python3", "__python3": "/usr/bin/python3",
    "ldconfig_scriptlets(n:)": "%{nil}", "forgemeta": "%{nil}", "gometa": "%{nil}",
    "efi_has_alt_arch": "0", "dist": "%{nil}",
}  # fmt: skip
"""Macros of EL's macro packages that specs use in their preamble, defined as empty.

Epoch, Version and Release do not depend on them.
"""


class SandboxedOutside:
    """Runs the tools; ``work`` is a scratch folder that is left empty."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def evaluate(self, tree: Mapping[str, bytes], macros: Mapping[str, str]) -> EVR:
        """Return the EVR from ``rpmspec --parse``. :raises RuleDoesNotFit: it cannot parse the
        spec.
        """
        with self._written(tree) as folder:
            spec = folder / spec_path(tree)
            sources = folder / "SOURCES" if spec.parent.name == "SPECS" else spec.parent
            defines = [
                word
                for name, value in {**_STAND_INS, **macros, "_sourcedir": str(sources)}.items()
                for word in ("--define", f"{name} {value}")
            ]
            try:
                said = sandbox.run(
                    ["rpmspec", "--parse", spec, *defines], read_only=[folder], timeout=_SECONDS
                )
            except ToolFailed as error:
                reason = error.output.strip()[-300:]
                raise RuleDoesNotFit(
                    f"{spec_path(tree)}: rpm cannot parse the spec: {reason}"
                ) from error
        return _evr(said.stdout.decode("utf-8", "replace"), spec_path(tree))

    def edit_archive(
        self, name: str, data: bytes, edit: ArchiveEdit, *, mtime: int
    ) -> tuple[bytes, tuple[tuple[str, int], ...]]:
        """Edit an archive with :mod:`buildfarm.adapters.debrand.archive_edit` in the sandbox.

        :raises RuleDoesNotFit: the edit was refused.
        """
        with self._folder() as folder:
            before, after, order = folder / "before", folder / "after", folder / "order.json"
            before.write_bytes(data)
            order.write_text(
                json.dumps({"name": name, "mtime": mtime, "edit": asdict(edit)}), encoding="utf-8"
            )
            done = sandbox.python(
                "buildfarm.adapters.debrand.archive_edit", order, before, after, writable=[folder],
                timeout=_ARCHIVE_SECONDS, ok=(0, 1),
            )  # fmt: skip
            said = json.loads(done.stdout)
            if "refused" in said:
                raise RuleDoesNotFit(said["refused"], hint=said.get("hint", ""))
            return after.read_bytes(), tuple((member, count) for member, count in said["changed"])

    def run_script(self, script: Script, tree: Mapping[str, bytes], *, epoch: int) -> Tree:
        """Run ``bash`` on the tree, in the tree or in the rule's folder, without network.

        :raises RuleDoesNotFit: it failed, or left anything but plain files.
        """
        with self._written(tree) as folder, self._folder() as beside:
            for name, content in {script.name: script.content, **script.files}.items():
                place = beside / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            try:
                sandbox.run(
                    ["bash", beside / script.name], writable=[folder, beside], timeout=_SECONDS,
                    chdir=folder if script.cwd == "tree" else beside,
                    env={"SOURCE_DATE_EPOCH": str(epoch)},
                )  # fmt: skip
            except ToolFailed as error:
                raise RuleDoesNotFit(
                    f"script {script.name} failed: {error.output.strip()[-300:]}"
                ) from error
            return _read(folder, script.name)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        self._work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._work))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _written(self, tree: Mapping[str, bytes]) -> Iterator[Path]:
        with self._folder() as folder:
            for path, content in tree.items():
                place = folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            yield folder


def _evr(parsed: str, spec: str) -> EVR:
    found: dict[str, str] = {}
    for line in parsed.splitlines():
        name, colon, value = line.partition(":")
        if colon and name in ("Epoch", "Version", "Release") and value.split():
            found.setdefault(name, value.split()[-1])
    if "Version" not in found or "Release" not in found:
        raise RuleDoesNotFit(f"{spec}: rpm finds no Version and Release in the spec")
    return EVR(
        epoch=int(found.get("Epoch", "0")), version=found["Version"], release=found["Release"]
    )


def _read(folder: Path, script: str) -> Tree:
    """Read the files; links inside the tree are followed, and broken ones are dropped."""
    tree: Tree = {}
    for place in sorted(folder.rglob("*")):
        inside = place.resolve().is_relative_to(folder.resolve())
        if not inside or not (place.is_file() or place.is_dir() or place.is_symlink()):
            raise RuleDoesNotFit(
                f"script {script} left {place.relative_to(folder)}, "
                "which is no plain file of the tree"
            )
        if place.is_file():
            tree[place.relative_to(folder).as_posix()] = place.read_bytes()
    return tree
