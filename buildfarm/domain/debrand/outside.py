"""Work outside pure functions that a rule needs: rpm's evaluation of a spec, archives, scripts.

Each runs in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from buildfarm.domain.core.nevra import EVR
from buildfarm.domain.debrand.rule import ArchiveEdit, Script
from buildfarm.domain.debrand.tree import Tree
from buildfarm.errors import InputError


class Outside(Protocol):
    """The three kinds of work that no pure function can do."""

    def evaluate(self, tree: Mapping[str, bytes], macros: Mapping[str, str]) -> EVR:
        """Return what rpm makes of Epoch, Version and Release of the tree's spec with ``macros``
        and no dist tag.

        :raises RuleDoesNotFit: rpm cannot parse the spec.
        """

    def edit_archive(
        self, name: str, data: bytes, edit: ArchiveEdit, *, mtime: int
    ) -> tuple[bytes, tuple[tuple[str, int], ...]]:
        """The archive rebuilt with the edit, and ``(member, places)`` of what changed; members that
        changed get ``mtime``.

        :raises RuleDoesNotFit: a glob names no member, or another count of places.
        """

    def run_script(self, script: Script, tree: Mapping[str, bytes], *, epoch: int) -> Tree:
        """The tree after the script. :raises RuleDoesNotFit: it failed."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Refuses all of them: for rules that only edit text."""

    def evaluate(self, tree: Mapping[str, bytes], macros: Mapping[str, str]) -> EVR:  # noqa: ARG002
        """Refuse."""
        raise InputError(
            "the rule needs rpm's view of the spec, which is only to be had in the sandbox"
        )

    def edit_archive(  # noqa: D102
        self, name: str, data: bytes, edit: ArchiveEdit, *, mtime: int  # noqa: ARG002
    ) -> tuple[bytes, tuple[tuple[str, int], ...]]:  # fmt: skip
        raise InputError(f"{name}: archives are only edited in the sandbox")

    def run_script(self, script: Script, tree: Mapping[str, bytes], *, epoch: int) -> Tree:  # noqa: ARG002
        """Refuse."""
        raise InputError(f"{script.name}: scripts only run in the sandbox")
