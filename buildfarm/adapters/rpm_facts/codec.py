"""Facts to JSON and back: what goes through the sandbox's wall; rows are in the order of the dataclass's fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from buildfarm.domain.compare.elf_facts import ElfFacts, ElfSymbol, ModuleFacts
from buildfarm.domain.compare.facts import (
    ChangelogEntry,
    ContentFacts,
    Dependency,
    FileEntry,
    RpmFacts,
    Scriptlet,
    Trigger,
)
from buildfarm.domain.compare.java import ClassFacts, ClassMember

T = TypeVar("T")
_CLASS = [field.name for field in fields(ClassFacts)]


def _row(item: Any) -> list[Any]:  # noqa: ANN401 -- any of the dataclasses above
    return [getattr(item, field.name) for field in fields(item)]


def _make(kind: type[T], row: list[Any]) -> T:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in zip(names, row, strict=True)}
    )


def _rows(items: tuple[Any, ...]) -> list[list[Any]]:
    if not items:
        return []
    names = [field.name for field in fields(items[0])]
    return [[getattr(item, name) for name in names] for item in items]


def rpm_to_json(facts: RpmFacts) -> dict[str, Any]:
    """The header's facts as plain lists and dicts."""
    form = dict(zip([field.name for field in fields(facts)], _row(facts), strict=True))
    form["dependencies"] = {stem: _rows(items) for stem, items in facts.dependencies.items()}
    form["triggers"] = [[_rows(item.conditions) if name == "conditions" else getattr(item, name) for name in _TRIGGER]
                        for item in facts.triggers]  # fmt: skip
    for name in ("scriptlets", "changelog", "files"):
        form[name] = _rows(form[name])
    form["tags"] = dict(facts.tags)
    return form


_TRIGGER = [field.name for field in fields(Trigger)]


def rpm_from_json(form: Mapping[str, Any]) -> RpmFacts:
    """The facts a reader printed.

    :raises TypeError, ValueError, KeyError: the form is not what a reader prints.
    """
    values = dict(form)
    values["dependencies"] = {
        stem: tuple(_make(Dependency, row) for row in rows) for stem, rows in form["dependencies"].items()
    }
    triggers = []
    for row in form["triggers"]:
        named = dict(zip(_TRIGGER, row, strict=True))
        named["conditions"] = tuple(_make(Dependency, item) for item in named["conditions"])
        triggers.append(Trigger(**named))
    values["triggers"] = tuple(triggers)
    values["scriptlets"] = tuple(_make(Scriptlet, row) for row in form["scriptlets"])
    values["changelog"] = tuple(_make(ChangelogEntry, row) for row in form["changelog"])
    values["files"] = tuple(_make(FileEntry, row) for row in form["files"])
    return RpmFacts(**values)


def content_to_json(facts: ContentFacts) -> dict[str, Any]:
    """One file's content facts as plain lists and dicts."""
    form = dict(zip([field.name for field in fields(facts)], _row(facts), strict=True))
    if facts.elf is not None:
        form["elf"] = _elf_to_json(facts.elf)
    form["classes"] = [
        {**dict(zip(_CLASS, _row(item), strict=True)), "members": _rows(item.members)} for item in facts.classes
    ]
    return form


def content_from_json(form: Mapping[str, Any]) -> ContentFacts:
    """The content facts a reader printed; errors as in :func:`rpm_from_json`."""
    values = dict(form)
    values["normalisers"] = tuple(form["normalisers"])
    if form["elf"] is not None:
        values["elf"] = _elf_from_json(form["elf"])
    values["symvers"] = _pairs(form["symvers"])
    values["classes"] = tuple(
        ClassFacts(
            **{
                **item,
                "version": tuple(item["version"]),
                "interfaces": tuple(item["interfaces"]),
                "members": tuple(_make(ClassMember, row) for row in item["members"]),
            }
        )
        for item in form["classes"]
    )
    return ContentFacts(**values)


def _elf_to_json(facts: ElfFacts) -> dict[str, Any]:
    form = dict(zip([field.name for field in fields(facts)], _row(facts), strict=True))
    form["exports"] = _rows(facts.exports)
    form["module"] = None if facts.module is None else _row(facts.module)
    form["members"] = [(name, None if part is None else _elf_to_json(part)) for name, part in facts.members]
    return form


def _elf_from_json(form: Mapping[str, Any]) -> ElfFacts:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in form.items()}
    values["exports"] = tuple(_make(ElfSymbol, row) for row in form["exports"])
    values["sections"] = _pairs(form["sections"])
    values["members"] = tuple((name, None if part is None else _elf_from_json(part)) for name, part in form["members"])
    if form["module"] is not None:
        module = _make(ModuleFacts, form["module"])
        values["module"] = replace(
            module, info=_pairs(module.info), exports=_pairs(module.exports), needs=_pairs(module.needs)
        )
    return ElfFacts(**values)


def _pairs(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in rows)
