import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buildfarm_web.app import create_app
from flask import Flask
from flask.testing import FlaskClient

from buildfarm.adapters.auth.passwords import Argon2Passwords
from buildfarm.adapters.core.database import SqlStore
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import later_scenario, scenarios
from tests.integration.web.later_scenario import Morning
from tests.integration.web.scenarios import Scenario


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
    close(scenarios.make_hub(home, Clock()))
    return home


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scenario]:
    """The farm in the middle of a day's work, told once and copied for each test."""
    home = tmp_path_factory.mktemp("told")
    hub, _, scenario = scenarios.told(home)
    close(hub)
    return home, scenario


@pytest.fixture(scope="session")
def told_later(
    told: tuple[Path, Scenario], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Scenario]:
    """The next morning, told once and copied for each test."""
    home = tmp_path_factory.mktemp("later") / "home"
    shutil.copytree(told[0], home, symlinks=True)
    clock = Clock(told[1].clock.now)
    hub = scenarios.open_hub(home, clock)
    scenario = Scenario(hub, clock)
    scenario.ids = dict(told[1].ids)
    later_scenario.tell(scenario)
    close(hub)
    return home, scenario


def _told(request: pytest.FixtureRequest) -> tuple[Path, Scenario] | None:
    """The scenario that a test asks for, if it does."""
    name = next(
        (
            name
            for name, asked in (("told_later", "later"), ("told", "scenario"))
            if asked in request.fixturenames
        ),
        "",
    )
    return request.getfixturevalue(name) if name else None


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    found = _told(request)
    return Clock(found[1].clock.now) if found else Clock()


@pytest.fixture
def hub(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Hub]:
    found = _told(request)
    home = found[0] if found else request.getfixturevalue("empty_home")
    shutil.copytree(home, tmp_path, symlinks=True, dirs_exist_ok=True)
    made = scenarios.open_hub(tmp_path, clock)
    yield made
    close(made)


@pytest.fixture
def scenario(hub: Hub, clock: Clock, told: tuple[Path, Scenario]) -> Scenario:
    found = Scenario(hub, clock)
    found.ids = dict(told[1].ids)
    return found


@pytest.fixture(scope="session")
def login_tools() -> LoginTools:
    return LoginTools(passwords=Argon2Passwords(kibibytes=64))  # quick, for nobody's sake


@pytest.fixture(scope="session")
def morning(told_later: tuple[Path, Scenario]) -> Iterator[Morning]:
    home, scenario = told_later
    hub = scenarios.open_hub(home, Clock(scenario.clock.now))
    looked_at = Scenario(hub, scenario.clock)
    looked_at.ids = dict(scenario.ids)
    made = create_app(hub, intake=scenarios.fake_intake)
    made.test_client_class = BufferedClient
    yield Morning(client=made.test_client(), hub=hub, scenario=looked_at)
    close(hub)


@pytest.fixture
def later(hub: Hub, clock: Clock, told_later: tuple[Path, Scenario]) -> Scenario:
    found = Scenario(hub, clock)
    found.ids = dict(told_later[1].ids)
    return found


@pytest.fixture
def app(hub: Hub, login_tools: LoginTools) -> Flask:
    made = create_app(hub, intake=scenarios.fake_intake, login=login_tools, blob_limit=1 << 20)
    made.test_client_class = BufferedClient
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def engineer() -> dict[str, str]:
    return {"Authorization": f"Bearer {scenarios.ENGINEER}"}
