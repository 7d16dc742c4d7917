"""The client library against the real application, and the CLI that is made of it."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from buildfarm.cli import output
from buildfarm.cli.main import cli
from buildfarm.client import Client
from buildfarm.domain.core.build import BuildState
from buildfarm.domain.core.records import Event, SourceOverride
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.intake.drop import DropState
from buildfarm.errors import Conflict, InfraError, InputError, NotAllowed, NotFound
from buildfarm.services.core.hub import Hub
from tests.integration.web import scenarios
from tests.integration.web.scenarios import Scenario

SRPM = b"any bytes: they are verified later"


@pytest.fixture
def remote(app: Flask) -> Iterator[Client]:
    with Client("http://hub", scenarios.ENGINEER, http=httpx.WSGITransport(app=app)) as made:
        yield made


def test_every_list_comes_whole_and_typed(remote: Client, scenario: Scenario) -> None:
    whole = remote.builds.page(limit=1000)
    builds = list(remote.builds.list(limit=3))
    assert builds == whole.builds
    assert {build.source for build in builds} == set(scenario.ids)
    assert {build.state for build in remote.builds.list(state="failed,on_hold")} == {
        BuildState.FAILED,
        BuildState.ON_HOLD,
    }
    assert [one.state for one in remote.drops.list()] == [DropState.INGESTED]
    assert [one.number for one in remote.targets.generations(tag="reef-9", limit=1)] == [2, 1]
    assert len(list(remote.tasks(limit=2))) == len(list(remote.tasks()))
    assert [one.source for one in remote.targets.overrides()] == ["reef-cannot-build"]
    history = [one.id for one in remote.events(limit=7)]
    assert history == sorted(history)
    newest = remote.newest_events(limit=5)
    assert [one.id for one in newest.events] == history[-5:]
    assert list(remote.events(after=newest.next or 0)) == []


def test_one_of_each_says_what_it_is(remote: Client, scenario: Scenario) -> None:
    refused = remote.builds.get("bzip2-1.0-1.el9")
    assert refused.verdict is Verdict.INCOMPATIBLE
    assert refused.comparison is not None
    assert refused.comparison.pairs[0].findings[0].subject == "BZ2_bzPlanted"
    assert remote.builds.findings(refused.id).verdict is Verdict.INCOMPATIBLE
    assert remote.builds.why("tree-1.0-1.el9").state is BuildState.WAITING
    assert remote.builds.audit(scenario.ids["reef-release"]).diff.startswith("--- vendor")
    assert {
        line.name for line in remote.builds.lock("libpng-1.0-1.el9").locks[0].lock if line.ours
    } == {"zlib", "expat", "jansson"}
    drop = remote.drops.get(scenario.drop)
    assert drop.compatibility is not None
    assert drop.compatibility.total == 14
    assert remote.drops.plan(scenario.drop).drop == scenario.drop
    assert remote.targets.get("reef-9").owner.sig == "core"
    assert remote.targets.failures("reef-9").failed == 1
    assert [one.name for one in remote.targets.list()] == ["reef-9"]
    assert remote.targets.plan("reef-9").target == remote.targets.seeds("reef-9").target == "reef-9"
    assert remote.overview().distribution == "Reef Linux"
    assert remote.health().status == "ok"
    assert "local-1" in {worker.id for worker in remote.workers().workers}


def test_files_and_logs_come_as_streams(
    remote: Client, hub: Hub, scenario: Scenario, tmp_path: Path
) -> None:
    file = tmp_path / "a-1-1.el9.src.rpm"
    file.write_bytes(SRPM)
    digest = remote.upload(file)
    assert digest == remote.upload(file) == hashlib.sha256(SRPM).hexdigest()
    drop = remote.drops.send(
        "reef-9", {"srpms": [{"sha256": digest, "filename": file.name}]}, name="one file"
    )
    assert (drop.created, drop.name, drop.url) == (
        True,
        "one file",
        f"http://hub/api/v1/drops/{drop.id}",
    )
    log = remote.builds.log("diffutils-1.0-1.el9")
    assert log.growing
    assert remote.builds.log("diffutils-1.0-1.el9", offset=log.offset).text == ""
    pauses: list[float] = []

    def until_it_ends(seconds: float) -> None:
        pauses.append(seconds)
        remote.builds.cancel("diffutils-1.0-1.el9", reason="seen enough")

    assert "".join(remote.builds.follow_log("diffutils-1.0-1.el9", sleep=until_it_ends)) == log.text
    assert len(pauses) == 1
    with pytest.raises(NotFound):
        remote.builds.download("zlib-1.0-1.el9", "0" * 64, tmp_path / "none")
    with pytest.raises(InputError):
        remote.upload(tmp_path / "nothing here")


def test_decisions_are_made_and_refused_as_the_hub_says(
    remote: Client, hub: Hub, scenario: Scenario
) -> None:
    seen, etag = remote.builds.seen(scenario.ids["chrpath"])
    assert seen.state is BuildState.ON_HOLD
    assert (
        remote.builds.release_hold(seen.id, reason="key checked", if_match=etag).state
        is BuildState.INGESTED
    )
    with pytest.raises(Conflict, match="has changed since you looked"):
        remote.builds.cancel(seen.id, reason="late", if_match=etag)
    assert remote.builds.prioritise(seen.id, 7, reason="wanted today").priority == 7
    assert remote.builds.retry("reef-cannot-build-1.0-1.el9").attempt == 2
    with pytest.raises(Conflict):
        remote.drops.approve(scenario.drop, reason="nothing is awaited")
    assert remote.drops.pause(scenario.drop, reason="disks are full").paused
    assert remote.drops.resume(scenario.drop).canceled == 0
    assert remote.targets.pause("reef-9", reason="disks are full").actor == "ann"
    assert remote.targets.resume("reef-9").paused is False
    assert remote.drain("local-1", reason="new disk").state == "drained"
    assert remote.take_back("local-1", reason="done").state == "ready"
    made = remote.targets.override("reef-9", "zlib", {"nocheck": True}, reason="flaky")
    assert made.settings == {"nocheck": True}
    waiver = remote.waivers.record(
        {"owner": "o", "reason": "r", "expires": "2099-01-01", "kind": "tag", "source": "zlib"}
    )
    assert [one.id for one in remote.waivers.list()] == [waiver.id]
    assert remote.waivers.revoke(waiver.id, reason="repaired").state == "revoked"
    with pytest.raises(InputError, match="limit"):
        remote.get("/builds", limit=0)


def test_problems_are_our_errors_again(app: Flask) -> None:
    stranger = Client("http://hub", http=httpx.WSGITransport(app=app))
    with pytest.raises(NotAllowed, match="send a token"):
        stranger.builds.retry("x")
    with pytest.raises(NotFound, match="buildfarm builds"):
        stranger.builds.get("no-such~build")
    with pytest.raises(InfraError, match="does not answer"):
        Client("http://127.0.0.1:1").health()


class Moody(httpx.BaseTransport):
    """A way to the hub that fails in the ways of the world before it lets a request through (or
    loses the answer).
    """

    def __init__(self, app: Flask, *moods: object) -> None:
        self._hub = httpx.WSGITransport(app=app)
        self._moods = list(moods)
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        mood = self._moods.pop(0) if self._moods else None
        if isinstance(mood, httpx.Response):
            return mood
        answer = self._hub.handle_request(request)
        answer.read()
        if isinstance(mood, Exception):
            raise mood
        return answer


def test_a_busy_hub_is_asked_again_when_it_says(app: Flask, scenario: Scenario) -> None:
    pauses: list[float] = []
    way = Moody(
        app,
        httpx.Response(429, headers={"Retry-After": "7"}),
        httpx.Response(503),
        httpx.ReadTimeout("lost"),
    )
    assert Client("http://hub", sleep=pauses.append, http=way).health().status == "ok"
    assert pauses == [7.0, 2.0, 4.0]
    full = Moody(
        app,
        *(
            httpx.Response(429, headers={"Retry-After": "1"}, json={"detail": "too many"})
            for _ in range(9)
        ),
    )
    with pytest.raises(InfraError, match="too many"):
        Client("http://hub", sleep=pauses.append, http=full).health()
    late = Moody(
        app,
        httpx.Response(
            429, headers={"Retry-After": "3600"}, json={"detail": "come back in an hour"}
        ),
    )
    with pytest.raises(InfraError, match="in an hour"):
        Client("http://hub", sleep=pauses.append, http=late).health()


def test_a_post_whose_answer_was_lost_is_sent_again_and_done_once(
    app: Flask, hub: Hub, scenario: Scenario
) -> None:
    way = Moody(app, httpx.ReadTimeout("the answer was lost"))
    remote = Client("http://hub", scenarios.ENGINEER, sleep=lambda _: None, http=way)
    made = remote.targets.override("reef-9", "expat", {"nocheck": True}, reason="flaky")
    assert len(way.keys) == 2
    assert way.keys[0] == way.keys[1]
    with hub.store.read() as tx:
        assert [one.id for one in tx.find(SourceOverride, source="expat")] == [made.id]
        assert tx.count(Event, kind="override.recorded", subject="reef-9/expat") <= 1
    remote.targets.override("reef-9", "expat", {"nocheck": True}, reason="flaky")
    assert way.keys[2] != way.keys[1]


@pytest.fixture
def farm(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """The CLI with a real server behind it; what it prints is caught."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(output.out, "_file", None)
    monkeypatch.setattr(output.out, "_width", 400)
    monkeypatch.setenv("BUILDFARM_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("BUILDFARM_TOKEN", scenarios.ENGINEER)
    yield CliRunner()
    server.shutdown()
    thread.join()
    server.server_close()


def say(farm: CliRunner, *words: str) -> str:
    done = farm.invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("builds -s failed", "builds?state=failed&limit=5000"), ("show bzip2-1.0-1.el9", "builds/bzip2-1.0-1.el9"), ("drop", "drops"),
        ("drop {drop}", "drops/{drop}"), ("events", "events"), ("plan reef-9", "targets/reef-9/plan"), ("plan {drop}", "drops/{drop}/plan"),
        ("why tree-1.0-1.el9", "builds/tree-1.0-1.el9/why"), ("seeds reef-9", "targets/reef-9/seeds"),
        ("failures reef-9", "targets/reef-9/failures"), ("waivers list", "waivers"),
    ],
)  # fmt: skip
def test_the_cli_prints_the_json_of_the_api(
    farm: CliRunner, client: FlaskClient, scenario: Scenario, words: str, path: str
) -> None:
    printed: Any = json.loads(say(farm, *words.format(drop=scenario.drop).split(), "--json"))
    assert printed == client.get(f"/api/v1/{path.format(drop=scenario.drop)}").get_json()


