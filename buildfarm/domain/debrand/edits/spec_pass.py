"""srpmproc's ``spec_change``: one pass over the spec that also aligns the value of every tag-like
line anew.

It is an action of its own because its result depends on all its parts at once, and because
byte-equal results with what srpmproc and OpenELA's importer make need that alignment. Source:
srpmproc ``proto/cfg.proto`` and the behaviour of its ``spec_change`` directive, odd places of
insertion included.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from buildfarm.domain.debrand.tree import RuleDoesNotFit

_FIELD = re.compile(r"[a-zA-Z0-9]+:")
_SECTIONS = frozenset(("%description", "%prep", "%build", "%install", "%files", "%changelog"))
_CHANGELOG = "%changelog"
_GAP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A Source or Patch line to add or delete (``op``); ``prep`` applies a patch, with
    ``-p<strip>`` if above 0.
    """

    op: str
    kind: str
    name: str
    prep: bool = False
    strip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Replace up to ``n`` (negative: all) places in a line; ``at`` is ``any``, ``starts``, ``ends``
    or a field's name.
    """

    at: str
    find: str
    new: str
    n: int = 0
    in_field: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A changelog entry."""

    author: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecPass:
    """The parts of one pass; ``appends`` and ``fields`` are ``(field or section, value)``;
    ``align``: as srpmproc does by default.
    """

    files: tuple[FileLine, ...] = ()
    entries: tuple[Entry, ...] = ()
    searches: tuple[Search, ...] = ()
    appends: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    align: bool = True

    @property
    def release_suffix(self) -> str:
        """Return what it appends to the Release."""
        return "".join(value for name, value in self.appends if name == "Release")


def version_of(evr: str) -> str:
    """The version srpmproc writes into a changelog entry: version and release up to the dist tag,
    without epoch.

    Without such a tag it is empty, and the Version line's value is taken.

    >>> version_of("1:1.20.1-14.el9_2.1"), version_of("2-3.module+el8.9"), version_of("1-2.fc40")
    ('1.20.1-14', '2-3', '')
    """
    bare = evr.rpartition(":")[2]
    return next((bare.partition(mark)[0] for mark in (".el", ".module") if mark in bare), "")


def spec_pass(text: str, change: SpecPass, *, version: str, day: str, where: str) -> str:
    """``text`` after the pass.

    :param version: of the changelog entries, before anything is appended to the Release
        (:func:`version_of`).
    :param day: the entries' date as a changelog has it (``Mon May 04 2026``).
    :raises RuleDoesNotFit: a Source or Patch line has no number where one is needed, or nothing at
        all changed.
    """
    done = "\n".join(_Pass(text, change, version, day, where).run())
    if done == text:
        raise RuleDoesNotFit(f"{where}: spec_change changes nothing in this spec")
    return done


@dataclass(slots=True)
class _Counter:
    """The last number seen of one kind of line, and the name of its last line."""

    kind: str
    number: int = 0
    last: str = ""


@dataclass(slots=True)
class _Plan:
    """Lines still to be written: before a given line of the input, or appended to sections."""

    before: dict[int, list[str]] = field(default_factory=dict)
    appends: list[tuple[str, str]] = field(default_factory=list)
    homeless: list[tuple[str, str]] = field(default_factory=list)

    def add(self, at: int, line: str) -> None:
        self.before.setdefault(at, []).append(line)


