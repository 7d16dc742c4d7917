"""Named normalisers: the bytes of a file reduced to what two builds of one source must have in common.

Each normaliser that changed something is recorded by name. A normal form begins with the names of the containers it was
in, so that a compressed file never equals a plain one.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from buildfarm.adapters.rpm_facts import archive, elf, java_class, kernel_module
from buildfarm.domain.compare.elf_facts import ElfFacts
from buildfarm.domain.compare.java import ClassFacts
from buildfarm.domain.compare.normalise import Mask

_MAX_UNPACKED = 128 << 20
_MAX_DEPTH = 4
_MAX_MEMBERS = 20_000
_TEXT_PROBE = 1 << 16
_MAX_TEXT = 16 << 20
_EVIDENCE = 32 << 10
_BUILD_FOLDER = re.compile(r"/BUILD(?:ROOT)?(?=/)")
_NO_PATH = re.compile(r"[^\w.+~@%/-]")
_LONGEST_PREFIX = 200
_SHEBANG = re.compile(rb"#! *([^\n]{1,200})")
_SYMVERS = re.compile(
    r"(?:^|/)(?:symvers(?:-[^/]*)?(?:\.\w+)?|Module\.symvers)$"
)  # of a kernel: symvers.gz, symvers.xz
_PYC_HEADER = 16
_PYC_MAGIC_END = b"\r\n"


@dataclass(slots=True)
class NormalForm:
    """What a file came to. ``material`` is what is digested; the rest describes the innermost single content."""

    material: bytes = b""
    nature: str = "data"
    interpreter: str = ""
    text: str = ""
    elf: ElfFacts | None = None
    classes: tuple[ClassFacts, ...] = ()
    symvers: tuple[tuple[str, str], ...] = ()
    fired: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Hex; equal digests mean equal but for what fired."""
        return hashlib.sha256(self.material).hexdigest()


class TooLargeError(ValueError):
    """A container unpacks to more than is looked at."""


def reduce(data: bytes, path: str, mask: Mask, *, depth: int = 0) -> NormalForm:
    """The normal form of a file's bytes.

    :raises ElfError, JavaClassError: it says it is compiled code and is not well-formed.
    """
    if depth < _MAX_DEPTH:
        for magic, name, unpack in _COMPRESSORS:
            if data.startswith(magic):
                try:
                    inner = unpack(data)
                except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
                    break  # it only looks like one: compared as it is
                form = reduce(inner, path, mask, depth=depth + 1)
                form.material = f"{name}\0".encode() + form.material
                form.fired.insert(0, name)
                return form
        if data.startswith(archive.MAGIC):
            return _ar(data)
        if data.startswith(b"PK\x03\x04"):
            return _zip(data, mask, depth)
    if data.startswith(elf.MAGIC):
        return _elf(elf.read(data, mask.apply), "elf-sections")
    if data.startswith(java_class.MAGIC) and path.endswith(".class"):
        return NormalForm(material=data, nature="class", classes=(java_class.read(data),))
    if path.endswith(".pyc") and data[2:4] == _PYC_MAGIC_END and len(data) > _PYC_HEADER:
        return NormalForm(material=b"pyc\0" + data[:8] + data[_PYC_HEADER:], fired=["pyc-header"])
    return _text(data, path, mask) if _is_text(data) else NormalForm(material=data)


def _gunzip(data: bytes) -> bytes:
    """All members of a gzip stream."""
    parts, room = [], _MAX_UNPACKED
    while data:
        stream = zlib.decompressobj(wbits=31)
        parts.append(stream.decompress(data, room))
        room -= len(parts[-1])
        if stream.unconsumed_tail or room <= 0:
            raise TooLargeError("unpacks to too much")
        if not stream.eof:
            raise EOFError("the stream ends early")
        data = stream.unused_data
    return b"".join(parts)


def _unxz(data: bytes) -> bytes:
    return _bounded(lzma.LZMADecompressor(memlimit=256 << 20), data)


