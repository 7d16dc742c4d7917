"""Every kind of page in a real browser, light and dark: no accessibility fault, no word on the
console, nothing wider than a telephone.

The pictures are kept in ``var/screenshots``.
"""

import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from buildfarm_web.app import create_app
from werkzeug.serving import make_server

from tests.conftest import CHECKOUT
from tests.e2e import chromium
from tests.e2e.chromium import open_page
from tests.integration.web import later_scenario, scenarios
from tests.integration.web.scenarios import Scenario

PICTURES = CHECKOUT / "var" / "screenshots"
SERIOUS = ("serious", "critical")
PHONE, GUEST_HUB = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
DARK = (
    "overview",
    "needs",
    "drop",
    "build-refused",
    "build-debranded",
    "sources",
    "source",
    "sig",
    "lag",
    "generation",
    "machines",
)
"""Between them these have every tone, table and drawing."""

pytestmark = [pytest.mark.browser, chromium.NEEDED]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Scenario]]:
    hub, _, scenario = scenarios.told(tmp_path_factory.mktemp("farm"))
    later_scenario.tell(scenario)
    server = make_server(
        "127.0.0.1", 0, create_app(hub, intake=scenarios.fake_intake), threaded=True
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", scenario
    server.shutdown()
    thread.join()
    server.server_close()
    hub.store.dispose()  # type: ignore[attr-defined]  # of SqlStore


def look(
    browser: Any,
    morning: tuple[str, Scenario],
    scheme: str,
    names: tuple[str, ...],
    rules: tuple[str, ...],
) -> None:
    """Visit pages, let axe judge them with every table open, and keep their pictures."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    ).Axe()
    url, scenario = morning
    folder = PICTURES / scheme
    shutil.rmtree(folder, ignore_errors=True)
    page, said = open_page(browser, color_scheme=scheme, viewport=GUEST_HUB)
    options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    faults: list[tuple[str, str, list[str]]] = []
    known = later_scenario.pages(scenario)
    for name in names or known:
        page.goto(url + known[name])
        page.screenshot(path=str(folder / f"{name}.png"), full_page=True)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        faults += [
            (name, fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
            for fault in axe.run(page, options=options).response["violations"]
            if fault["impact"] in SERIOUS
        ]
    page.context.close()
    assert faults == []
    assert said == []


def test_no_page_has_a_serious_accessibility_fault(
    browser: Any, morning: tuple[str, Scenario]
) -> None:
    look(browser, morning, "light", (), ())


def test_contrast_is_kept_in_dark_mode(browser: Any, morning: tuple[str, Scenario]) -> None:
    look(browser, morning, "dark", DARK, ("color-contrast",))


def test_every_page_fits_a_telephone(browser: Any, morning: tuple[str, Scenario]) -> None:
    url, scenario = morning
    folder = PICTURES / "phone"
    shutil.rmtree(folder, ignore_errors=True)
    page, said = open_page(browser, viewport=PHONE)
    wide = []
    for name, path in later_scenario.pages(scenario).items():
        page.goto(url + path)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
        if name in DARK:
            page.screenshot(path=str(folder / f"{name}.png"), full_page=True)
    page.context.close()
    assert wide == []
    assert said == []


def test_the_keyboard_reaches_content_links_and_folded_tables(
    browser: Any, morning: tuple[str, Scenario]
) -> None:
    url, _ = morning
    page, _ = open_page(browser)
    page.goto(f"{url}/sources")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen: list[str] = []
    outlines: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(
            "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineStyle]"
        )
        seen.append(text)
        outlines.add(outline)
        if text == "The map as a table":
            break
    assert seen[-1] == "The map as a table", seen
    order = [
        seen.index(text)
        for text in (
            "Reef Linux",
            "Overview",
            "Sources",
            "Filter",
            "SIG core",
            "The map as a table",
        )
    ]
    assert order == sorted(order)
    assert outlines == {"solid"}  # where the keyboard is can be seen everywhere
    page.keyboard.press("Enter")
    assert page.locator("#map details[open] table").is_visible()
    page.context.close()
