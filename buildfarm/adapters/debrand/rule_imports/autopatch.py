"""AlmaLinux autopatch's ``config.yaml``.

Source: autopatch-tool, docs/configuration.md, and the tool's behaviour where that is silent.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from buildfarm.adapters.debrand.rule_imports import Imported, Json, rule_head
from buildfarm.adapters.debrand.yaml_places import Placed
from buildfarm.errors import ConfigError

_WIDTH = 80
_OWNER = "AlmaLinux"
_SILENT = {
    "custom_target_branch": "a branch to push to", "pre_clean": "how a working tree is cleaned",
    "tag_prefix": "a git tag's prefix",
}  # fmt: skip
_PARAMETERS: Mapping[str, type | tuple[type, ...]] = {
    "insert_almalinux_line": bool, "ignore_version_macros": bool, "ignore_release_macros": bool,
    "custom_target_branch": str, "pre_clean": bool, "tag_prefix": str, "el_version": (str, int),
    "rhel_version": (str, int),
}  # fmt: skip
_KEYS: Mapping[str, tuple[Mapping[str, type | tuple[type, ...]], frozenset[str]]] = {
    "replace": (
        {"target": str, "find": str, "rfind": str, "replace": str, "count": int},
        frozenset({"target", "replace"}),
    ),
    "delete_line": ({"target": str, "lines": list}, frozenset({"target", "lines"})),
    "modify_release": (
        {"suffix": str, "enabled": bool, "auto_increment": bool},
        frozenset({"suffix"}),
    ),
    "changelog_entry": (
        {"name": str, "email": str, "line": list},
        frozenset({"name", "email", "line"}),
    ),
    "add_files": (
        {
            "type": str, "name": str, "number": (str, int), "modify_spec": bool,
            "insert_almalinux_line": bool, "no_backup": bool,
        },
        frozenset({"type", "name"}),
    ),
    "delete_files": ({"file_name": str}, frozenset({"file_name"})),
    "run_script": ({"script": str, "cwd": str}, frozenset({"script"})),
    "add_line": (
        {"target": str, "section": str, "location": str, "content": str, "subpackage": str},
        frozenset({"target", "section", "location", "content"}),
    ),
}  # fmt: skip


def read(file: Path, *, source: str, day: date) -> Imported:
    """Read a config; added files are in ``files/`` and scripts in ``scripts/`` beside it.

    :param day: of the changelog entry.
    :raises ConfigError: with file, line, column and key.
    """
    placed = Placed(file)
    return _Reader(placed).read(source, day)


class _Reader:
    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.parameters: Json = {}

    def read(self, source: str, day: date) -> Imported:
        data = self.placed.data
        if not isinstance(data, dict) or not isinstance(data.get("actions"), list):
            raise self.placed.error(
                (), "has no list of `actions`", hint="is it an autopatch config?"
            )
        unknown = [key for key in data if key not in ("parameters", "actions")]
        if unknown:
            raise self.placed.error(
                (unknown[0],), "is no key of an autopatch config: parameters, actions"
            )
        self.parameters = data.get("parameters") or {}
        self._check(("parameters",), self.parameters, _PARAMETERS, frozenset())
        actions = list(self._actions(data["actions"]))
        notes = tuple(
            f"{name}: {what}; not used here"
            for name, what in _SILENT.items()
            if self.parameters.get(name)
        )
        said = [
            line
            for entry in self._entries_of(data["actions"], "changelog_entry")
            for line in entry["line"]
        ]
        why = str(said[0]).strip() if said else f"imported from {self.placed.file.name}"
        return Imported(
            data={**rule_head(source, why, day), "actions": actions},
            file=self.placed.file,
            folder=self.placed.file.parent,
            notes=notes,
        )

    def _entries_of(self, actions: list[Json], kind: str) -> Iterator[Json]:
        return (
            entry
            for action in actions
            for name, entries in action.items()
            if name == kind
            for entry in entries
        )

    def _actions(self, actions: list[Any]) -> Iterator[Json]:
        makers: Mapping[str, Callable[[tuple[str | int, ...], Json], Iterator[Json]]] = {
            "replace": self._replace, "delete_line": self._delete_line,
            "modify_release": self._release, "changelog_entry": self._changelog,
            "add_files": self._add, "delete_files": self._delete, "run_script": self._script,
            "add_line": self._add_line,
        }  # fmt: skip
        for number, action in enumerate(actions):
            path: tuple[str | int, ...] = ("actions", number)
            if not isinstance(action, dict):
                raise self.placed.error(path, "is no mapping of an action to its entries")
            for kind, entries in action.items():
                if kind not in makers:
                    raise self.placed.error(
                        (*path, kind), f"no such action; there are {', '.join(makers)}"
                    )
                if not isinstance(entries, list):
                    raise self.placed.error((*path, kind), "is no list of entries")
                known, required = _KEYS[kind]
                for place, entry in enumerate(entries):
                    self._check((*path, kind, place), entry, known, required)
                numbered = [((*path, kind, place), entry) for place, entry in enumerate(entries)]
                if kind == "changelog_entry":  # each goes on top, and the first must end there
                    numbered.reverse()
                for where, entry in numbered:
                    if kind == "modify_release" and not entry.get("enabled", True):
                        break  # the tool skips the entries after a disabled one too
                    yield from makers[kind](where, entry)

    def _check(
        self, path: tuple[str | int, ...], entry: object,
        known: Mapping[str, type | tuple[type, ...]], required: frozenset[str]
    ) -> None:  # fmt: skip
        if not isinstance(entry, dict):
            raise self.placed.error(path, "is no mapping of keys to values")
        for key, value in entry.items():
            if key not in known:
                raise self.placed.error((*path, key), f"unknown key; there are {', '.join(known)}")
            wanted = known[key]
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            if value is not None and (
                not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
            ):
                names = " or ".join(kind.__name__ for kind in kinds)
                raise self.placed.error(
                    (*path, key), f"is {type(value).__name__}, expected was {names}"
                )
        missing = sorted(
            key
            for key in required
            if entry.get(key) in (None, [], "") and not (key == "replace" and entry.get(key) == "")
        )
        if missing:
            raise self.placed.error(path, f"{missing[0]} is missing")

    def _replace(self, path: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        if ("find" in entry) == ("rfind" in entry) or not (entry.get("find") or entry.get("rfind")):
            raise self.placed.error(path, "needs either find or rfind")
        key, text = ("regex", entry["rfind"]) if entry.get("rfind") else ("find", entry["find"])
        if key == "regex" and "\n" not in text:
            try:
                re.compile(text)
            except re.error as error:
                raise self.placed.error(
                    (*path, "rfind"), f"{text!r} is no regular expression: {error}"
                ) from error
        if key == "regex" and len(text.splitlines()) > 1:
            key = "find"  # a block of lines is compared as it stands, rfind or not
        made = {"in": entry["target"], key: text, "with": entry["replace"]}
        count = entry.get("count", -1)
        yield {"lines": made if count == -1 else {**made, "most": count}}

    def _delete_line(self, _: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        for line in entry["lines"]:
            yield {"lines": {"in": entry["target"], "find": line, "first_file": True}}

    def _release(self, path: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        made = {"suffix": entry["suffix"], "autorelease": "keep"}
        if entry.get("auto_increment"):
            if not entry["suffix"][-1:].isdigit():
                raise self.placed.error((*path, "suffix"), "must end in a number to be counted on")
            made["auto_increment"] = True
        yield {"release": made}

    def _changelog(self, _: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        wrapped = [
            "\n".join(textwrap.wrap(str(line), _WIDTH, initial_indent="- ", subsequent_indent="  "))
            for line in entry["line"]
        ]
        modes = {
            part: "written" if self.parameters.get(f"ignore_{part}_macros") else "evaluated"
            for part in ("version", "release")
        }
        major = self.parameters.get("el_version", self.parameters.get("rhel_version", "8"))
        yield {
            "changelog": {
                "author": f"{entry['name']} <{entry['email']}>",
                "lines": [line[2:] for line in wrapped if line],
                **modes,
                "autochangelog": "keep",
                "macros": {"rhel": str(major)},
            }
        }

    def _add(self, path: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        kind = entry["type"]
        if kind not in ("patch", "source"):
            raise self.placed.error((*path, "type"), f"{kind!r} is neither patch nor source")
        number = entry.get("number", "Latest")
        if number != "Latest" and (not isinstance(number, int) or number < 1):
            raise self.placed.error(
                (*path, "number"), f"{number!r} is neither a number above 0 nor Latest"
            )
        made: Json = {
            "op": "add",
            "name": entry["name"],
            "from": f"files/{entry['name']}",
            "style": "autopatch",
        }
        if not entry.get("modify_spec", True):
            made["declare"] = False
        if number != "Latest":
            made["number"] = number
        if entry.get("insert_almalinux_line", self.parameters.get("insert_almalinux_line", True)):
            made["comment"] = _OWNER
        if kind == "patch":
            made["backup"] = not entry.get("no_backup", False)
        yield {kind: made}

    def _delete(self, _: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        yield {"source": {"op": "delete", "name": entry["file_name"], "declare": False}}

    def _script(self, path: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        cwd = entry.get("cwd", "rpms")
        if cwd not in ("rpms", "autopatch"):
            raise self.placed.error((*path, "cwd"), f"{cwd!r} is neither rpms nor autopatch")
        folder = self.placed.file.parent
        beside = sorted(
            file.relative_to(folder).as_posix()
            for name in ("files", "scripts")
            for file in (folder / name).rglob("*")
            if file.is_file() and file.name != entry["script"]
        )
        made = {"from": f"scripts/{entry['script']}", "cwd": "tree" if cwd == "rpms" else "rule"}
        yield {"script": {**made, "files": beside} if beside else made}

    def _add_line(self, path: tuple[str | int, ...], entry: Json) -> Iterator[Json]:
        if entry["target"] != "spec":
            raise self.placed.error((*path, "target"), "only spec has sections")
        if entry["location"] not in ("top", "bottom"):
            raise self.placed.error(
                (*path, "location"), f"{entry['location']!r} is neither top nor bottom"
            )
        name = "preamble" if entry["section"] == "global" else f"%{entry['section']}"
        made = {
            "name": name, "at": "start" if entry["location"] == "top" else "bottom",
            "insert": entry["content"], "style": "autopatch",
        }  # fmt: skip
        yield {"section": {**made, "of": entry["subpackage"]} if entry.get("subpackage") else made}


def looks_like(file: Path) -> bool:
    """Check whether a YAML file is an autopatch config rather than one of our rules.

    :raises ConfigError: it is not YAML.
    """
    data = Placed(file).data
    return isinstance(data, dict) and "actions" in data and "schema" not in data


__all__ = ["ConfigError", "looks_like", "read"]
