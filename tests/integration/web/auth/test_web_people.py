"""What people do on pages and by tokens: forms for those who may, words for those who may not, and
a log of who did what.
"""

from __future__ import annotations

import io
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from buildfarm.domain.auth.account import Account
from buildfarm.domain.auth.permissions import Action, Role
from buildfarm.domain.build.waiver import WaiverRecord
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import ApiToken, Event
from buildfarm.domain.core.worker import Worker
from buildfarm.domain.intake.drop import Drop, DropItem
from buildfarm.services.auth import accounts
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web.people_scenario import (
    PASSWORD,
    bearer,
    browser_of,
    failed_build,
    introduce,
    token_of,
)
from tests.integration.web.scenarios import HOSTILE, Scenario


@pytest.fixture
def people(hub: Hub) -> None:
    introduce(hub)


def api(
    client: FlaskClient, token: str, method: str, path: str, **body: object
) -> tuple[int, dict[str, object]]:
    answer = client.open(f"/api/v1{path}", method=method, headers=bearer(token), json=body or None)
    return answer.status_code, answer.get_json()


def test_a_maintainer_retries_what_is_theirs_and_is_refused_the_rest(
    app: Flask, hub: Hub, scenario: Scenario, people: None
) -> None:
    own, others = failed_build(scenario, "qemu-kvm"), failed_build(scenario, "bash")
    browser = browser_of(app, hub, "source")
    page = browser.client.get(f"/builds/{own.id}").get_data(as_text=True)
    assert f'action="/builds/{own.id}/retry"' in page
    assert "The build goes through the pipeline again" in browser.post(
        f"/builds/{own.id}/retry", reason="the mirror is back"
    )
    with hub.store.read() as tx:
        assert tx.get(Build, own.id).state is BuildState.INGESTED
        (event,) = tx.find(Event, subject=own.id, actor="source")
    assert event.why == "the mirror is back"
    foreign = browser.client.get(f"/builds/{others.id}").get_data(as_text=True)
    assert "/retry" not in foreign
    assert "bash in reef-9 is answered for by SIG core; ask SIG core, or an engineer" in foreign
    refused = browser.client.post(f"/builds/{others.id}/retry", data={"csrf": browser.csrf})
    assert refused.status_code == 403
    assert (
        "source speaks for SIG virt; bash in reef-9 is answered for by SIG core"
        in refused.get_data(as_text=True)
    )
    with hub.store.read() as tx:
        assert tx.get(Build, others.id).state is BuildState.CANCELED


def test_whoever_is_not_logged_in_sees_what_could_be_done_and_no_form(
    client: FlaskClient, scenario: Scenario
) -> None:
    page = client.get("/builds/reef-cannot-build-1.0-1.el9").get_data(as_text=True)
    assert re.search(r'Retry: <a href="/login\?next=[^"]+" rel="nofollow">log in</a>', page)
    assert 'method="post"' not in page


def test_every_form_of_the_pages_does_what_it_says(
    app: Flask, hub: Hub, scenario: Scenario, people: None
) -> None:
    browser = browser_of(app, hub, "engineer")
    waiting = scenario.until_waiting(scenario._build("qemu-kvm"))
    path = f"/builds/{waiting.id}"
    assert "The priority is changed" in browser.post(
        f"{path}/priority", priority="7", reason="a fix is due"
    )
    assert "The build is canceled" in browser.post(f"{path}/cancel", reason="not this one")
    assert "Paused" in browser.post(f"/drops/{scenario.drop}/pause", reason="disks are full")
    assert "It goes on" in browser.post(f"/drops/{scenario.drop}/resume", reason="")
    assert "Paused" in browser.post("/targets/reef-9/pause", reason="disks are full")
    assert "It goes on" in browser.post("/targets/reef-9/resume", drop_waiting="1")
    assert "The worker gets nothing more" in browser.post(
        "/workers/local-1/drain", reason="a new kernel"
    )
    assert "It goes on" in browser.post("/workers/local-1/resume", reason="it runs")
    with hub.store.read() as tx:
        done = tx.get(Build, waiting.id)
        assert (done.priority, done.state, tx.get(Worker, "local-1").state) == (
            7,
            BuildState.CANCELED,
            "ready",
        )
        acts = [
            event.kind
            for event in tx.find(Event, actor="engineer", order_by="id")
            if event.subject != waiting.id
        ]
    assert [kind for kind in acts if kind.startswith(("drop.", "target.", "worker."))] == [
        "drop.paused", "drop.resumed", "target.paused", "target.resumed", "worker.drained", "worker.ready",
    ]  # fmt: skip


