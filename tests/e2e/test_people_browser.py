"""A SIG maintainer in a real browser: logs in, retries what is theirs, is refused what is not; the
pages stay accessible and quiet.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from buildfarm_web.app import create_app
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from buildfarm.adapters.auth.passwords import Argon2Passwords
from buildfarm.domain.auth.permissions import Role
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.services.auth import accounts
from buildfarm.services.auth.login import LoginTools
from tests.e2e import chromium
from tests.integration.web import people_scenario, scenarios
from tests.integration.web.scenarios import Scenario

pytestmark = [pytest.mark.browser, chromium.NEEDED]


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[tuple[str, Scenario]]:
    hub, _, scenario = scenarios.told(tmp_path)
    tools = LoginTools(passwords=Argon2Passwords())
    accounts.create(
        hub, "vera", role=Role.MAINTAINER, sigs=("virt",), passwords=tools.passwords, password=people_scenario.PASSWORD,
        actor="test",
    )  # fmt: skip
    server = make_server(
        "127.0.0.1", 0, create_app(hub, intake=scenarios.fake_intake, login=tools), threaded=True
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", scenario
    server.shutdown()
    thread.join()
    server.server_close()
    hub.store.dispose()  # type: ignore[attr-defined]  # of SqlStore


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_a_maintainer_logs_in_retries_and_is_refused_what_is_not_theirs(
    farm: tuple[str, Scenario], script: bool
) -> None:
    url, scenario = farm
    own = people_scenario.failed_build(scenario, "qemu-kvm")
    others = people_scenario.failed_build(scenario, "bash")
    said: list[str] = []

    def check(page: Any, part: str | None = None) -> None:
        if script:
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
            found = Axe().run(page, context=part).response["violations"]
            assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == [], (
                page.url
            )

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.CHROMIUM, args=list(chromium.FLAGS)
        )
        page = browser.new_context(
            java_script_enabled=script, viewport={"width": 390, "height": 844}
        ).new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{url}/builds/{own.id}")
        page.click("#actions a")
        check(page)
        page.fill("input[name=name]", "vera")
        page.fill("input[name=password]", people_scenario.PASSWORD)
        page.click("form.sheet button")
        assert page.url == f"{url}/builds/{own.id}"
        page.click("#do-retry summary")
        page.fill("#do-retry input[name=reason]", "the mirror is back")
        page.click("#do-retry button")
        page.locator(".done", has_text="goes through the pipeline again").wait_for()
        with scenario.hub.store.read() as tx:
            assert tx.get(Build, own.id).state is BuildState.INGESTED
        page.goto(f"{url}/builds/{others.id}")
        assert page.locator("#do-retry").count() == 0
        assert "answered for by SIG core" in page.locator("#actions").inner_text()
        page.goto(f"{url}/builds/{own.id}")
        check(page, "#actions")
        for path in ("/audit", "/account"):
            page.goto(url + path)
            check(page)
        page.click(".who button")
        assert page.locator(".who", has_text="Log in").count() == 1
        browser.close()
    assert said == []
