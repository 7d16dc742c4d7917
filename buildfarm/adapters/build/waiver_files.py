"""Waivers as a YAML file, for ``buildfarm waivers export`` and ``compare --waivers``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from buildfarm.domain.compare.policy import Waiver
from buildfarm.errors import ConfigError

_FIELDS = {field.name for field in fields(Waiver)}
_NEEDED = ("id", "owner", "reason", "expires", "kind")
AUTHORITIES = ("anyone", "security")


def load_waivers(file: Path) -> tuple[Waiver, ...]:
    """Read every waiver of a file: a YAML list under ``waivers``.

    :raises ConfigError: naming the file, the entry and the reason.
    """
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{file}: {error.strerror}", hint="does the file exist, may you read it?"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error
    entries = data.get("waivers") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise ConfigError(
            f"{file}: no list `waivers`", hint="`buildfarm waivers export` writes such a file"
        )
    waivers = tuple(
        _waiver(f"{file}: waiver {number}", entry) for number, entry in enumerate(entries, 1)
    )
    if len({waiver.id for waiver in waivers}) != len(waivers):
        raise ConfigError(f"{file}: two waivers have the same id", hint="an id names one decision")
    return waivers


def _waiver(place: str, entry: object) -> Waiver:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place}: not a mapping", hint=f"it needs {', '.join(_NEEDED)}")
    if unknown := sorted(str(key) for key in entry if key not in _FIELDS):
        raise ConfigError(
            f"{place}: unknown key {unknown[0]!r}", hint=f"known: {', '.join(sorted(_FIELDS))}"
        )
    if lacking := [key for key in _NEEDED if not str(entry.get(key) or "").strip()]:
        raise ConfigError(f"{place}: no {lacking[0]}", hint=f"it needs {', '.join(_NEEDED)}")
    values: dict[str, Any] = {key: str(value) for key, value in entry.items()}
    if values.get("authority", AUTHORITIES[0]) not in AUTHORITIES:
        raise ConfigError(
            f"{place}: authority {values['authority']!r}", hint="`anyone` or `security`"
        )
    try:
        values["expires"] = date.fromisoformat(values["expires"])
    except ValueError as error:
        raise ConfigError(
            f"{place}: expires {values['expires']!r} is no day", hint="write YYYY-MM-DD"
        ) from error
    return Waiver(**values)


def dump_waivers(waivers: Iterable[Waiver]) -> str:
    """Return the waivers as YAML text; loading it gives the same waivers."""
    forms = [
        {
            name: value
            for name, value in asdict(waiver).items()
            if name in _NEEDED or value not in _DEFAULTS[name]
        }
        for waiver in waivers
    ]
    return yaml.safe_dump({"waivers": forms}, sort_keys=False, allow_unicode=True)


_DEFAULTS = {field.name: (field.default,) for field in fields(Waiver)}
