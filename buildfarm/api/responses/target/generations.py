"""Generations of a tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment
from buildfarm.api.responses.publish.changes import Changes
from buildfarm.api.responses.publish.composes import Compose
from buildfarm.domain.publish.repository import GenerationState


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(ApiResponse):
    """One immutable state of a tag's repositories; ``path`` is where dnf finds it."""

    id: str
    target: str
    tag: str
    number: int
    state: GenerationState
    digest: str
    builds: int
    rpms: int
    in_force: bool
    path: str
    created: Moment
    ready: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationList(ListPage):
    """Generations, the newest first."""

    generations: list[Generation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(ApiResponse):
    """The generation before or after."""

    id: str
    number: int
    state: GenerationState


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRpms(ApiResponse):
    """RPMs that we built (``ours``) of ``all`` in the buildroots behind it."""

    ours: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationPage(Generation):
    """One generation; ``carried`` are digests of the vendor's metadata that went into it, by kind."""

    now: Moment
    carried: dict[str, str]
    self_hosted: OwnRpms
    previous: Neighbour | None
    next: Annotated[
        Neighbour | None, Field(description="The generation after it, if there is one.")
    ]
    composes: list[Compose]
    changes: Changes
