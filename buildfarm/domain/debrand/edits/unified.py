"""Unified diffs applied to a source tree: exactly where they say, or not at all (no fuzz, no
offset).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import GitPatch
from buildfarm.domain.debrand.spec import split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit, Tree, decode, encode

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NOWHERE = "/dev/null"


@dataclass(slots=True)
class _FileDiff:
    """One file of a diff: its names (``/dev/null`` for none) and hunks, ``(first old line, old
    lines, new lines)``.
    """

    old: str
    new: str
    hunks: list[tuple[int, list[str], list[str]]] = field(default_factory=list)


def patch_tree(action: GitPatch, tree: Tree, where: str) -> list[str]:
    """Apply the diff; the paths that changed.

    :raises RuleDoesNotFit: a hunk does not fit, or it is no unified diff.
    """
    changed = []
    for diff in _files(decode(action.content), where):
        old, new = (
            _placed(name, strict=action.strict, where=where) for name in (diff.old, diff.new)
        )
        if old != _NOWHERE and old not in tree:
            raise RuleDoesNotFit(f"{where}: {action.name} changes {old}, which is not there")
        if old == _NOWHERE and new in tree:
            raise RuleDoesNotFit(f"{where}: {action.name} makes {new}, which is there already")
        before = decode(tree.pop(old)) if old != _NOWHERE else ""
        if new != _NOWHERE:
            tree[new] = encode(_patched(before, diff, f"{where}: {action.name}: {new}"))
        changed.append(new if new != _NOWHERE else old)
    if not changed:
        raise RuleDoesNotFit(f"{where}: {action.name} is no unified diff")
    return changed


def _placed(name: str, *, strict: bool, where: str) -> str:
    if name == _NOWHERE:
        return name
    if name.startswith("/") or ".." in name.split("/"):
        raise RuleDoesNotFit(f"{where}: {name} leaves the source tree")
    return name if strict or name.startswith(("SOURCES/", "SPECS/")) else f"SOURCES/{name}"


def _files(text: str, where: str) -> Iterator[_FileDiff]:
    lines = split_lines(text)
    current: _FileDiff | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            if current is not None:
                yield current
            current = _FileDiff(_name(line), _name(lines[at + 1]))
            at += 2
        elif current is not None and (head := _HUNK.match(line)):
            at = _hunk(current, lines, at + 1, head, where)
        else:
            at += 1
    if current is not None:
        yield current


def _name(line: str) -> str:
    name = line[4:].rstrip("\r\n").split("\t")[0].strip()
    return name if name == _NOWHERE else re.sub(r"^[abiwco]/", "", name)


def _hunk(diff: _FileDiff, lines: list[str], at: int, head: re.Match[str], where: str) -> int:
    old_left, new_left = (int(count) if count is not None else 1 for count in (head[2], head[4]))
    old: list[str] = []
    new: list[str] = []
    while (old_left or new_left) and at < len(lines):
        sign, rest = (lines[at][:1], lines[at][1:]) if lines[at] != "\n" else (" ", "\n")
        if sign not in " -+" or not sign:
            raise RuleDoesNotFit(f"{where}: line {at + 1} of the diff is no part of a hunk")
        if at + 1 < len(lines) and lines[at + 1].startswith("\\"):
            rest = rest.removesuffix("\n")
        if sign in " -":
            old.append(rest)
            old_left -= 1
        if sign in " +":
            new.append(rest)
            new_left -= 1
        at += 2 if at + 1 < len(lines) and lines[at + 1].startswith("\\") else 1
    first = int(head[1]) - (1 if old else 0)
    diff.hunks.append((first, old, new))
    return at


def _patched(text: str, diff: _FileDiff, where: str) -> str:
    lines = split_lines(text)
    for first, old, new in reversed(diff.hunks):
        here = lines[first : first + len(old)]
        if here != old:
            wrong = next(
                (a for a, b in zip(old, [*here, *[""] * len(old)], strict=False) if a != b), ""
            )
            raise RuleDoesNotFit(
                f"{where}: the hunk at line {first + 1} does not fit", hint=nearest(wrong, lines)
            )
        lines[first : first + len(old)] = new
    return "".join(lines)
