"""Directive files of srpmproc (Rocky, OpenELA): ``PATCHES/*.cfg`` in protobuf's text format.

Directives are applied in srpmproc's order, independent of the file's: replace, delete, add, patch,
lookaside, spec_change. Where srpmproc is silent (a replacement without a match), a single search is
as well; a spec_change without an effect is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path, PurePosixPath

from google.protobuf import json_format, text_format

from buildfarm.adapters.debrand.rule_imports import Imported, Json, rule_head
from buildfarm.adapters.debrand.rule_imports.srpmproc_format import cfg_class
from buildfarm.errors import ConfigError

_SEARCHED = {"any": "any", "starts_with": "starts", "ends_with": "ends"}


def read(file: Path, *, source: str, day: date) -> Imported:
    """Read a directive file; its files are in the patch tree, the folder above ``PATCHES``.

    :param day: of the changelog entries.
    :raises ConfigError: with file, line and column, or the directive whose file is missing.
    """
    cfg = _parse(file)
    change = cfg.get("spec_change")
    notes = tuple(
        f"lookaside: {', '.join(one['file'])} would go to a cache; an SRPM carries its sources"
        for one in cfg.get("lookaside", ())
        if not one.get("tar") and not one.get("from_patch_tree")
    )
    actions = [
        action
        for name, make in _MAKERS.items()
        for one in cfg.get(name, ())
        for action in make(one, file)
    ]
    if change is not None:
        actions.append({"spec_change": _spec_change(change, file)})
    if not actions:
        raise ConfigError(f"{file}: changes nothing", hint="an empty directive file needs no rule")
    said = [
        line for entry in (change or {}).get("changelog", ()) for line in entry.get("message", ())
    ]
    data = {
        **rule_head(source, said[0] if said else f"imported from {file.name}", day),
        "actions": actions,
    }
    folder = file.parent.parent if file.parent.name == "PATCHES" else file.parent
    return Imported(data=data, file=file, folder=folder, notes=notes)


def _parse(file: Path) -> Json:
    """Return the directives as plain data.

    A field that is not set is absent; one of several alternatives is always present.
    """
    try:
        cfg = text_format.Parse(file.read_text("utf-8"), cfg_class()())
    except text_format.ParseError as error:
        raise ConfigError(f"{file}:{error}", hint="is it a srpmproc directive file?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    return json_format.MessageToDict(cfg, preserving_proto_field_name=True)


def _replace(one: Json, file: Path) -> Iterator[Json]:
    if not one.get("file") or not ({"with_file", "with_inline"} & one.keys()):
        raise _not_there(file, "replace", one.get("with_lookaside"))
    content = {"from": one["with_file"]} if "with_file" in one else {"text": one["with_inline"]}
    yield {"source": {"op": "replace", "name": one["file"], **content}}


def _delete(one: Json, _: Path) -> Iterator[Json]:
    yield {"source": {"op": "delete", "name": one["file"], "declare": False}}


def _add(one: Json, file: Path) -> Iterator[Json]:
    if "file" not in one:
        raise _not_there(file, "add", one.get("lookaside"))
    yield {
        "source": {
            "op": "put",
            "name": one.get("name") or PurePosixPath(one["file"]).name,
            "from": one["file"],
        }
    }


def _patch(one: Json, _: Path) -> Iterator[Json]:
    strict = {"strict": True} if one.get("strict") else {}
    yield {"git_patch": {"name": PurePosixPath(one["file"]).name, "from": one["file"], **strict}}


def _lookaside(one: Json, file: Path) -> Iterator[Json]:
    if one.get("tar"):
        if not one.get("archive_name"):
            raise ConfigError(f"{file}: lookaside: a tar needs archive_name")
        bundle = {"name": f"{one['archive_name']}.tar.gz", "files": one["file"]}
        yield {"bundle": {**bundle, "from_rule": True} if one.get("from_patch_tree") else bundle}
    elif one.get("from_patch_tree"):
        for name in one["file"]:
            yield {"source": {"op": "put", "name": PurePosixPath(name).name, "from": name}}


_MAKERS: Mapping[str, Callable[[Json, Path], Iterator[Json]]] = {
    "replace": _replace, "delete": _delete, "add": _add, "patch": _patch, "lookaside": _lookaside,
}  # fmt: skip
"""In srpmproc's order (``directives.go: Apply``)."""


def _not_there(file: Path, directive: str, what: str | None) -> ConfigError:
    return ConfigError(
        f"{file}: {directive}: the lookaside object {what or '(none is named)'} is not in the "
        "patch tree",
        hint="put the file into the patch tree and name it with `with_file` (or `file`)",
    )


def _spec_change(change: Json, file: Path) -> Json:
    made: Json = {}
    if "file" in change:
        made["files"] = [_file_line(one, file) for one in change["file"]]
    if "changelog" in change:
        made["changelog"] = [
            {
                "author": f"{one.get('author_name', '')} <{one.get('author_email', '')}>",
                "lines": one.get("message", []),
            }
            for one in change["changelog"]
        ]
    if "search_and_replace" in change:
        made["search"] = [_search(one, file) for one in change["search_and_replace"]]
    if "append" in change:
        made["append"] = [
            {"to": one["field"], "value": one.get("value", "")} for one in change["append"]
        ]
    if "new_field" in change:
        made["new_field"] = [
            {"name": one["key"], "value": one.get("value", "")} for one in change["new_field"]
        ]
    if change.get("disable_auto_align"):
        made["align"] = False
    return made


def _file_line(one: Json, file: Path) -> Json:
    modes = {"add", "delete"} & one.keys()
    if not modes or one.get("type") not in ("Source", "Patch"):
        raise ConfigError(
            f"{file}: spec_change: file {one.get('name')}: say type (Source or Patch) and add or "
            "delete"
        )
    made: Json = {"op": modes.pop(), "kind": one["type"], "name": one.get("name", "")}
    if one.get("add_to_prep"):
        made["prep"] = True
    if one.get("n_path", 0) > 0:
        made["strip"] = one["n_path"]
    return made


def _search(one: Json, file: Path) -> Json:
    how = next((name for name in ("field", *_SEARCHED) if name in one), None)
    if how is None:
        raise ConfigError(
            f"{file}: spec_change: search_and_replace: say any, starts_with, ends_with or field"
        )
    where = {"field": one["field"]} if how == "field" else {"at": _SEARCHED[how]}
    return {
        **where,
        "find": one.get("find", ""),
        "with": one.get("replace", ""),
        "n": one.get("n", 0),
    }
