"""Every byte of a container counts: whatever is inserted, appended or changed in one is a difference,
unless it is a trace of packing.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.domain.compare.contents.normalise import NO_MASK

TEXT = b"first line\n" * 40
PAYLOAD = b"#!/bin/sh\nexec evil\n"


def digest(path: str, data: bytes) -> str:
    return normal_form.reduce(data, path, NO_MASK).digest


def tar(change: Callable[[tarfile.TarInfo], None] = lambda _: None, **options: object) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", **options) as box:  # type: ignore[call-overload]
        for name in ("a", "b"):
            entry = tarfile.TarInfo(name)
            entry.size = len(TEXT)
            if name == "b":
                change(entry)
            box.addfile(entry, io.BytesIO(TEXT))
    return held.getvalue()


def zipped(*, comment: bytes = b"", extra: bytes = b"", names: tuple[str, ...] = ("a", "b"),
           stored: tuple[str, ...] = ()) -> bytes:  # fmt: skip
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as box:
        for name in names:
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            entry.extra = extra
            box.writestr(entry, TEXT)
        box.comment = comment
    return held.getvalue()


def cpio(**files: bytes) -> bytes:
    """An archive of the new ASCII form, cpio(5)."""
    parts = []
    for name, data in (*files.items(), ("TRAILER!!!", b"")):
        fields = [1, 0o100644, 0, 0, 1, 77, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b"".join(parts)


def gzipped(data: bytes, *, extra: bytes = b"", comment: bytes = b"", name: bytes = b"") -> bytes:
    flags = 4 * bool(extra) | 16 * bool(comment) | 8 * bool(name)
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\3"
    head += struct.pack("<H", len(extra)) + extra if extra else b""
    head += name + b"\0" if name else b""
    head += comment + b"\0" if comment else b""
    packed = zlib.compressobj(wbits=-15)
    body = packed.compress(data) + packed.flush()
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def test_a_gzip_header_counts_but_for_time_and_name():
    plain = digest("/x.gz", gzipped(TEXT))
    assert digest("/x.gz", gzipped(TEXT, name=b"x")) == plain
    assert digest("/x.gz", gzip.compress(TEXT, 1, mtime=77)) == plain
    for other in (
        gzipped(TEXT, extra=PAYLOAD),
        gzipped(TEXT, comment=PAYLOAD),
        gzipped(TEXT) + gzipped(b"", name=PAYLOAD),
        gzipped(b"") + gzipped(TEXT),
        gzipped(TEXT) + PAYLOAD,
    ):
        assert digest("/x.gz", other) != plain


def test_a_header_that_holds_the_beginning_of_the_text_does_not_stand_for_it():
    first, rest = TEXT[:11], TEXT[11:]
    assert digest("/x.gz", gzipped(rest, comment=first)) != digest("/x.gz", gzipped(TEXT))
    text = b"extra" + TEXT
    assert digest("/x.gz", gzipped(text[9:], extra=text[5:9])) != digest("/x.gz", gzipped(text))


def test_a_frame_that_zstd_skips_counts():
    packed = zstandard.ZstdCompressor().compress(TEXT)
    skipped = struct.pack("<II", 0x184D2A50, len(PAYLOAD)) + PAYLOAD
    plain = digest("/x.zst", packed)
    assert digest("/x.zst", zstandard.ZstdCompressor(level=19).compress(TEXT)) == plain
    halves = [zstandard.ZstdCompressor().compress(part) for part in (TEXT[:100], TEXT[100:])]
    assert digest("/x.zst", b"".join(halves)) == plain
    for other in (packed + skipped, skipped + packed, packed + PAYLOAD):
        assert digest("/x.zst", other) != plain


def test_a_tar_counts_with_owners_extended_attributes_and_what_lies_behind():
    plain = digest("/x.tar", tar())

    def late(entry: tarfile.TarInfo) -> None:
        entry.mtime = 1_700_000_000

    assert digest("/x.tar", tar(late)) == plain
    assert digest("/x.tar", tar() + bytes(5120)) == plain, "blocks of zeros are fill"
    assert digest("/x.tar", tar() + PAYLOAD) != plain
    assert digest("/x.tar", tar() + tar()) != plain

    def owned(entry: tarfile.TarInfo) -> None:
        entry.uid = 27

    def capable(entry: tarfile.TarInfo) -> None:
        entry.pax_headers = {"SCHILY.xattr.security.capability": "x"}

    assert digest("/x.tar", tar(owned)) != plain
    pax = digest("/x.tar", tar(format=tarfile.PAX_FORMAT))
    assert digest("/x.tar", tar(capable, format=tarfile.PAX_FORMAT)) != pax
    padded = bytearray(tar())
    padded[512 + len(TEXT) + 1] = 7
    assert digest("/x.tar", bytes(padded)) != plain


def test_a_zip_counts_with_comments_extra_fields_and_gaps():
    plain = digest("/x.zip", zipped())
    times = struct.pack("<HHBI", 0x5455, 5, 1, 77)
    assert digest("/x.zip", zipped(extra=times)) == plain
    assert digest("/x.zip", zipped(names=("b", "a"))) == plain
    for other in (
        zipped(comment=PAYLOAD),
        zipped(extra=struct.pack("<HH", 0x9999, len(PAYLOAD)) + PAYLOAD),
        zipped() + PAYLOAD,
        with_gap(zipped()),
        behind_deflate(zipped()),
    ):
        assert digest("/x.zip", other) != plain


def behind_deflate(data: bytes) -> bytes:
    """The zip with bytes behind the last block of a member, inside its compressed size."""
    start = data.rindex(b"PK\3\4")
    size = struct.unpack_from("<I", data, start + 18)[0]
    grown = bytearray(with_gap(data))
    struct.pack_into("<I", grown, start + 18, size + len(PAYLOAD))
    struct.pack_into("<I", grown, grown.rindex(b"PK\1\2") + 20, size + len(PAYLOAD))
    return bytes(grown)


def with_gap(data: bytes) -> bytes:
    """The zip with bytes between its last member and its directory."""
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", data, end + 16)[0]
    tail = bytearray(data[start:])
    struct.pack_into("<I", tail, end - start + 16, start + len(PAYLOAD))
    return data[:start] + PAYLOAD + bytes(tail)


def test_the_first_member_of_a_document_counts_with_its_place_and_storage():
    made = [
        digest("/x.odt", zipped(names=names, stored=stored))
        for names, stored in (
            (("mimetype", "b"), ("mimetype",)), (("b", "mimetype"), ("mimetype",)), (("mimetype", "b"), ())
        )
    ]  # fmt: skip
    assert len(set(made)) == 3


def test_the_second_of_two_members_of_one_name_is_the_one_that_counts():
    held = [io.BytesIO(), io.BytesIO()]
    for place, order in zip(held, ((b"one", b"two"), (b"two", b"one")), strict=True):
        with tarfile.open(fileobj=place, mode="w") as box:
            for body in order:
                entry = tarfile.TarInfo("a")
                entry.size = len(body)
                box.addfile(entry, io.BytesIO(body))
    assert digest("/x.tar", held[0].getvalue()) != digest("/x.tar", held[1].getvalue())


def test_every_archive_of_an_initramfs_counts():
    early, whole = cpio(x=TEXT), cpio(y=TEXT)
    plain = digest("/x.img", early)
    assert digest("/x.img", early + bytes(1024)) == plain
    two = digest("/x.img", early + bytes(512) + whole)
    packed = digest("/x.img", early + gzip.compress(whole, mtime=1))
    assert len({plain, two, packed}) == 3
    assert packed == digest("/x.img", early + gzip.compress(whole, 1, mtime=2)), "looked into"
    evil = cpio(y=TEXT + PAYLOAD)
    assert digest("/x.img", early + bytes(512) + evil) != two
    assert digest("/x.img", early + gzip.compress(evil)) != packed
    assert digest("/x.img", early + PAYLOAD) != plain


CONTAINERS = {
    "gz": gzip.compress(TEXT, mtime=0), "xz": lzma.compress(TEXT), "bz2": bz2.compress(TEXT),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress(TEXT), "zip": zipped(), "tar": tar(),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTAINERS)
def test_bytes_that_are_put_into_a_container_are_never_lost(kind: str):
    data = CONTAINERS[kind]
    plain = digest(f"/x.{kind}", data)

    @given(st.integers(0, len(data)), st.binary(min_size=16, max_size=64).filter(any))
    @example(len(data), PAYLOAD)
    @example(0, PAYLOAD)
    def check(at: int, some: bytes) -> None:
        assert digest(f"/x.{kind}", data[:at] + some + data[at:]) != plain

    check()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_that_changes_is_never_lost(kind: str):
    data = CONTAINERS[kind]
    plain = digest(f"/x.{kind}", data)
    free = traces(kind, data)
    for at in set(range(0, len(data), 3)) - free:
        changed = bytearray(data)
        changed[at] ^= 0x55
        assert digest(f"/x.{kind}", bytes(changed)) != plain, at


def traces(kind: str, data: bytes) -> set[int]:
    """The offsets of times, and of what only says how a zip was packed."""
    if kind == "tar":
        starts = (0, 512 + -(-len(TEXT) // 512) * 512)
        fields = (*range(136, 156), *range(257, 329))  # time, checksum; magic, names of owners
        return {start + at for start in starts for at in fields}
    free: set[int] = set()
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        for entry in box.infolist():
            start = entry.header_offset
            size = entry.compress_size  # deflate ends within a byte; the bits behind are fill
            free |= {
                start + 4,
                start + 5,
                *range(start + 10, start + 14),
                start + 30 + len(entry.filename) + size - 1,
            }
        at = box.start_dir
        for entry in box.infolist():
            free |= {*range(at + 4, at + 8), *range(at + 12, at + 16), *range(at + 34, at + 38)}
            at += 46 + len(entry.filename)
        free |= set(range(at, len(data)))
    return free
