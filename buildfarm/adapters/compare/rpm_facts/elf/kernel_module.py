"""Linux kernel modules: the appended signature, ``.modinfo`` and ``CONFIG_MODVERSIONS``' CRCs.

The layouts are the kernel's: module_signature.h, modpost.c, linux/export-internal.h,
linux/module.h.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from buildfarm.adapters.compare.rpm_facts.elf import elf_symbols
from buildfarm.adapters.compare.rpm_facts.elf.elf_image import REL, SYMTAB, ElfError, Image
from buildfarm.domain.compare.facts.elf_facts import ModuleFacts

_INFO = ".modinfo"
_MARK = b"~Module signature appended~\n"
_TRAILER = 12
_TYPES = {0: "PGP", 1: "X.509", 2: "PKCS#7"}
_ABSOLUTE = 0xFFF1  # SHN_ABS
_OWN = ("vermagic", "srcversion")
_MAX_INFO = 100_000


def without_signature(data: bytes) -> tuple[bytes, str]:
    """Return the module without its appended signature, and how it was signed (empty: unsigned).

    :raises ElfError: the signature's sizes do not fit.
    """
    if not data.endswith(_MARK):
        return data, ""
    end = len(data) - len(_MARK) - _TRAILER
    if end < 0:
        raise ElfError("the module's signature is cut off")
    _, _, kind, signer, key, _, _, _, size = struct.unpack_from(">8BI", data, end)
    start = end - size - signer - key
    if start < 0:
        raise ElfError("the module's signature is larger than the module")
    return data[:start], _TYPES.get(kind, f"type {kind}")


def is_module(image: Image) -> bool:
    """Check whether the object is a kernel module."""
    return image.type == REL and image.named(".gnu.linkonce.this_module") is not None


def sections(image: Image) -> dict[str, str]:
    """Return digests of a module's sections in which its release is masked; empty for other files.

    ``.modinfo`` is in the facts word by word; the local symbols that mark its words move with their
    lengths.
    """
    table = image.first(SYMTAB)
    if not is_module(image) or table is None:
        return {}
    info = next(
        (place for place, section in enumerate(image.sections) if section.name == _INFO), -1
    )
    state = hashlib.sha256()
    for entry in elf_symbols.table(image, table):
        state.update(repr((entry.name, entry.info, entry.other, entry.section)).encode())
        if entry.section != info:
            state.update(f"{entry.value} {entry.size}".encode())
    names = image.sections[table.link].name if table.link < len(image.sections) else ""
    return {_INFO: "", table.name: state.hexdigest()[:32], names: ""}


def read(image: Image, signature: str, masked: Callable[[str], str]) -> ModuleFacts | None:
    """Return the module facts of a kernel module, with ``vermagic`` masked; else ``None``."""
    section = image.named(_INFO)
    if not is_module(image) or section is None:
        return None
    rows = [row for row in bytes(image.bytes_of(section)).split(b"\0", _MAX_INFO) if row]
    words = [row.decode("utf-8", "backslashreplace").partition("=") for row in rows]
    info = [(key, value) for key, _, value in words]
    return ModuleFacts(
        vermagic=masked(next((value for key, value in info if key == "vermagic"), "")),
        srcversion=next((value for key, value in info if key == "srcversion"), ""),
        info=tuple((key, value) for key, value in info if key not in _OWN),
        exports=_exports(image),
        needs=_needs(image),
        signature=signature,
    )


def _exports(image: Image) -> tuple[tuple[str, str], ...]:
    """Return each ``__ksymtab_NAME`` with the CRC of ``__crc_NAME``.

    The CRC is the symbol's value, or the word in __kcrctab that it names.
    """
    table = image.first(SYMTAB)
    if table is None:
        return ()
    names, checksums = set(), {}
    for entry in elf_symbols.table(image, table):
        if not entry.section:
            continue
        if entry.name.startswith("__ksymtab_"):
            names.add(entry.name.removeprefix("__ksymtab_"))
        elif entry.name.startswith("__crc_"):
            value = entry.value
            if entry.section != _ABSOLUTE:
                if entry.section >= len(image.sections):
                    raise ElfError(f"{entry.name} lies in no section")
                value = struct.unpack_from(
                    image.order + "I", image.bytes_of(image.sections[entry.section]), value
                )[0]
            checksums[entry.name.removeprefix("__crc_")] = f"{value & 0xFFFFFFFF:#010x}"
    return tuple((name, checksums.get(name, "")) for name in sorted(names))


def _needs(image: Image) -> tuple[tuple[str, str], ...]:
    """Return the rows of ``__versions``: a long with the CRC, and the name in the rest of 64
    bytes.
    """
    section = image.named("__versions")
    if section is None:
        return ()
    layout = "Q56s" if image.wide else "I60s"
    found = []
    for checksum, name in image.rows(section, layout):
        plain = bytes(name).partition(b"\0")[0].decode("utf-8", "backslashreplace")
        found.append((plain, f"{checksum & 0xFFFFFFFF:#010x}"))
    return tuple(sorted(found))


def symvers(text: str) -> tuple[tuple[str, str], ...] | None:
    r"""Return (symbol, CRC) of a ``Module.symvers`` (or unpacked ``symvers.gz``), if it has that
    form.

    >>> symvers("0x1234abcd\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
    (('printk', '0x1234abcd'),)
    >>> symvers("hello\n") is None
    True
    """
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) < 4 or not fields[0].startswith("0x"):  # noqa: PLR2004 -- CRC, symbol, module, how exported
            return None
        found.append((fields[1], fields[0]))
    return tuple(sorted(found))
