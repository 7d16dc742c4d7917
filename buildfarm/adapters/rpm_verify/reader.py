"""Runs inside the sandbox: reads ``{"files": […], "keys": […] | null}`` on standard input, prints one answer a file.

Knows rpm and the standard library only; never parses a spec, never expands a macro.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rpm

_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_PAYLOADDIGEST, _PAYLOADDIGESTALG = 5092, 5093
_HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
_RESEND = "fetch it again from the vendor"


class Problem(Exception):
    """Why a file is refused: the name of an error class, the reason and the next step."""

    def __init__(self, kind: str, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.answer = {"problem": kind, "reason": reason, "hint": hint}


def ring_of(keys: Sequence[str]) -> Any:  # noqa: ANN401  # rpm ships no types
    """rpm's key ring with these ASCII-armored public keys and no other."""
    ring = rpm.keyring()
    for file in keys:
        armored = Path(file).read_text(encoding="ascii", errors="replace")
        ring.addKey(rpm.pubkey(_dearmor(armored)))
    return ring


def _dearmor(armored: str) -> bytes:
    """The packets inside an ASCII armor (RFC 4880, 6.2): what stands between the blank line and the checksum."""
    lines = iter(armored.splitlines())
    for line in lines:
        if not line.strip():
            break
    body = itertools.takewhile(lambda line: not line.startswith(("=", "-----END")), lines)
    return base64.b64decode("".join(body))


def read(path: str, keys: Sequence[str] | None) -> dict[str, object]:
    """Verify one file and read its header. :raises Problem: it is refused."""
    with Path(path).open("rb") as file:
        if file.read(4) != _LEAD_MAGIC:
            raise Problem("NotAnRpm", "not an RPM (no RPM lead)", "send an SRPM or RPM file")
        file.seek(0)
        header, payload_start = _header(file.fileno(), None)
        _check_payload(file.fileno(), header, payload_start)
        key_id = ""
        if keys is not None:
            key_id = _check_signature(file.fileno(), header, keys)
    return _facts(header, key_id)


def _header(fd: int, ring: Any) -> tuple[Any, int]:  # noqa: ANN401
    """The header, its digests checked, and where the payload starts."""
    os.lseek(fd, 0, os.SEEK_SET)
    transaction = rpm.TransactionSet()
    if ring is None:
        transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    else:
        transaction.setVSFlags(0)
        transaction.setKeyring(ring)
    try:
        header = transaction.hdrFromFdno(fd)
    except rpm.error as error:
        text = str(error)
        if ring is None or "digest" in text.lower():
            raise Problem("Damaged", f"the header is damaged: {text}", _RESEND) from error
        raise
    return header, os.lseek(fd, 0, os.SEEK_CUR)


def _check_payload(fd: int, header: Any, start: int) -> None:  # noqa: ANN401
    wanted = [str(digest) for digest in header[_PAYLOADDIGEST] or ()]
    size = os.fstat(fd).st_size
    if start >= size:
        raise Problem("Damaged", f"the file ends after {size} bytes, before its payload", _RESEND)
    if not wanted:
        return _check_md5(fd, header)
    algorithm = _HASHES.get(header[_PAYLOADDIGESTALG] or 8, "sha256")
    digest = hashlib.new(algorithm)
    os.lseek(fd, start, os.SEEK_SET)
    while chunk := os.read(fd, 1 << 20):
        digest.update(chunk)
    if digest.hexdigest() not in wanted:
        found = digest.hexdigest()[:12]
        raise Problem("Damaged", f"the payload's {algorithm} is {found}…, the header says {wanted[0][:12]}…", _RESEND)
    return None


