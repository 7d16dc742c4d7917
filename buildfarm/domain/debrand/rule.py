"""Debrand rules: the changes to one source, their reason, and the differences they must make in the
built RPMs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from buildfarm.domain.compare.policy import Expectation
from buildfarm.domain.debrand.brand import Allow
from buildfarm.domain.debrand.conditions import When
from buildfarm.domain.debrand.edits.spec_pass import SpecPass

ANY = 0
"""A count that means: wherever it stands, at least once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Append ``suffix`` to the Release.

    ``auto_increment`` counts the number at the suffix's end on past those already taken.
    ``autorelease`` says what happens to ``%autorelease``: ``edit`` appends there too, ``keep``
    leaves it alone unless the spec defines the macro.
    """

    suffix: str
    auto_increment: bool = False
    autorelease: str = "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Replace a literal text or a regular expression, exactly ``count`` times (``ANY``: at least
    once).

    ``where`` is ``spec`` or a glob over the names of the sources.
    """

    where: str
    find: str
    new: str
    regex: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Replace or delete (``new`` is ``None``) lines, whatever their indentation; comments and
    %changelog are left alone.

    ``find`` is one line or a part of one, or a block of whole lines; at most ``most`` places are
    changed (``ANY``: all). ``first_file``: only the first file that ``where`` names.
    """

    where: str
    find: str
    new: str | None
    regex: bool = False
    most: int = ANY
    first_file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionEdit:
    """Insert into, delete from, or (``remove``) take out a section or preamble; ``of`` names the
    sub-package.

    ``at`` is ``start``, ``end`` (before the blank lines that close it) or ``bottom`` (after them).
    ``style`` ``autopatch`` finds section and place as AlmaLinux's tool does.
    """

    section: str
    of: str = ""
    insert: str = ""
    at: str = "end"
    delete: str = ""
    count: int = 1
    remove: bool = False
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Tag policy: preamble tags of a (sub-)package that get a value of ours, or go."""

    values: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """Give the ``%global`` or ``%define`` of ``name`` another value; ``with_`` or ``without`` for a
    ``%bcond``.
    """

    name: str
    value: str
    bcond: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Put ``%if condition`` and ``%endif`` around a block of lines that stands once in the spec."""

    lines: str
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """Replace, add or delete one source file; ``op`` says which, ``content`` is what it becomes.

    ``put`` adds or replaces the file and leaves the spec alone. ``rename`` gives a replaced file
    (and its Source line) another name. ``declare``: its line in the spec follows. ``number`` is the
    wanted one, 0 for the next. ``style`` ``autopatch`` places the line as AlmaLinux's tool does,
    with ``comment`` naming who added it.
    """

    op: str
    name: str
    content: bytes = b""
    rename: str = ""
    declare: bool = True
    number: int = 0
    style: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Add a patch and have it applied with ``-p<strip>``, or delete one with all that applies it.

    Fields as in :class:`SourceFile`; ``backup`` keeps what the patch changed (``-b``).
    """

    op: str
    name: str
    content: bytes = b""
    number: int = 0
    apply: bool = True
    strip: int = 1
    backup: bool = False
    declare: bool = True
    style: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitPatch:
    """A unified diff applied to the source tree itself; ``strict`` paths are the tree's, others are
    under SOURCES.
    """

    name: str
    content: bytes
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Put files into a gzipped tar among the sources; ``files`` are ``(name inside, content or None
    for a source)``.
    """

    name: str
    files: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEdit:
    """Delete (globs) and replace inside a source archive, which is then rebuilt
    deterministically.
    """

    archive: str
    delete: tuple[str, ...] = ()
    replace: tuple[Replace, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Our own package takes over: its spec and sources (``files``, by name) replace the whole
    tree.
    """

    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The last resort: a shell script that changes the tree in the sandbox; ``files`` lie beside
    it.
    """

    name: str
    content: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)
    cwd: str = "tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changelog:
    """A new topmost changelog entry; its date is the rule's.

    ``version`` and ``release`` say where the EVR comes from: ``built`` (of what comes out),
    ``evaluated`` (what rpm makes of the spec with ``macros`` and no dist tag) or ``written`` (as it
    stands in the spec). ``autochangelog`` ``keep``: such a spec is left alone.
    """

    author: str
    lines: tuple[str, ...]
    version: str = "built"
    release: str = "built"
    autochangelog: str = "edit"
    macros: Mapping[str, str] = field(default_factory=dict)


Action = (
    Release | Replace | Lines | SectionEdit | Tags | Macro | Condition | SourceFile | Patch | GitPatch | Bundle | ArchiveEdit
    | Package | Script | Changelog | SpecPass
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule file. ``digest`` covers the rule, its date and every file it refers to; ``file`` is
    for messages.

    ``rename`` maps the vendor's RPM names to ours; ``expect`` is what the comparison accepts;
    ``allow`` what the scan does. ``mark``: whether the spec's first line says which rule changed
    it.
    """

    source: str
    why: str
    date: date
    actions: tuple[Action, ...]
    digest: str
    file: str
    targets: tuple[str, ...] = ()
    when: When = field(default_factory=When)
    rename: Mapping[str, str] = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    allow: tuple[Allow, ...] = ()
    mark: bool = True

    @property
    def suffix(self) -> str:
        """Return what the rule appends to the Release; empty if nothing."""
        return "".join(
            action.suffix if isinstance(action, Release) else action.release_suffix
            for action in self.actions
            if isinstance(action, Release | SpecPass)
        )

    @property
    def scripts(self) -> tuple[str, ...]:
        """The scripts it runs: a reader of the audit must know."""
        return tuple(action.name for action in self.actions if isinstance(action, Script))

    def applies_to(self, target: str, *, branch: str = "", evr: str = "") -> bool:
        """Return whether the rule is for this target, branch and version.

        What is not said (empty) is not asked.
        """
        return (not self.targets or not target or target in self.targets) and self.when.holds(
            branch=branch, evr=evr
        )
