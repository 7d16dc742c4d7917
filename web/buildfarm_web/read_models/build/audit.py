"""The debrand audit for reading. It is read by its keys, and what is not there is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from buildfarm.errors import InputError, NotFound
from buildfarm.services.core.hub import Hub
from buildfarm_web.read_models.core.convert import Json

_LINES = 4000
_SIDE = re.compile(r"^(?:[ab]|vendor|ours)/")
"""Prefixes of the two sides' paths in a diff."""


def audit_of(hub: Hub, digest: str) -> Json | None:
    """The stored audit; ``None`` if the build has none.

    :raises InputError: the blob is not JSON.
    """
    if not digest:
        return None
    try:
        data = json.loads(hub.blobs.path(digest).read_bytes())
    except NotFound:
        return None
    except ValueError as error:
        raise InputError(f"audit {digest[:12]}… is not JSON: {error}") from error
    return data if isinstance(data, dict) else {"audit": data}


def diffs_of(audit: Mapping[str, object] | None) -> list[Json]:
    """Every unified diff in an audit, wherever it stands: ``[{title, lines: [{mark, text}],
    cut}]``.
    """
    return _search(audit or {}, "")


def _search(value: object, name: str) -> list[Json]:
    if isinstance(value, str):
        return [_diff(name, value)] if _is_diff(value) else []
    found: list[Json] = []
    if isinstance(value, Mapping):
        title = str(value.get("path") or value.get("file") or value.get("name") or "")
        for key, inner in value.items():
            found += _search(inner, title if key in ("diff", "patch") and title else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            found += _search(inner, name)
    return found


def _is_diff(text: str) -> bool:
    return "\n@@ " in f"\n{text}" and ("--- " in text or "+++ " in text)


def _diff(title: str, text: str) -> Json:
    lines = text.splitlines()
    changed = next((line[4:].split("\t")[0] for line in lines if line.startswith("+++ ")), "")
    return {
        "title": _SIDE.sub("", changed) or title.replace("_", " "),
        "lines": [{"mark": _mark(line), "text": line} for line in lines[:_LINES]],
        "cut": max(len(lines) - _LINES, 0),
    }


def _mark(line: str) -> str:
    """Return what a line of a unified diff is.

    >>> [_mark(line) for line in ("--- a", "+++ b", "@@ -1 +1 @@", "-x", "+y", " z")]
    ['file', 'file', 'hunk', 'old', 'new', 'same']
    """
    if line.startswith(("--- ", "+++ ")):
        return "file"
    return {"@": "hunk", "-": "old", "+": "new"}.get(line[:1], "same")


def facts_of(audit: Mapping[str, object] | None) -> list[Json]:
    """The rest of an audit, as titled tables: plain values first, then each list of objects."""
    plain: list[list[str]] = []
    tables: list[Json] = []
    for key, value in (audit or {}).items():
        if isinstance(value, str | int | float | bool) and not _is_diff(str(value)):
            plain.append([key.replace("_", " "), str(value)])
        elif isinstance(value, Mapping) and value:
            tables += _table(
                key,
                [
                    {"name": name, **_cells(inner)}
                    for name, inner in value.items()
                    if not _is_diff(str(inner))
                ],
            )
        elif isinstance(value, list) and value:
            tables += _table(key, [_cells(inner) for inner in value])
    first = [{"title": "", "columns": ["what", "value"], "rows": plain}] if plain else []
    return [*first, *tables]


def _cells(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {"value": _text(value)}
    return {str(key): _text(inner) for key, inner in value.items() if not _is_diff(str(inner))}


def _table(key: str, lines: list[dict[str, str]]) -> list[Json]:
    columns = list(dict.fromkeys(column for line in lines for column in line))
    if not columns:
        return []
    rows = [[line.get(column, "") for column in columns] for line in lines]
    return [{"title": key.replace("_", " "), "columns": columns, "rows": rows}]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(
            " ".join(map(_text, item)) if isinstance(item, list) else _text(item) for item in value
        )
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
