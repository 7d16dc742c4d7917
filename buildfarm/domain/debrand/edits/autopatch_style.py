"""Positions at which AlmaLinux's autopatch-tool puts new lines: a source or patch, its application,
a section.

Its rules carry over byte for byte only if the positions are the same, odd ones included. The tool
reads the spec from its end; so does this module, on the lines in reverse order: inserting before an
index there means standing after that line here. Source: autopatch-tool ``docs/configuration.md``
(add_files) and the behaviour of its ``add_files`` action.
"""

from __future__ import annotations

import re

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import Patch, SectionEdit, SourceFile
from buildfarm.domain.debrand.sources import absent
from buildfarm.domain.debrand.spec import PREAMBLE, ended, split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit, Tree, decode, encode, source_path

_BLOCK_END = re.compile(r"%endif\b|popd\b")
_BLOCK_START = re.compile(r"%i|push")
_AUTOMATIC = ("%autosetup", "%forgeautosetup", "%autopatch")
_FORMS = (
    (re.compile(r"%patch[0-9]{1,5}"), "%patch{number} -p1"),
    (re.compile(r"%patch\s+-P\s+[0-9]{1,5}"), "%patch -P {number} -p1"),
    (re.compile(r"%patch\s+-P[0-9]{1,5}"), "%patch -P{number} -p1"),
    (re.compile(r"%patch\s+-P\s+-p"), "%patch -P {number} -p1"),
    (re.compile(r"ApplyOptionalPatch|ApplyPatch"), "ApplyPatch {stem}.patch"),
)


def add(action: SourceFile | Patch, tree: Tree, spec: str, *, source: str, where: str) -> str:
    """Declare (and apply) the file the way the tool does, and return its path.

    ``source`` is the source's name: the kernel's spec applies its patches with a shell function.

    :raises RuleDoesNotFit: the file is there, its number is taken, or no place was found.
    """
    path = source_path(tree, action.name)
    absent(tree, path, action.name, where)
    if action.declare:
        is_patch = isinstance(action, Patch)
        lists = (
            sorted((p for p in tree if p.endswith(".patches")), key=lambda p: (p.count("/"), p))
            if is_patch
            else []
        )
        target = lists[0] if lists else spec
        lines = [line.removesuffix("\n") for line in split_lines(decode(tree[target]))]
        _declare(
            action,
            lines,
            "Patch" if is_patch else "Source",
            source=source,
            listed=bool(lists),
            where=where,
        )
        tree[target] = encode("".join(f"{line}\n" for line in lines))
    tree[path] = action.content
    return path


def _declare(
    action: SourceFile | Patch,
    lines: list[str],
    kind: str,
    *,
    source: str,
    listed: bool,
    where: str,
) -> None:
    lines.reverse()
    last, at, unnumbered = _last(lines, kind, where)
    if action.comment and not _has(lines, rf"# {re.escape(action.comment)} {kind}*$"):
        lines.insert(at, f"\n# {action.comment} {kind}")
    number = ""
    if not unnumbered:
        number = str(action.number or last + 1)
        if action.number and _has(lines, rf"Patch0*{action.number}:"):
            raise RuleDoesNotFit(f"{where}: number {action.number} is taken")
    lines.insert(at, f"{kind}{number}: {action.name}")
    if isinstance(action, Patch) and action.apply and not listed:
        _apply(action, lines, number, source=source, where=where)
    lines.reverse()


def _has(lines: list[str], pattern: str) -> bool:
    return any(re.match(pattern, line, re.IGNORECASE) for line in lines)


def _last(lines: list[str], kind: str, where: str) -> tuple[int, int, bool]:
    """Return ``(number, index, whether it has no number)`` of the last directive; behind a
    conditional block if it is in one.
    """
    inside, block_end = False, None
    for at, line in enumerate(lines):
        if _BLOCK_END.match(line):
            inside, block_end = True, at - 1
        elif inside and _BLOCK_START.match(line):
            inside = False
        found = re.match(rf"{kind}([0-9]*):", line)
        if found is not None:
            place = block_end if inside and block_end is not None else at
            return int(found[1] or 0), place, not found[1]
    if kind == "Patch":
        return _last(lines, "Source", where)
    raise RuleDoesNotFit(f"{where}: the spec has no {kind} line to stand after")


