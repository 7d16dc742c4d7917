"""Header facts to JSON and back, across the sandbox; rows have the order of the dataclass's
fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from buildfarm.domain.compare.facts.facts import (
    ChangelogEntry,
    Dependency,
    FileEntry,
    RpmFacts,
    Scriptlet,
    Trigger,
)

T = TypeVar("T")


def to_row(item: Any) -> list[Any]:  # noqa: ANN401 -- any dataclass of facts
    """Return a dataclass of facts as a list, in the order of its fields."""
    return [getattr(item, field.name) for field in fields(item)]


def from_row(kind: type[T], row: list[Any]) -> T:
    """Return the dataclass of a row; lists become tuples.

    :raises TypeError, ValueError: the row is not one of this kind.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in zip(names, row, strict=True)
        }
    )


def to_rows(items: tuple[Any, ...]) -> list[list[Any]]:
    """Return a list of rows."""
    if not items:
        return []
    names = [field.name for field in fields(items[0])]
    return [[getattr(item, name) for name in names] for item in items]


def rpm_to_json(facts: RpmFacts) -> dict[str, Any]:
    """Return the header's facts as plain lists and dicts."""
    form = dict(zip([field.name for field in fields(facts)], to_row(facts), strict=True))
    form["dependencies"] = {stem: to_rows(items) for stem, items in facts.dependencies.items()}
    form["triggers"] = [
        [
            to_rows(item.conditions) if name == "conditions" else getattr(item, name)
            for name in _TRIGGER
        ]
        for item in facts.triggers
    ]
    for name in ("scriptlets", "changelog", "files"):
        form[name] = to_rows(form[name])
    form["tags"] = dict(facts.tags)
    return form


_TRIGGER = [field.name for field in fields(Trigger)]


def rpm_from_json(form: Mapping[str, Any]) -> RpmFacts:
    """Return the facts that a reader printed.

    :raises TypeError, ValueError, KeyError: the form is not what a reader prints.
    """
    values = dict(form)
    values["dependencies"] = {
        stem: tuple(from_row(Dependency, row) for row in rows)
        for stem, rows in form["dependencies"].items()
    }
    triggers = []
    for row in form["triggers"]:
        named = dict(zip(_TRIGGER, row, strict=True))
        named["conditions"] = tuple(from_row(Dependency, item) for item in named["conditions"])
        triggers.append(Trigger(**named))
    values["triggers"] = tuple(triggers)
    values["scriptlets"] = tuple(from_row(Scriptlet, row) for row in form["scriptlets"])
    values["changelog"] = tuple(from_row(ChangelogEntry, row) for row in form["changelog"])
    values["files"] = tuple(from_row(FileEntry, row) for row in form["files"])
    return RpmFacts(**values)
