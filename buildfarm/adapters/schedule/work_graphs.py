"""Graphs of sources as JSON files.

``{"sources": [{"name": …, "build_requires": [names], "cost_s": seconds}]}``
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from buildfarm.domain.schedule.dispatch import Source, WorkGraph
from buildfarm.errors import InputError


class _Source(BaseModel):
    model_config = ConfigDict(extra="ignore")  # a graph may have additional fields of its author

    name: str = Field(min_length=1)
    build_requires: tuple[str, ...] = ()
    cost_s: float = Field(default=60.0, gt=0, allow_inf_nan=False)


class _Graph(BaseModel):
    model_config = ConfigDict(extra="ignore")

    sources: tuple[_Source, ...]


def read(file: Path) -> WorkGraph:
    """Read a graph; a source without ``cost_s`` takes a minute.

    :raises InputError: the file cannot be read, is not such JSON, or has a source twice.
    """
    try:
        found = _Graph.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = '{"sources": [{"name": "a", "build_requires": ["b"], "cost_s": 60}]}'
        raise InputError(
            f"{file}: {where or 'the file'}: {first['msg']}", hint=f"it looks like {hint}"
        ) from error
    try:
        return WorkGraph(
            [
                Source(name=one.name, needs=one.build_requires, cost=one.cost_s)
                for one in found.sources
            ]
        )
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
