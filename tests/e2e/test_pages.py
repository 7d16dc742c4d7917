"""The pages in a real browser: they follow what happens, fit a telephone, and the console stays
silent.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from buildfarm.adapters.core.database.store import utc_now
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.task import Task, TaskState
from buildfarm.services.build.building import log_path
from buildfarm.services.core import builds
from tests.e2e import chromium
from tests.e2e.chromium import open_page
from tests.integration.web import scenarios
from tests.integration.web.live_server import serving
from tests.integration.web.scenarios import Scenario

pytestmark = [pytest.mark.browser, chromium.NEEDED]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Scenario]]:
    home = tmp_path_factory.mktemp("farm")
    hub, _, scenario = scenarios.told(home)
    with serving(home) as server:
        yield server.url, scenario
    hub.store.dispose()  # type: ignore[attr-defined]  # of SqlStore


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_fits_and_the_console_stays_silent(
    browser: Any, farm: tuple[str, Scenario], tmp_path: Path, scheme: str, width: int
) -> None:
    url, scenario = farm
    page, said = open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 844})
    paths = ("/", "/builds", "/drops", f"/drops/{scenario.drop}", "/targets/reef-9", "/targets/reef-9/seeds", "/workers", "/generations",
             "/builds/bzip2-1.0-1.el9", "/builds/reef-release-1.0-1.el9", "/builds/diffutils-1.0-1.el9")  # fmt: skip
    for number, path in enumerate(paths):
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.screenshot(path=str(tmp_path / f"{number}-{scheme}-{width}.png"), full_page=True)
    page.context.close()
    assert said == []


def test_a_build_page_follows_its_log_and_its_state(
    browser: Any, farm: tuple[str, Scenario]
) -> None:
    url, scenario = farm
    hub = scenario.hub
    page, said = open_page(browser)
    streams: list[str] = []
    page.on(
        "request",
        lambda one: one.resource_type == "eventsource" and streams.append(urlsplit(one.url).path),
    )
    page.goto(f"{url}/builds/{scenario.ids['diffutils']}")
    assert page.locator("#log-text .err").count() == 0
    with hub.store.read() as tx:
        task = tx.find(Task, subject=scenario.ids["diffutils"])[0]
    with log_path(hub, task.id).open("a", encoding="utf-8") as log:
        log.write("cmp.c:7: error: <b>something</b> broke\n")
    page.locator("#log-text .err", has_text="<b>something</b> broke").wait_for(timeout=10_000)
    assert {"/live/changes", f"/live/builds/{scenario.ids['diffutils']}/log"} <= set(streams)
    page.locator("#lock summary, #events").first.scroll_into_view_if_needed()
    with hub.store.begin() as tx:
        tx.update(task, state=TaskState.CANCELED, finished=tx.now)
        build = builds.cancel(
            tx, tx.get(Build, scenario.ids["diffutils"]), actor="ann", why="seen in the browser"
        )
    assert build.state is BuildState.CANCELED
    page.locator("#head .badge", has_text="canceled").wait_for(timeout=10_000)
    assert "seen in the browser" in page.locator("#head .callout").inner_text()
    page.context.close()
    assert said == []


def test_a_log_is_searched_and_its_errors_are_visited_by_keyboard(
    browser: Any, farm: tuple[str, Scenario]
) -> None:
    url, scenario = farm
    page, said = open_page(browser, reduced_motion="reduce")
    page.goto(f"{url}/builds/{scenario.ids['reef-cannot-build']}")
    page.locator("#log-search input[name=q]").focus()
    page.keyboard.type("UNDECLARED")
    page.keyboard.press("Enter")
    page.locator("#log-hits a", has_text="line 2").wait_for(timeout=5_000)
    assert page.locator("#log-said").inner_text() == "1 line found"
    page.locator("#log-hits a").focus()
    page.keyboard.press("Enter")
    assert "undeclared" in page.locator("#log-text .found").inner_text()
    page.locator("#next-error").focus()
    page.keyboard.press("Enter")
    assert "Error 1" in page.locator("#log-text .found").inner_text()
    assert page.locator("#log-said").inner_text() == "2 of 2 marked here"
    page.context.close()
    assert said == []


def test_who_reads_further_up_is_not_moved_by_what_comes(
    browser: Any, farm: tuple[str, Scenario]
) -> None:
    url, scenario = farm
    hub = scenario.hub
    page, said = open_page(browser)
    page.goto(f"{url}/builds/{scenario.ids['tree']}")
    with hub.store.begin() as tx:
        build = tx.get(Build, scenario.ids["tree"])
    scenario.clock.now = (
        utc_now()
    )  # the page asks for what happened since it was made, and its server's clock is the real one
    task = scenario.start(build)
    page.locator("#log-text").wait_for(timeout=10_000)  # the page was told that a worker has begun
    log = log_path(hub, task.id)
    append(log, "".join(f"gcc -c more{number}.c\n" for number in range(400)))
    page.locator("#log-text .line", has_text="more399.c").wait_for(timeout=10_000)
    at_end = "(() => { const l = document.getElementById('log-text'); return l.scrollHeight - l.scrollTop - l.clientHeight < 4; })()"
    page.wait_for_function(at_end)
    page.evaluate("document.getElementById('log-text').scrollTop = 100")
    page.locator("#follow:not(:checked)").wait_for(timeout=5_000)
    append(log, "the newest line\n")
    page.locator("#log-text .line", has_text="the newest line").wait_for(
        state="attached", timeout=10_000
    )
    assert page.evaluate("document.getElementById('log-text').scrollTop") == 100
    page.check("#follow")
    page.wait_for_function(at_end)
    page.context.close()
    assert said == []


def append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def test_where_the_hub_cannot_tell_the_page_asks_by_itself(
    browser: Any, farm: tuple[str, Scenario]
) -> None:
    url, scenario = farm
    with scenario.hub.store.begin() as tx:
        build = tx.get(Build, scenario.ids["less"])
    task = scenario.start(build)
    page, said = open_page(browser)
    page.route(
        "**/live/**", lambda route: route.fulfill(status=204)
    )  # as a server does that cannot hand a connection over
    page.goto(f"{url}/builds/{build.id}")
    append(log_path(scenario.hub, task.id), "x.c:1: error: nobody told\n")
    with scenario.hub.store.begin() as tx:
        tx.event("build.said", build.id, actor="ann", why="nobody told of this")
    page.locator("#events", has_text="nobody told of this").wait_for(timeout=15_000)
    page.locator("#log-text .err", has_text="nobody told").wait_for(timeout=15_000)
    page.context.close()
    assert said == []


def test_the_filter_works_without_script(browser: Any, farm: tuple[str, Scenario]) -> None:
    url, _ = farm
    page, _ = open_page(browser, java_script_enabled=False)
    page.goto(url)
    page.select_option("select[name=state]", "failed")
    page.click("button")
    assert "state=failed" in page.url
    assert page.locator("#build-table tbody tr").count() == 1
    page.context.close()


def test_a_log_is_searched_and_read_without_script(
    browser: Any, farm: tuple[str, Scenario]
) -> None:
    url, scenario = farm
    page, _ = open_page(browser, java_script_enabled=False)
    page.goto(f"{url}/builds/{scenario.ids['reef-cannot-build']}")
    page.fill("#log-search input[name=q]", "undeclared")
    page.click("#log-search button:not([type])")
    page.click("#hits a")
    assert page.url.endswith("#L2")
    assert "undeclared" in page.locator("#L2").inner_text()
    page.context.close()
