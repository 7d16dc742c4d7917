"""What is known of the content of files that differ: of each side by itself, and of what takes
both.
"""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.domain.compare.contents.java import ClassFacts
from buildfarm.domain.compare.facts.elf_facts import ElfFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFacts:
    """One file's content. ``nature`` is ``elf``, ``script``, ``text`` or ``data``.

    ``normal`` is the digest after the named ``normalisers``; two files with the same one are equal
    but for what those took away. ``text`` is the normalised text of a small text file, the evidence
    for people. ``error`` tells why a reading could not be finished. ``classes`` are those of a Java
    class file, ``symvers`` the (symbol, CRC) of a kernel's.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRequest:
    """Which files of one RPM to read, and the words the RPM calls itself by (text, token), to be
    masked in text.
    """

    file: str
    paths: tuple[str, ...]
    masks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts:
    """The machine code of one file.

    ``digest`` is over all of it, every address told from the others by its rank; ``functions`` are
    (name, digest with addresses masked), in order; a stripped file has only its exported ones.
    """

    instructions: int
    digest: str
    functions: tuple[tuple[str, str], ...]


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

    old_code: CodeFacts | None = None
    new_code: CodeFacts | None = None
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
