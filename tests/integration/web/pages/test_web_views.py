"""The pages that look at the farm from a side: by source, SIG, cause, lag, machine and generation."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from buildfarm_web.pages.drawings import verdict_map
from buildfarm_web.read_models.build import source_status
from buildfarm_web.read_models.build.source_status import SourceStatusIndex
from buildfarm_web.read_models.core.cache import Cache, last_event
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from buildfarm.api.responses.build.source_status import MapGroup
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.lag import stage_of
from buildfarm.domain.core.records import Event
from buildfarm.domain.publish.repository import Artifact, Generation
from buildfarm.services.build.building import log_path
from buildfarm.services.core import builds
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import later_scenario, scenarios
from tests.integration.web.later_scenario import Morning
from tests.integration.web.scenarios import HOSTILE, Scenario

BUILDFARM = Path(sys.executable).with_name("buildfarm")
VIEWS = ("/action-required", "/sources", "/sigs", "/sigs/core", "/lag", "/machines")


def html(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def json_of(client: FlaskClient, path: str) -> dict:
    answer = client.get(f"/api/v1{path}")
    assert answer.status_code == 200, path
    return answer.get_json()


def test_an_empty_farm_has_these_pages_too(client: FlaskClient) -> None:
    for path in VIEWS:
        assert "<h1" in html(client, path)


def test_every_page_is_whole_has_its_json_and_leads_somewhere(morning: Morning) -> None:
    followed: set[str] = set()
    for name, path in later_scenario.pages(morning.scenario).items():
        answer = morning.client.get(path)
        page = answer.get_data(as_text=True)
        assert page.count("<h1") == 1, name
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"", page), name
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        found = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)"', page)
        assert found, name
        assert morning.client.get(found[1].replace("&amp;", "&")).is_json, name
        followed |= {
            link.replace("&amp;", "&") for link in re.findall(r'href="(/[^"#]*)[#"]', page)
        }
    broken = {
        link: status for link in followed if (status := morning.client.get(link).status_code) != 200
    }
    assert broken == {}


def test_where_a_builds_time_went_is_what_its_history_says(morning: Morning) -> None:
    """Two records of one thing, written apart: the seconds by stage, and the events."""
    with morning.hub.store.read() as tx:
        for build in tx.find(Build, state=BuildState.PUBLISHED):
            told = [
                e
                for e in tx.find(Event, subject=build.id, order_by="id")
                if e.kind.removeprefix("build.") in set(BuildState)
            ]
            expected: dict[str, float] = {
                "arriving": (build.created - build.shipped).total_seconds()
            }
            for event, following in pairwise(told):
                stage = stage_of(BuildState(event.kind.removeprefix("build.")))
                assert stage is not None
                expected[stage] = (
                    expected.get(stage, 0.0) + (following.at - event.at).total_seconds()
                )
            assert build.spent == pytest.approx(
                {key: value for key, value in expected.items() if value}
            )
            lag = (told[-1].at - build.shipped).total_seconds()
            assert sum(build.spent.values()) == pytest.approx(lag)
            if build.nvr == "zlib-1.1-1.el9":
                assert json_of(morning.client, "/sources/reef-9/zlib")["newest"][
                    "lag"
                ] == pytest.approx(lag, abs=0.1)


def test_what_waits_for_a_person_is_told_apart_from_what_only_waits(
    hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    clock.pass_seconds(1000)
    with hub.store.begin() as tx:
        stuck = builds.wait(
            tx, tx.get(Build, scenario.ids["reef-top"]), scenarios.WaitKind.CAPACITY, "no free slot"
        )
    assert stuck.spent["held"] >= 1000
    clock.pass_seconds(500)
    with hub.store.begin() as tx:
        moved = builds.cancel(tx, stuck, actor="ann", why="enough")
    assert moved.spent["waiting"] >= 500
    assert moved.spent["held"] == stuck.spent["held"]


def test_needs_are_grouped_with_since_when_why_and_who(morning: Morning) -> None:
    found = {
        group["kind"]: group for group in json_of(morning.client, "/action-required")["groups"]
    }
    assert list(found) == ["approval", "on_hold", "failed", "refused", "stuck", "waiver"]
    bzip2 = next(item for item in found["refused"]["items"] if item["source"] == "bzip2")
    assert (bzip2["sig"], bzip2["contact"]) == ("archives", "archives@reef.example")
    assert "BZ2_bzPlanted" in bzip2["why"]
    assert datetime.fromisoformat(bzip2["since"])
    assert found["failed"]["items"][0]["act"].startswith("buildfarm retry --cluster")
    assert "buildfarm approve" in found["approval"]["items"][0]["act"]
    own = json_of(morning.client, "/action-required?sig=archives")
    assert {item["sig"] for group in own["groups"] for item in group["items"]} == {"archives"}
    assert [
        group["kind"] for group in json_of(morning.client, "/action-required?kind=stuck")["groups"]
    ] == ["stuck"]
    assert morning.client.get("/api/v1/action-required?target=none").status_code == 404


def test_what_has_one_cause_is_one_line(client: FlaskClient, hub: Hub, scenario: Scenario) -> None:
    for name in ("chrpath-two", "chrpath-three"):
        held = scenario._build(name)
        scenario._move(
            held,
            BuildState.ON_HOLD,
            "ingest",
            f"{name}-1.0-1.el9.src.rpm: signed by an unknown key 9F3A 22C1",
        )
    group = next(
        group
        for group in json_of(client, "/action-required")["groups"]
        if group["kind"] == "on_hold"
    )
    assert (group["total"], len(group["items"]), group["items"][0]["count"]) == (3, 1, 3)
    assert "and 2 like it" in html(client, "/action-required")


def test_the_map_has_every_source_once_with_its_word(morning: Morning) -> None:
    found = json_of(morning.client, "/sources")
    cells = [cell for group in found["map"] for cell in group["cells"]]
    with morning.hub.store.read() as tx:
        sources = {build.source for build in tx.find(Build)}
    assert sorted(cell[0] for cell in cells) == sorted(sources)
    words = {cell[0]: cell[2] for cell in cells}
    expected = {
        "zlib": "EQUIVALENT",
        "bzip2": "INCOMPATIBLE",
        "chrpath": "on_hold",
        "reef-top": "stuck",
        "less": "waiting",
    }
    assert expected.items() <= words.items()
    assert found["words"] == {word: list(words.values()).count(word) for word in found["words"]}
    page = html(morning.client, "/sources")
    assert "The map as a table" in page
    assert page.count('class="map-') >= len(cells)


def test_the_filters_of_the_list_live_in_the_url(morning: Morning) -> None:
    for query, expected in (
        ("sig=archives", {"zlib", "bzip2", "libpng", "tree"}), ("word=MISSING", {"popt"}), ("source=LIB", {"zlib", "libpng"}),
        ("need=yes", {"bzip2", "popt", "chrpath", "reef-cannot-build", "reef-top"}),
    ):  # fmt: skip
        assert {
            one["source"] for one in json_of(morning.client, f"/sources?{query}")["sources"]
        } == expected, query
    page = html(morning.client, "/sources?sig=archives&source=z")
    assert 'value="z"' in page
    assert '<option value="archives" selected>' in page
    assert morning.client.get("/sources?word=nonsense").status_code == 422


def test_kept_standings_are_what_reading_everything_gives(
    hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    kept = SourceStatusIndex()

    def both() -> None:
        with hub.store.read() as tx:
            assert kept.of(hub, tx) == SourceStatusIndex().of(hub, tx)

    both()
    read_whole = source_status._read
    source_status._read = None  # type: ignore[assignment]  # from here on only what changed may be read
    try:
        with hub.store.read() as tx:
            before = kept.of(hub, tx)
        built = scenario._build("zlib", (), (), "2.0")
        scenario._move(
            built, BuildState.FAILED, "ann", "broken", failure_kind="build", finished=clock()
        )
        with hub.store.read() as tx:
            after = kept.of(hub, tx)
    finally:
        source_status._read = read_whole
    assert {one.word for one in after if one.source == "zlib"} == {"failed"}
    assert [one for one in after if one.source != "zlib"] == [
        one for one in before if one.source != "zlib"
    ]
    both()
    clock.pass_seconds(3600)
    both()


def test_an_event_that_is_seen_after_a_later_one_is_caught_up_with(
    hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    kept = SourceStatusIndex()

    def words() -> set[str]:
        with hub.store.read() as tx:
            return {one.word for one in kept.of(hub, tx) if one.source == "zlib"}

    before = words()
    clock.pass_seconds(90)
    assert words() == before
    built = scenario._build("zlib", (), (), "2.0")
    scenario._move(
        built, BuildState.FAILED, "ann", "broken", failure_kind="build", finished=clock()
    )
    with hub.store.read() as tx:
        kept._event = last_event(tx)  # as if only a later one had been there to be seen
    assert words() == before
    clock.pass_seconds(61)
    assert words() == {"failed"}


def test_what_is_kept_ends_with_the_next_event_and_after_seconds(
    hub: Hub, clock: Clock, scenario: Scenario
) -> None:
    kept, made = Cache(), iter(range(100))

    def asked() -> tuple[int, int]:
        with hub.store.read() as tx:
            return (
                kept.now("a", tx, lambda: {"n": next(made)})["n"],
                kept.lately("b", tx, lambda: {"n": next(made)})["n"],
            )

    assert asked() == (0, 1)
    assert asked() == (0, 1)
    clock.pass_seconds(2)
    scenario._build("zlib", (), (), "2.0")
    assert asked() == (2, 1)
    clock.pass_seconds(6)
    assert asked() == (3, 1)
    clock.pass_seconds(3)
    assert asked() == (3, 4)


def test_a_source_has_its_history_and_what_holds_for_it(morning: Morning) -> None:
    found = json_of(morning.client, "/sources/reef-9/zlib")
    assert [one["nvr"] for one in found["builds"]] == ["zlib-1.1-1.el9", "zlib-1.0-1.el9"]
    assert found["builds"][0]["stages"]["building"] == pytest.approx(11, abs=0.1)
    assert (
        json_of(morning.client, "/sources/reef-9/reef-cannot-build")["override"]["reason"]
        == "its tests need the network"
    )
    assert [one["id"] for one in json_of(morning.client, "/sources/reef-9/libpng")["waivers"]] == [
        "w-docs"
    ]
    assert json_of(morning.client, "/sources/reef-9/reef-release")["rule"]["date"] == "2026-02-01"
    assert morning.client.get("/sources/reef-9/none").status_code == 404


def test_lag_is_told_by_sig_and_over_time(morning: Morning) -> None:
    found = json_of(morning.client, "/lag")
    assert found["published"]["count"] == 5
    assert {one["sig"] for one in found["sigs"]} == {"core", "archives"}
    assert sum(point["count"] for point in found["over_time"]) == 6
    page = html(morning.client, "/lag")
    for words in ('class="curve-chart"', "The curve as a table", "Stages as a table"):
        assert words in page
    assert json_of(morning.client, "/lag?sig=archives")["sigs"][0]["sources"] == 4


def test_a_generation_says_what_changed(morning: Morning) -> None:
    with morning.hub.store.read() as tx:
        newest = tx.find(Generation, tag="reef-9", order_by="number", descending=True)
        rpms = {len(tx.find(Artifact, build=key)) for key in newest[0].builds}
    assert rpms == {1}
    second = json_of(morning.client, f"/generations/{newest[1].id}")
    assert {(one["name"], one["change"]) for one in second["changes"]["rpms"]} == {
        ("libpng", "added"),
        ("reef-release", "added"),
    }
    third = json_of(morning.client, f"/generations/{newest[0].id}")
    assert (third["previous"]["id"], third["in_force"], third["number"]) == (newest[1].id, True, 3)
    (zlib,) = third["changes"]["builds"]
    assert (zlib["change"], zlib["old"]["nvr"], zlib["new"]["nvr"]) == (
        "updated",
        "zlib-1.0-1.el9",
        "zlib-1.1-1.el9",
    )
    page = html(morning.client, f"/generations/{newest[0].id}")
    assert newest[0].digest in page
    assert morning.client.get("/generations/none").status_code == 404


def test_a_buildroot_is_set_beside_the_one_before(morning: Morning) -> None:
    found = json_of(morning.client, f"/builds/{morning.scenario.ids['zlib-1.1']}/buildroot")
    assert found["before"]["nvr"] == "zlib-1.0-1.el9"
    (one,) = found["buildroots"]
    added = {change["name"] for change in one["changes"] if change["change"] == "added"}
    assert {"expat", "jansson", "zlib"} <= added  # built here since, and in the buildroot of now
    assert all(change["new"]["ours"] for change in one["changes"] if change["name"] == "expat")
    assert one["same"] == 4  # bash, gcc, make, coreutils: the seed did not move
    first = json_of(morning.client, "/builds/expat-1.0-1.el9/buildroot")
    assert first["before"] is None
    assert "nothing to set it beside" in html(morning.client, "/builds/expat-1.0-1.el9/buildroot")


def test_a_cluster_names_its_builds_and_a_known_wrong_one_is_not_found(morning: Morning) -> None:
    path = later_scenario.pages(morning.scenario)["cluster"]
    found = json_of(morning.client, path)
    assert [build["nvr"] for build in found["builds"]] == ["reef-cannot-build-1.0-1.el9"]
    assert "undeclared" in html(morning.client, path)
    assert morning.client.get("/clusters/reef-9/none").status_code == 404


def test_guests_are_told_with_host_image_and_how_to_look_into_them(morning: Morning) -> None:
    found = json_of(morning.client, "/machines")
    assert found["hosts"][0]["accelerators"] == ["kvm"]
    assert found["guests"][0]["console"] == "buildfarm guests console kvm-1-0007"
    assert [(one["guest"], one["image"]) for one in found["last"]] == [
        ("kvm-1-0006", later_scenario.IMAGE)
    ]


def test_the_longest_way_is_drawn_and_said(morning: Morning) -> None:
    page = html(morning.client, f"/drops/{morning.scenario.drop}")
    assert page.count('class="box critical') == 3
    assert page.count('class="need critical"') == 2
    assert "zlib-1.0-1.el9 → libpng-1.0-1.el9 → tree-1.0-1.el9" in page
    assert page.count("on the critical path</small>") == 3


@pytest.fixture
def url(morning: Morning) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, morning.client.application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_line_says_the_same(url: str) -> None:
    def run(*words: str) -> str:
        env = os.environ | {
            "BUILDFARM_URL": url,
            "BUILDFARM_TOKEN": scenarios.READER,
            "COLUMNS": "250",
        }
        done = subprocess.run(
            [BUILDFARM, *words], capture_output=True, text=True, check=True, env=env
        )
        return done.stdout

    said = run("action-required", "--sig", "archives")
    assert "bzip2-1.0-1.el9" in said
    assert "chrpath" not in said
    assert "archives" in run("lag")


def test_hostile_text_is_text_on_these_pages_too(
    client: FlaskClient, hub: Hub, clock: Clock, later: Scenario
) -> None:
    held = later._build(HOSTILE)
    later._move(held, BuildState.ON_HOLD, HOSTILE, HOSTILE)
    failing = later._build("hostile-failure")
    task = later.start(later.until_waiting(failing))
    log_path(hub, task.id).write_text(HOSTILE, encoding="utf-8")
    with hub.store.begin() as tx:
        builds.fail(
            tx,
            tx.get(Build, failing.id),
            scenarios.FailureKind.BUILD,
            f"error: {HOSTILE}",
            actor=HOSTILE,
        )
        tx.add(scenarios.SourceOverride(id="o", target="reef-9", source=HOSTILE, created=tx.now, actor=HOSTILE,
                                        settings={HOSTILE: HOSTILE}, reason=HOSTILE))  # fmt: skip
        lock = json.dumps(
            {
                "lock": [
                    {
                        "name": HOSTILE,
                        "epoch": 0,
                        "version": "1",
                        "release": HOSTILE,
                        "arch": "x86_64",
                        "sha256": "0",
                    }
                ]
            }
        )
        digest = hub.blobs.put_bytes(lock.encode()).sha256
        newest = tx.find(scenarios.Task, subject=later.ids["zlib-1.1"], arch="x86_64")[0]
        tx.update(
            newest,
            lock=digest,
            result={"host": {"guest": HOSTILE, "kvm_host": HOSTILE, "image": HOSTILE}},
        )
        tx.add(
            later_scenario.Host(id=HOSTILE, token_hash="h", arches=(HOSTILE,), queues=(HOSTILE,))
        )
    cluster = next(
        group
        for group in json_of(client, "/action-required")["groups"]
        if group["kind"] == "failed"
    )
    paths = ["/", *VIEWS, f"/sources/reef-9/{HOSTILE.replace('/', '%2F')}", later_scenario.pages(later)["buildroot"],
             *(f"/clusters/reef-9/{item['cluster']}" for item in cluster["items"])]  # fmt: skip
    for path in paths:
        answer = client.get(path)
        page = answer.get_data(as_text=True)
        assert "<script>alert" not in page, path
        assert answer.status_code == 200 or "%2F" in path, path
    for path in (
        "/",
        "/action-required",
        "/sources",
        "/machines",
        later_scenario.pages(later)["buildroot"],
    ):
        assert "&lt;script&gt;alert" in html(client, path), path


def test_many_sources_are_drawn_as_regions_that_hold_them_all() -> None:
    words = {"failed": 1, "REVIEW": 70, "EQUIVALENT": 500, "canceled": 3}
    (group,) = verdict_map.draw([MapGroup(sig="core", total=574, words=words, cells=[])])
    assert {run.word: run.count for run in group.runs} == words
    assert {run.word: _cells_within(run.region) for run in group.runs} == words
    assert verdict_map.many_of([group]) == sorted(words)


def _cells_within(region: str) -> float:
    """The area of an outline in cells, by the shoelace formula."""
    x = y = 0
    corners: list[tuple[int, int]] = []
    for letter, numbers in re.findall(r"([MHV])([\d ]+)", region):
        given = [int(number) for number in numbers.split()]
        x, y = given if letter == "M" else (given[0], y) if letter == "H" else (x, given[0])
        corners.append((x, y))
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2 / verdict_map.PITCH**2
