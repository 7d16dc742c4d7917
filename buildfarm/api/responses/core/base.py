"""Base of all responses: parsing, JSON, times and pages of lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, TypeAdapter

from buildfarm.domain.core.verdict import Verdict


def stamp(moment: datetime) -> str:
    """Return a time as JSON has it.

    >>> stamp(datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(stamp, when_used="json")]
"""A point in time, UTC, written with milliseconds."""

VerdictOrNone = Verdict | Literal[""]
"""Empty before anything was compared."""

JsonObject = Mapping[str, object]
"""An object whose fields the API does not declare."""


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """Base of all responses of ``/api/v1`` and of their parts.

    Nothing is checked when one is made: a list of builds costs about as much as dicts would, and
    the client checks what it reads. A field whose JSON name is a keyword ends with ``_``. A field
    that has its default value is left out of the JSON. A newer hub may send more: unknown fields
    are kept in ``__dict__``, and written again as they came.
    """

    __slots__ = ("__dict__",)
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="allow", populate_by_name=True, alias_generator=lambda name: name.removesuffix("_")
    )

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Return the response that a JSON text holds. :raises ValidationError: it holds none."""
        found: Self = _adapter(cls).validate_json(text)
        return found

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """Return the response that parsed JSON holds. :raises ValidationError: it holds none."""
        found: Self = _adapter(cls).validate_python(value)
        return found

    def to_json(self) -> dict[str, object]:
        """Return the JSON that the hub sent."""
        found: dict[str, object] = json.loads(json.dumps(self, default=encode))
        return found


_Fields = tuple[list[tuple[str, str]], list[tuple[str, object]]]
_adapters: dict[type[ApiResponse], TypeAdapter[Any]] = {}
_fields: dict[type[ApiResponse], _Fields] = {}


def _adapter(kind: type[ApiResponse]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def fields_of(response: ApiResponse | JsonObject) -> dict[str, Any]:
    """Return the fields of a response, for one that has more: ``BuildPage(**fields_of(row), …)``."""
    if isinstance(response, Mapping):  # a read model that still returns dicts
        return dict(response)
    return {one.name: getattr(response, one.name) for one in fields(response)}


def encode(value: object) -> object:
    """Return a response, a time, a day or a model as ``json.dumps`` can write it (its ``default``).

    :raises TypeError: it is none of these.
    """
    if isinstance(value, ApiResponse):
        kind = type(value)
        names, defaults = _fields.get(kind) or _read_fields(kind)
        made = {written: getattr(value, name) for name, written in names}
        for name, default in defaults:
            if made[name] == default:
                del made[name]
        return made | value.__dict__
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _read_fields(kind: type[ApiResponse]) -> _Fields:
    """Return the fields with their JSON names, and the defaults of those that have one."""
    names: list[tuple[str, str]] = []
    defaults: list[tuple[str, object]] = []
    for one in fields(kind):
        written = one.name.removesuffix("_")
        names.append((one.name, written))
        if one.default is not MISSING:
            defaults.append((written, one.default))
        elif one.default_factory is not MISSING:
            defaults.append((written, one.default_factory()))
    _fields[kind] = names, defaults
    return names, defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage(ApiResponse):
    """One page of a list.

    ``cursor`` is what to send for the next one, ``None`` on the last (``Link: rel=next`` says the
    same).
    """

    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBuild(ApiResponse):
    """A build by id and name-version-release."""

    id: str
    nvr: str
