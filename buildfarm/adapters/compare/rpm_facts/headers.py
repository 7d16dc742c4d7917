"""Inside the sandbox: integrity and header facts of RPM files.

rpm checks the header's own digests, and the payload's SHA-256 is checked here (never its MD5 alone
if there is a better digest: an RPM can report "MD5 OK" and be broken). Signatures are not checked:
that is done at ingest, and the keys are not in here.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import Any

from buildfarm.adapters.compare.rpm_facts.codec import rpm_to_json
from buildfarm.adapters.system.rpm_bindings import rpm
from buildfarm.domain.compare.facts.facts import (
    ChangelogEntry,
    Dependency,
    FileEntry,
    RpmFacts,
    Scriptlet,
    Trigger,
)

_LEAD_BYTES = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_BLOCK = 1 << 20
_SIGNATURE_TAGS_BELOW = 1000
_I18N_TABLE = 100
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_I18N_STRING = 9
_SIGNING_TAGS = frozenset({259, 262, 267, 268, 274, 276, 277, 278, 5090, 5091})
"""PGP, GPG, DSA, RSA, the files' IMA and fs-verity signatures, OPENPGP.

rpm moves the IMA ones to 5090 and 5091.
"""
_HASHES = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}
_PAYLOAD_DIGEST, _PAYLOAD_DIGEST_ALGORITHM, _SIGMD5, _FILE_DIGEST_ALGORITHM = 5092, 5093, 261, 5011
_MD5 = 1

_DEPENDENCY_STEMS = (
    "REQUIRE", "PROVIDE", "CONFLICT", "OBSOLETE", "RECOMMEND", "SUGGEST", "SUPPLEMENT", "ENHANCE",
    "ORDER",
)  # fmt: skip
_SCRIPT_PHASES = {
    "PREIN": (1023, 1085, 5020), "POSTIN": (1024, 1086, 5021), "PREUN": (1025, 1087, 5022),
    "POSTUN": (1026, 1088, 5023), "PRETRANS": (1151, 1153, 5024), "POSTTRANS": (1152, 1154, 5025),
    "VERIFYSCRIPT": (1079, 1091, 5026), "PREUNTRANS": (5104, 5106, 5108),
    "POSTUNTRANS": (5105, 5107, 5109),
}  # fmt: skip
"""Tags of body, interpreter and flags (rpmtag.h); the last two by number, unnamed in rpm 4.18."""

_TRIGGER_FAMILIES = {
    "TRIGGER": (1065, 1092, 5027, 1066, 1068, 1067, 1069, 0),
    "FILETRIGGER": (5066, 5067, 5068, 5069, 5072, 5071, 5070, 5084),
    "TRANSFILETRIGGER": (5076, 5077, 5078, 5079, 5082, 5081, 5080, 5085),
}
"""Tags of bodies, interpreters, flags; conditions' names, flags, versions, index; priorities."""

_FILE_TAGS = frozenset(
    {
        1027, 1028, 1030, 1033, 1034, 1035, 1036, 1037, 1039, 1040, 1045, 1095, 1096, 1097, 1116,
        1117, 1118, 1140, 5008, 5010,
    }
)  # fmt: skip
_PLAIN_TAGS_DONE = frozenset(
    {1000, 1001, 1002, 1003, 1022, 1044, 1080, 1081, 1082, 1106, _PAYLOAD_DIGEST}
)