def test_a_drop_is_submitted_on_the_page_by_whom_its_target_belongs_to(
    app: Flask, hub: Hub, people: None
) -> None:
    browser, stranger = browser_of(app, hub, "target"), browser_of(app, hub, "source")
    files = [
        (io.BytesIO(name.encode()), f"../{name}")
        for name in ("qemu-kvm-9-1.src.rpm", "qemu-kvm-9-1.x86_64.rpm")
    ]
    form = {"target": "reef-9", "name": "a fix", "plan_first": "1", "files": files}
    assert "Submit a drop" not in stranger.client.get("/drops").get_data(as_text=True)
    refused = stranger.client.post(f"/drops?csrf={stranger.csrf}", data={"target": "reef-9"})
    assert refused.status_code == 403
    assert (
        browser.client.post("/drops", data={"target": "reef-9"}).status_code == 403
    )  # without the word of its page
    assert f'action="/drops?csrf={browser.csrf}"' in browser.client.get("/drops").get_data(
        as_text=True
    )
    sent = browser.client.post(f"/drops?csrf={browser.csrf}", data=form)
    assert sent.status_code == 303, sent.get_data(as_text=True)
    assert "its files are being verified" in browser.client.get(sent.headers["Location"]).get_data(
        as_text=True
    )
    with hub.store.read() as tx:
        (drop,) = tx.find(Drop)
        items = {(item.kind, item.filename) for item in tx.find(DropItem, drop_id=drop.id)}
    assert (drop.name, drop.owner, drop.trigger, drop.approval) == (
        "a fix",
        "target",
        "page",
        "awaited",
    )
    assert items == {("srpm", "qemu-kvm-9-1.src.rpm"), ("binary", "qemu-kvm-9-1.x86_64.rpm")}
    large = browser.client.post(
        f"/drops?csrf={browser.csrf}",
        data={"target": "reef-9"},
        environ_overrides={"CONTENT_LENGTH": str(2 << 20)},
    )
    assert large.status_code == 413
    empty = browser.client.post(f"/drops?csrf={browser.csrf}", data={"target": "reef-9"})
    assert "the drop is empty" in empty.get_data(as_text=True)


def test_a_form_without_its_reason_says_so_and_leads_back(
    app: Flask, hub: Hub, scenario: Scenario, people: None
) -> None:
    browser = browser_of(app, hub, "engineer")
    answer = browser.client.post(
        "/targets/reef-9/pause", data={"csrf": browser.csrf, "reason": " "}
    )
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert "a pause needs a reason" in page
    assert 'href="/targets/reef-9"' in page


def test_a_finding_is_waived_on_the_page_and_the_waiver_revoked(
    app: Flask, hub: Hub, scenario: Scenario, people: None
) -> None:
    browser = browser_of(app, hub, "target")
    page = browser.client.get("/builds/bzip2-1.0-1.el9").get_data(as_text=True)
    finding = re.search(r'<option value="([^"]*file-mode[^"]*)"', page)
    assert finding
    chosen = finding[1].replace("&#34;", '"')
    done = browser.post(
        "/builds/bzip2-1.0-1.el9/waive",
        finding=chosen,
        owner="core",
        expires="2026-04-01",
        reason="ours is right",
    )
    assert "The waiver is in force" in done
    with hub.store.read() as tx:
        (made,) = tx.find(WaiverRecord)
    assert (made.kind, made.path, made.source, made.target, made.rpm, made.actor) == (
        "file-mode", "/usr/bin/bzdiff", "bzip2", "reef-9", "bzip2", "target",
    )  # fmt: skip
    assert f'action="/waivers/{made.id}/revoke"' in browser.client.get("/waivers").get_data(
        as_text=True
    )
    stranger = browser_of(app, hub, "other")
    assert "/revoke" not in stranger.client.get("/waivers").get_data(as_text=True)
    assert "The waiver is revoked" in browser.post(f"/waivers/{made.id}/revoke", reason="repaired")


