"""Composes and asking for waivers on the page, over the API and at the command line, by those who
may.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from buildfarm_web.read_models.core.cache import Cache
from buildfarm_web.read_models.overview.action_required import action_required
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient
from httpx import WSGITransport
from rich.console import Console

from buildfarm.cli import output
from buildfarm.cli.hub import composes as compose_commands
from buildfarm.cli.hub import waivers as waiver_commands
from buildfarm.client import Client
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import Comparison, Event
from buildfarm.domain.publish.compose import Compose
from buildfarm.services.core.hub import Hub
from tests.integration.web.people_scenario import bearer, browser_of, introduce, token_of
from tests.integration.web.scenarios import Scenario

Say = Callable[..., str]
FINDING = json.dumps(
    ["export-removed", "/usr/lib64/libbz2.so.1.0.8", "BZ2_bzPlanted", "bzip2-1.0-1.el9.x86_64.rpm"]
)


@pytest.fixture
def say(app: Flask, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Say:
    """A command by an account; what it prints."""
    introduce(hub)

    def run(who: str, command: str, *words: str, exit_code: int = 0) -> str:
        with Client("http://farm", token_of(hub, who), http=WSGITransport(app=app)) as client:
            for module in (compose_commands, waiver_commands):
                monkeypatch.setattr(module, "client", lambda: client)
            said = io.StringIO()
            monkeypatch.setattr(output, "out", Console(file=said, width=500))
            monkeypatch.setattr(output, "err", Console(file=said, width=500))
            commands = {
                one.name: one for one in (*compose_commands.COMMANDS, *waiver_commands.COMMANDS)
            }
            done = CliRunner().invoke(commands[command], words)
        assert done.exit_code == exit_code, done.output or done.exception
        return said.getvalue() or done.output or str(done.exception or "")

    return run


def stand(hub: Hub) -> None:
    """As if the services worker had written every folder."""
    with hub.store.begin() as tx:
        tx.change_all(Compose, {"written": None}, written=tx.now)


def test_a_maintainer_of_the_target_makes_and_promotes_and_others_are_told_whom_to_ask(
    app: Flask, hub: Hub, scenario: Scenario, client: FlaskClient
) -> None:
    introduce(hub)
    core = browser_of(app, hub, "target")
    assert "Make a compose of what is in force" in core.client.get("/targets/reef-9").text
    made = core.post("/targets/reef-9/compose", reason="for the fair")
    assert "The compose is made" in made
    name = "reef-9-20260302.0"
    early = core.client.post(
        f"/composes/{name}/promote", data={"csrf": core.csrf, "reason": "good"}
    )
    assert (early.status_code, "its files are being written" in early.text) == (409, True)
    stand(hub)
    assert "This is what users get now." in core.post(
        f"/composes/{name}/promote", reason="tried on ten machines"
    )
    assert (hub.repos / "reef-9/released").readlink().as_posix() == f"compose/{name}"
    folder = hub.repos / "reef-9/compose" / name
    folder.mkdir(parents=True)
    (folder / "x86_64").symlink_to("../../2/x86_64")
    for place, moves in (("released", True), (f"compose/{name}", False)):
        served = client.get(f"/repos/reef-9/{place}/x86_64/repodata/repomd.xml")
        assert (served.text, "immutable" in served.headers["Cache-Control"]) == (
            "<repomd>reef-9 2</repomd>",
            not moves,
        )
    assert client.get(f"/repos/reef-9/compose/{name}/../../../../farm.db").status_code == 404
    page = client.get(f"/composes/{name}").text
    assert "tried on ten machines" in page
    assert "what users get" in page
    for where in ("/composes", "/targets/reef-9", f"/generations/{_generation(hub, name)}"):
        assert f'href="/composes/{name}"' in client.get(where).text, where
    other = browser_of(app, hub, "other")
    assert "answered for by SIG core" in other.client.get(f"/composes/{name}").text
    refused = client.post(
        f"/api/v1/composes/{name}/retire",
        json={"reason": "no"},
        headers=bearer(token_of(hub, "other")),
    )
    assert refused.status_code == 403
    assert "Retire" not in client.get("/composes").text


def _generation(hub: Hub, name: str) -> str:
    with hub.store.read() as tx:
        return tx.get(Compose, name).generation


def test_a_compose_says_what_changed_since_the_one_before(
    client: FlaskClient, hub: Hub, scenario: Scenario, say: Say
) -> None:
    say("engineer", "compose", "create", "reef-9", "--generation", "1")
    say("engineer", "compose", "create", "reef-9")
    found = client.get("/api/v1/composes/reef-9-20260302.1").get_json()
    assert found["previous"]["id"] == "reef-9-20260302.0"
    assert found["changes"]["counts"]["added"] == 2
    assert {one["source"] for one in found["changes"]["builds"]} == {"libpng", "reef-release"}
    first = client.get("/api/v1/composes/reef-9-20260302.0").get_json()
    assert (first["previous"], first["changes"]["builds_total"]) == (None, 3)
    shown = say("engineer", "compose", "show", "reef-9-20260302.1")
    assert "libpng" in shown
    assert client.get("/api/v1/composes/none").status_code == 404


def test_composes_at_the_command_line(hub: Hub, scenario: Scenario, say: Say) -> None:
    name = json.loads(
        say("engineer", "compose", "create", "reef-9", "--reason", "a try", "--json")
    )["id"]
    stand(hub)
    assert "released, in force" in say("engineer", "compose", "promote", name, "--reason", "good")
    assert "what users of reef-9 get" in say(
        "engineer", "compose", "retire", name, "--reason", "old", exit_code=1
    )
    listed = json.loads(say("viewer", "compose", "list", "--target", "reef-9", "--json"))[
        "composes"
    ]
    assert [(one["id"], one["in_force"]) for one in listed] == [(name, True)]
    assert "to make, promote and retire composes needs maintainer" in say(
        "viewer", "compose", "create", "reef-9", exit_code=1
    )


def test_a_viewer_asks_for_a_waiver_and_the_sig_grants_it_in_his_name(
    app: Flask, hub: Hub, scenario: Scenario, client: FlaskClient
) -> None:
    introduce(hub)
    viewer, core = browser_of(app, hub, "viewer"), browser_of(app, hub, "target")
    page = "/builds/bzip2-1.0-1.el9"
    assert "Ask for a waiver" in viewer.client.get(page).text
    asked = viewer.post(f"{page}/request-waiver", finding=FINDING, reason="nothing links it")
    assert "Those who may waive it see that you asked." in asked
    twice = viewer.client.post(
        f"{page}/request-waiver", data={"csrf": viewer.csrf, "finding": FINDING, "reason": "please"}
    )
    assert twice.status_code == 409
    (group,) = client.get("/api/v1/action-required?kind=asked").get_json()["groups"]
    (item,) = group["items"]
    assert (item["title"], item["sig"], item["since"]) == (
        "bzip2-1.0-1.el9",
        "archives",
        "2026-03-02T09:04:06.700Z"[:0] or item["since"],
    )
    assert "viewer asks to accept export-removed" in item["why"]
    for where in ("/action-required", "/waivers", page):
        assert "nothing links it" in client.get(where).text, where
    assert "Grant" not in viewer.client.get("/waivers").text
    granted = core.post(f"/waiver-requests/{item['ask']}/grant", owner="core", expires="2026-12-31")
    assert "The waiver is in force" in granted
    with hub.store.read() as tx:
        (waiver,) = tx.find(WaiverRecord)
        build = tx.get(Build, scenario.ids["bzip2"])
        kinds = [one.kind for one in tx.find(Event, subject=build.id, order_by="id")]
    assert (waiver.reason, waiver.actor) == ("asked by viewer: nothing links it", "target")
    assert (waiver.source, waiver.target, waiver.subject) == ("bzip2", "reef-9", "BZ2_bzPlanted")
    assert {"build.waiver_asked", "build.waiver_granted", "build.judged"} <= set(kinds)
    assert client.get("/api/v1/action-required?kind=asked").get_json()["groups"] == []
    late = core.client.post(
        f"/waiver-requests/{item['ask']}/decline", data={"csrf": core.csrf, "reason": "no"}
    )
    assert late.status_code == 409


def test_a_waiver_is_asked_for_and_declined_at_the_command_line(
    hub: Hub, scenario: Scenario, say: Say
) -> None:
    build = "bzip2-1.0-1.el9"
    asked = json.loads(
        say("other", "request-waiver", build, "file-mode", "--reason", "harmless", "--json")
    )
    assert (asked["path"], asked["security"]) == ("/usr/bin/bzdiff", False)
    assert "other asks to waive" in say("engineer", "waivers", "list")
    assert "no finding signature" in say(
        "viewer", "request-waiver", build, "signature", "--reason", "x", exit_code=1
    )
    assert "answered for by" in say(
        "other",
        "waivers",
        "grant",
        asked["id"],
        "--owner",
        "o",
        "--expires",
        "2030-01-01",
        exit_code=1,
    )
    declined = say("engineer", "waivers", "decline", asked["id"], "--reason", "it breaks cron")
    assert "declined by engineer" in declined
    with hub.store.read() as tx:
        (event,) = tx.find(Event, kind="build.waiver_declined")
    assert (event.actor, event.why, event.person) == ("engineer", "it breaks cron", True)


def test_what_the_security_authority_alone_may_grant_no_maintainer_can(
    hub: Hub, scenario: Scenario, client: FlaskClient
) -> None:
    introduce(hub)
    with hub.store.begin() as tx:
        held = tx.first(Comparison, build=scenario.ids["bzip2"])
        assert held is not None
        text = json.dumps(held.report).replace('"0644"', '"4755"')
        tx.update(held, report=json.loads(text))
    core = bearer(token_of(hub, "target"))
    asked = client.post(
        "/api/v1/builds/bzip2-1.0-1.el9/request-waiver",
        json={"kind": "file-mode", "reason": "su needs it"},
        headers=core,
    ).get_json()
    assert asked["security"] is True
    grant = {"owner": "core", "expires": "2030-01-01"}
    where = f"/api/v1/waiver-requests/{asked['id']}/grant"
    assert client.post(where, json=grant, headers=core).status_code == 403
    granted = client.post(where, json=grant, headers=bearer(token_of(hub, "admin")))
    assert (granted.status_code, granted.get_json()["answer"]) == (200, "granted")
    with hub.store.read() as tx:
        assert action_required(hub, tx, Cache(), kind="asked").total == 0