def _check_md5(fd: int, header: Any) -> None:  # noqa: ANN401
    """RPMs of before 4.14 carry an MD5 over header and payload and nothing better."""
    wanted = header[rpm.RPMTAG_SIGMD5]
    if not wanted:
        raise Problem("Damaged", "no digest covers the payload", "ask the vendor for a file with digests")
    digest = hashlib.md5(usedforsecurity=False)
    os.lseek(fd, _main_header_start(fd), os.SEEK_SET)
    while chunk := os.read(fd, 1 << 20):
        digest.update(chunk)
    if digest.digest() != bytes(wanted):
        raise Problem("Damaged", "header and payload do not fit their MD5", _RESEND)


def _main_header_start(fd: int) -> int:
    """Behind the lead (96 bytes) and the signature header, which is padded to 8 (rpm manual, "Package format")."""
    entries, size = struct.unpack(">II", os.pread(fd, 8, 96 + 8))
    end = 96 + 16 + 16 * entries + size
    return int(end + (-end) % 8)


def _check_signature(fd: int, header: Any, keys: Sequence[str]) -> str:  # noqa: ANN401
    """The id of the key that signed it."""
    signed = header[rpm.RPMTAG_RSAHEADER] or header[rpm.RPMTAG_DSAHEADER] or header[rpm.RPMTAG_SIGPGP]
    if not signed:
        raise Problem("Unsigned", "it is not signed", "release it with a reason, or fetch the vendor's signed file")
    text = header.sprintf("%|RSAHEADER?{%{RSAHEADER:pgpsig}}:{%|DSAHEADER?{%{DSAHEADER:pgpsig}}:{%{SIGPGP:pgpsig}}|}|")
    key_id = text.rpartition(" ")[2]
    if not keys:
        raise Problem("UnknownKey", f"signed by key {key_id}, and the target trusts no key", "add upstream.keys")
    try:
        _header(fd, ring_of(keys))
    except rpm.error as error:
        reason = str(error)
        if "not available" in reason or "not trusted" in reason:
            raise Problem(
                "UnknownKey", f"signed by key {key_id}, which the target does not trust",
                "add the key to upstream.keys if it is the vendor's, or release it with a reason",
            ) from error  # fmt: skip
        raise Problem("BadSignature", f"the signature (key {key_id}) does not fit: {reason}", _RESEND) from error
    return key_id


def _facts(header: Any, key_id: str) -> dict[str, object]:  # noqa: ANN401
    def dependencies(kind: str) -> list[str]:
        return [
            str(entry.DNEVR())[2:]  # rpm puts the kind and a blank first
            for entry in rpm.ds(header, kind)
            if not str(entry.N()).startswith("rpmlib(")
        ]

    return {
        "name": header[rpm.RPMTAG_NAME],
        "epoch": header[rpm.RPMTAG_EPOCH] or 0,
        "version": header[rpm.RPMTAG_VERSION],
        "release": header[rpm.RPMTAG_RELEASE],
        "arch": header[rpm.RPMTAG_ARCH],
        "is_source": bool(header[rpm.RPMTAG_SOURCEPACKAGE]),
        "requires": dependencies("requires"),
        "provides": dependencies("provides"),
        "exclusivearch": list(header[rpm.RPMTAG_EXCLUSIVEARCH] or ()),
        "excludearch": list(header[rpm.RPMTAG_EXCLUDEARCH] or ()),
        "sourcerpm": header[rpm.RPMTAG_SOURCERPM] or "",
        "sha256header": header[rpm.RPMTAG_SHA256HEADER] or "",
        "vendor": header[rpm.RPMTAG_VENDOR] or "",
        "key_id": key_id,
    }


def main() -> None:
    """Answer for each file, never stopping at a bad one."""
    given = json.load(sys.stdin)
    answers: list[dict[str, object]] = []
    for path in given["files"]:
        try:
            answers.append(read(path, given["keys"]))
        except Problem as problem:
            answers.append(dict(problem.answer))
        except (OSError, ValueError, rpm.error) as error:
            answers.append({"problem": "Damaged", "reason": str(error) or type(error).__name__, "hint": _RESEND})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