def answers(files: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the facts of each file as plain lists and dicts, in that order."""
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    descriptor = os.memfd_create("rpm-log")
    with os.fdopen(descriptor, "w+", encoding="utf-8", errors="backslashreplace") as log:
        rpm.setLogFile(log)
        try:
            for path in files:
                log.seek(0)
                log.truncate()
                yield rpm_to_json(read(path, transaction, log))
        finally:
            rpm.setLogFile(sys.stderr)


def read(path: str, transaction: Any, log: Any) -> RpmFacts:  # noqa: ANN401 -- rpm has no types
    """Return the facts of one file; any damage becomes ``error``."""
    sha256 = ""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- unbuffered: rpm moves the same descriptor
            sha256 = _digest(file, "sha256")
            file.seek(0)
            header_at = _main_header_at(file)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            header = transaction.hdrFromFdno(file.fileno())
            payload_at = os.lseek(file.fileno(), 0, os.SEEK_CUR)
            file.seek(header_at)
            header_bytes = file.read(payload_at - header_at)
            payload, error = _payload(file, header, header_bytes)
            digests = {"file": path, "sha256": sha256, "error": error, "payload": payload}
            return _facts(header, {**digests, "header": hashlib.sha256(header_bytes).hexdigest()})
    except (
        rpm.error,
        OSError,
        ValueError,
        struct.error,
        KeyError,
        IndexError,
        TypeError,
        MemoryError,
    ) as error:
        log.seek(0)
        said = [
            line.removeprefix("error: ").replace(f"{path}: ", "")
            for line in log.read().splitlines()
            if line
        ]
        return RpmFacts(
            file=path, sha256=sha256, error=plain("; ".join([*said[:2], str(error) or repr(error)]))
        )


def _digest(file: FileIO, algorithm: str, start: bytes = b"") -> str:
    state = hashlib.new(algorithm, start, usedforsecurity=False)
    while block := file.read(_BLOCK):
        state.update(block)
    return state.hexdigest()


def _main_header_at(file: FileIO) -> int:
    """Return the offset of the main header: after the lead and the padded signature header."""
    start = file.read(_LEAD_BYTES + 16)
    intro = start[_LEAD_BYTES:]
    if intro[:4] != _HEADER_MAGIC:
        raise ValueError("not an RPM file")
    tags, store = (int(number) for number in struct.unpack(">II", intro[8:16]))
    size = tags * 16 + store
    return _LEAD_BYTES + 16 + size + (-size % 8)


def _payload(file: FileIO, header: Any, header_bytes: bytes) -> tuple[str, str]:  # noqa: ANN401
    """Return the payload's SHA-256 (as stored) and its fault; ``file`` is at the payload."""
    start = file.tell()
    sha256 = _digest(file, "sha256")
    wanted = _first(header[_PAYLOAD_DIGEST])
    if wanted:
        algorithm = _HASHES.get(header[_PAYLOAD_DIGEST_ALGORITHM] or 8)
        if algorithm is None:
            return (
                sha256,
                f"payload digest of unknown algorithm {header[_PAYLOAD_DIGEST_ALGORITHM]}",
            )
        file.seek(start)
        found = sha256 if algorithm == "sha256" else _digest(file, algorithm)
        good = found == wanted
        return sha256, "" if good else f"payload {algorithm} is {found}, the header says {wanted}"
    md5 = header[_SIGMD5]
    if not md5:
        return sha256, "no payload digest of any kind: its integrity cannot be told"
    file.seek(start)
    found = _digest(file, "md5", header_bytes)
    return (
        sha256,
        ""
        if found == md5.hex()
        else f"MD5 of header and payload is {found}, the signature header says {md5.hex()}",
    )


def _first(value: Any) -> str:  # noqa: ANN401 -- a tag's value
    items = as_list(value)
    return str(items[0]) if items else ""


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 -- a tag's value
    """Return a tag's value as a list.

    rpm gives a scalar for an unknown tag of one item, and None for an absent one.
    """
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def plain(text: str) -> str:
    """Return text that any UTF-8 stream can hold; other bytes become visible escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _facts(header: Any, digests: dict[str, str]) -> RpmFacts:  # noqa: ANN401
    """Return all facts of a header; ``digests`` are the fields that come from the file's bytes."""
    source = bool(header.isSource())
    epoch = header[rpm.RPMTAG_EPOCH]
    return RpmFacts(
        file=digests["file"],
        sha256=digests["sha256"],
        error=digests["error"],
        name=plain(header[rpm.RPMTAG_NAME] or ""),
        epoch=epoch,
        version=plain(header[rpm.RPMTAG_VERSION] or ""),
        release=plain(header[rpm.RPMTAG_RELEASE] or ""),
        arch="src" if source else plain(header[rpm.RPMTAG_ARCH] or ""),
        source_rpm=plain(header[rpm.RPMTAG_SOURCERPM] or ""),
        is_source=source,
        header_digest=digests["header"],
        payload_digest=digests["payload"],
        signature=_signature(header),
        digest_algorithm=header[_FILE_DIGEST_ALGORITHM] or _MD5,
        dependencies={
            stem: items for stem in _DEPENDENCY_STEMS if (items := _dependencies(header, stem))
        },
        scriptlets=tuple(_scriptlets(header)),
        triggers=tuple(item for family in _TRIGGER_FAMILIES for item in _triggers(header, family)),
        changelog=tuple(_changelog(header)),
        files=_files(header),
        tags=dict(_tags(header)),
    )


def _signature(header: Any) -> str:  # noqa: ANN401
    """Return one digest over all signature tags of the signature header (the others are
    digests).
    """
    parts = [(tag, as_list(header[tag])) for tag in sorted(header.keys()) if tag in _SIGNING_TAGS]
    return hashlib.sha256(repr(parts).encode()).hexdigest() if parts else ""


def _dependencies(header: Any, stem: str) -> tuple[Dependency, ...]:  # noqa: ANN401
    tags = [getattr(rpm, f"RPMTAG_{stem}{part}") for part in ("NAME", "FLAGS", "VERSION")]
    names, flags, versions = (as_list(header[tag]) for tag in tags)
    size = len(names)
    flags, versions = flags or [0] * size, versions or [""] * size
    return tuple(
        Dependency(name=plain(name), flags=flag, version=plain(version))
        for name, flag, version in zip(names, flags, versions, strict=True)
    )


def _scriptlets(header: Any) -> Iterable[Scriptlet]:  # noqa: ANN401
    for phase, (body, program, flags) in _SCRIPT_PHASES.items():
        programs = tuple(plain(word) for word in as_list(header[program]))
        text = header[body]
        if text or programs:
            yield Scriptlet(
                phase=phase,
                program=programs,
                flags=_first_number(header[flags]),
                body=plain(_first(text)),
            )


def _first_number(value: Any) -> int:  # noqa: ANN401
    items = as_list(value)
    return int(items[0]) if items else 0


def _triggers(header: Any, family: str) -> Iterable[Trigger]:  # noqa: ANN401
    bodies, programs, flags, names, senses, versions, index, priorities = (
        as_list(header[tag]) if tag else [] for tag in _TRIGGER_FAMILIES[family]
    )
    conditions: defaultdict[int, list[Dependency]] = defaultdict(list)
    for name, sense, version, place in zip(names, senses, versions, index, strict=True):
        conditions[place].append(Dependency(name=plain(name), flags=sense, version=plain(version)))
    for place in sorted(conditions):
        yield Trigger(
            family=family,
            conditions=tuple(conditions[place]),
            program=plain(programs[place]) if place < len(programs) else "",
            flags=flags[place] if place < len(flags) else 0,
            priority=priorities[place] if place < len(priorities) else 0,
            body=plain(bodies[place]) if place < len(bodies) else "",
        )


def _changelog(header: Any) -> Iterable[ChangelogEntry]:  # noqa: ANN401
    times, names, texts = (as_list(header[tag]) for tag in (1080, 1081, 1082))
    for time, name, text in zip(times, names, texts, strict=True):
        yield ChangelogEntry(time=time, name=plain(name), text=plain(text))


def _files(header: Any) -> tuple[FileEntry, ...]:  # noqa: ANN401
    entries = list(rpm.files(header))
    linked: defaultdict[int, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.nlink > 1 and stat.S_ISREG(entry.mode):
            linked[entry.inode].append(plain(entry.name))
    return tuple(_file(entry, linked) for entry in entries)


def _file(entry: Any, linked: dict[int, list[str]]) -> FileEntry:  # noqa: ANN401
    path, regular = plain(entry.name), stat.S_ISREG(entry.mode)
    others = linked.get(entry.inode, []) if regular and entry.nlink > 1 else []
    digest = entry.digest if regular else ""
    return FileEntry(
        path=path,
        mode=entry.mode,
        user=plain(entry.user or ""),
        group=plain(entry.group or ""),
        flags=entry.fflags,
        verify=entry.vflags,
        caps=plain(entry.caps or ""),
        target=plain(entry.linkto or "") if stat.S_ISLNK(entry.mode) else "",
        device=entry.rdev,
        colour=entry.color,
        langs=plain(entry.langs or ""),
        digest=digest if digest and digest.strip("0") else "",
        size=entry.size,
        hardlinks=tuple(sorted(other for other in others if other != path)),
    )


def _tags(header: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401
    """Yield every tag without a field of its own, as text."""
    done = set(_FILE_TAGS | _PLAIN_TAGS_DONE)
    for tags in (*_SCRIPT_PHASES.values(), *_TRIGGER_FAMILIES.values()):
        done.update(tags)
    for stem in _DEPENDENCY_STEMS:
        done.update(getattr(rpm, f"RPMTAG_{stem}{part}") for part in ("NAME", "FLAGS", "VERSION"))
    for tag in header.keys():  # noqa: SIM118 -- a header is no mapping
        if (
            tag in done
            or tag in _SIGNING_TAGS
            or (tag < _SIGNATURE_TAGS_BELOW and tag != _I18N_TABLE)
        ):
            continue
        values = [
            value.hex() if isinstance(value, bytes) else str(value)
            for value in as_list(header[tag])
        ]
        yield rpm.tagnames.get(tag, str(tag)).upper(), plain("\n".join(values))
    yield from _translations(header)


def _translations(header: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401
    """Yield ``SUMMARY[de]`` and its like from the header's own form: rpm shows one language at a
    time.

    Source: rpm's "Package format" (index entries of 16 bytes; type 9 is one string for each
    language of HEADERI18NTABLE).
    """
    languages = [plain(str(name)) for name in as_list(header[_I18N_TABLE])]
    if len(languages) < 2:  # noqa: PLR2004  # only C: the tags themselves hold everything
        return
    data = header.unload()
    start = len(_HEADER_MAGIC) + 4 if data.startswith(_HEADER_MAGIC) else 0
    entries, _ = struct.unpack_from(">II", data, start)
    store = start + 8 + 16 * entries
    for number in range(entries):
        tag, kind, offset, count = struct.unpack_from(">IIII", data, start + 8 + 16 * number)
        if kind == _I18N_STRING:
            texts = data[store + offset :].split(b"\0", count)[:count]
            for language, text in list(zip(languages, texts, strict=False))[1:]:
                name = rpm.tagnames.get(tag, str(tag)).upper()
                yield f"{name}[{language}]", plain(text.decode("utf-8", "surrogateescape"))