def _form(line: str) -> str:
    return next((form for pattern, form in _FORMS if pattern.match(line.strip())), "")


def _apply(action: Patch, lines: list[str], number: str, *, source: str, where: str) -> None:
    stem = "".join(action.name.split(".")[:-1])
    if source == "kernel":
        form = _FORMS[-1][1]
    elif any(word in line for line in lines for word in _AUTOMATIC):
        return
    else:
        form = next((form for line in lines if (form := _form(line))), "")
    at = _place(lines)
    if at is None:
        at = next((n for n, line in enumerate(lines) if re.match(r"%setup\b", line)), None)
        if at is None:
            raise RuleDoesNotFit(
                f"{where}: no place to apply {action.name}",
                hint="%prep has neither %patch nor %setup",
            )
        form = "%patch -P {number} -p1"
    if not form:
        raise RuleDoesNotFit(f"{where}: the way this spec applies patches is not known")
    if action.comment and not _has(lines, rf"# Applying {re.escape(action.comment)} Patch*$"):
        lines.insert(at, f"\n# Applying {action.comment} Patch")
    backup = f" -b .{stem}" if action.backup and not form.startswith("Apply") else ""
    lines.insert(at, form.format(number=number, stem=stem) + backup)


def _place(lines: list[str]) -> int | None:
    """Return the index after the last line that applies a patch, or after the block of that
    line.
    """
    inside, block_end, applied = False, None, None
    for at, line in enumerate(lines):
        if applied is None and _BLOCK_END.match(line):
            inside, block_end = True, at
        elif inside and _BLOCK_START.match(line):
            inside = False
            if applied is None:
                block_end = None
        if applied is None and _form(line):
            applied = at
    return block_end if block_end is not None else applied


_BOUNDARIES = (
    "%description", "%prep", "%build", "%install", "%check", "%clean", "%files", "%changelog",
    "%pre", "%post", "%preun", "%postun", "%package", "%triggerin", "%triggerun", "%triggerpostun",
    "%verifyscript", "%pretrans", "%posttrans",
)  # fmt: skip
"""A line that begins so ends a section, whatever follows: ``%preun`` ends one as ``%pre``, and so
does ``%build_it``.
"""
_NAMING = ("%files", "%description", "%pre", "%post", "%preun", "%postun")
"""Sections whose own line names the sub-package; of others the last ``%package`` above it
counts.
"""


def add_to_section(text: str, action: SectionEdit, where: str) -> str:
    """Return ``text`` with the lines, and a blank one, after the section's first line or at its
    end.

    :raises RuleDoesNotFit: there is no such section.
    """
    lines = split_lines(text)
    clean = [line.strip() for line in lines]
    if action.section == PREAMBLE:
        start = _preamble(clean, action.of)
        begin = None if start is None else start + bool(action.of)
    else:
        start = _section(clean, action.section, action.of)
        begin = None if start is None else start + 1
    if start is None or begin is None:
        which = f"{action.section} of {action.of}" if action.of else action.section
        raise RuleDoesNotFit(
            f"{where}: the spec has no {which}",
            hint=nearest(f"{action.section} {action.of}", lines),
        )
    end = next(
        (at for at in range(begin, len(clean)) if clean[at].startswith(_BOUNDARIES)), len(clean)
    )
    at = begin if action.at == "start" else end
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    return "".join([*lines[:at], ended(action.insert), "\n", *lines[at:]])


def _preamble(clean: list[str], of: str) -> int | None:
    if not of:
        return 0
    heads = (f"%package {of}", f"%package -n {of}")
    return next((at for at, line in enumerate(clean) if line.startswith(heads)), None)


def _section(clean: list[str], name: str, of: str) -> int | None:
    current = ""
    for at, line in enumerate(clean):
        if line.startswith("%package"):
            current = _named(line)
        if (
            line.startswith(name)
            and (_named(line) if name in _NAMING else (current if of else "")) == of
        ):
            return at
    return None


def _named(line: str) -> str:
    words = line.split()
    if words[2:] and words[1] == "-n":
        return words[2]
    return words[1] if words[1:] else ""
