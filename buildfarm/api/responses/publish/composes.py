"""Composes: release states of a target."""

from __future__ import annotations

from buildfarm.api.responses.core.base import Answer, Moment, Page
from buildfarm.api.responses.publish.changes import Changes
from buildfarm.domain.publish.compose import ComposeState
from buildfarm.domain.publish.repository import GenerationState


class Compose(Answer):
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


class ComposeList(Page):
    """Composes, the newest first."""

    composes: list[Compose]


class ComposePage(Compose):
    """One compose, and what changed since the ``previous`` one of its target."""

    now: Moment
    generation_state: GenerationState
    digest: str
    rpms: int
    builds: int
    previous: Compose | None
    changes: Changes
