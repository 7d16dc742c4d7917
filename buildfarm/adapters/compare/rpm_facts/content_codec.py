"""Facts about content to JSON and back; see :mod:`buildfarm.adapters.compare.rpm_facts.codec`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from buildfarm.adapters.compare.rpm_facts.codec import from_row, to_row, to_rows
from buildfarm.domain.compare.contents.java import ClassFacts, ClassMember
from buildfarm.domain.compare.contents.pe import PeFacts
from buildfarm.domain.compare.facts.content_facts import (
    AbiFacts,
    BothSides,
    CodeChange,
    CodePair,
    ContentFacts,
    MemberFacts,
)
from buildfarm.domain.compare.facts.elf_facts import ElfFacts, ElfSymbol, ModuleFacts
from buildfarm.domain.core.verdict import CodeCause

_CLASS = [field.name for field in fields(ClassFacts)]
_MEMBER = [field.name for field in fields(MemberFacts)]


def content_to_json(facts: ContentFacts) -> dict[str, Any]:
    """Return one file's content facts as plain lists and dicts."""
    form = dict(zip([field.name for field in fields(facts)], to_row(facts), strict=True))
    if facts.elf is not None:
        form["elf"] = _elf_to_json(facts.elf)
    form["classes"] = _classes_to_json(facts.classes)
    form["pe"] = None if facts.pe is None else to_row(facts.pe)
    form["members"] = [
        {
            **dict(zip(_MEMBER, to_row(member), strict=True)),
            "elf": None if member.elf is None else _elf_to_json(member.elf),
            "classes": _classes_to_json(member.classes),
        }
        for member in facts.members
    ]
    return form


def _classes_to_json(classes: Iterable[ClassFacts]) -> list[dict[str, Any]]:
    return [
        {**dict(zip(_CLASS, to_row(item), strict=True)), "members": to_rows(item.members)}
        for item in classes
    ]


def content_from_json(form: Mapping[str, Any]) -> ContentFacts:
    """Return the content facts that a reader printed; errors as in :func:`rpm_from_json`."""
    values = dict(form)
    values["normalisers"] = tuple(form["normalisers"])
    if form["elf"] is not None:
        values["elf"] = _elf_from_json(form["elf"])
    values["symvers"] = _pairs(form["symvers"])
    values["classes"] = _classes_from_json(form["classes"])
    if form["pe"] is not None:
        values["pe"] = from_row(PeFacts, form["pe"])
    values["active"] = tuple(form["active"])
    values["members"] = tuple(
        MemberFacts(
            **{
                **member,
                "elf": None if member["elf"] is None else _elf_from_json(member["elf"]),
                "classes": _classes_from_json(member["classes"]),
            }
        )
        for member in form["members"]
    )
    return ContentFacts(**values)


def _classes_from_json(listed: Iterable[Mapping[str, Any]]) -> tuple[ClassFacts, ...]:
    return tuple(
        ClassFacts(
            **{
                **item,
                "version": tuple(item["version"]),
                "interfaces": tuple(item["interfaces"]),
                "members": tuple(from_row(ClassMember, row) for row in item["members"]),
            }
        )
        for item in listed
    )


def both_sides_from_json(listed: Iterable[Mapping[str, Any]]) -> dict[str, BothSides]:
    """Return a reader's facts of pairs of files, by path; errors as in :func:`rpm_from_json`."""
    return {
        one["path"]: BothSides(
            code=_code(one["code"]), abi=None if one["abi"] is None else AbiFacts(**one["abi"])
        )
        for one in listed
    }


def _code(form: Mapping[str, Any] | None) -> CodePair | None:
    if form is None:
        return None
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in form.items()
    }
    values["cause"] = form["cause"] and CodeCause(form["cause"])
    values["changes"] = tuple(
        CodeChange(**{**change, "cause": change["cause"] and CodeCause(change["cause"])})
        for change in form["changes"]
    )
    return CodePair(**values)


def _elf_to_json(facts: ElfFacts) -> dict[str, Any]:
    form = dict(zip([field.name for field in fields(facts)], to_row(facts), strict=True))
    form["exports"] = to_rows(facts.exports)
    form["module"] = None if facts.module is None else to_row(facts.module)
    form["members"] = [
        (name, None if part is None else _elf_to_json(part)) for name, part in facts.members
    ]
    return form


def _elf_from_json(form: Mapping[str, Any]) -> ElfFacts:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in form.items()
    }
    values["exports"] = tuple(from_row(ElfSymbol, row) for row in form["exports"])
    values["sections"] = _pairs(form["sections"])
    values["members"] = tuple(
        (name, None if part is None else _elf_from_json(part)) for name, part in form["members"]
    )
    if form["module"] is not None:
        module = from_row(ModuleFacts, form["module"])
        values["module"] = replace(
            module,
            info=_pairs(module.info),
            exports=_pairs(module.exports),
            needs=_pairs(module.needs),
        )
    return ElfFacts(**values)


def _pairs(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in rows)
