"""Applies a rule to a source tree. Untouched bytes stay as they are, whatever their encoding.

An action that matches nothing, or another number of times than it says, is an error that shows the
nearest lines: a rule that no longer fits must not go unnoticed. This module only says which action
is done where and keeps the account.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from buildfarm.domain.debrand.changelog import add_entry, head, is_automatic
from buildfarm.domain.debrand.edits import autopatch_style, replacing, section_edits
from buildfarm.domain.debrand.edits.patches import edit_patch
from buildfarm.domain.debrand.edits.spec_pass import SpecPass, spec_pass, version_of
from buildfarm.domain.debrand.edits.tarball import bundle
from buildfarm.domain.debrand.edits.unified import patch_tree
from buildfarm.domain.debrand.outside import Nothing, Outside
from buildfarm.domain.debrand.release import append_release, carries, next_suffix
from buildfarm.domain.debrand.rule import (
    Action,
    ArchiveEdit,
    Bundle,
    Changelog,
    Condition,
    GitPatch,
    Lines,
    Macro,
    Package,
    Patch,
    Release,
    Replace,
    Rule,
    Script,
    SectionEdit,
    SourceFile,
    Tags,
)  # fmt: skip
from buildfarm.domain.debrand.sources import edit_source, present
from buildfarm.domain.debrand.tree import (
    MARK,
    RuleDoesNotFit,
    Tree,
    debranded_by,
    decode,
    digests,
    encode,
    source_path,
    spec_path,
)  # fmt: skip

__all__ = [
    "MARK",
    "Applied",
    "RuleDoesNotFit",
    "Step",
    "Tree",
    "apply",
    "counted_on",
    "debranded_by",
    "mtime_of",
    "spec_path",
]
_MOST_DIFF_LINES = 20000
_WRITTEN = {
    name: re.compile(rf"^{name}:[^\n]*?(\S+)[ \t]*$", re.MULTILINE)
    for name in ("Version", "Release")
}
_SHOWN = 60
Places = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The result of one action: its words, and the files it changed with the number of places in
    each.
    """

    action: str
    files: Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The changed tree and the account of it; ``already`` is the reason if nothing was done.

    ``sources`` are ``(path, SHA-256 before, SHA-256 after)`` of every file of the tree.
    """

    tree: Tree
    steps: tuple[Step, ...]
    diff: str
    sources: tuple[tuple[str, str, str], ...]
    already: str = ""


def mtime_of(rule: Rule) -> int:
    """Seconds since the epoch at noon (UTC) of the rule's day: the time of everything it makes."""
    return int(datetime.combine(rule.date, time(12), tzinfo=UTC).timestamp())


def already(rule: Rule, tree: Mapping[str, bytes]) -> str:
    """Return why this tree needs nothing: it carries the rule's digest (or, of a rule without mark,
    its suffix); else empty.
    """
    if rule.mark:
        return f"debranded already by {rule.file}" if debranded_by(tree) == rule.digest else ""
    if rule.suffix and carries(decode(tree[spec_path(tree)]), rule.suffix):
        return f"its Release ends in {rule.suffix} of {rule.file} already"
    return ""


def apply(
    rule: Rule, tree: Mapping[str, bytes], *, evr: str, outside: Outside | None = None
) -> Applied:
    """Apply all actions in order; a tree that this rule changed already is left alone.

    :param evr: ``[epoch:]version-release`` of what comes out, for the changelog entry.
    :raises RuleDoesNotFit: naming rule file, action, what was expected and the nearest lines.
    """
    before = dict(tree)
    spec = spec_path(tree)
    if reason := already(rule, tree):
        return Applied(
            tree=before, steps=(), diff="", sources=digests(before, before), already=reason
        )
    now = dict(tree)
    run = _Run(rule, now, spec, evr, outside or Nothing())
    steps = tuple(
        run.step(action, f"{rule.file}: action {number}")
        for number, action in enumerate(rule.actions, 1)
    )
    spec_now = spec_path(now)
    if rule.mark:
        now[spec_now] = f"{MARK}{rule.digest}\n".encode() + now[spec_now]
    diff = _diff(before[spec], now[spec_now], spec_now)
    return Applied(tree=now, steps=steps, diff=diff, sources=digests(before, now))


def counted_on(rule: Rule, releases: Iterable[str], release: str) -> Rule:
    """The rule with every ``auto_increment`` suffix past those that ``releases`` (of the same
    version) have on ``release`` already.
    """
    taken = tuple(releases)
    actions = tuple(
        dataclasses.replace(action, suffix=next_suffix(action.suffix, taken, release))
        if isinstance(action, Release) and action.auto_increment
        else action
        for action in rule.actions
    )
    return rule if actions == rule.actions else dataclasses.replace(rule, actions=actions)


