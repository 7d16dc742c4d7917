"""Intake: is this RPM whole, who signed it, and what does its header say? All of it answered in the sandbox.

Order matters: the payload digest first (an RPM can say "MD5 digest: OK" and carry a broken payload), then header digests
and the signature, by rpm itself against a key ring that holds the target's keys and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters import sandbox
from buildfarm.errors import InputError, ToolFailed
from buildfarm.ports import RpmHeader

_READER = "buildfarm.adapters.rpm_verify.reader"
_SECONDS_EACH = 120.0


class NotAnRpm(InputError):
    """The file has no RPM lead and header."""


class Damaged(InputError):
    """A digest does not fit, or the file ends too early."""


class Unsigned(InputError):
    """There is no signature and one is wanted."""


class UnknownKey(InputError):
    """Signed with a key that the target does not trust."""


class BadSignature(InputError):
    """The signature does not fit the file."""


_PROBLEMS: dict[str, type[InputError]] = {
    kind.__name__: kind for kind in (NotAnRpm, Damaged, Unsigned, UnknownKey, BadSignature)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a verified header says; see :class:`buildfarm.ports.RpmHeader`. ``key_id`` is empty where none was asked for."""

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
    sourcerpm: str
    sha256header: str
    vendor: str
    key_id: str


def verify_many(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
    """One answer a file, in order. ``keys`` ``None`` asks for digests only.

    One sandbox reads all; should a file crash the reader, the rest are read one by one and that file is Damaged.
    """
    if not paths:
        return []
    try:
        return _read(paths, keys)
    except ToolFailed as error:
        if len(paths) == 1:
            return [Damaged(f"{paths[0].name}: reading it ended the reader ({error.returncode})")]
        return [answer for path in paths for answer in verify_many([path], keys)]


def _read(paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
    given = {"files": [str(path) for path in paths], "keys": None if keys is None else [str(key) for key in keys]}
    done = sandbox.python(
        _READER,
        read_only=[*paths, *(keys or ())],
        stdin=json.dumps(given).encode(),
        timeout=_SECONDS_EACH + 5.0 * len(paths),
    )
    answers: list[RpmHeader | InputError] = []
    for path, answer in zip(paths, json.loads(done.stdout), strict=True):
        if problem := answer.get("problem"):
            answers.append(_PROBLEMS[problem](f"{path.name}: {answer['reason']}", hint=answer["hint"]))
        else:
            fields = {name: tuple(value) if isinstance(value, list) else value for name, value in answer.items()}
            answers.append(Verified(**fields))
    return answers