class _Pass:
    """One run: its state is where the pass is in the spec."""

    def __init__(self, text: str, change: SpecPass, version: str, day: str, where: str) -> None:
        self.text, self.change, self.version, self.day, self.where = (
            text,
            change,
            version,
            day,
            where,
        )
        self.lines = text.split("\n")
        self.out: list[str] = []
        self.counters = (_Counter("Source"), _Counter("Patch"))
        self.plan = _Plan(appends=list(change.appends))
        self.section = self.block = ""
        names = [line.partition(":")[0] for line in self.lines if _FIELD.match(line)]
        self.width = max(map(len, names), default=0)
        for counter in self.counters:
            counter.last = next(
                (name for name in reversed(names) if name.startswith(counter.kind)), ""
            )

    def run(self) -> list[str]:
        self._plan_fields()
        for at, line in enumerate(self.lines):
            self.out += self.plan.before.get(at, ())
            if _FIELD.match(line):
                self._field(_searched(line, self.change.searches))
            else:
                self._other(at, line)
        return self.out

    def _aligned(self, name: str, value: str) -> str:
        gap = self.width + _GAP - len(name) if self.change.align else 1
        return f"{name}:{' ' * gap}{value}"

    def _plan_fields(self) -> None:
        """A new field stands after the last of its name; one without such a neighbour waits for the
        end of the patches.
        """
        waiting = set()
        for name, value in self.change.fields:
            places = [
                at for at, line in enumerate(self.lines)
                if _FIELD.match(line) and line.partition(":")[0] == name and not name.startswith(("Source", "Patch"))
            ]  # fmt: skip
            if places and places[-1]:
                self.plan.add(places[-1] + 1, self._aligned(name, value))
            elif name not in waiting:
                waiting.add(name)
                self.plan.homeless.append((name, value))

    def _field(self, line: str) -> None:
        name, _, value = (part.strip() for part in line.partition(":"))
        for counter in self.counters:
            if name == counter.last:
                self.block = counter.kind
                break
        if name == "Version" and not self.version:
            self.version = value
        value = self._changed(name, value)
        for counter in self.counters:
            if name.startswith(counter.kind):
                if any(
                    f.op == "delete" and f.kind == counter.kind and f.name == value
                    for f in self.change.files
                ):
                    value = ""
                if name != counter.kind:
                    counter.number = self._number(name, counter.kind)
        if value:
            self.out.append(self._aligned(name, value))

    def _changed(self, name: str, value: str) -> str:
        """A field's value after the searches in it and what is appended to it."""
        for search in self.change.searches:
            if search.in_field and search.at == name:
                value = value.replace(search.find, search.new, search.n)
        for target, more in self.plan.appends:
            if target == name:
                value += more
                self.version += more if name == "Release" else ""
        return value

    def _number(self, name: str, kind: str) -> int:
        digits = name.removeprefix(kind)
        if not digits.isdigit():
            raise RuleDoesNotFit(f"{self.where}: {name} is no numbered {kind} line")
        return int(digits)

    def _other(self, at: int, line: str) -> None:
        sources, patches = self.counters
        if self._add_files(sources) and not patches.last:
            self.out.append("")
            self.block = patches.kind
        if self._add_files(patches):
            self._after_patches(at)
        if self.section == _CHANGELOG:
            self._entries()
            self.section = ""
        else:
            line = _searched(line, self.change.searches)
        head = self.lines[at].strip()
        if head.startswith("%"):
            self.section = head
            for target, value in self.plan.appends:
                if target == head:
                    self._append_to_section(at, value)
        self.out.append(line)

    def _add_files(self, counter: _Counter) -> bool:
        """At the first line after the last of a kind: its new lines. Whether it was that line."""
        if self.block != counter.kind:
            return False
        for new in self.change.files:
            if new.op == "add" and new.kind == counter.kind:
                counter.number += 1
                self.out.append(self._aligned(f"{counter.kind}{counter.number}", new.name))
                if new.prep and counter.kind == "Patch":
                    strip = f" -p{new.strip}" if new.strip > 0 else ""
                    self.plan.appends.append(("%prep", f"%patch -P{counter.number}{strip}"))
        self.block = ""
        return True

    def _after_patches(self, at: int) -> None:
        following = self.lines[at + 1].strip() if at + 1 < len(self.lines) else "%"
        if self.plan.homeless and following.startswith("%"):
            self.out += ["", *(self._aligned(name, value) for name, value in self.plan.homeless)]
        if _CHANGELOG not in self.text:
            self.out += ["", _CHANGELOG]
            self.section = _CHANGELOG

    def _entries(self) -> None:
        for entry in self.change.entries:
            self.out.append(f"* {self.day} {entry.author} - {self.version}")
            self.out += [f"- {line}" for line in entry.lines]
            self.out.append("")

    def _append_to_section(self, at: int, value: str) -> None:
        """Before the last line of the section, or behind its first blank line if no known section
        follows.
        """
        rest = self.lines[at + 1 :]
        ends = (number for number, line in enumerate(rest) if line.strip() in _SECTIONS)
        if (place := at + next(ends, -at)) != 0:
            self.plan.add(place, value)
            return
        blanks = (number for number, line in enumerate(rest) if not line.strip())
        if (blank := next(blanks, None)) is not None:
            self.plan.add(at + blank + 2, value)


def _searched(line: str, searches: Sequence[Search]) -> str:
    for search in searches:
        stripped = line.strip()
        if search.in_field or (search.at == "starts" and not stripped.startswith(search.find)):
            continue
        if search.at == "ends" and not stripped.endswith(search.find):
            continue
        line = line.replace(search.find, search.new, search.n)
    return line
