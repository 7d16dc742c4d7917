"""srpmproc's (Rocky's, OpenELA's) directive files: ``PATCHES/*.cfg`` of a patch tree, in protobuf's text format.

Directives are carried out in srpmproc's order, whatever the file's: replace, delete, add, patch, lookaside, spec_change. Where
srpmproc stays silent (a replacement that finds nothing), so does a single search; a spec_change that changes nothing is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import text_format

from buildfarm.adapters.rule_imports import Imported, Json, rule_head
from buildfarm.adapters.rule_imports.srpmproc_format import cfg_class
from buildfarm.errors import ConfigError

_SEARCHED = {"any": "any", "starts_with": "starts", "ends_with": "ends"}


def read(file: Path, *, source: str, day: date) -> Imported:
    """Read a directive file; the files it names are in its patch tree, the folder above ``PATCHES``.

    :param day: of the changelog entries.
    :raises ConfigError: naming file, line and column of what cannot be read, or the directive that has no file.
    """
    try:
        cfg = text_format.Parse(file.read_text("utf-8"), cfg_class()())
    except text_format.ParseError as error:
        raise ConfigError(f"{file}:{error}", hint="is it a srpmproc directive file?") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    notes: list[str] = []
    actions = [*_files(cfg, file, notes)]
    if cfg.HasField("spec_change"):
        actions.append({"spec_change": _spec_change(cfg.spec_change, file)})
    if not actions:
        raise ConfigError(f"{file}: changes nothing", hint="an empty directive file needs no rule")
    said = [line for entry in cfg.spec_change.changelog for line in entry.message]
    why = said[0] if said else f"imported from {file.name}"
    return Imported(
        data={**rule_head(source, why, day), "actions": actions}, file=file, folder=_patch_tree(file), notes=tuple(notes)
    )


def _patch_tree(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "PATCHES" else file.parent


def _files(cfg: Any, file: Path, notes: list[str]) -> Iterator[Json]:
    for one in cfg.replace:
        how = one.WhichOneof("replacing")
        if not one.file or how in (None, "with_lookaside"):
            raise _unreadable(file, "replace", one.with_lookaside or "(nothing)")
        content = {"text": one.with_inline} if how == "with_inline" else {"from": one.with_file}
        yield {"source": {"op": "replace", "name": one.file, **content}}
    for one in cfg.delete:
        yield {"source": {"op": "delete", "name": one.file, "declare": False}}
    for one in cfg.add:
        if one.WhichOneof("source") != "file":
            raise _unreadable(file, "add", one.lookaside or "(nothing)")
        yield {"source": {"op": "put", "name": one.name or PurePosixPath(one.file).name, "from": one.file}}
    for one in cfg.patch:
        yield {"git_patch": {"name": PurePosixPath(one.file).name, "from": one.file, **({"strict": True} if one.strict else {})}}
    for one in cfg.lookaside:
        if one.tar:
            if not one.archive_name:
                raise ConfigError(f"{file}: lookaside: a tar needs archive_name")
            bundle = {"name": f"{one.archive_name}.tar.gz", "files": list(one.file)}
            yield {"bundle": {**bundle, "from_rule": True} if one.from_patch_tree else bundle}
        elif one.from_patch_tree:
            for name in one.file:
                yield {"source": {"op": "put", "name": PurePosixPath(name).name, "from": name}}
        else:
            notes.append(f"lookaside: {', '.join(one.file)} would be moved to a cache; an SRPM carries its sources")


def _unreadable(file: Path, directive: str, what: str) -> ConfigError:
    return ConfigError(
        f"{file}: {directive}: the lookaside object {what} is not in the patch tree",
        hint="put the file into the patch tree and name it with `with_file` (or `file`)",
    )


def _spec_change(change: Any, file: Path) -> Json:
    made: Json = {}
    if change.file:
        made["files"] = [_file_line(one, file) for one in change.file]
    if change.changelog:
        made["changelog"] = [
            {"author": f"{one.author_name} <{one.author_email}>", "lines": list(one.message)} for one in change.changelog
        ]
    if change.search_and_replace:
        made["search"] = [_search(one, file) for one in change.search_and_replace]
    if change.append:
        made["append"] = [{"to": one.field, "value": one.value} for one in change.append]
    if change.new_field:
        made["new_field"] = [{"name": one.key, "value": one.value} for one in change.new_field]
    if change.disable_auto_align:
        made["align"] = False
    return made


def _file_line(one: Any, file: Path) -> Json:
    mode = one.WhichOneof("mode")
    if mode is None or one.type not in (1, 2):
        raise ConfigError(f"{file}: spec_change: file {one.name}: say type (Source or Patch) and add or delete")
    made: Json = {"op": mode, "kind": "Source" if one.type == 1 else "Patch", "name": one.name}
    if one.add_to_prep:
        made["prep"] = True
    if one.n_path > 0:
        made["strip"] = one.n_path
    return made


def _search(one: Any, file: Path) -> Json:
    how = one.WhichOneof("identifier")
    if how is None:
        raise ConfigError(f"{file}: spec_change: search_and_replace of {one.find!r}: say any, starts_with, ends_with or field")
    where = {"field": one.field} if how == "field" else {"at": _SEARCHED[how]}
    return {**where, "find": one.find, "with": one.replace, "n": one.n}
