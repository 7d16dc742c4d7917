"""Runs inside the sandbox: verifies files and prints one answer for each.

Standard input is ``{"files": […], "keys": […] | null}``. It is started by path and imports only rpm
and the standard library, so that it starts quickly. It never parses a spec and never expands a
macro. The header is read through rpm's Python module with its digests checked; payload and
signatures are checked by one call of rpmkeys for all files. Its report (rpm 4.14 to 4.20) has one
line for each digest and signature::

    Header V4 RSA/SHA256 Signature, key ID d9017565: OK
    Header SHA256 digest: OK
    Payload SHA256 digest: BAD (Expected … != …)
    MD5 digest: OK
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rpm

_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_RING = Path("/tmp/ring")  # the sandbox's own tmpfs
_LINKS = Path("/tmp/files")
_RESEND = "fetch it again from the vendor"
_LINE = re.compile(
    r"^ {4}(?P<what>.+?): (?P<word>OK|BAD|NOKEY|NOTTRUSTED|NOTFOUND|FAIL|UNKNOWN)\b(?P<rest>.*)$"
)
_KEY_ID = re.compile(r"key ID ([0-9a-fA-F]+)")
_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----\n?", re.DOTALL
)
_RELEASE = "release it with a reason, or fetch the vendor's signed file"


class Problem(Exception):  # a finding about a file
    """The refusal of a file: the name of an error class, the reason and the next step."""

    def __init__(self, kind: str, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.answer: dict[str, object] = {"problem": kind, "reason": reason, "hint": hint}


class Reader:
    """Reads headers and checks their digests, not their signatures."""

    def __init__(self) -> None:
        self._transaction = rpm.TransactionSet()
        self._transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
        # An empty key ring; otherwise rpm opens the system's database.
        self._transaction.setKeyring(rpm.keyring())

    def header(self, path: str) -> Any:  # noqa: ANN401  # rpm ships no types
        """Return the header of one file. :raises Problem: there is none, or it is damaged."""
        handle = os.open(path, os.O_RDONLY)
        try:
            magic = os.pread(handle, 4, 0)
            if magic != _LEAD_MAGIC:
                what = "the file is empty" if not magic else "not an RPM (no RPM lead)"
                raise Problem("NotAnRpm", what, "send an SRPM or RPM file")
            header = self._transaction.hdrFromFdno(handle)
            if os.lseek(handle, 0, os.SEEK_CUR) >= os.fstat(handle).st_size:
                raise Problem("Damaged", "the file ends before its payload", _RESEND)
        except rpm.error as error:
            raise Problem("Damaged", f"the header is damaged ({error})", _RESEND) from error
        finally:
            os.close(handle)
        return header


def make_ring(armored: Sequence[str]) -> int | None:
    """Write the keys as rpm's ``fs`` key ring; return the number of the first unusable one.

    The macro ``_keyring`` selects it.
    """
    _RING.mkdir()
    for number, text in enumerate(armored):
        blocks = key_blocks(text)
        if not blocks:
            return number
        for count, block in enumerate(blocks):
            try:
                rpm.pubkey(block.encode())
            except (ValueError, rpm.error):
                return number
            (_RING / f"{number}-{count}.key").write_text(block, encoding="ascii")
    return None


def rpmkeys(paths: Sequence[str], *, signatures: bool) -> list[str]:
    """Return the report of ``rpmkeys --checksig --verbose`` for each file."""
    if not paths:
        return []
    _LINKS.mkdir()
    # Links with names of our own, because the report is split at the names.
    links = [_LINKS / str(number) for number in range(len(paths))]
    for link, path in zip(links, paths, strict=True):
        link.symlink_to(path)
    argv = [
        "rpmkeys",
        "--define",
        "_keyring fs",
        "--define",
        f"_keyringpath {_RING}",
        "--checksig",
        "--verbose",
    ]
    done = subprocess.run(  # not through process.run: this program is in the sandbox already
        [*argv, *([] if signatures else ["--nosignature"]), *links],
        stdout=subprocess.PIPE, check=False, encoding="utf-8", errors="replace",
    )  # fmt: skip
    return split_report(done.stdout, [str(link) for link in links])


def facts(header: Any) -> dict[str, object]:  # noqa: ANN401
    """Return the fields of ``Verified``. :raises Problem: the header lacks a mandatory tag."""
    is_source = bool(header[rpm.RPMTAG_SOURCEPACKAGE])
    partial = header[rpm.RPMTAG_NOSOURCE] or header[rpm.RPMTAG_NOPATCH]
    found = {
        "name": header[rpm.RPMTAG_NAME],
        "epoch": header[rpm.RPMTAG_EPOCH] or 0,
        "version": header[rpm.RPMTAG_VERSION],
        "release": header[rpm.RPMTAG_RELEASE],
        "arch": ("nosrc" if partial else "src") if is_source else header[rpm.RPMTAG_ARCH],
        "is_source": is_source,
        "requires": _dependencies(header, "requires"),
        "provides": _dependencies(header, "provides"),
        "exclusivearch": header[rpm.RPMTAG_EXCLUSIVEARCH],
        "excludearch": header[rpm.RPMTAG_EXCLUDEARCH],
        "buildarchs": header[rpm.RPMTAG_BUILDARCHS],
        "sources": header[rpm.RPMTAG_SOURCE],
        "patches": header[rpm.RPMTAG_PATCH],
        "files": [] if is_source else list(header[rpm.RPMTAG_FILENAMES]),
        "sourcerpm": header[rpm.RPMTAG_SOURCERPM] or "",
        "sha256header": header[rpm.RPMTAG_SHA256HEADER] or "",
        "vendor": header[rpm.RPMTAG_VENDOR] or "",
        "buildtime": header[rpm.RPMTAG_BUILDTIME] or 0,
    }
    if absent := [name for name in ("name", "version", "release", "arch") if not found[name]]:
        raise Problem("Damaged", f"the header has no {absent[0]}", _RESEND)
    return {name: _clean(value) for name, value in found.items()}


def _dependencies(header: Any, kind: str) -> list[str]:  # noqa: ANN401
    return [
        str(entry.DNEVR())[2:]  # rpm puts the kind and a blank first
        for entry in rpm.ds(header, kind)
        if not str(entry.N()).startswith("rpmlib(")
    ]


def _clean(value: object) -> object:
    """Replace bytes that are not UTF-8 (old headers hold Latin-1), so that every store accepts
    them.
    """
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return (
        value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if isinstance(value, str)
        else value
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a report."""

    what: str
    word: str
    rest: str

    @property
    def is_signature(self) -> bool:
        """Whether it is a signature line; every other is a digest's."""
        return "ignature" in self.what

    @property
    def covers_payload(self) -> bool:
        """Whether it covers the payload, as the MD5 and rpm's old signatures do.

        "ALT" is a digest of the uncompressed payload.
        """
        return not self.what.startswith("Header") and " ALT " not in self.what

    @property
    def key_id(self) -> str:
        """The signing key's id, as rpm shortens it."""
        found = _KEY_ID.search(self.what)
        return found.group(1).lower() if found else "?"


