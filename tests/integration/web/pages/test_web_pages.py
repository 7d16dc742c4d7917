"""The pages: each is whole without script, has its JSON, and lets nothing hostile through."""

import re

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.intake.drop import Drop
from buildfarm.services.build.building import log_path
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.scenarios import HOSTILE, Scenario

PAGES = (
    "/", "/builds", "/builds?state=failed", "/drops", "/targets", "/targets/reef-9", "/workers", "/generations",
    "/generations?tag=reef-9", "/builds/zlib-1.0-1.el9", "/builds/bzip2-1.0-1.el9", "/builds/popt-1.0-1.el9",
    "/builds/reef-release-1.0-1.el9", "/builds/chrpath-1.0-1.el9", "/builds/reef-cannot-build-1.0-1.el9",
    "/builds/diffutils-1.0-1.el9", "/builds/tree-1.0-1.el9", "/builds/less-1.0-1.el9", "/builds/reef-top-1.0-1.el9",
)  # fmt: skip
EMPTY_PAGES = ("/", "/builds", "/drops", "/targets", "/targets/reef-9", "/workers", "/generations")


def html(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("path", EMPTY_PAGES)
def test_an_empty_farm_has_pages_too(client: FlaskClient, path: str) -> None:
    assert "<h1" in html(client, path)


def test_every_page_and_its_json_answer(client: FlaskClient, scenario: Scenario) -> None:
    for path in (*PAGES, f"/drops/{scenario.drop}", f"/drops/{scenario.drop[:12]}"):
        page = html(client, path)
        link = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)"', page)
        assert link, path
        assert link[1].startswith("/api/v1/")
        answer = client.get(link[1].replace("&amp;", "&"))
        assert (answer.status_code, answer.is_json) == (200, True), link[1]


def test_no_page_has_inline_script_or_style(client: FlaskClient, scenario: Scenario) -> None:
    for path in (*PAGES, f"/drops/{scenario.drop}"):
        answer = client.get(path)
        page = answer.get_data(as_text=True)
        assert not re.search(r"<script(?![^>]*\bsrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"", page), path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_every_link_of_the_overview_leads_somewhere(
    client: FlaskClient, scenario: Scenario
) -> None:
    links = set(re.findall(r'href="(/[^"#]*)"', html(client, "/")))
    for link in links:
        assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_the_overview_says_what_needs_a_person_and_why(
    client: FlaskClient, scenario: Scenario
) -> None:
    page = html(client, "/")
    needs = page[page.index('id="action-required"') : page.index('id="drops"')]
    for words in (
        "signed by an unknown key", "undeclared", "BZ2_bzPlanted", "popt-static", "nothing provides reef-middle-devel",
        "SIG core", "buildfarm release-hold chrpath-1.0-1.el9",
    ):  # fmt: skip
        assert words in needs.replace("&#39;", "'"), words
    assert "less-1.0-1.el9" not in needs  # it only waits for bzip2, which is listed


def test_every_drawing_has_a_table_twin(client: FlaskClient, scenario: Scenario) -> None:
    page = html(client, "/")
    for table in ("Waves as a table", "Verdicts as a table", "Lanes as a table"):
        assert table in page


def test_a_verdict_is_a_word_beside_its_colour(client: FlaskClient, scenario: Scenario) -> None:
    badges = re.findall(
        r'<span class="badge tone-[^"]*">(.*?)</span></span>', html(client, "/builds")
    )
    assert badges
    assert all("<svg" in badge and re.search(r"<span>[\w ]+$", badge) for badge in badges)


def test_the_build_page_answers_at_its_top(client: FlaskClient, scenario: Scenario) -> None:
    page = html(client, "/builds/reef-cannot-build-1.0-1.el9")
    head = page[: page.index('id="timeline"')]
    assert "undeclared" in head
    assert 'class="line err"' in page
    assert "its tests need the network" in page


def test_the_debrand_audit_is_a_diff(client: FlaskClient, scenario: Scenario) -> None:
    page = html(client, "/builds/reef-release-1.0-1.el9.reef.1")
    assert '<span class="line d-old">-Vendor: PNAELV' in page
    assert '<span class="line d-new">+Vendor: Reef' in page


def test_hostile_names_are_text(
    client: FlaskClient, hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    with hub.store.begin() as tx:
        drop = tx.get(Drop, scenario.drop)
        tx.update(drop, name=HOSTILE, owner=HOSTILE)
    build = scenario._build(HOSTILE)
    scenario._move(build, BuildState.ON_HOLD, HOSTILE, HOSTILE)
    running = scenario._build("hostile-log")
    task = scenario.start(scenario.until_waiting(running))
    log_path(hub, task.id).write_text(f"{HOSTILE}\nerror: {HOSTILE}\n", encoding="utf-8")
    scenario._finish(running, task, 1)
    with hub.store.read() as tx:
        moved = tx.get(Build, running.id)
    finding = scenarios.finding(
        "export-removed", "INCOMPATIBLE", HOSTILE, HOSTILE, HOSTILE, HOSTILE
    )
    scenario._compare(moved, "INCOMPATIBLE", [finding], hits=({HOSTILE: HOSTILE},))
    for path in (
        "/",
        "/builds",
        f"/builds/{build.id}",
        f"/builds/{running.id}",
        "/drops",
        f"/drops/{scenario.drop}",
        "/workers",
    ):
        page = html(client, path)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert" in page or path == "/workers", path


def test_an_error_on_a_page_is_a_page(client: FlaskClient) -> None:
    for path in ("/builds/none-1-1", "/drops/none", "/targets/none", "/nothing"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "text/html" in answer.content_type
        assert "<h1>Not Found</h1>" in answer.get_data(as_text=True)
    assert client.get(f"/builds?state={HOSTILE}").status_code == 422
    assert "<script>alert" not in client.get(f"/builds?state={HOSTILE}").get_data(as_text=True)
