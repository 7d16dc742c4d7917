"""Debrand rules and brand policies as YAML files: read, checked against their schema, made into domain objects."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from buildfarm.domain.brand import Allow, BrandPolicy, BrandWord
from buildfarm.domain.compare.policy import Expectation
from buildfarm.domain.debrand.rule import Action, Changelog, Release, Replace, Rule, SourceFile
from buildfarm.errors import ConfigError

Json = dict[str, Any]


class _TextDates(yaml.SafeLoader):
    """YAML in which a date stays the text that was written."""


_TextDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_rules(folder: Path) -> list[Rule]:
    """Every rule of a folder. :raises ConfigError: naming the file, the key and the reason."""
    return [load_rule(file) for file in sorted(folder.glob("*.yaml"))]


def load_rule(file: Path) -> Rule:
    """One rule. :raises ConfigError: naming the file, the key and the reason."""
    data = _read(file)
    schema = json.loads(resources.files("buildfarm.domain.debrand").joinpath("rule.schema.json").read_text("utf-8"))
    problems = sorted(jsonschema.Draft202012Validator(schema).iter_errors(data), key=lambda e: list(map(str, e.path)))
    if problems:
        worst = jsonschema.exceptions.best_match(problems) or problems[0]
        place = ".".join(str(part) for part in worst.absolute_path) or "the file"
        raise ConfigError(
            f"{file}: {place}: {worst.message}", hint="the schema is buildfarm/domain/debrand/rule.schema.json"
        )
    if data["source"] != file.stem:
        raise ConfigError(f"{file}: is for source {data['source']!r}", hint="name the file like the source")
    _check_patterns(
        file, [entry["replace"]["regex"] for entry in data["actions"] if "regex" in entry.get("replace", {})]
    )
    _check_patterns(file, [allowed["pattern"] for allowed in data.get("scan", {}).get("allow", ())])
    contents = {entry["name"]: content for entry, content in _contents(file, data)}
    try:
        day = date.fromisoformat(data["date"])
    except ValueError as error:
        raise ConfigError(f"{file}: date: {error}") from error
    return Rule(
        source=data["source"],
        why=data["why"],
        date=day,
        actions=tuple(_action(entry, contents) for entry in data["actions"]),
        digest=_digest(data, contents),
        file=file.name,
        targets=tuple(data.get("when", {}).get("target", ())),
        rename=data.get("rename", {}),
        expect=tuple(Expectation(kind=e["kind"], path=e.get("path", "**")) for e in data.get("expect", ())),
        allow=tuple(
            Allow(pattern=a["pattern"], reason=a["reason"], where=a.get("where", "*"))
            for a in data.get("scan", {}).get("allow", ())
        ),
    )


def _read(file: Path) -> Json:
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_TextDates) or {}  # noqa: S506  # a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _check_patterns(file: Path, patterns: Iterable[str]) -> None:
    """Find a broken regular expression now, not when the first source comes along."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{file}: {pattern!r} is no regular expression: {error}") from error


def _contents(file: Path, data: Json) -> Iterator[tuple[Json, bytes]]:
    """What each added or replaced source becomes, with its digest checked where one is given."""
    for entry in data["actions"]:
        source = entry.get("source")
        if not source or source["op"] == "delete":
            continue
        if ("from" in source) == ("text" in source):
            raise ConfigError(f"{file}: source {source['name']}: give either `from` or `text`")
        if "text" in source:
            content = source["text"].encode()
        else:
            place = (file.parent / source["from"]).resolve()
            if not place.is_relative_to(file.parent.resolve()):
                raise ConfigError(f"{file}: source {source['name']}: {source['from']} leaves the rules' folder")
            try:
                content = place.read_bytes()
            except OSError as error:
                raise ConfigError(f"{file}: source {source['name']}: {place}: {error.strerror}") from error
        found = hashlib.sha256(content).hexdigest()
        if source.get("sha256", found) != found:
            raise ConfigError(f"{file}: source {source['name']}: SHA-256 is {found}, the rule says {source['sha256']}")
        yield source, content


def _action(entry: Json, contents: Mapping[str, bytes]) -> Action:
    if body := entry.get("release"):
        return Release(suffix=body["suffix"])
    if body := entry.get("replace"):
        return Replace(
            where=body["in"], find=body.get("regex") or body["find"], new=body["with"], regex="regex" in body,
            count=body.get("count", 1),
        )  # fmt: skip
    if body := entry.get("source"):
        return SourceFile(
            op=body["op"], name=body["name"], content=contents.get(body["name"], b""), rename=body.get("rename", "")
        )
    body = entry["changelog"]
    return Changelog(author=body["author"], lines=tuple(body["lines"]))


def _digest(data: Json, contents: Mapping[str, bytes]) -> str:
    """SHA-256 over the rule in canonical JSON and the digests of its files: comments and layout do not count."""
    files = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    return hashlib.sha256(json.dumps([data, files], sort_keys=True).encode()).hexdigest()


def load_brand_policy(file: Path) -> BrandPolicy:
    """A brand policy: ``{schema: 1, words: [{pattern, class, exact?}], keep: [pattern]}``."""
    data = _read(file)
    try:
        words = tuple(
            BrandWord(pattern=w["pattern"], kind=w["class"], exact=bool(w.get("exact"))) for w in data["words"]
        )
        policy = BrandPolicy(words=words, keep=tuple(data.get("keep", ())))
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{file}: words: each needs `pattern` and `class` ({error})") from error
    _check_patterns(file, [*(word.pattern for word in policy.words), *policy.keep])
    return policy