def split_report(text: str, names: Sequence[str]) -> list[str]:
    r"""Split a report by files. :raises ValueError: rpmkeys stopped before the last.

    >>> split_report("/a:\n    MD5 digest: OK\n/b:\n", ["/a", "/b"])
    ['    MD5 digest: OK\n', '']
    """
    parts: dict[str, list[str]] = {}
    for line in text.splitlines(keepends=True):
        if line.rstrip("\n").removesuffix(":") in names:
            current = parts.setdefault(line.rstrip("\n").removesuffix(":"), [])
        else:
            current.append(line)
    if missing := [name for name in names if name not in parts]:
        raise ValueError(f"rpmkeys said nothing of {missing[0]}")
    return ["".join(parts[name]) for name in names]


def judge(report: str, *, signed: bool) -> str:
    r"""Return the id of the key that signed the whole file, empty if ``signed`` is False.

    A good signature over the header is enough if the header holds the payload's digest (rpm 4.14
    and later). For older RPMs a signature over the payload is required as well: an MD5 outside the
    signed part proves nothing.

    >>> judge("    Header V4 RSA/SHA256 Signature, key ID d9017565: OK\n"
    ...       "    Payload SHA256 digest: OK\n", signed=True)
    'd9017565'

    :raises Problem: the file is refused.
    """
    checks = [
        Check(**found.groupdict()) for found in map(_LINE.match, report.splitlines()) if found
    ]
    checks = [check for check in checks if check.word != "NOTFOUND"]
    _judge_digests([check for check in checks if not check.is_signature], checks)
    if not signed:
        return ""
    signatures = [check for check in checks if check.is_signature]
    if not signatures:
        raise Problem("Unsigned", "it is not signed", _RELEASE)
    for check in signatures:
        if check.word in ("NOKEY", "NOTTRUSTED"):
            raise Problem(
                "UnknownKey",
                f"signed by key {check.key_id}, which the target does not trust",
                "add the key to upstream.keys if it is the vendor's, or release it with a reason",
            )
        if check.word != "OK":
            raise Problem("BadSignature", f"{check.what}: {check.word}{check.rest}", _RESEND)
    covered = any(check.covers_payload for check in signatures)
    if not covered and not any(
        check.what.startswith("Payload") and check.covers_payload for check in checks
    ):
        raise Problem(
            "Unsigned", "its signature covers the header and nothing covers the payload", _RELEASE
        )
    return signatures[0].key_id


