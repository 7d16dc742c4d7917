"""Composes are named as productmd names them, whatever a target is called; and users get one of
them, or none yet.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from productmd.common import RELEASE_SHORT_RE, RELEASE_VERSION_RE
from productmd.composeinfo import get_date_type_respin

from buildfarm.config import load_typed
from buildfarm.domain.publish.compose import (
    Compose,
    ComposeState,
    day_and_respin,
    in_force,
    next_id,
    release_of,
)
from buildfarm.domain.target.target import Target
from buildfarm.errors import IllegalTransition

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SAMPLES = sorted(Path("configs/targets").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_target_has_a_name_that_productmd_takes(path: Path) -> None:
    targets = {found.name: found for found in (load_typed(Target, one) for one in SAMPLES)}
    target = load_typed(Target, path)
    release = release_of(target, targets[target.base] if target.base else None)
    assert RELEASE_SHORT_RE.match(release.short)
    assert RELEASE_VERSION_RE.match(release.version)
    name = next_id(release, NOW.date(), [])
    assert get_date_type_respin(name) == ("20261128", "production", 0)
    assert day_and_respin(name) == ("20261128", 0)


def made(name: str, state: ComposeState, hours: int | None = None) -> Compose:
    released = NOW + timedelta(hours=hours) if hours is not None else None
    return Compose(
        id=name,
        target="t",
        tag="t",
        generation="g",
        number=1,
        state=state,
        actor="a",
        created=NOW,
        released=released,
    )


def test_users_get_what_was_promoted_last_and_is_not_retired() -> None:
    some = [
        made("a", ComposeState.RELEASED, 2), made("b", ComposeState.RELEASED, 1), made("c", ComposeState.RETIRED, 3),
        made("d", ComposeState.TESTING),
    ]  # fmt: skip
    found = in_force(some)
    assert found is not None
    assert found.id == "a"
    assert in_force(some[2:]) is None


def test_no_state_follows_that_should_not() -> None:
    ways = {
        (one, to)
        for one in ComposeState
        for to in ComposeState
        if _goes(made("a", one, 0 if one is not ComposeState.TESTING else None), to)
    }
    assert ways == {
        (ComposeState.TESTING, ComposeState.RELEASED), (ComposeState.TESTING, ComposeState.RETIRED),
        (ComposeState.RELEASED, ComposeState.RETIRED),
    }  # fmt: skip


def _goes(compose: Compose, to: ComposeState) -> bool:
    try:
        compose.check(to)
    except IllegalTransition:
        return False
    return True
