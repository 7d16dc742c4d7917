"""Edits of a spec by its structure: sections, tags of a preamble, macros and build conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.rule import Macro, SectionEdit, Tags
from buildfarm.domain.debrand.spec import PREAMBLE, Section, ended, section, split_lines
from buildfarm.domain.debrand.tree import RuleDoesNotFit

_TAG = re.compile(r"([A-Za-z][A-Za-z0-9]*)(\([^)\n]*\))?([ \t]*:[ \t]*)([^\n]*?)([ \t]*\r?\n?)")


def edit_section(text: str, action: SectionEdit, where: str) -> str:
    """Return ``text`` with the section changed.

    :raises RuleDoesNotFit: no such section, or another count of what is deleted.
    """
    lines = split_lines(text)
    part = section(lines, action.section, action.of, where)
    if action.remove:
        if part.name == PREAMBLE and not part.of:
            raise RuleDoesNotFit(f"{where}: a spec cannot be without its preamble")
        return "".join([*lines[: part.start], *lines[part.end :]])
    if action.delete:
        body = "".join(lines[part.body : part.end])
        if (count := body.count(action.delete)) != action.count:
            raise RuleDoesNotFit(
                f"{where}: {action.delete!r} was found {count} times in {_called(part)}, expected "
                f"were {action.count}",
                hint=nearest(action.delete, lines[part.body : part.end]),
            )
        lines[part.body : part.end] = [body.replace(action.delete, "")]
        return "".join(lines)
    at = _place(lines, part, action.at)
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    return "".join([*lines[:at], ended(action.insert), *lines[at:]])


def _place(lines: list[str], part: Section, at: str) -> int:
    if at == "start":
        return part.body
    place = part.end
    while at == "end" and place > part.body and not lines[place - 1].strip():
        place -= 1
    return place


def _called(part: Section) -> str:
    return (
        f"%{part.name} {part.of}".strip()
        if part.name != PREAMBLE
        else f"the preamble {part.of}".strip()
    )


def set_tags(text: str, action: Tags, where: str) -> str:
    """Return ``text`` with the tags of the preamble as the policy says: each value in place, a new
    tag after the last one.

    :raises RuleDoesNotFit: a tag to drop is not there, or one stands twice (in two branches of a
        condition).
    """
    for name in action.drop:
        text = _tag(text, name, None, action.of, where)
    for name, value in action.values.items():
        text = _tag(text, name, value, action.of, where)
    return text


def _tag(text: str, name: str, value: str | None, of: str, where: str) -> str:
    lines = split_lines(text)
    part = section(lines, PREAMBLE, of, where)
    tags = {n: m for n in range(part.body, part.end) if (m := _TAG.fullmatch(lines[n]))}
    places = [number for number, match in tags.items() if match[1].lower() == name.lower()]
    if len(places) > 1:
        raise RuleDoesNotFit(
            f"{where}: {name} stands {len(places)} times in {_called(part)}", hint="use replace"
        )
    if value is None:
        if not places:
            raise RuleDoesNotFit(
                f"{where}: {_called(part)} has no {name}",
                hint=nearest(name, lines[part.body : part.end]),
            )
        del lines[places[0]]
    elif places:
        match = tags[places[0]]
        lines[places[0]] = f"{match[1]}{match[2] or ''}{match[3]}{value}{match[5]}"
    else:
        before = [
            n
            for n in tags
            if tags[n][1].lower() in ("summary", "license", "url", "release", "version", "name")
        ]
        at = max(before, default=part.body - 1) + 1
        width = tags[before[-1]].end(3) - tags[before[-1]].start(1) if before else 0
        lines.insert(
            at, f"{name}:".ljust(width) + ("" if len(name) + 1 < width else " ") + f"{value}\n"
        )
    return "".join(lines)


def set_macro(text: str, action: Macro, where: str) -> str:
    """Return ``text`` with another value for one macro or build condition.

    :raises RuleDoesNotFit: it is defined nowhere, or more than once.
    """
    name = re.escape(action.name)
    if action.bcond:
        pattern = rf"^([ \t]*%bcond_)(?:with|without)([ \t]+{name}[ \t]*)$"
        new = rf"\g<1>{action.value}\g<2>"
        modern = rf"^([ \t]*%bcond[ \t]+{name}[ \t]+)\S.*$"  # rpm 4.17.1: %bcond NAME DEFAULT
        if not re.search(pattern, text, re.MULTILINE) and re.search(modern, text, re.MULTILINE):
            pattern, new = modern, rf"\g<1>{int(action.value == 'without')}"
    else:
        pattern = rf"^([ \t]*%(?:global|define)[ \t]+{name}[ \t]+)\S.*(?<!\\)$"
        new = rf"\g<1>{_escaped(action.value)}"
    text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
    if count != 1:
        kind = "build condition" if action.bcond else "macro"
        raise RuleDoesNotFit(
            f"{where}: {kind} {action.name} is set {count} times, expected was 1",
            hint=nearest(f"%global {action.name} {action.value}", split_lines(text)),
        )
    return text


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")


def described(values: Mapping[str, str]) -> str:
    """The tags for the audit."""
    return ", ".join(f"{name}: {value}" for name, value in values.items())
