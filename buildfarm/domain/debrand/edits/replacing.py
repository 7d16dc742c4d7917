"""Replacing text: exactly as often as the rule says, or line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import ANY, Lines, Replace
from buildfarm.domain.debrand.spec import ended, split_lines
from buildfarm.domain.debrand.tree import (
    RuleDoesNotFit,
    Tree,
    decode,
    encode,
    matching,
    source_names,
)

Changed = tuple[tuple[str, int], ...]
"""``(path, number of places)`` of each file that changed."""


def replace(action: Replace, tree: Tree, where: str) -> Changed:
    """Replace in every file the action names; the count is over all of them."""
    paths = _paths(action.where, tree, where)
    texts = {path: decode(tree[path]) for path in paths}
    results, changed = replaced(action, texts, where)
    tree.update({path: encode(text) for path, text in results.items()})
    return changed


def replaced(
    action: Replace, texts: Mapping[str, str], where: str
) -> tuple[dict[str, str], Changed]:
    """The texts that change, by name, and how often.

    :raises RuleDoesNotFit: another count than the action's.
    """
    results: dict[str, str] = {}
    changed: list[tuple[str, int]] = []
    for name, text in texts.items():
        try:
            new, count = _substitute(action, text)
        except (re.error, IndexError) as error:  # IndexError: an unknown group in `with` (re.sub)
            raise RuleDoesNotFit(
                f"{where}: {action.find!r} with {action.new!r}: {error}"
            ) from error
        if count:
            changed.append((name, count))
            results[name] = new
    total = sum(count for _, count in changed)
    if total != action.count and not (action.count == ANY and total):
        wanted = "at least 1" if action.count == ANY else action.count
        raise RuleDoesNotFit(
            f"{where}: {action.find!r} was found {total} times in {', '.join(texts)}, expected "
            f"were {wanted}",
            hint=nearest(
                action.find, (line for text in texts.values() for line in split_lines(text))
            ),
        )
    return results, tuple(changed)


def _paths(pattern: str, tree: Mapping[str, bytes], where: str) -> list[str]:
    paths = matching(tree, pattern)
    if not paths:
        there = ", ".join(source_names(tree))
        raise RuleDoesNotFit(f"{where}: no source matches {pattern!r}", hint=f"there are: {there}")
    return paths


def _substitute(action: Replace, text: str) -> tuple[str, int]:
    if action.regex:
        return re.subn(action.find, action.new, text, flags=re.MULTILINE)
    return text.replace(action.find, action.new), text.count(action.find)


def edit_lines(action: Lines, tree: Tree, where: str) -> Changed:
    """Replace or delete lines in every file the action names; each file must have one place at
    least.
    """
    paths = _paths(action.where, tree, where)
    changed = []
    for path in paths[:1] if action.first_file else paths:
        lines = [line.removesuffix("\n") for line in split_lines(decode(tree[path]))]
        count = _edit(action, lines, is_spec=action.where == "spec")
        if not count:
            raise RuleDoesNotFit(
                f"{where}: {action.find!r} is nowhere in {path}", hint=nearest(action.find, lines)
            )
        ending = "\n" if tree[path].endswith(b"\n") else ""
        tree[path] = encode("\n".join(lines) + ending)
        changed.append((path, count))
    return tuple(changed)


def _edit(action: Lines, lines: list[str], *, is_spec: bool) -> int:
    """Edit ``lines`` in place and return how many places were changed.

    In a spec, %changelog ends the search.
    """
    find = action.find.splitlines() if "\n" in action.find else [action.find]
    new = (
        None
        if action.new is None
        else (action.new.splitlines() if "\n" in action.new else [action.new])
    )
    count, at = 0, 0
    while at < len(lines):
        if is_spec and lines[at].strip("\n \t") == "%changelog":
            break
        left = action.most - count if action.most != ANY else len(lines[at]) + 1
        if not (is_spec and lines[at].startswith("#") and not find[0].startswith("#")):
            if len(find) > 1:
                done, step = _block(lines, at, find, new, left)
            elif action.regex:
                done, step = _pattern(lines, at, find[0], new, first_only=action.most != ANY)
            else:
                done, step = _part(lines, at, find[0], new, left)
            count += done
            at += step
        else:
            at += 1
    return count


def _block(
    lines: list[str], at: int, find: Sequence[str], new: Sequence[str] | None, left: int
) -> tuple[int, int]:
    """A block of whole lines; what takes its place gets the first line's indentation.

    ``(changed, lines to go on)``.
    """
    here = [line.lstrip() for line in lines[at : at + len(find)]]
    if here != [line.lstrip() for line in find] or left < 1:
        return 0, 1
    indent = _indent(lines[at])
    lines[at : at + len(find)] = [indent + line for line in new or ()]
    return 1, len(new or ())


def _pattern(
    lines: list[str], at: int, find: str, new: Sequence[str] | None, *, first_only: bool
) -> tuple[int, int]:
    """A regular expression inside one line, once or everywhere in it."""
    lines[at], count = re.subn(find, "\n".join(new or ()), lines[at], count=int(first_only))
    return min(count, 1), 1


def _part(
    lines: list[str], at: int, find: str, new: Sequence[str] | None, left: int
) -> tuple[int, int]:
    """A text inside one line, as often as it stood there at first; a line is deleted only if it is
    that and no more.

    Further lines of the replacement get the indentation of the line, unless it is the whole line.
    """
    if new is None:
        if lines[at].strip() != find:
            return 0, 1
        del lines[at]
        return 1, 0
    count = min(lines[at].count(find), left)
    for _ in range(count):
        indent = "" if lines[at] == find else _indent(lines[at])
        text = "\n".join([new[0], *(indent + line if line.strip() else line for line in new[1:])])
        lines[at] = lines[at].replace(find, text, 1)
    return count, 1


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def wrap(text: str, lines: str, condition: str, where: str) -> str:
    """Return ``text`` with ``%if condition`` and ``%endif`` around the only place of the block
    ``lines``.
    """
    block = ended(lines)
    whole = "\n" + text
    if (count := whole.count("\n" + block)) != 1:
        raise RuleDoesNotFit(
            f"{where}: the lines {lines!r} stand {count} times, expected was 1",
            hint=nearest(lines, split_lines(text)),
        )
    return whole.replace("\n" + block, f"\n%if {condition}\n{block}%endif\n").removeprefix("\n")
