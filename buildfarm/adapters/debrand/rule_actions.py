"""Turn an action of a rule file into a domain action; its files are read from the rule's folder
only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from buildfarm.domain.debrand.edits.spec_pass import Entry, FileLine, Search, SpecPass
from buildfarm.domain.debrand.rule import (
    ANY,
    Action,
    ArchiveEdit,
    Bundle,
    Changelog,
    Condition,
    GitPatch,
    Lines,
    Macro,
    Package,
    Patch,
    Release,
    Replace,
    Script,
    SectionEdit,
    SourceFile,
    Tags,
)
from buildfarm.domain.debrand.tree import is_plain_name
from buildfarm.errors import ConfigError

Json = dict[str, Any]


class Files:
    """The files of a rule, by ``names``; ``digests`` are those of everything read so far.

    ``lenient``: a missing file is empty (to rehearse a rule's edits of a spec without its files).
    """

    def __init__(self, folder: Path, *, lenient: bool = False) -> None:
        self.folder, self.lenient = folder, lenient
        self.digests: dict[str, str] = {}
        self.names: set[str] = set()

    def place(self, called: str, name: str) -> Path:
        """Return the path of ``name``. :raises ConfigError: it leads out of the folder."""
        place = (self.folder / name).resolve()
        if not place.is_relative_to(self.folder.resolve()):
            raise ConfigError(f"{called}: {name} leaves the rules' folder")
        return place

    def read(self, called: str, name: str) -> bytes:
        """Return the bytes of ``name``. :raises ConfigError: it cannot be read."""
        place = self.place(called, name)
        try:
            content = place.read_bytes()
        except OSError as error:
            if not (self.lenient and isinstance(error, FileNotFoundError)):
                raise ConfigError(f"{called}: {place}: {error.strerror}") from error
            content = b""
        self.names.add(name)
        self.digests[f"{called} {name}"] = hashlib.sha256(content).hexdigest()
        return content

    def content(self, called: str, body: Mapping[str, Any]) -> bytes:
        """Return the new content of a file, from ``from`` or ``text``.

        :raises ConfigError: neither or both are given, or the SHA-256 differs.
        """
        if ("from" in body) == ("text" in body):
            raise ConfigError(f"{called}: give either `from` or `text`")
        content = body["text"].encode() if "text" in body else self.read(called, body["from"])
        found = hashlib.sha256(content).hexdigest()
        if body.get("sha256", found) != found and not self.lenient:
            raise ConfigError(f"{called}: SHA-256 is {found}, the rule says {body['sha256']}")
        self.digests[called] = found
        return content

    def all_of(self, called: str, name: str) -> dict[str, bytes]:
        """Return every plain file of a folder. :raises ConfigError: there is no such folder."""
        place = self.place(called, name)
        if not place.is_dir():
            raise ConfigError(f"{called}: {place} is no folder")
        return {
            file.name: self.read(called, f"{name}/{file.name}")
            for file in sorted(place.iterdir())
            if file.is_file()
        }


def action_of(entry: Json, files: Files) -> Action:
    """Return the domain's action for an entry of ``actions`` that the schema has checked.

    :raises ConfigError: a file is missing or wrong.
    """
    ((kind, body),) = entry.items()
    return _MAKERS[kind](body, files)


def _release(body: Json, _: Files) -> Release:
    return Release(**body)


def _changelog(body: Json, _: Files) -> Changelog:
    return Changelog(**{**body, "lines": tuple(body["lines"])})


def _replace(body: Json, _: Files) -> Replace:
    count = body.get("count", 1)
    return Replace(
        where=body["in"], find=body.get("regex") or body["find"], new=body["with"],
        regex="regex" in body, count=ANY if count == "any" else count,
    )  # fmt: skip


def _lines(body: Json, _: Files) -> Lines:
    return Lines(
        where=body["in"], find=body.get("regex") or body["find"], new=body.get("with"),
        regex="regex" in body, most=body.get("most", ANY), first_file=body.get("first_file", False),
    )  # fmt: skip


def _section(body: Json, _: Files) -> SectionEdit:
    return SectionEdit(
        section=body["name"], **{key: value for key, value in body.items() if key != "name"}
    )


def _tags(body: Json, _: Files) -> Tags:
    return Tags(values=body.get("set", {}), drop=tuple(body.get("drop", ())), of=body.get("of", ""))


def _source(body: Json, files: Files) -> SourceFile:
    if (
        not is_plain_name(body["name"].removeprefix("SPECS/").removeprefix("SOURCES/"))
        and body["op"] != "delete"
    ):
        raise ConfigError(f"source {body['name']}: is no name of a file")
    content = files.content(f"source {body['name']}", body) if body["op"] != "delete" else b""
    return SourceFile(**_without_content(body), content=content)


def _patch(body: Json, files: Files) -> Patch:
    content = files.content(f"patch {body['name']}", body) if body["op"] != "delete" else b""
    return Patch(
        **{**_without_content(body), "apply": body.get("apply", "auto") == "auto"}, content=content
    )


def _git_patch(body: Json, files: Files) -> GitPatch:
    return GitPatch(
        **_without_content(body), content=files.content(f"git_patch {body['name']}", body)
    )


def _without_content(body: Json) -> Json:
    return {key: value for key, value in body.items() if key not in ("from", "text", "sha256")}


def _bundle(body: Json, files: Files) -> Bundle:
    own = body.get("from_rule", False)
    return Bundle(
        name=body["name"],
        files=tuple(
            (name, files.read(f"bundle {body['name']}", name) if own else None)
            for name in body["files"]
        ),
    )


def _archive(body: Json, files: Files) -> ArchiveEdit:
    replace = tuple(_replace(entry, files) for entry in body.get("replace", ()))
    return ArchiveEdit(archive=body["in"], delete=tuple(body.get("delete", ())), replace=replace)


def _package(body: Json, files: Files) -> Package:
    found = files.all_of("package", body["from"])
    if len(specs := [name for name in found if name.endswith(".spec")]) != 1:
        raise ConfigError(
            f"package: {files.folder / body['from']} holds {len(specs)} specs", hint="one is needed"
        )
    return Package(files=found)


def _script(body: Json, files: Files) -> Script:
    called = f"script {body['from']}"
    beside = {name: files.read(called, name) for name in body.get("files", ())}
    return Script(
        name=body["from"],
        content=files.read(called, body["from"]),
        files=beside,
        cwd=body.get("cwd", "tree"),
    )


def _spec_change(body: Json, _: Files) -> SpecPass:
    searches = [
        Search(
            at=s.get("at") or s["field"],
            find=s["find"],
            new=s["with"],
            n=s.get("n", 0),
            in_field="field" in s,
        )
        for s in body.get("search", ())
    ]
    return SpecPass(
        files=tuple(FileLine(**line) for line in body.get("files", ())),
        entries=tuple(
            Entry(author=e["author"], lines=tuple(e["lines"])) for e in body.get("changelog", ())
        ),
        searches=tuple(searches),
        appends=tuple((a["to"], a["value"]) for a in body.get("append", ())),
        fields=tuple((f["name"], f["value"]) for f in body.get("new_field", ())),
        align=body.get("align", True),
    )


_MAKERS: Mapping[str, Callable[[Json, Files], Action]] = {
    "release": _release, "changelog": _changelog, "replace": _replace, "lines": _lines,
    "section": _section, "tags": _tags, "macro": lambda body, _: Macro(**body),
    "bcond": lambda body, _: Macro(**body, bcond=True), "condition": lambda body,
    _: Condition(lines=body["lines"], condition=body["if"]), "source": _source, "patch": _patch,
    "git_patch": _git_patch, "bundle": _bundle, "archive": _archive, "package": _package,
    "script": _script, "spec_change": _spec_change,
}  # fmt: skip
