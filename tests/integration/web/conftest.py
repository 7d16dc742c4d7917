import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import web_story
from buildfarm_web.app import create_app
from flask import Flask
from flask.testing import FlaskClient
from web_story import Clock, Story

from buildfarm.adapters.database import SqlStore
from buildfarm.adapters.passwords import Argon2Passwords
from buildfarm.services.hub import Hub
from buildfarm.services.logging_in import LoginTools


class BufferedClient(FlaskClient):
    """Reads every answer to its end, so that files that were sent are closed."""

    def open(self, *args: Any, **options: Any) -> Any:
        return super().open(*args, **{"buffered": True, **options})


def close(hub: Hub) -> None:
    assert isinstance(hub.store, SqlStore)
    hub.store.dispose()


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with one target, one worker and two tokens, made once and copied for each test."""
    home = tmp_path_factory.mktemp("empty")
    close(web_story.make_hub(home, Clock()))
    return home


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Story]:
    """The farm in the middle of a day's work, told once and copied for each test."""
    home = tmp_path_factory.mktemp("told")
    hub, _, story = web_story.told(home)
    close(hub)
    return home, story


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    if "story" in request.fixturenames:
        told_story: Story = request.getfixturevalue("told")[1]
        return Clock(told_story.clock.now)
    return Clock()


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Hub]:
    has_story = "story" in request.fixturenames
    home = request.getfixturevalue("told")[0] if has_story else request.getfixturevalue("empty_home")
    shutil.copytree(home, tmp_path, symlinks=True, dirs_exist_ok=True)
    made = web_story.open_hub(tmp_path, clock)
    yield made
    close(made)


@pytest.fixture
def story(hub: Hub, clock: Clock, told: tuple[Path, Story]) -> Story:
    found = Story(hub, clock)
    found.ids = dict(told[1].ids)
    return found


@pytest.fixture(scope="session")
def login_tools() -> LoginTools:
    return LoginTools(passwords=Argon2Passwords(kibibytes=64))  # quick, for nobody's sake


@pytest.fixture
def app(hub: Hub, login_tools: LoginTools) -> Flask:
    made = create_app(hub, intake=web_story.fake_intake, login=login_tools, blob_limit=1 << 20)
    made.test_client_class = BufferedClient
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def engineer() -> dict[str, str]:
    return {"Authorization": f"Bearer {web_story.ENGINEER}"}
