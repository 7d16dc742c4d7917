"""What is known of compiled code: ELF files, kernel modules, static archives.

Facts as read, nothing decided.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfSymbol:
    """An exported symbol. ``default`` is ``@@`` (what the linker picks); ``size`` is 0 unless it is
    data.
    """

    name: str
    version: str
    type: str
    binding: str
    size: int
    default: bool = True
    visibility: str = "DEFAULT"

    @property
    def label(self) -> str:
        """``name@version``, as binutils writes it."""
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFacts:
    """What makes an ELF object a Linux kernel module.

    ``info`` are the (key, value) pairs of ``.modinfo`` in order, without ``vermagic`` and
    ``srcversion``; ``exports`` and ``needs`` are (symbol, CRC in hex, or empty where the kernel is
    built without modversions); ``signature`` is how it is signed (``PKCS#7``), empty where it is
    not.
    """

    vermagic: str
    srcversion: str
    info: tuple[tuple[str, str], ...] = ()
    exports: tuple[tuple[str, str], ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFacts:
    """One ELF file, or a static archive (``archive`` is true then, ``exports`` are the union of
    ``members``).

    ``sections`` are (name, digest) of all that count, ``unloaded`` the names of those that only
    debuggers read, ``toolchain`` the file's own records of its compilers. ``loads`` are the libraries
    that ld.so loads beside the needed ones, with the tag that names each. ``layout`` is a digest of their addresses,
    ``segments`` describe the program headers, ``entry`` is ``section+offset``, ``code_size`` the
    bytes of what is executed, ``debuginfo`` whether it holds its own. ``needs`` are
    ``file(VERSION)``, ``defines`` the versions it offers. ``imports`` are undefined names with
    their version, ``weak_imports`` those that may stay undefined. ``hardening`` are the words of
    :data:`GOOD` and :data:`BAD` that hold. ``isa`` are the bits of GNU_PROPERTY_X86_ISA_1_NEEDED,
    ``kernel`` the oldest Linux of the ABI note. ``indexed``: an archive has its symbol table;
    ``members`` are (name, facts), in link order, ``None`` for a member that is not ELF.
    """

    archive: bool
    bits: int
    little_endian: bool
    osabi: int
    type: int
    machine: int
    flags: int
    soname: str = ""
    needed: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str = ""
    exports: tuple[ElfSymbol, ...] = ()
    imports: tuple[str, ...] = ()
    weak_imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    hardening: tuple[str, ...] = ()
    isa: int = 0
    kernel: tuple[int, ...] = ()
    entry: str = ""
    segments: tuple[str, ...] = ()
    layout: str = ""
    code_size: int = 0
    debuginfo: bool = False
    sections: tuple[tuple[str, str], ...] = ()
    unloaded: tuple[str, ...] = ()
    toolchain: tuple[str, ...] = ()
    module: ModuleFacts | None = None
    indexed: bool = True
    members: tuple[tuple[str, ElfFacts | None], ...] = ()


GOOD = ("pie", "relro", "bindnow", "nx", "ibt", "shstk", "bti", "pac", "gcs", "canary", "fortify")
"""Hardening whose loss matters: position independence, read-only relocations, no lazy binding, no
executable stack, CET's two (gABI x86-64 property notes), AArch64's three, the stack protector,
checked libc calls.
"""

BAD = ("textrel", "rwx")
"""Words whose gain matters: relocations in code, a segment both writable and executable."""

MERGED_INTO_LIBC = frozenset(
    {"libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libanl.so.1"}
)
"""Libraries that glibc 2.34 merged into libc.so.6 (its NEWS): built against it nobody needs them."""
