"""What is known of the content of files that differ: of each side by itself, and of what takes
both.
"""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.compare.contents.java import ClassFacts
from buildfarm.domain.compare.contents.pe import PeFacts
from buildfarm.domain.compare.facts.elf_facts import ElfFacts
from buildfarm.domain.core.verdict import CodeCause


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """One file in an archive, or in an archive within it (``outer!inner``).

    ``digest`` is of its normal form, ``attributes`` are those that unpacking keeps.
    """

    name: str
    digest: str
    attributes: str = ""
    nature: str = "data"
    text: str = ""
    elf: ElfFacts | None = None
    classes: tuple[ClassFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFacts:
    """One file's content. ``nature`` is ``elf``, ``script``, ``text`` or ``data``.

    ``normal`` is the digest after the named ``normalisers``; two files with the same one are equal
    but for what those took away. ``text`` is the normalised text of a small text file, the evidence
    for people. ``error`` tells why a reading could not be finished. ``classes`` are those of a Java
    class file, ``symvers`` the (symbol, CRC) of a kernel's. ``members`` are an archive's; ``active``
    are the digests of the scripts in a page.
    """

    path: str
    size: int = 0
    sha256: str = ""
    nature: str = "data"
    interpreter: str = ""
    normal: str = ""
    normalisers: tuple[str, ...] = ()
    text: str = ""
    elf: ElfFacts | None = None
    error: str = ""
    classes: tuple[ClassFacts, ...] = ()
    symvers: tuple[tuple[str, str], ...] = ()
    pe: PeFacts | None = None
    members: tuple[MemberFacts, ...] = ()
    active: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRequest:
    """Which files of one RPM to read, and the words the RPM calls itself by (text, token), to be
    masked in text.
    """

    file: str
    paths: tuple[str, ...]
    masks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeChange:
    """One function or piece of data that differs; ``old`` and ``new`` are lines of evidence, as many
    on each side. ``cause`` is what both files prove.
    """

    what: str
    cause: CodeCause | None = None
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePair:
    """The comparison of what two files load.

    ``covered`` are the names of the sections that were compared: all that are loaded.
    ``changes`` are the first of ``changed``; ``functions`` is 0 where the code could not be
    disassembled, and nothing is proved then. ``texts`` are those that only ours has, ``*_toolchain``
    what each side's own records say of its compilers.
    """

    cause: CodeCause | None = None
    covered: tuple[str, ...] = ()
    functions: int = 0
    changed: int = 0
    changes: tuple[CodeChange, ...] = ()
    texts: tuple[str, ...] = ()
    old_toolchain: tuple[str, ...] = ()
    new_toolchain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AbiFacts:
    """What abidiff ended with.

    ``status`` is its exit code (bits: 1 error, 2 wrong call, 4 change, 8 incompatible), or ``None``
    with ``error`` set.
    """

    status: int | None
    report: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """What is known of one pair of files; ``None`` where it was not asked or cannot be told."""

    code: CodePair | None = None
    abi: AbiFacts | None = None


NOTHING = BothSides()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRequest:
    """What to read of two RPMs.

    ``code`` and ``abi`` are (path in the old, path in the new); ``*_debug`` the debuginfo
    RPM of each, empty where the RPM itself is all there is.
    """

    old: str
    new: str
    code: tuple[tuple[str, str], ...] = ()
    abi: tuple[tuple[str, str], ...] = ()
    old_debug: str = ""
    new_debug: str = ""