@pytest.mark.parametrize(
    ("source", "target", "status"),
    [
        ("qemu-kvm", "reef-9", 201),
        ("qemu*", "reef-9", 403),
        ("*", "*", 403),
        ("bash", "reef-9", 403),
        ("qemu-kvm", "none", 403),
    ],
)
def test_a_maintainer_waives_for_a_named_source_of_theirs_alone(
    client: FlaskClient, hub: Hub, people: None, source: str, target: str, status: int
) -> None:
    body = {
        "owner": "o",
        "reason": "r",
        "expires": "2030-01-01",
        "kind": "tag",
        "source": source,
        "target": target,
    }
    assert api(client, token_of(hub, "source"), "POST", "/waivers", **body)[0] == status


def test_a_maintainer_does_not_speak_for_the_security_authority(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    body = {
        "owner": "o",
        "reason": "r",
        "expires": "2030-01-01",
        "kind": "tag",
        "source": "qemu-kvm",
        "target": "reef-9",
    }
    status, said = api(
        client, token_of(hub, "source"), "POST", "/waivers", **body, authority="security"
    )
    assert (status, "security authority" in str(said["detail"])) == (403, True)


def test_a_token_is_shown_once_and_ends_when_it_is_revoked_or_over(
    app: Flask, client: FlaskClient, hub: Hub, clock: Clock, people: None
) -> None:
    browser = browser_of(app, hub, "engineer")
    page = browser.post("/account/tokens", name="for the mirror", role="engineer", days="2")
    shown = re.search(r"bf_[\w-]{40,}", page)
    assert shown
    secret = shown[0]
    assert secret not in browser.client.get("/account").get_data(as_text=True)
    assert secret.encode() not in b"".join(
        file.read_bytes() for file in hub.config.folder.glob("farm.db*")
    )
    assert api(client, secret, "GET", "/account")[1]["name"] == "engineer"
    with hub.store.read() as tx:
        (kept,) = tx.find(ApiToken, account="engineer")
    assert kept.used == clock.now
    browser.post(f"/account/tokens/{kept.id[:16]}/revoke")
    status, said = api(client, secret, "GET", "/account")
    assert (status, said["detail"]) == (401, "this token (for the mirror) is revoked")
    other = token_of(hub, "engineer", days=2)
    assert api(client, other, "GET", "/account")[0] == 200
    clock.pass_seconds(2 * 86400)
    status, said = api(client, other, "POST", "/targets/reef-9/pause", reason="r")
    assert (status, said["detail"]) == (401, "this token (a test) is over")


def test_a_token_never_has_more_than_its_account_has_now(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    secret = token_of(hub, "engineer")
    assert api(client, secret, "POST", "/workers/local-1/drain", reason="r")[0] == 200
    accounts.set_rights(
        hub, "engineer", role=Role.VIEWER, sigs=(), actor="test", why="another team"
    )
    assert api(client, secret, "POST", "/workers/local-1/resume", reason="r")[0] == 403
    accounts.set_disabled(hub, "engineer", disabled=True, actor="test", why="left")
    status, said = api(client, secret, "GET", "/account")
    assert (status, said["detail"]) == (401, "the account engineer is disabled")


def test_a_token_for_one_act_does_no_other(client: FlaskClient, hub: Hub, people: None) -> None:
    secret = token_of(hub, "engineer", Action.DRAIN)
    assert api(client, secret, "POST", "/workers/local-1/drain", reason="r")[0] == 200
    status, said = api(client, secret, "POST", "/targets/reef-9/pause", reason="r")
    assert (status, said["detail"]) == (403, "engineer's token is for drain alone")


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("source", {"role": "engineer"}, 403), ("source", {"sigs": ["core"]}, 403), ("source", {"actions": ["drain"]}, 403),
        ("source", {"role": "maintainer", "sigs": ["virt"], "actions": ["retry"]}, 201), ("viewer", {"account": "admin"}, 403),
        ("engineer", {"role": "maintainer"}, 422), ("engineer", {"role": "maintainer", "sigs": ["virt"]}, 201),
        ("admin", {"account": "source", "role": "admin"}, 403), ("admin", {"account": "source"}, 201),
        ("engineer", {"days": 5000}, 422),
    ],
)  # fmt: skip
def test_nobody_issues_a_token_with_more_rights_than_there_are(
    client: FlaskClient, hub: Hub, people: None, who: str, body: dict[str, object], status: int
) -> None:
    assert api(client, token_of(hub, who), "POST", "/tokens", name="n", **body)[0] == status


