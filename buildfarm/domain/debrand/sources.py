"""Source files and their Source lines: added, replaced, deleted; a file and its line go
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import Patch, SourceFile
from buildfarm.domain.debrand.tree import (
    RuleDoesNotFit,
    Tree,
    decode,
    encode,
    matching,
    source_names,
    source_path,
)

_LINE = re.compile(
    r"^(Source|Patch)(\d*)([ \t]*:[ \t]*)(\S+)[^\n]*(?:\n|\Z)", re.MULTILINE | re.IGNORECASE
)
Declared = list[tuple[int, re.Match[str]]]


def declared(text: str, kind: str) -> Declared:
    """Every Source (or Patch) line with its number; an unnumbered one counts on (rpm manual,
    "Sources").

    ``kind`` is ``source`` or ``patch``.
    """
    found: Declared = []
    for match in _LINE.finditer(text):
        if match[1].lower() == kind:
            found.append((int(match[2]) if match[2] else (found[-1][0] + 1 if found else 0), match))
    return found


def file_name(match: re.Match[str]) -> str:
    """The file a Source or Patch line names: what follows the last slash of a URL."""
    return match[4].rpartition("/")[2]


def edit_source(action: SourceFile, tree: Tree, spec: str, where: str) -> str:
    """Carry the action out and return the path of its file.

    :raises RuleDoesNotFit: file or line are not as it says.
    """
    path = source_path(tree, action.name)
    if action.op == "put":
        tree[path] = action.content
        return path
    if action.op == "add":
        absent(tree, path, action.name, where)
        if action.declare:
            tree[spec] = encode(_declare(decode(tree[spec]), action, where))
        tree[path] = action.content
        return path
    if action.op == "delete":
        return _delete(action, tree, spec, where)
    present(tree, path, action.name, where)
    if not action.rename:
        tree[path] = action.content
        return path
    renamed = source_path(tree, action.rename)
    absent(tree, renamed, action.rename, where, "choose another name")
    if action.declare:
        tree[spec] = encode(_rename(decode(tree[spec]), action.name, action.rename, where))
    del tree[path]
    tree[renamed] = action.content
    return path


def absent(tree: Tree, path: str, name: str, where: str, hint: str = "use op: replace") -> None:
    """:raises RuleDoesNotFit: the file is there."""
    if path in tree:
        raise RuleDoesNotFit(f"{where}: source {name} is there already", hint=hint)


def present(tree: Tree, path: str, name: str, where: str) -> None:
    """:raises RuleDoesNotFit: the file is not there."""
    if path not in tree:
        raise RuleDoesNotFit(
            f"{where}: no source {name}", hint=f"there are: {', '.join(source_names(tree))}"
        )


def _declare(text: str, action: SourceFile, where: str) -> str:
    known = declared(text, "source")
    if not known:
        raise RuleDoesNotFit(f"{where}: the spec has no Source line to stand after")
    number = wanted_number(action, known, where)
    _, last = known[-1]
    return insert_line(text, last, f"Source{number}{last[3]}{action.name}\n")


def wanted_number(action: SourceFile | Patch, known: Declared, where: str) -> int:
    """The number a new line gets: the wanted one, or the next.

    :raises RuleDoesNotFit: it is taken.
    """
    taken = {number for number, _ in known}
    if action.number in taken and action.number:
        raise RuleDoesNotFit(
            f"{where}: number {action.number} is taken",
            hint=f"the next free one is {max(taken) + 1}",
        )
    return action.number or max(taken, default=-1) + 1


def insert_line(text: str, after: re.Match[str], line: str) -> str:
    """Return ``text`` with a line after the one that matched."""
    head = text[: after.end()]
    return (head if head.endswith("\n") else f"{head}\n") + line + text[after.end() :]


def _rename(text: str, name: str, new: str, where: str) -> str:
    for _, match in declared(text, "source"):
        if file_name(match) == name:
            return f"{text[: match.start(4)]}{new}{text[match.end(4) :]}"
    raise RuleDoesNotFit(f"{where}: no Source line names {name}")


def _delete(action: SourceFile, tree: Tree, spec: str, where: str) -> str:
    if not action.declare:
        found = matching(tree, action.name)
        if found:
            del tree[found[0]]
            return found[0]
        return _forget(action.name, tree, where)
    path = source_path(tree, action.name)
    present(tree, path, action.name, where)
    tree[spec] = encode(_undeclare(decode(tree[spec]), action.name, where))
    del tree[path]
    return path


def _undeclare(text: str, name: str, where: str) -> str:
    for number, match in declared(text, "source"):
        if file_name(match) == name:
            rest = text[: match.start()] + text[match.end() :]
            used = re.search(rf"%\{{?\??(SOURCE{number}|S:{number})(?![0-9])", rest)
            if used is not None:
                raise RuleDoesNotFit(
                    f"{where}: source {name} is still used as {used[0]}",
                    hint="replace that line too",
                )
            return rest
    raise RuleDoesNotFit(
        f"{where}: no Source line names {name}",
        hint=nearest(name, (m[0] for _, m in declared(text, "source"))),
    )


def lookaside_lists(tree: Tree) -> Iterator[str]:
    """The files of a dist-git tree that name what lies in the lookaside cache."""
    for path in sorted(tree):
        if path == "sources" or (
            "/" not in path and path.startswith(".") and path.endswith(".metadata")
        ):
            yield path


def _forget(name: str, tree: Tree, where: str) -> str:
    """Take ``name`` out of the list of what lies in the lookaside cache."""
    line = re.compile(
        rf"^(?:SHA512 \({re.escape(name)}\)|[0-9a-f]{{32,128}} +(?:SOURCES/)?{re.escape(name)}(?=\n|\Z))[^\n]*\n?",
        re.MULTILINE,
    )
    for path in lookaside_lists(tree):
        text, count = line.subn("", decode(tree[path]), count=1)
        if count:
            tree[path] = encode(text)
            return path
    raise RuleDoesNotFit(
        f"{where}: no source {name}", hint=f"there are: {', '.join(source_names(tree))}"
    )
