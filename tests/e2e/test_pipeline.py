"""The whole line on the demo's drop: every planted case comes out as foreseen, and users can
install the result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import feedparser
import httpx
import pytest

from demo.drive import Farm
from demo.proof import prove
from tests.waiting import until

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.timeout(900)]

Line = tuple[Farm, dict[str, Any]]
CONSUMERS = ("notices", "metrics", "stream")
EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).resolve().parents[2] / "demo/specs/expected.json").read_text()
)


def of(line: Line, source: str) -> dict[str, Any]:
    return next(build for build in line[1]["builds"] if build["source"] == source)


@pytest.mark.parametrize("source", sorted(EXPECTED))
def test_every_source_comes_out_as_foreseen(line: Line, source: str) -> None:
    build, expected = of(line, source), EXPECTED[source]
    assert build["state"] == expected["state"], build.get("why")
    if "verdict" in expected:
        assert build["verdict"] == expected["verdict"], build.get("why")
    assert expected.get("why_contains", "") in (build.get("why") or "")


def test_each_link_of_the_chain_waited_for_the_one_before(line: Line) -> None:
    farm, _ = line
    started = {}
    for source in ("zlib", "libpng", "qrencode"):
        tasks = farm.get(f"/builds/{of(line, source)['id']}")["tasks"]
        started[source] = next(task["started"] for task in tasks if task["kind"] == "build")
    assert started["zlib"] < started["libpng"] < started["qrencode"]


def test_the_same_drop_again_builds_nothing_and_answers_with_the_same_url(
    line: Line, world: Path
) -> None:
    farm, drop = line
    before = farm.get("/targets/reef-9")["heads"]
    again = farm.post("/drops", json.loads((world / "drop.json").read_text()))
    assert again["id"] == drop["id"]
    assert not again["created"]
    assert not farm.get("/tasks", active="1")["tasks"]
    assert farm.get("/targets/reef-9")["heads"] == before


def test_dnf_installs_the_published_repository_with_signatures_checked(line: Line) -> None:
    farm, _ = line
    assert prove(farm, farm.home)


def test_only_our_own_key_opens_the_repository(line: Line, world: Path, tmp_path: Path) -> None:
    """gpgcheck is worth nothing if any key would do: with the vendor's key, dnf must refuse."""
    home = line[0].home
    configuration = tmp_path / "dnf.conf"
    configuration.write_text(
        f"[main]\nreposdir=/dev/null\ncachedir={tmp_path}/c\npersistdir={tmp_path}/p\nlogdir={tmp_path}/l\nassumeyes=1\n"
        f"[r]\nname=r\nbaseurl=file://{home}/repos/reef-9/current/x86_64\ngpgcheck=1\nrepo_gpgcheck=1\n"
        f"gpgkey=file://{world}/vendor/RPM-GPG-KEY-pnaelv\n"
    )
    argv = [
        "dnf",
        "-c",
        configuration,
        "--installroot",
        tmp_path / "root",
        "--releasever=9",
        "makecache",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_no_brand_word_is_left_in_what_users_get(line: Line) -> None:
    assert line[0].get("/targets/reef-9")["brand_hits"] == 0


def test_when_all_is_done_nothing_is_foretold_and_what_is_stuck_says_why(line: Line) -> None:
    farm, _ = line
    plan = farm.get("/targets/reef-9/plan")
    assert plan["steps"] == []
    stuck = {one["nvr"]: one["reason"] for one in plan["stuck"]}
    assert stuck.keys() == {
        build["nvr"]
        for build in line[1]["builds"]
        if build["state"] in ("failed", "on_hold", "excluded")
    }
    assert all(stuck.values())
    why = farm.get(f"/builds/{of(line, 'popt')['id']}/why")
    assert "libpopt" in why["reason"]
    assert why["estimated_start"] is None


def test_a_circle_begins_with_the_seed_and_is_built_again_with_itself(line: Line) -> None:
    farm, _ = line
    seeds = farm.get("/targets/reef-9/seeds")
    rounds = [one for one in seeds["cycles"] if one["nvr"].startswith(("byacc-", "mawk-"))]
    first = [one for one in rounds if one["round"] == 1]
    assert {one["nvr"].split("-")[0] for one in first} == {"byacc", "mawk"}
    assert all(one["cycle"] == ["byacc", "mawk"] for one in rounds)
    seeded = [one for one in first if one["seeded"]]
    assert seeded  # whichever began had nothing but the seed
    for one in seeded:
        assert one["state"] == "refused"  # users never get it
        assert "with seeds of its own cycle" in farm.get(f"/builds/{one['id']}")["gate_reason"]
        assert one["successor"] in {other["id"] for other in rounds if other["round"] == 2}
    last = [one for one in rounds if not one["successor"]]
    assert {one["nvr"].split("-")[0] for one in last} == {"byacc", "mawk"}
    assert not any(one["seeded"] for one in last)


def test_the_self_hosted_share_rises_and_what_is_left_of_the_seed_is_listed_with_its_reason(
    line: Line,
) -> None:
    farm, _ = line
    seeds = farm.get("/targets/reef-9/seeds")
    shares = [one["share"] for one in seeds["over_time"]]
    assert shares[0] == 0.0
    assert shares[-1] > 0.0
    reasons = {one["name"]: one["why"] for one in seeds["seeds"]}
    assert reasons["gcc"].startswith("no source of ours makes it")
    assert "bzip2-1.0.8-8.el9" in reasons["bzip2"]
    assert "came later" in reasons["bzip2"]
    assert not {"libpng", "libpng-devel", "zlib-devel"} & reasons.keys()
    assert 0 < seeds["transitive"]["ours"] < seeds["transitive"]["all"]


def test_a_build_can_be_made_once_more_in_the_buildroot_it_had(line: Line, tmp_path: Path) -> None:
    farm, _ = line
    env = {
        **os.environ,
        "BUILDFARM_HOME": str(farm.home),
        "BUILDFARM_CONFIG": str(farm.home / "farm.yaml"),
    }
    argv = [
        Path(sys.prefix) / "bin/buildfarm",
        "reproduce",
        "tree-2.1.0-2.el9_4.1",
        "--out",
        tmp_path / "again",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "buildroot: the same" in done.stdout
    assert "3 of 3 of the vendor's RPMs have a compatible one" in done.stdout


def test_whoever_got_a_builder_had_no_shorter_way_behind_it_than_those_it_went_before(
    line: Line,
) -> None:
    farm, drop = line
    chosen = [
        task
        for build in drop["builds"]
        for task in farm.get(f"/builds/{build['id']}")["tasks"]
        if task["kind"] in ("build", "srpm") and task["decision"]
    ]
    assert chosen
    for task in chosen:
        assert all(
            task["remaining_path"] >= other["remaining_path_s"]
            for other in task["decision"]["passed_over"]
        ), task
        assert "first of" in task["decision"]["why"]
    assert any(task["decision"]["passed_over"] for task in chosen)  # 14 builds, two builders


def test_every_page_and_its_json_twin_answer(line: Line) -> None:
    farm, drop = line
    paths = [
        "/",
        f"/drops/{drop['id']}",
        "/targets/reef-9",
        "/targets/reef-9/seeds",
        "/workers",
        *(f"/builds/{b['id']}" for b in drop["builds"]),
    ]
    for path in paths:
        page = httpx.get(farm.url + path, trust_env=False)
        assert page.status_code == 200, path
        answer = httpx.get(
            f"{farm.url}/api/v1{path if path != '/' else '/overview'}", trust_env=False
        )
        assert answer.status_code == 200, path


def test_what_happened_is_told_in_the_feed_in_figures_and_on_the_stream(line: Line) -> None:
    farm, drop = line

    def when_all_is_told() -> dict[str, float]:
        text = httpx.get(f"{farm.url}/metrics", trust_env=False).text
        found = {
            key: float(value)
            for key, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        }
        lags = [
            found.get(f'buildfarm_consumer_lag_events{{consumer="{name}"}}') for name in CONSUMERS
        ]
        return found if lags == [0] * len(lags) else {}

    figures = until(when_all_is_told, "every consumer has told the last event", seconds=60)
    published = sum(build["state"] == "published" for build in drop["builds"])
    assert figures['buildfarm_publish_seconds_count{target="reef-9"}'] >= published
    assert (
        figures['buildfarm_task_seconds_count{kind="build",outcome="build",target="reef-9"}'] >= 1
    )
    assert figures["buildfarm_stream_length"] == farm.get("/events", limit="1")["events"][0]["id"]
    feed = feedparser.parse(
        httpx.get(f"{farm.url}/feeds/target/reef-9.atom", trust_env=False).content
    )
    titles = [entry.title for entry in feed.entries]
    assert sum("has come to rest" in title for title in titles) == 1
    assert {
        build["nvr"]
        for build in drop["builds"]
        if f"{build['nvr']} is published (reef-9)" in titles
    } >= {build["nvr"] for build in drop["builds"] if build["state"] == "published"}
