"""Composes: release states of a target."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, ListPage, Moment
from buildfarm.api.responses.publish.changes import Changes
from buildfarm.domain.publish.compose import ComposeState
from buildfarm.domain.publish.repository import GenerationState


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose(ApiResponse):
    """One generation of a destination tag under a name; users get the one ``in_force``.

    ``path`` is its folder for dnf and productmd.
    """

    id: str
    target: str
    tag: str
    generation: str
    number: int
    build_generation: str
    state: ComposeState
    in_force: bool
    path: str
    actor: str
    reason: str
    created: Moment
    written: Moment | None
    released: Moment | None
    released_by: str
    released_why: str
    retired: Moment | None
    retired_by: str
    retired_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeList(ListPage):
    """Composes, the newest first."""

    composes: list[Compose]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposePage(Compose):
    """One compose, and what changed since the ``previous`` one of its target."""

    now: Moment
    generation_state: GenerationState
    digest: str
    rpms: int
    builds: int
    previous: Compose | None
    changes: Changes
