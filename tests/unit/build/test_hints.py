"""Whoever waits says what can be done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from buildfarm.cli.main import Verbs
from buildfarm.domain.build.hints import hint
from buildfarm.domain.core.build import Build, BuildState, Gate, WaitKind

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BUILD = Build(
    id="b", target="reef-9", drop_id="d" * 64, source="tree", epoch=0, version="1", release="1.el9", dist=".el9", srpm="s",
    srpm_filename="tree-1-1.el9.src.rpm", state=BuildState.WAITING, state_since=NOON, owner="ada", created=NOON,
)  # fmt: skip


@pytest.mark.parametrize("kind", list(WaitKind))
def test_every_kind_of_wait_has_a_next_step(kind: WaitKind) -> None:
    assert hint(replace(BUILD, wait_kind=kind, reason="x"))


@pytest.mark.parametrize(
    "state", [state for state in BuildState if state is not BuildState.PUBLISHED]
)
def test_every_state_but_the_last_has_a_next_step(state: BuildState) -> None:
    assert hint(replace(BUILD, state=state))
    assert hint(replace(BUILD, state=state, gate=Gate.REFUSED, verdict="UNCOMPARED"))


def test_every_command_that_is_named_exists() -> None:
    commands = set(Verbs().list_commands(None))  # type: ignore[arg-type]  # it does not look at it
    for state in BuildState:
        for kind in WaitKind:
            for reason in (
                "",
                "no worker in service takes q",
                "reserved for others",
                "uses 1 of the 1 slots it may",
            ):
                said = hint(
                    replace(BUILD, state=state, wait_kind=kind, gate=Gate.REFUSED),
                    task_reason=reason,
                )
                named = {
                    part.split()[1]
                    for part in said.split("`")[1::2]
                    if part.startswith("buildfarm ")
                }
                assert named <= commands
                assert "{" not in said