def test_a_token_issued_with_a_token_has_no_more_rights_and_no_longer_life(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    narrow = token_of(hub, "engineer", Action.DRAIN, days=3)
    assert api(client, narrow, "POST", "/tokens", name="wider")[0] == 403
    assert api(client, narrow, "POST", "/tokens", name="wider", actions=["pause"])[0] == 403
    assert (
        api(client, narrow, "POST", "/tokens", name="like it", actions=["drain"], days=90)[0] == 201
    )
    with hub.store.read() as tx:
        expires = {token.name: token.expires for token in tx.find(ApiToken, account="engineer")}
    assert expires["like it"] == expires["a test"]


def test_nobody_sees_or_ends_the_tokens_of_others(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    theirs, mine = token_of(hub, "engineer"), token_of(hub, "viewer")
    with hub.store.read() as tx:
        (kept,) = tx.find(ApiToken, account="engineer")
    assert [one["account"] for one in api(client, mine, "GET", "/tokens")[1]["tokens"]] == [
        "viewer"
    ]  # type: ignore[attr-defined]
    assert api(client, mine, "GET", "/tokens?account=engineer")[0] == 403
    assert api(client, mine, "POST", f"/tokens/{kept.id[:16]}/revoke")[0] == 415
    assert api(client, mine, "POST", f"/tokens/{kept.id[:16]}/revoke", reason="r")[0] == 404
    assert api(client, theirs, "GET", "/account")[0] == 200
    admin, narrow = token_of(hub, "admin"), token_of(hub, "engineer", Action.DRAIN)
    assert api(client, narrow, "POST", f"/tokens/{kept.id[:16]}/revoke", reason="r")[0] == 403
    assert api(client, admin, "POST", f"/tokens/{kept.id[:4]}/revoke", reason="leaked")[0] == 404
    assert api(client, admin, "POST", f"/tokens/{kept.id[:8]}/revoke", reason="leaked")[0] == 200
    assert api(client, theirs, "GET", "/account")[0] == 401


def test_accounts_are_made_changed_and_closed_by_admins(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    admin = token_of(hub, "admin")
    body = {
        "name": "vera",
        "role": "maintainer",
        "sigs": ["virt"],
        "password": PASSWORD,
        "reason": "joined",
    }
    status, made = api(client, admin, "POST", "/accounts", **body)
    assert (status, made["login"], "argon2" in str(made)) == (201, ["password"], False)
    assert api(client, admin, "POST", "/accounts", **body)[0] == 409
    for wrong in (
        {"name": HOSTILE},
        {"name": "scheduler"},
        {"sigs": ["none"]},
        {"sigs": []},
        {"password": "short"},
        {"role": "king"},
    ):
        assert (
            api(client, admin, "POST", "/accounts", **{**body, "name": "new", **wrong})[0] == 422
        ), wrong
    assert api(client, admin, "POST", "/accounts/vera/rights", role="engineer", reason="")[0] == 422
    assert (
        api(client, admin, "POST", "/accounts/vera/rights", role="engineer", reason="releng")[1][
            "role"
        ]
        == "engineer"
    )
    assert (
        api(client, admin, "POST", "/accounts/vera/disable", reason="left")[1]["disabled"] is True
    )
    assert api(client, admin, "POST", "/accounts/vera/disable", reason="left")[0] == 409
    with hub.store.read() as tx:
        kinds = [
            event.kind for event in tx.find(Event, subject="vera", actor="admin", order_by="id")
        ]
    assert kinds == ["account.created", "account.rights", "account.disabled"]


def test_an_admin_makes_changes_and_closes_an_account_on_its_page(
    app: Flask, hub: Hub, people: None
) -> None:
    browser = browser_of(app, hub, "admin")
    assert 'href="/accounts"' in browser.client.get("/account").get_data(as_text=True)
    new = {"name": "vera", "role": "maintainer", "sigs": "virt", "password": PASSWORD}
    assert "The account is made" in browser.post("/accounts", **new)
    assert "The rights are changed" in browser.post(
        "/accounts/vera/rights", role="engineer", reason="releng"
    )
    assert "The account is closed" in browser.post("/accounts/vera/disable", reason="left")
    with hub.store.read() as tx:
        vera = accounts.find(tx, "vera")
    assert (vera.role, vera.sigs, vera.disabled) == (Role.ENGINEER, (), True)
    answer = browser.client.post("/accounts", data={"csrf": browser.csrf, **new})
    assert answer.status_code == 409
    assert (
        browser.client.post(
            "/accounts", data={"csrf": browser.csrf, **new, "role": "king"}
        ).status_code
        == 422
    )


def test_a_hostile_name_is_text_on_every_page(
    app: Flask, hub: Hub, scenario: Scenario, people: None
) -> None:
    """Such a name cannot be made here; if one came in by another way it stays text."""
    with hub.store.begin() as tx:
        tx.add(Account(id=HOSTILE, role=Role.ADMIN, sigs=(HOSTILE,), created=tx.now))
        tx.add(ApiToken(id="0" * 64, name=HOSTILE, role="admin", account=HOSTILE, created=tx.now))
        tx.event("build.retried", HOSTILE, actor=HOSTILE, why=HOSTILE)
    browser = browser_of(app, hub, HOSTILE)
    for path in (
        "/account",
        "/accounts",
        "/audit",
        "/builds",
        "/workers",
        "/builds/bzip2-1.0-1.el9",
        "/targets/reef-9",
        "/waivers",
    ):
        page = browser.client.get(path).get_data(as_text=True)
        assert "<script>alert" not in page, path
        assert "&lt;script&gt;alert" in page, path
    answer = app.test_client().post(
        "/login", data={"name": HOSTILE, "password": HOSTILE, "next": HOSTILE}
    )
    assert "<script>alert" not in answer.get_data(as_text=True)


def test_the_audit_log_says_who_did_what_and_why_page_by_page(
    app: Flask, client: FlaskClient, hub: Hub, scenario: Scenario, people: None
) -> None:
    engineer, admin = token_of(hub, "engineer"), token_of(hub, "admin")
    build = failed_build(scenario, "qemu-kvm")
    for number in range(5):
        api(client, engineer, "POST", "/workers/local-1/drain", reason=f"reason {number}")
        api(client, engineer, "POST", "/workers/local-1/resume", reason="back")
    api(client, engineer, "POST", f"/builds/{build.id}/retry", reason="again")
    first = client.get("/api/v1/audit?actor=engineer&limit=4").get_json()
    rest = client.get(f"/api/v1/audit?actor=engineer&limit=50&cursor={first['cursor']}").get_json()
    numbers = [act["id"] for act in (*first["acts"], *rest["acts"])]
    assert numbers == sorted(numbers, reverse=True)
    assert (len(first["acts"]), len(numbers), rest["cursor"]) == (4, 11, None)
    assert [(act["kind"], act["about"], act["why"]) for act in first["acts"][:1]] == [
        ("build.ingested", build.nvr, "again")
    ]
    everything = client.get("/api/v1/audit?limit=1000").get_json()["acts"]
    assert not {act["actor"] for act in everything} & {
        "scheduler",
        "ingest",
        "worker:local-1",
        "compare",
    }
    page = client.get(f"/audit?subject={build.id}").get_data(as_text=True)
    assert f'<a href="/builds/{build.id}">{build.nvr}</a>' in page
    assert "again" in page
    assert "reason 3" not in page
    assert api(client, admin, "GET", "/audit")[0] == 200


def test_what_happens_to_accounts_is_for_their_owner_and_admins(
    client: FlaskClient, hub: Hub, people: None
) -> None:
    accounts.set_rights(
        hub, "viewer", role=Role.VIEWER, sigs=("virt",), actor="admin", why="a secret reason"
    )
    for path in ("/audit", "/events?subject=viewer"):
        assert "a secret reason" not in client.get(f"/api/v1{path}").get_data(as_text=True)
        assert "a secret reason" not in str(api(client, token_of(hub, "engineer"), "GET", path))
        assert "a secret reason" in str(api(client, token_of(hub, "viewer"), "GET", path))
        assert "a secret reason" in str(api(client, token_of(hub, "admin"), "GET", path))


def test_the_tokens_of_before_keep_their_meaning(client: FlaskClient, hub: Hub) -> None:
    with hub.store.begin() as tx:
        tx.add(ApiToken(id="f" * 64, name="sec", role="security", created=tx.now))
    for token, status in (("engineer-token", 200), ("reader-token", 403)):
        assert api(client, token, "POST", "/workers/local-1/drain", reason="r")[0] == status
