"""Brand policies as YAML files, checked against ``buildfarm/domain/debrand/brand.schema.json``."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from buildfarm.adapters.debrand.yaml_places import Path_, Placed
from buildfarm.domain.debrand.brand import BrandImage, BrandKey, BrandPolicy, BrandWord, Keep

SCHEMA = "buildfarm/domain/brand.schema.json"
Json = Mapping[str, Any]


def schema_text() -> str:
    """Return the JSON schema of a brand policy, for editors."""
    return (
        resources.files("buildfarm.domain.debrand").joinpath("brand.schema.json").read_text("utf-8")
    )


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(schema_text()))


def load_brand_policy(file: Path) -> BrandPolicy:
    """Read a brand policy. :raises ConfigError: with file, line, column, key and reason."""
    placed = Placed(file)
    problems = sorted(_validator().iter_errors(placed.data), key=lambda e: list(map(str, e.path)))
    if problems:
        worst = jsonschema.exceptions.best_match(problems) or problems[0]
        raise placed.error(
            tuple(worst.absolute_path), worst.message, hint=f"the schema is {SCHEMA}"
        )
    for path, pattern in _patterns(placed.data):
        try:
            re.compile(pattern)
        except re.error as error:
            raise placed.error(path, f"{pattern!r} is no regular expression: {error}") from error
    return _policy(placed.data)


def _patterns(data: Json) -> Iterator[tuple[Path_, str]]:
    for key, name in (("words", "pattern"), ("keep", "pattern"), ("keys", "subject")):
        for number, one in enumerate(data.get(key, ())):
            if isinstance(one, str):
                yield (key, number), one
            elif name in one:
                yield (key, number, name), one[name]


def _policy(data: Json) -> BrandPolicy:
    return BrandPolicy(
        words=tuple(BrandWord(**_renamed(one)) for one in data.get("words", ())),
        keep=tuple(
            Keep(pattern=one) if isinstance(one, str) else Keep(**one)
            for one in data.get("keep", ())
        ),
        images=tuple(BrandImage(**_renamed(one)) for one in data.get("images", ())),
        keys=tuple(BrandKey(**_renamed(one)) for one in data.get("keys", ())),
    )


def _renamed(one: Json) -> dict[str, Any]:
    return {"kind" if key == "class" else key: value for key, value in one.items()}