@dataclass(slots=True)
class _Run:
    """One application of a rule: the tree as it is so far, and the inputs of every action."""

    rule: Rule
    tree: Tree
    spec: str
    evr: str
    outside: Outside

    def step(self, action: Action, where: str) -> Step:
        words, files = self._do(action, where)
        return Step(action=words, files=files)

    def _do(self, action: Action, where: str) -> tuple[str, Places]:  # noqa: C901, PLR0911, PLR0912  # one case an action
        match action:
            case Release():
                return f"release {action.suffix}", self._text(
                    lambda text: append_release(
                        text, action.suffix, where, autorelease=action.autorelease
                    )
                )
            case Changelog():
                return "changelog", self._changelog(action, where)
            case Replace():
                return f"replace {_short(action.find)}", replacing.replace(action, self.tree, where)
            case Lines():
                words = (
                    f"delete lines {_short(action.find)}"
                    if action.new is None
                    else f"replace lines {_short(action.find)}"
                )
                return words, replacing.edit_lines(action, self.tree, where)
            case SectionEdit():
                words = f"section {action.section} {action.of}".strip()
                edit = (
                    autopatch_style.add_to_section if action.style else section_edits.edit_section
                )
                return words, self._text(lambda text: edit(text, action, where))
            case Tags():
                words = (
                    f"tags {section_edits.described(action.values)} {' '.join(action.drop)}".strip()
                )
                return words, self._text(lambda text: section_edits.set_tags(text, action, where))
            case Macro():
                words = (
                    f"{'build condition' if action.bcond else 'macro'} {action.name}: "
                    f"{action.value}"
                )
                return words, self._text(lambda text: section_edits.set_macro(text, action, where))
            case Condition():
                words = f"%if {action.condition} around {_short(action.lines)}"
                return words, self._text(
                    lambda text: replacing.wrap(text, action.lines, action.condition, where)
                )
            case SourceFile() | Patch():
                kind = "patch" if isinstance(action, Patch) else "source"
                return f"{kind} {action.op} {action.name}", ((self._file(action, where), 1),)
            case GitPatch():
                return f"apply {action.name}", tuple(
                    (path, 1) for path in patch_tree(action, self.tree, where)
                )
            case Bundle():
                path = source_path(self.tree, action.name)
                self.tree[path] = bundle(action, self.tree, mtime=mtime_of(self.rule), where=where)
                return f"bundle {action.name}", ((path, len(action.files)),)
            case ArchiveEdit():
                return f"archive {action.archive}", self._archive(action, where)
            case Package():
                return "package: our own takes over", self._package(action)
            case Script():
                return f"SCRIPT {action.name}", self._script(action)
            case SpecPass():
                return "spec_change", self._text(lambda text: self._pass(text, action, where))

    def _text(self, change: object) -> Places:
        self.tree[self.spec] = encode(change(decode(self.tree[self.spec])))  # type: ignore[operator]
        return ((self.spec, 1),)

    def _file(self, action: SourceFile | Patch, where: str) -> str:
        if action.op == "add" and action.style == "autopatch":
            return autopatch_style.add(
                action, self.tree, self.spec, source=self.rule.source, where=where
            )
        if isinstance(action, Patch):
            return edit_patch(action, self.tree, self.spec, where)
        return edit_source(action, self.tree, self.spec, where)

    def _changelog(self, action: Changelog, where: str) -> Places:
        text = decode(self.tree[self.spec])
        if action.autochangelog == "keep" and is_automatic(text):
            return ()
        entry = head(self.rule.date, action.author, self._evr(action, text, where)) + "\n"
        entry += "".join(f"- {line}\n" for line in action.lines)
        return self._text(lambda text: add_entry(text, entry, where))

    def _evr(self, action: Changelog, text: str, where: str) -> str:
        if (action.version, action.release) == ("built", "built"):
            return self.evr
        rpms = self.outside.evaluate(self.tree, action.macros)
        parts = {
            "Version": (action.version, rpms.version),
            "Release": (action.release, rpms.release),
        }
        said = []
        for name, (mode, value) in parts.items():
            found = _WRITTEN[name].search(text)
            if mode == "written" and found is None:
                raise RuleDoesNotFit(f"{where}: the spec has no {name} line")
            said.append(found[1] if mode == "written" and found else value)
        return (f"{rpms.epoch}:" if rpms.epoch else "") + "-".join(said)

    def _pass(self, text: str, action: SpecPass, where: str) -> str:
        day = head(self.rule.date, "", "").removeprefix("* ").partition("  ")[0]
        version = version_of(self.evr.removesuffix(self.rule.suffix)) if self.evr else ""
        return spec_pass(text, action, version=version, day=day, where=where)

    def _archive(self, action: ArchiveEdit, where: str) -> Places:
        path = source_path(self.tree, action.archive)
        present(self.tree, path, action.archive, where)
        data, members = self.outside.edit_archive(
            action.archive, self.tree[path], action, mtime=mtime_of(self.rule)
        )
        self.tree[path] = data
        return tuple((f"{path}/{member}", count) for member, count in members)

    def _package(self, action: Package) -> Places:
        version, _, release = (
            self.evr.rpartition(":")[2].removesuffix(self.rule.suffix).partition("-")
        )
        macros = f"%global vendor_version {version}\n%global vendor_release {release}\n"
        self.tree.clear()
        for name, content in action.files.items():
            is_spec = name.endswith(".spec")
            self.tree[f"{'SPECS' if is_spec else 'SOURCES'}/{name}"] = (
                macros.encode() + content if is_spec else content
            )
        self.spec = spec_path(self.tree)
        return tuple((path, 1) for path in sorted(self.tree))

    def _script(self, action: Script) -> Places:
        before = dict(self.tree)
        after = self.outside.run_script(action, before, epoch=mtime_of(self.rule))
        self.tree.clear()
        self.tree.update(after)
        self.spec = spec_path(self.tree)
        return tuple(
            (path, 1) for path in sorted({*before, *after}) if before.get(path) != after.get(path)
        )


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _diff(before: bytes, after: bytes, name: str) -> str:
    lines = difflib.unified_diff(
        before.decode("utf-8", "replace").splitlines(keepends=True),
        after.decode("utf-8", "replace").splitlines(keepends=True),
        f"vendor/{name}",
        f"ours/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n" for line in list(lines)[:_MOST_DIFF_LINES]
    )
