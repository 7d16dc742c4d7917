"""Verify an RPM in the sandbox: its digests, its signature, and the facts of its header.

Digests come first, the payload's before all others (an RPM can report "MD5 digest: OK" with a
broken payload), then the signature, by rpm itself against a key ring that holds only the given
keys. No rpm database is used, and no spec is read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.system import sandbox
from buildfarm.errors import ConfigError, InfraError, InputError, ToolFailed
from buildfarm.ports.intake import RpmHeader

_READER = Path(__file__).resolve().with_name("reader.py")
_SECONDS = 120.0
_SECONDS_EACH = 5.0
_WORTH_A_SECOND_SANDBOX = 8


class NotAnRpm(InputError):  # the name is shown in a hold reason
    """The file has no RPM lead and header."""


class Damaged(InputError):
    """A digest does not match, none covers the payload, or the file ends too early."""


class Unsigned(InputError):
    """The file has no signature over all of it, and one is required."""


class UnknownKey(InputError):
    """The file is signed with a key that the target does not trust."""


class BadSignature(InputError):
    """The signature does not match the file."""


_PROBLEMS: dict[str, type[InputError]] = {
    kind.__name__: kind for kind in (NotAnRpm, Damaged, Unsigned, UnknownKey, BadSignature)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Facts of a verified header.

    Dependencies are in rpm's notation, without those on rpm itself (``rpmlib(…)``). ``arch`` is
    ``src`` or ``nosrc`` for an SRPM, whose ``requires`` are its BuildRequires. ``buildtime`` is in
    seconds since 1970. ``files`` are those of a binary RPM that others may require. ``key_id`` is
    empty if no signature was checked.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    is_source: bool
    requires: tuple[str, ...]
    provides: tuple[str, ...]
    exclusivearch: tuple[str, ...]
    excludearch: tuple[str, ...]
    buildarchs: tuple[str, ...]
    sources: tuple[str, ...]
    patches: tuple[str, ...]
    files: tuple[str, ...]
    sourcerpm: str
    sha256header: str
    vendor: str
    buildtime: int
    key_id: str


def verify(path: Path, keys: Sequence[Path] | Path | None) -> RpmHeader:
    """Verify one file; ``keys`` as in :func:`verify_many`, or a folder of keys.

    :raises InputError: one of this module's, with the file and the fault.
    """
    ring = sorted(keys.iterdir()) if isinstance(keys, Path) else keys
    answer = verify_many([path], ring)[0]
    if isinstance(answer, InputError):
        raise answer
    return answer


def verify_many(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
    """Verify files; return a header or an error for each, in order.

    :param keys: files with ASCII-armored public keys, one or more each; ``None``: digests only.
    :raises ConfigError: a key cannot be read.
    :raises InfraError: the sandbox or rpm cannot be started.
    """
    lanes = min(os.cpu_count() or 1, 1 + len(paths) // _WORTH_A_SECOND_SANDBOX)
    if lanes == 1:
        return _survive(paths, keys)
    with ThreadPoolExecutor(lanes) as pool:
        found = list(pool.map(lambda lane: _survive(paths[lane::lanes], keys), range(lanes)))
    return [found[number % lanes][number // lanes] for number in range(len(paths))]


def _survive(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
    """Read all files in one sandbox; if it ends early, read each alone to find the damaged one."""
    if not paths:
        return []
    try:
        return _read(paths, keys)
    except ToolFailed as error:
        if len(paths) > 1:
            return [answer for path in paths for answer in _survive([path], keys)]
        if _is_ours(error):
            raise
        return [
            Damaged(f"{paths[0].name}: reading it ended the reader: {error}", hint="fetch it again")
        ]


def _is_ours(error: ToolFailed) -> bool:
    """Check whether the sandbox itself failed; the file is then not at fault."""
    return "bwrap:" in error.output or "ModuleNotFoundError" in error.output


def _read(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
    paths = [path.absolute() for path in paths]
    if missing := next((path for path in paths if not path.is_file()), None):
        raise InfraError(f"{missing}: no such file", hint="is the blob store complete?")
    done = sandbox.run(
        [sys.executable, "-I", _READER],
        read_only=[Path(sys.prefix), _READER, *paths],
        stdin=json.dumps({"files": [str(path) for path in paths], "keys": _armored(keys)}).encode(),
        timeout=_SECONDS + _SECONDS_EACH * len(paths),
    )
    answers = json.loads(done.stdout)
    if "bad_key" in answers:
        bad = (keys or ())[answers["bad_key"]]
        raise ConfigError(
            f"{bad}: no usable ASCII-armored public key", hint="gpg --export --armor KEY > FILE"
        )
    return [_answer(path, fields) for path, fields in zip(paths, answers["files"], strict=True)]


def _armored(keys: Sequence[Path] | None) -> list[str] | None:
    if keys is None:
        return None
    try:
        return [key.read_text(encoding="ascii", errors="replace") for key in keys]
    except OSError as error:
        raise ConfigError(
            f"key {error.filename}: {error.strerror}", hint="see upstream.keys of the target"
        ) from error


def _answer(path: Path, fields: dict[str, object]) -> RpmHeader | InputError:
    if problem := fields.get("problem"):
        return _PROBLEMS[str(problem)](f"{path.name}: {fields['reason']}", hint=str(fields["hint"]))
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Verified(**values)  # type: ignore[arg-type]  # the reader writes these fields and no others