def test_the_cli_says_it_in_words(farm: CliRunner, scenario: Scenario) -> None:
    assert "main.c:3: error: 'x' undeclared" in say(farm, "builds", "-s", "failed")
    shown = say(farm, "show", "bzip2-1.0-1.el9")
    assert "bzip2-1.0-1.el9  refused  INCOMPATIBLE" in shown
    assert "export-removed: /usr/lib64/libbz2.so.1.0.8 BZ2_bzPlanted" in shown
    assert "signature" not in shown
    assert "signature" in say(farm, "show", "-v", "bzip2-1.0-1.el9")
    assert "PNAELV 9.4 update 3" in say(farm, "drop")
    assert "zlib-1.0-1.el9" in say(farm, "drop", scenario.drop[:8])
    assert say(farm, "logs", "diffutils-1.0-1.el9").count("gcc -c part") == 40
    assert say(farm, "logs", "-f", "zlib-1.0-1.el9").count("gcc -c part") == 40
    assert "build.on_hold" in say(farm, "events", "chrpath-1.0-1.el9")
    assert "nothing is forecast yet" in say(farm, "plan", "reef-9")
    assert "tree-1.0-1.el9 is waiting since 2026-03-02T" in say(farm, "why", "tree-1.0-1.el9")
    assert "with the buildroots behind them" in say(farm, "seeds", "reef-9") or "Seed" in say(
        farm, "seeds", "reef-9"
    )
    cluster = say(farm, "failures", "reef-9")
    assert "to retry one: buildfarm retry --cluster ID -t reef-9 --reason …" in cluster


