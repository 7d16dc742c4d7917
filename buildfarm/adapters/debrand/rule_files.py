"""Debrand rules as YAML files: read them, check them against the schema, make domain objects."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from buildfarm.adapters.debrand.rule_actions import Files, action_of
from buildfarm.adapters.debrand.yaml_places import Path_, Placed, dotted, plain
from buildfarm.domain.compare.policy import Expectation
from buildfarm.domain.debrand.brand import Allow
from buildfarm.domain.debrand.conditions import When, terms
from buildfarm.domain.debrand.rule import Rule
from buildfarm.errors import ConfigError

Json = dict[str, Any]
SCHEMA = "buildfarm/domain/debrand/rule.schema.json"


def load_rules(folder: Path) -> list[Rule]:
    """Read every rule of a folder. :raises ConfigError: with file, key and reason."""
    return [load_rule(file) for file in sorted(folder.glob("*.yaml"))]


def load_rule(file: Path, *, day: date | None = None, lenient: bool = False) -> Rule:
    """Read one rule; ``day`` replaces its date.

    :raises ConfigError: with file, line, column, key and reason.
    """
    placed = Placed(file)
    check(placed)
    stem = file.name.removesuffix(".yaml")
    source = placed.data["source"]
    if stem != source and not stem.startswith(f"{source}."):
        raise placed.error(
            ("source",), f"is for source {source!r}", hint="name the file like the source"
        )
    return rule_of(
        placed.data,
        file=file.name,
        files=Files(file.parent, lenient=lenient),
        day=day,
        placed=placed,
    )


def schema_text() -> str:
    """Return the JSON schema of a rule file, for editors."""
    return (
        resources.files("buildfarm.domain.debrand").joinpath("rule.schema.json").read_text("utf-8")
    )


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text()))


def check(placed: Placed) -> None:
    """Check a rule's data. :raises ConfigError: it is not a rule, with line and column."""
    for path, problem, hint in _problems(placed.data):
        raise placed.error(path, problem, hint=hint)


def validate(data: Json, file: Path) -> None:
    """Check data that was not written by hand. :raises ConfigError: it is not a rule."""
    for path, problem, hint in _problems(data):
        raise ConfigError(f"{file}: {dotted(path)}: {problem}", hint=hint)


def _problems(data: Json) -> Iterator[tuple[Path_, str, str]]:
    """Yield ``(place, problem, hint)`` for what a schema cannot check.

    Those are regular expressions, EVR terms and days.
    """
    problems = sorted(_validator().iter_errors(data), key=lambda e: list(map(str, e.path)))
    if problems:
        worst = jsonschema.exceptions.best_match(problems) or problems[0]
        yield _place(worst), worst.message, f"the schema is {SCHEMA}"
        return
    for path, pattern in _patterns(data):
        try:
            re.compile(pattern)
        except re.error as error:
            yield path, f"{pattern!r} is no regular expression: {error}", ""
    try:
        terms(data.get("when", {}).get("evr", ">=0"))
    except ValueError as error:
        yield ("when", "evr"), str(error), ""
    try:
        date.fromisoformat(data["date"])
    except ValueError as error:
        yield ("date",), str(error), ""


def _place(problem: jsonschema.ValidationError) -> Path_:
    """Return the path of the wrong item; for an unknown key, that of the key."""
    path = tuple(problem.absolute_path)
    if problem.validator == "additionalProperties" and isinstance(problem.instance, dict):
        known = problem.schema.get("properties", {}) if isinstance(problem.schema, dict) else {}
        unknown = [key for key in problem.instance if key not in known]
        return (*path, unknown[0]) if unknown else path
    return path


def _patterns(data: Json) -> Iterator[tuple[Path_, str]]:
    for number, entry in enumerate(data["actions"]):
        for kind, body in entry.items():
            if isinstance(body.get("regex"), str):
                yield ("actions", number, kind, "regex"), body["regex"]
            for inner, edit in enumerate(body.get("replace", ()) if kind == "archive" else ()):
                if "regex" in edit:
                    yield ("actions", number, kind, "replace", inner, "regex"), edit["regex"]
    for number, allowed in enumerate(data.get("scan", {}).get("allow", ())):
        yield ("scan", "allow", number, "pattern"), allowed["pattern"]


def rule_of(
    data: Json, *, file: str, files: Files, day: date | None = None, placed: Placed | None = None
) -> Rule:
    """Return the rule in checked data.

    :raises ConfigError: a file it names cannot be read.
    """
    actions = []
    for number, entry in enumerate(data["actions"]):
        try:
            actions.append(action_of(entry, files))
        except ConfigError as error:
            raise ConfigError(
                f"{placed.at(('actions', number)) if placed else file}: {error}"
            ) from error
    when = data.get("when", {})
    said = {**data, "date": day.isoformat()} if day else data
    return Rule(
        source=data["source"],
        why=data["why"],
        date=day or date.fromisoformat(data["date"]),
        actions=tuple(actions),
        digest=_digest(said, files),
        file=file,
        targets=tuple(when.get("target", ())),
        when=When(branches=tuple(when.get("branch", ())), evr=when.get("evr", "")),
        rename=data.get("rename", {}),
        expect=tuple(
            Expectation(kind=e["kind"], path=e.get("path", "**")) for e in data.get("expect", ())
        ),
        allow=tuple(
            Allow(pattern=a["pattern"], reason=a["reason"], where=a.get("where", "*"))
            for a in data.get("scan", {}).get("allow", ())
        ),
        mark=data.get("mark", True),
    )


def _digest(data: Json, files: Files) -> str:
    """Return a SHA-256 over the rule in canonical JSON and its files: comments and layout do not
    count.
    """
    return hashlib.sha256(
        json.dumps([plain(data), files.digests], sort_keys=True).encode()
    ).hexdigest()