def _judge_digests(digests: Sequence[Check], checks: Sequence[Check]) -> None:
    for check in sorted(
        digests, key=lambda check: (not check.what.startswith("Payload"), " ALT " in check.what)
    ):
        if check.word != "OK":
            part = "payload" if check.covers_payload or " ALT " in check.what else "header"
            raise Problem(
                "Damaged", f"its {part} is damaged, {check.what}: {check.word}{check.rest}", _RESEND
            )
    if not any(check.covers_payload for check in checks):
        raise Problem(
            "Damaged", "no digest covers the payload", "ask the vendor for a file with digests"
        )


def key_blocks(text: str) -> list[str]:
    """Return the ASCII-armored public keys of a file: rpm reads one per file, vendors put in
    several.
    """
    return [found.group(0) for found in _BLOCK.finditer(text)]


def answers(paths: Sequence[str], *, signatures: bool) -> list[dict[str, object]]:
    """Return one answer for each file; a bad file does not stop the others."""
    reader = Reader()
    found: list[dict[str, object]] = []
    for path in paths:
        try:
            found.append(facts(reader.header(path)))
        except Problem as problem:
            found.append(problem.answer)
        except (OSError, ValueError, KeyError, rpm.error) as error:
            found.append(Problem("Damaged", str(error) or type(error).__name__, _RESEND).answer)
    whole = [number for number, answer in enumerate(found) if "problem" not in answer]
    reports = rpmkeys([paths[number] for number in whole], signatures=signatures)
    for number, report in zip(whole, reports, strict=True):
        try:
            found[number]["key_id"] = judge(report, signed=signatures)
        except Problem as problem:
            found[number] = problem.answer
    return found


def main() -> None:
    """Answer on standard output."""
    given = json.load(sys.stdin)
    bad_key = make_ring(given["keys"] or ())
    if bad_key is not None:
        json.dump({"bad_key": bad_key}, sys.stdout)
        return
    json.dump({"files": answers(given["files"], signatures=given["keys"] is not None)}, sys.stdout)


if __name__ == "__main__":
    main()