def test_the_cli_decides(farm: CliRunner, scenario: Scenario) -> None:
    assert (
        say(farm, "retry", "--failed", "-t", "reef-9") == "reef-cannot-build-1.0-1.el9: ingested\n"
    )
    assert (
        say(farm, "release-hold", scenario.ids["chrpath"], "--reason", "key checked")
        == "chrpath-1.0-1.el9: ingested\n"
    )
    assert (
        say(farm, "prioritise", "5", scenario.ids["tree"], "--reason", "wanted")
        == "tree-1.0-1.el9: priority 5\n"
    )
    assert (
        say(farm, "cancel", scenario.ids["tree"], "--reason", "no longer")
        == "tree-1.0-1.el9: canceled\n"
    )
    assert say(farm, "pause", "reef-9", "--reason", "disks are full") == "reef-9: paused\n"
    assert say(farm, "resume", "reef-9", "--cancel-waiting").startswith("reef-9: goes on, ")
    assert say(farm, "worker-drain", "local-1", "--reason", "new disk") == "local-1: drained\n"
    assert (
        say(farm, "worker-drain", "local-1", "--reason", "done", "--resume") == "local-1: ready\n"
    )
    assert "override recorded" in say(
        farm, "override", "zlib", "-t", "reef-9", "--nocheck", "--reason", "flaky"
    )


def test_the_cli_sends_a_drop_once(farm: CliRunner, scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "b-1-1.el9.src.rpm").write_bytes(SRPM)
    first = say(farm, "ingest", str(tmp_path), "-t", "reef-9")
    again = say(farm, "ingest", str(tmp_path), "-t", "reef-9")
    assert first.startswith("drop ")
    assert again == f"known {first}"
    with pytest.raises(InputError, match="all 40 digits"):
        farm.invoke(
            cli, ["ingest", "-t", "reef-9", "--dist-git", "tree@abc"], catch_exceptions=False
        )