def _bunzip2(data: bytes) -> bytes:
    return _bounded(bz2.BZ2Decompressor(), data)


def _bounded(stream: lzma.LZMADecompressor | bz2.BZ2Decompressor, data: bytes) -> bytes:
    result = stream.decompress(data, _MAX_UNPACKED)
    if not stream.eof:
        raise TooLargeError("unpacks to too much, or ends early")
    if stream.unused_data:
        raise ValueError("more behind the stream")
    return result


_COMPRESSORS: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b\x08", "gzip", _gunzip),
    (b"\xfd7zXZ\0", "xz", _unxz),
    (b"BZh", "bzip2", _bunzip2),
)


def _elf(facts: ElfFacts, fired: str) -> NormalForm:
    names = [fired]
    if facts.module is not None and facts.module.signature:
        names.append("module-signature")
    return NormalForm(material=repr(facts).encode("utf-8", "surrogateescape"), nature="elf", elf=facts, fired=names)


def _ar(data: bytes) -> NormalForm:
    try:
        facts = archive.read(data)
    except elf.ElfError:
        raise
    except ValueError:
        return NormalForm(material=data)
    if facts is None:
        return NormalForm(material=data)
    return _elf(facts, "ar-members")


def _zip(data: bytes, mask: Mask, depth: int) -> NormalForm:
    """A zip, jar, egg or wheel without its times and its order."""
    state, fired, room = [], ["zip-members"], _MAX_UNPACKED
    try:
        with zipfile.ZipFile(BytesIO(data)) as box:
            entries = sorted(box.infolist(), key=lambda entry: entry.filename)
            if len(entries) > _MAX_MEMBERS:
                raise TooLargeError("too many members")
            for entry in entries:
                room -= entry.file_size
                if room < 0:
                    raise TooLargeError("unpacks to too much")
                with box.open(entry) as member:
                    body = member.read(entry.file_size + 1)
                form = reduce(body, entry.filename, mask, depth=depth + 1)
                fired += [name for name in form.fired if name not in fired]
                state.append((entry.filename, entry.external_attr, form.digest))
    except elf.ElfError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        OSError,
        EOFError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ):
        return NormalForm(material=data)
    return NormalForm(material=b"zip\0" + repr(state).encode(), fired=fired)


def _is_text(data: bytes) -> bool:
    return len(data) <= _MAX_TEXT and b"\0" not in data[:_TEXT_PROBE] and b"\0" not in data


def mask_build_paths(text: str) -> str:
    """Replace the path down to rpmbuild's ``BUILD`` or ``BUILDROOT``, in linear time whatever the text.

    >>> mask_build_paths("-I/builddir/build/BUILD/foo-1.0/src /usr/BUILDER")
    '-I@BUILD@/foo-1.0/src /usr/BUILDER'
    """
    parts, done = [], 0
    for match in _BUILD_FOLDER.finditer(text):
        floor = max(done, match.start() - _LONGEST_PREFIX)
        breaks = [found.end() for found in _NO_PATH.finditer(text, floor, match.start())]
        start = text.find("/", breaks[-1] if breaks else floor, match.start() + 1)
        parts += [text[done:start], "@BUILD@"]
        done = match.end()
    return "".join([*parts, text[done:]])


def _text(data: bytes, path: str, mask: Mask) -> NormalForm:
    fired = []
    text = data.decode("utf-8", "surrogateescape")
    for name, change in (("own-evr", mask.apply), ("build-path", mask_build_paths)):
        changed = change(text)
        if changed != text:
            fired.append(name)
            text = changed
    shebang = _SHEBANG.match(data)
    material = text.encode("utf-8", "surrogateescape")
    return NormalForm(
        material=material,
        nature="script" if shebang else "text",
        interpreter=shebang[1].decode("utf-8", "backslashreplace").strip() if shebang else "",
        text=material.decode("utf-8", "backslashreplace") if len(material) <= _EVIDENCE else "",
        symvers=(kernel_module.symvers(text) or ()) if _SYMVERS.search(path) else (),
        fired=fired,
    )
