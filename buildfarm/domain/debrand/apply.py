"""Applies a rule to a source tree. Untouched bytes stay as they are, whatever their encoding.

A tree maps ``SPECS/<name>.spec`` and ``SOURCES/<name>`` to bytes. An action that matches nothing, or another number of
times than it says, is an error that shows the nearest lines: a rule that no longer fits must not go unnoticed.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from buildfarm.domain.debrand.rule import Action, Changelog, Release, Replace, Rule, SourceFile
from buildfarm.errors import InputError

MARK = "# debranded by rule "
_SOURCE_LINE = re.compile(r"^(Source)(\d*)(\s*:\s*)(\S+)[^\n]*\n", re.MULTILINE | re.IGNORECASE)
_RELEASE_LINE = re.compile(r"^(Release[ \t]*:[ \t]*)([^\n#]*?)([ \t]*)$", re.MULTILINE | re.IGNORECASE)
_CHANGELOG = re.compile(r"^%changelog[^\n]*\n", re.MULTILINE)
_AUTORELEASE = re.compile(r"%\{?\??autorelease\b")
_AUTOCHANGELOG = re.compile(r"%\{?\??autochangelog\b")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOST_DIFF_LINES = 2000

Tree = dict[str, bytes]


class RuleDoesNotFit(InputError):  # said as a sentence: "rule does not fit"
    """A rule's action found nothing, or another number of places than it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one action did: its words, and the files it changed with how many places in each."""

    action: str
    files: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The changed tree and the account of it."""

    tree: Tree
    steps: tuple[Step, ...]
    diff: str
    sources: tuple[tuple[str, str, str], ...]


def debranded_by(tree: Mapping[str, bytes]) -> str:
    """The digest of the rule that changed this tree already; empty if none did."""
    first = tree[spec_path(tree)].split(b"\n", 1)[0].decode("ascii", "replace")
    return first.removeprefix(MARK) if first.startswith(MARK) else ""


def spec_path(tree: Mapping[str, bytes]) -> str:
    """The one spec of a tree. :raises InputError: there is none, or more than one."""
    specs = [path for path in tree if path.startswith("SPECS/")]
    if len(specs) != 1:
        raise InputError(f"{len(specs)} spec files in the SRPM", hint="an SRPM holds exactly one")
    return specs[0]


def apply(rule: Rule, tree: Mapping[str, bytes], *, evr: str) -> Applied:
    """Apply all actions in order.

    :param evr: ``[epoch:]version-release`` of what comes out, for the changelog entry.
    :raises RuleDoesNotFit: naming rule file, action, what was expected and the nearest lines.
    """
    before = dict(tree)
    spec = spec_path(tree)
    now = dict(tree)
    steps = []
    for number, action in enumerate(rule.actions, 1):
        where = f"{rule.file}: action {number}"
        steps.append(_apply_one(action, now, spec, where=where, rule=rule, evr=evr))
    now[spec] = f"{MARK}{rule.digest}\n".encode() + now[spec]
    return Applied(
        tree=now, steps=tuple(steps), diff=_diff(before[spec], now[spec], spec), sources=_digests(before, now)
    )


def _apply_one(action: Action, tree: Tree, spec: str, *, where: str, rule: Rule, evr: str) -> Step:
    match action:
        case Release():
            tree[spec] = _encode(_append_to_release(_decode(tree[spec]), action.suffix, where))
            return Step(action=f"release {action.suffix}", files=((spec, 1),))
        case Replace():
            return _replace(action, tree, spec, where)
        case SourceFile():
            return _source(action, tree, spec, where)
        case Changelog():
            tree[spec] = _encode(_add_changelog(_decode(tree[spec]), action, rule, evr, where))
            return Step(action="changelog", files=((spec, 1),))


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _append_to_release(text: str, suffix: str, where: str) -> str:
    found = _RELEASE_LINE.search(text)
    if found is None:
        raise RuleDoesNotFit(f"{where}: the spec has no Release line")
    if _AUTORELEASE.search(found[2]):
        raise RuleDoesNotFit(f"{where}: Release is {found[2]}, and %autorelease is not supported yet")
    return f"{text[: found.end(2)]}{suffix}{text[found.end(2) :]}"


def _add_changelog(text: str, action: Changelog, rule: Rule, evr: str, where: str) -> str:
    found = _CHANGELOG.search(text)
    if found is None:
        raise RuleDoesNotFit(f"{where}: the spec has no %changelog section")
    if _AUTOCHANGELOG.search(text, found.end()):
        raise RuleDoesNotFit(f"{where}: %autochangelog is not supported yet")
    day = rule.date
    head = f"* {_DAYS[day.weekday()]} {_MONTHS[day.month - 1]} {day.day:02} {day.year} {action.author} - {evr}\n"
    entry = head + "".join(f"- {line}\n" for line in action.lines) + "\n"
    return text[: found.end()] + entry + text[found.end() :]


def _replace(action: Replace, tree: Tree, spec: str, where: str) -> Step:
    paths = [spec] if action.where == "spec" else _matching(tree, action.where)
    if not paths:
        there = ", ".join(path.removeprefix("SOURCES/") for path in tree if path.startswith("SOURCES/"))
        raise RuleDoesNotFit(f"{where}: no source matches {action.where!r}", hint=f"there are: {there}")
    changed: list[tuple[str, int]] = []
    results: Tree = {}
    for path in paths:
        text = _decode(tree[path])
        try:
            new, count = _substitute(action, text)
        except (re.error, IndexError) as error:  # IndexError: an unknown group in `with` (re.sub)
            raise RuleDoesNotFit(f"{where}: {action.find!r} with {action.new!r}: {error}") from error
        if count:
            changed.append((path, count))
            results[path] = _encode(new)
    total = sum(count for _, count in changed)
    if total != action.count:
        raise RuleDoesNotFit(
            f"{where}: {action.find!r} was found {total} times in {', '.join(paths)}, expected were {action.count}",
            hint=f"nearest lines: {_nearest(action, tree, paths)}",
        )
    tree.update(results)
    return Step(action=f"replace {action.find!r}", files=tuple(changed))


def _matching(tree: Tree, pattern: str) -> list[str]:
    pattern = pattern.removeprefix("SOURCES/")
    return sorted(
        p for p in tree if p.startswith("SOURCES/") and fnmatch.fnmatchcase(p.removeprefix("SOURCES/"), pattern)
    )


def _substitute(action: Replace, text: str) -> tuple[str, int]:
    if action.regex:
        return re.subn(action.find, action.new, text, flags=re.MULTILINE)
    return text.replace(action.find, action.new), text.count(action.find)


def _nearest(action: Replace, tree: Tree, paths: list[str]) -> str:
    """The lines most like what was looked for, so that a person sees what changed upstream."""
    lines = [line for path in paths for line in _decode(tree[path]).splitlines() if line.strip()]
    wanted = "".join(action.find.strip().splitlines()[:1])
    close = difflib.get_close_matches(wanted, lines[:20000], n=3, cutoff=0.3)
    return " | ".join(line.strip()[:120] for line in close) or "none is similar"


def _source(action: SourceFile, tree: Tree, spec: str, where: str) -> Step:
    path = f"SOURCES/{action.name}"
    exists = path in tree
    if action.op == "add":
        if exists:
            raise RuleDoesNotFit(f"{where}: source {action.name} is there already", hint="use op: replace")
        tree[spec] = _encode(_declare_source(_decode(tree[spec]), action.name, where))
        tree[path] = action.content
    elif not exists:
        there = ", ".join(sorted(p.removeprefix("SOURCES/") for p in tree if p.startswith("SOURCES/")))
        raise RuleDoesNotFit(f"{where}: no source {action.name}", hint=f"there are: {there}")
    elif action.op == "replace" and action.rename:
        if f"SOURCES/{action.rename}" in tree:
            raise RuleDoesNotFit(f"{where}: source {action.rename} is there already", hint="choose another name")
        tree[spec] = _encode(_rename_source(_decode(tree[spec]), action.name, action.rename, where))
        del tree[path]
        tree[f"SOURCES/{action.rename}"] = action.content
    elif action.op == "replace":
        tree[path] = action.content
    else:
        tree[spec] = _encode(_undeclare_source(_decode(tree[spec]), action.name, where))
        del tree[path]
    return Step(action=f"source {action.op} {action.name}", files=((path, 1),))


def _numbered_sources(text: str) -> list[tuple[int, re.Match[str]]]:
    """Every Source line with its number; an unnumbered one counts on from the one before (rpm manual, "Sources")."""
    found: list[tuple[int, re.Match[str]]] = []
    for match in _SOURCE_LINE.finditer(text):
        number = int(match[2]) if match[2] else (found[-1][0] + 1 if found else 0)
        found.append((number, match))
    return found


def _declare_source(text: str, name: str, where: str) -> str:
    known = _numbered_sources(text)
    if not known:
        raise RuleDoesNotFit(f"{where}: the spec has no Source line to stand after")
    _, last = known[-1]
    line = f"Source{max(number for number, _ in known) + 1}{last[3]}{name}\n"
    return text[: last.end()] + line + text[last.end() :]


def _rename_source(text: str, name: str, new: str, where: str) -> str:
    for _, match in _numbered_sources(text):
        if match[4].rpartition("/")[2] == name:
            return f"{text[: match.start(4)]}{new}{text[match.end(4) :]}"
    raise RuleDoesNotFit(f"{where}: no Source line names {name}")


def _undeclare_source(text: str, name: str, where: str) -> str:
    for number, match in _numbered_sources(text):
        if match[4].rpartition("/")[2] == name:
            rest = text[: match.start()] + text[match.end() :]
            used = re.search(rf"%\{{?\??(SOURCE{number}|S:{number})\b", rest)
            if used is not None:
                raise RuleDoesNotFit(f"{where}: source {name} is still used as {used[0]}", hint="replace that line too")
            return rest
    raise RuleDoesNotFit(f"{where}: no Source line names {name}")


def _diff(before: bytes, after: bytes, name: str) -> str:
    lines = difflib.unified_diff(
        before.decode("utf-8", "replace").splitlines(keepends=True),
        after.decode("utf-8", "replace").splitlines(keepends=True),
        f"vendor/{name}",
        f"ours/{name}",
    )
    return "".join(list(lines)[:_MOST_DIFF_LINES])


def _digests(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[tuple[str, str, str], ...]:
    """``(path, SHA-256 before, SHA-256 after)`` of every file that changed; empty text where it is not there."""

    def digest(tree: Mapping[str, bytes], path: str) -> str:
        return hashlib.sha256(tree[path]).hexdigest() if path in tree else ""

    return tuple(
        (path, digest(before, path), digest(after, path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )
