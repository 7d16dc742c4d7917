"""Patches: declared, applied the way the spec applies its others, and taken out with everything
that applies them.
"""

from __future__ import annotations

import re

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import Patch
from buildfarm.domain.debrand.sources import (
    Declared,
    absent,
    declared,
    file_name,
    present,
    wanted_number,
)
from buildfarm.domain.debrand.spec import after_conditionals, section, sections, split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit, Tree, decode, encode, source_path

_AUTO = re.compile(r"^[ \t]*%(autosetup|forgeautosetup|autopatch)\b([^\n]*)", re.MULTILINE)
_APPLIED = re.compile(
    r"^([ \t]*)%(?:\{)?patch(?:(\d+)|[ \t]+(?:[^\n]*?-P([ \t]*)(\d+)))\b", re.MULTILINE
)
_SETUP = re.compile(r"^[ \t]*%(?:forge)?setup\b")
_STRIP = re.compile(r"-p[ \t]*(\d+)")


def edit_patch(action: Patch, tree: Tree, spec: str, where: str) -> str:
    """Carry the action out and return the path of the patch.

    :raises RuleDoesNotFit: the spec is not as the action needs it.
    """
    path = source_path(tree, action.name)
    if action.op == "delete":
        present(tree, path, action.name, where)
        tree[spec] = encode(_undeclare(decode(tree[spec]), action.name, where))
        del tree[path]
        return path
    absent(tree, path, action.name, where, "delete it first, or choose another name")
    if action.declare:
        text, number = _declare(decode(tree[spec]), action, where)
        if action.apply:
            text = _apply(text, action, number, where)
        tree[spec] = encode(text)
    tree[path] = action.content
    return path


def _declare(text: str, action: Patch, where: str) -> tuple[str, int]:
    known = declared(text, "patch")
    number = wanted_number(action, known, where)
    lines = split_lines(text)
    listed = [part for part in sections(lines) if part.name == "patchlist"]
    if listed and not known:
        return _insert(
            lines, _last_content(lines, listed[0].body, listed[0].end), action.name
        ), number
    neighbours = known or declared(text, "source")
    if not neighbours:
        raise RuleDoesNotFit(
            f"{where}: the spec has neither a Patch nor a Source line to stand after"
        )
    last = neighbours[-1][1]
    at = after_conditionals(lines, text.count("\n", 0, last.start()))
    return _insert(lines, at, f"Patch{number}{_gap(last, number)}{action.name}"), number


def _gap(last: re.Match[str], number: int) -> str:
    """The colon and the blanks that put the name under the neighbour's."""
    width = len(last[1]) + len(last[2]) + len(last[3])
    if "\t" in last[3]:
        return last[3]
    return ":".ljust(max(width - len(f"Patch{number}"), 2))


def _last_content(lines: list[str], start: int, end: int) -> int:
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end


def _insert(lines: list[str], at: int, line: str) -> str:
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    return "".join([*lines[:at], f"{line}\n", *lines[at:]])


def _apply(text: str, action: Patch, number: int, where: str) -> str:
    automatic = [
        match for match in _AUTO.finditer(text) if not re.search(r"(?:^|\s)-N\b", match[2])
    ]
    if automatic:
        strip = _STRIP.search(automatic[-1][2])
        level = int(strip[1]) if strip else 0
        if level != action.strip:
            raise RuleDoesNotFit(f"{where}: %{automatic[-1][1]} applies all patches with -p{level}, the rule wants -p{action.strip}",
                                 hint=f"make the patch for strip: {level}")  # fmt: skip
        return text
    lines = split_lines(text)
    prep = section(lines, "prep", "", where)
    applied = [(n, m) for n in range(prep.body, prep.end) if (m := _APPLIED.match(lines[n]))]
    if applied:
        at, match = applied[-1]
        form = f"%patch{number}" if match[2] is not None else f"%patch -P{match[3]}{number}"
        place, indent = after_conditionals(lines, at), ""
    else:
        setups = [n for n in range(prep.body, prep.end) if _SETUP.match(lines[n])]
        if not setups:
            raise RuleDoesNotFit(f"{where}: %prep has no %setup, %autosetup or %patch to stand after",
                                 hint="say apply: none and insert the command yourself")  # fmt: skip
        place, form, indent = after_conditionals(lines, setups[-1]), f"%patch -P {number}", ""
    backup = f" -b .{action.name.rpartition('.')[0] or action.name}" if action.backup else ""
    return _insert(lines, place, f"{indent}{form} -p{action.strip}{backup}")


def _undeclare(text: str, name: str, where: str) -> str:
    known: Declared = declared(text, "patch")
    mine = [(number, match) for number, match in known if file_name(match) == name]
    if not mine:
        lines = split_lines(text)
        for part in sections(lines):
            for at in range(part.body, part.end) if part.name == "patchlist" else ():
                if lines[at].strip() == name:
                    return "".join([*lines[:at], *lines[at + 1 :]])
        raise RuleDoesNotFit(
            f"{where}: no Patch line names {name}", hint=nearest(name, (m[0] for _, m in known))
        )
    number, match = mine[0]
    if not match[2] and any(not other[2] for _, other in known if other.start() > match.start()):
        uses = list(_APPLIED.finditer(text))
        if uses:
            raise RuleDoesNotFit(
                f"{where}: the patches have no numbers, and those after {name} are applied by "
                "number"
            )
    rest = text[: match.start()] + text[match.end() :]
    apply_line = rf"^[ \t]*%\{{?patch(?:0*{number}\b|[ \t][^\n]*-P[ \t]*0*{number}\b)[^\n]*\n"
    rest = re.sub(apply_line, "", rest, flags=re.MULTILINE)
    used = re.search(
        rf"%\{{?\??(?:PATCH{number}|P:{number})(?![0-9])|%autopatch[^\n]*\s{number}(?![0-9])", rest
    )
    if used is not None:
        raise RuleDoesNotFit(
            f"{where}: patch {name} is still used as {used[0]}", hint="replace that line too"
        )
    return rest
