"""Edit a source archive, in the sandbox.

Called as ``python -m buildfarm.adapters.debrand.archive_edit ORDER BEFORE AFTER``. The archive is
written in its own format and compression, with its members in order and their own metadata; changed
members carry the rule's time. The same archive and edit give the same bytes. The answer is JSON on
standard output: ``{"changed": [[member, places]]}``, or ``{"refused": why, "hint": …}`` with exit
code 1.
"""

from __future__ import annotations

import bz2
import fnmatch
import gzip
import io
import json
import lzma
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from buildfarm.domain.debrand.edits.replacing import replaced
from buildfarm.domain.debrand.rule import ArchiveEdit, Replace
from buildfarm.domain.debrand.tree import RuleDoesNotFit, decode, encode

Changed = list[tuple[str, int]]
_MOST_BYTES = 4 << 30
_SHOWN = 8


def edit_archive(name: str, data: bytes, edit: ArchiveEdit, *, mtime: int) -> tuple[bytes, Changed]:
    """Return the edited archive, and ``(member, places)`` of the changes (0 places: deleted).

    :raises RuleDoesNotFit: an unknown archive, a glob without a member, another count of places.
    """
    if zipfile.is_zipfile(io.BytesIO(data)):
        return _edit_zip(name, data, edit, mtime)
    unpack, pack = _codec(data)
    try:
        plain = unpack(data)
        return _edit_tar(name, plain, edit, mtime, pack)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise RuleDoesNotFit(
            f"{name}: is no archive that can be edited ({error})",
            hint="tar (gz, bz2, xz, zst) and zip",
        ) from error


def _codec(data: bytes) -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """Return the tar's decompressor and compressor, by its first bytes; the output has no time or
    name.
    """
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress, lambda plain: gzip.compress(plain, 9, mtime=0)
    if data.startswith(b"BZh"):
        return bz2.decompress, bz2.compress
    if data.startswith(b"\xfd7zXZ\x00"):
        return lzma.decompress, lambda plain: lzma.compress(plain, preset=6)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard  # noqa: PLC0415  # only these archives need it

        return (
            lambda packed: zstandard.ZstdDecompressor().stream_reader(packed).read(),
            lambda plain: zstandard.ZstdCompressor(level=19, write_content_size=True).compress(
                plain
            ),
        )
    return lambda plain: plain, lambda plain: plain


def _edit_tar(
    name: str, plain: bytes, edit: ArchiveEdit, mtime: int, pack: Callable[[bytes], bytes]
) -> tuple[bytes, Changed]:
    with tarfile.open(fileobj=io.BytesIO(plain)) as old:
        members = old.getmembers()
        gone = _deleted(name, [member.name for member in members], edit)
        texts = {
            member.name: _content(old, member)
            for member in members
            if member.isfile() and member.name not in gone
        }
        new, changed = _replacements(name, texts, edit)
        out = io.BytesIO()
        with tarfile.open(
            fileobj=out, mode="w", format=_format(plain), pax_headers=old.pax_headers
        ) as made:
            for member in members:
                if member.name in gone:
                    continue
                content = new.get(member.name)
                if content is not None:
                    member.size, member.mtime = len(content), mtime
                    member.pax_headers = {
                        key: value
                        for key, value in member.pax_headers.items()
                        if key not in ("mtime", "size")
                    }
                source = (
                    io.BytesIO(texts[member.name] if content is None else content)
                    if member.isfile()
                    else None
                )
                made.addfile(member, source)
    return pack(out.getvalue()), [*((one, 0) for one in sorted(gone)), *changed]


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _format(plain: bytes) -> int:
    """Return GNU tar's format if the archive has it, else POSIX's."""
    return tarfile.GNU_FORMAT if plain[257:265] == b"ustar  \0" else tarfile.PAX_FORMAT


def _edit_zip(name: str, data: bytes, edit: ArchiveEdit, mtime: int) -> tuple[bytes, Changed]:
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        infos = old.infolist()
        if sum(info.file_size for info in infos) > _MOST_BYTES:
            raise RuleDoesNotFit(f"{name}: holds more than {_MOST_BYTES} bytes")
        gone = _deleted(name, [info.filename for info in infos], edit)
        texts = {
            info.filename: old.read(info)
            for info in infos
            if not info.is_dir() and info.filename not in gone
        }
        new, changed = _replacements(name, texts, edit)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            made.comment = old.comment
            for info in infos:
                if info.filename in gone:
                    continue
                content = new.get(info.filename)
                if content is not None:
                    year, month, day, hour, minute, second = time.gmtime(mtime)[:6]
                    info.date_time = (year, month, day, hour, minute, second)
                made.writestr(info, texts.get(info.filename, b"") if content is None else content)
    return out.getvalue(), [*((one, 0) for one in sorted(gone)), *changed]


def matches(member: str, pattern: str) -> bool:
    """Check whether a glob names a member by its path, its path below the top folder, or a folder.

    >>> matches("foo-1.0/images/logo.png", "images/*.png")
    True
    >>> matches("foo-1.0/images/logo.png", "images")
    True
    >>> matches("foo-1.0/images/logo.png", "logo.png")
    False
    """
    whole = member.removeprefix("./").rstrip("/")
    for path in (whole, whole.partition("/")[2]):
        parts = path.split("/")
        if any(
            fnmatch.fnmatchcase("/".join(parts[:count]), pattern.rstrip("/"))
            for count in range(1, len(parts) + 1)
        ):
            return True
    return False


def _deleted(name: str, members: Iterable[str], edit: ArchiveEdit) -> set[str]:
    known = list(members)
    gone: set[str] = set()
    for pattern in edit.delete:
        found = {member for member in known if matches(member, pattern)}
        if not found:
            raise RuleDoesNotFit(f"{name}: no member matches {pattern!r}", hint=_some(known))
        gone |= found
    return gone


def _replacements(
    name: str, texts: Mapping[str, bytes], edit: ArchiveEdit
) -> tuple[dict[str, bytes], Changed]:
    now = dict(texts)
    places: dict[str, int] = {}
    for number, action in enumerate(edit.replace, 1):
        where = f"{name}: replace {number}"
        chosen = {
            member: decode(content)
            for member, content in now.items()
            if matches(member, action.where)
        }
        if not chosen:
            raise RuleDoesNotFit(f"{where}: no member matches {action.where!r}", hint=_some(now))
        results, changed = replaced(action, chosen, where)
        now.update({member: encode(text) for member, text in results.items()})
        for member, count in changed:
            places[member] = places.get(member, 0) + count
    return {member: now[member] for member in places}, sorted(places.items())


def _some(members: Iterable[str]) -> str:
    known = sorted(members)
    return f"there are: {', '.join(known[:_SHOWN])}{', …' if len(known) > _SHOWN else ''}"


def _main(order: Path, before: Path, after: Path) -> int:
    said = json.loads(order.read_text("utf-8"))
    replace = tuple(Replace(**one) for one in said["edit"]["replace"])
    edit = ArchiveEdit(
        archive=said["edit"]["archive"], delete=tuple(said["edit"]["delete"]), replace=replace
    )
    try:
        data, changed = edit_archive(said["name"], before.read_bytes(), edit, mtime=said["mtime"])
    except RuleDoesNotFit as error:
        sys.stdout.write(json.dumps({"refused": str(error), "hint": error.hint}))
        return 1
    after.write_bytes(data)
    sys.stdout.write(json.dumps({"changed": changed}))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*map(Path, sys.argv[1:4])))
