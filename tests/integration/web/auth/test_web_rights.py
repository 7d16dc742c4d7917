"""Every route and every kind of person: who may, by token and by session, and that nobody else may.
A route that is not listed fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask

from buildfarm.domain.auth.permissions import Role
from buildfarm.domain.build.waiver import WaiverRecord, WaiverRequest
from buildfarm.domain.publish.compose import Compose
from buildfarm.domain.publish.repository import Generation, GenerationState
from buildfarm.services.auth import accounts
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web.people_scenario import PEOPLE, bearer, browser_of, introduce, token_of
from tests.integration.web.scenarios import Scenario

EVERYBODY = frozenset({"nobody", *PEOPLE})
KNOWN = EVERYBODY - {"nobody"}
MAINTAINERS = KNOWN - {"viewer"}
"""Who may do it somewhere: what it is about is not known yet."""
OF_SOURCE = frozenset({"source", "target", "engineer", "admin"})
OF_TARGET = frozenset({"target", "engineer", "admin"})
ENGINEERS = frozenset({"engineer", "admin"})
ADMINS = frozenset({"admin"})
MACHINES: frozenset[str] = frozenset()
"""Workers, KVM hosts and tasks have tokens of their own: no person's opens these (a task that is
another's is a conflict).
"""

GET = {
    EVERYBODY: (
        "/", "/account", "/audit", "/builds", "/builds/<build>", "/drops", "/drops/<drop>", "/generations", "/healthz", "/login",
        "/login/oidc", "/login/oidc/return", "/metrics", "/readyz", "/repos/<tag>/<number>/<path:path>", "/repos/RPM-GPG-KEY",
        "/repos/external/<target>/<repository>/<path:path>", "/static/<path:filename>", "/targets", "/targets/<target>",
        "/targets/<target>/seeds", "/waivers", "/workers", "/subscriptions", "/subscriptions/<subscription>/unsubscribe",
        "/badges/<target>.svg", "/badges/<target>/<source>.svg", "/feeds/all.atom", "/feeds/<scope>/<path:name>.atom",
        "/api/v1/subscriptions", "/api/v1/", "/api/v1/audit", "/api/v1/builds", "/api/v1/builds/<build>",
        "/api/v1/builds/<build>/audit", "/api/v1/builds/<build>/findings", "/api/v1/builds/<build>/lock",
        "/api/v1/builds/<build>/log", "/api/v1/builds/<build>/why", "/api/v1/drops", "/api/v1/drops/<drop>",
        "/api/v1/drops/<drop>/plan", "/api/v1/events", "/api/v1/generations", "/api/v1/health", "/api/v1/login",
        "/api/v1/overrides", "/api/v1/overview", "/api/v1/targets", "/api/v1/targets/<target>",
        "/api/v1/targets/<target>/failures", "/api/v1/targets/<target>/plan", "/api/v1/targets/<target>/seeds",
        "/api/v1/tasks", "/api/v1/waivers", "/api/v1/workers", "/api/v1/builds/<build>/buildroot",
        "/api/v1/builds/<build>/log/lines", "/api/v1/builds/<build>/log/search", "/api/v1/builds/<build>/parity",
        "/api/v1/clusters/<target>/<cluster>", "/api/v1/generations/<generation_id>", "/api/v1/lag", "/api/v1/machines",
        "/api/v1/action-required", "/api/v1/search", "/api/v1/sigs", "/api/v1/sigs/<sig>", "/api/v1/sources",
        "/api/v1/sources/<target>/<source>", "/api/v1/triggers", "/builds/<build>/buildroot", "/builds/<build>/log",
        "/clusters/<target>/<cluster>", "/generations/<generation_id>", "/lag", "/machines", "/action-required", "/search", "/sigs",
        "/sigs/<sig>", "/sources", "/sources/<target>/<source>", "/triggers",
        "/composes", "/composes/<compose>", "/api/v1/composes", "/api/v1/composes/<compose>",
        "/live/builds/<build>/log", "/live/changes", "/api/v1/docs", "/api/v1/openapi.json",
    ),
    KNOWN: ("/api/v1/account", "/api/v1/tokens", "/api/v1/deliveries"),
    OF_SOURCE: ("/api/v1/builds/<build>/order", "/api/v1/builds/<build>/files/<sha256>"),
    ADMINS: ("/accounts", "/api/v1/accounts"),
    MACHINES: ("/worker/v1/guests", "/worker/v1/guests/buildroots/<target>/<arch>", "/worker/v1/tasks/<task>/payload"),
}  # fmt: skip
POST = {
    EVERYBODY: ("/logout", "/subscriptions/<subscription>/unsubscribe"),  # the link in a mail carries its own proof
    KNOWN: (
        "/account/password", "/account/sessions/end", "/account/tokens", "/account/tokens/<token>/revoke",
        "/api/v1/account/password", "/api/v1/tokens", "/api/v1/tokens/<token>/revoke", "/api/v1/subscriptions",
        "/api/v1/deliveries/<delivery>/redeliver", "/subscriptions", "/subscriptions/<subscription>/end",
        "/deliveries/<delivery>/redeliver", "/builds/<build>/request-waiver", "/api/v1/builds/<build>/request-waiver",
    ),
    OF_SOURCE: (
        "/builds/<build>/retry", "/builds/<build>/cancel", "/builds/<build>/release-hold", "/builds/<build>/priority",
        "/builds/<build>/waive", "/waivers/<waiver>/revoke", "/api/v1/builds/<build>/retry", "/api/v1/builds/<build>/cancel",
        "/api/v1/builds/<build>/release-hold", "/api/v1/builds/<build>/priority", "/api/v1/overrides", "/api/v1/waivers",
        "/api/v1/waivers/<waiver>/revoke", "/waiver-requests/<ask>/grant", "/waiver-requests/<ask>/decline",
        "/api/v1/waiver-requests/<ask>/grant", "/api/v1/waiver-requests/<ask>/decline",
    ),
    OF_TARGET: (
        "/targets/<target>/pause", "/targets/<target>/resume", "/drops/<drop>/pause", "/drops/<drop>/resume",
        "/drops/<drop>/approve", "/drops/<drop>/refuse", "/drops/<drop>/release-hold", "/drops", "/api/v1/drops",
        "/api/v1/targets/<target>/pause", "/api/v1/targets/<target>/resume", "/api/v1/drops/<drop>/pause",
        "/api/v1/drops/<drop>/resume", "/api/v1/drops/<drop>/approve", "/api/v1/drops/<drop>/refuse",
        "/api/v1/drops/<drop>/release-hold", "/targets/<target>/compose", "/composes/<compose>/promote",
        "/composes/<compose>/retire", "/api/v1/composes", "/api/v1/composes/<compose>/promote",
        "/api/v1/composes/<compose>/retire",
    ),
    ENGINEERS: (
        "/workers/<worker>/drain", "/workers/<worker>/resume", "/api/v1/workers/<worker>/drain",
        "/api/v1/workers/<worker>/resume", "/api/v1/workers/<worker>/reserve", "/api/v1/builds/<build>/reference",
        "/api/v1/targets/<target>/reference",
    ),
    ADMINS: (
        "/accounts", "/accounts/<account>/rights", "/accounts/<account>/disable", "/accounts/<account>/enable",
        "/api/v1/accounts", "/api/v1/accounts/<account>/disable", "/api/v1/accounts/<account>/enable",
        "/api/v1/accounts/<account>/password", "/api/v1/accounts/<account>/rights",
    ),
    MACHINES: (
        "/worker/v1/guests", "/worker/v1/hello", "/worker/v1/tasks/<task>/claim", "/worker/v1/tasks/<task>/finish",
        "/worker/v1/tasks/<task>/heartbeat", "/worker/v1/tasks/<task>/log",
    ),
}  # fmt: skip
ROUTES: dict[tuple[str, str], frozenset[str]] = {
    **{("GET", rule): who for who, rules in GET.items() for rule in rules},
    **{("POST", rule): who for who, rules in POST.items() for rule in rules},
    ("PUT", "/api/v1/blobs/<sha256>"): MAINTAINERS,
    ("PUT", "/worker/v1/tasks/<task>/artifacts/<sha256>"): MACHINES,
    ("DELETE", "/worker/v1/guests/<name>"): MACHINES,
    ("DELETE", "/api/v1/subscriptions/<subscription>"): KNOWN,
}
APART = {
    ("POST", "/login"): "test_web_login.py: its answer is 401 for whoever has no password",
    ("POST", "/api/v1/hooks/<target>/<name>"): "its signature is its only credential",
    ("GET", "/live/changes"): "open to all, and does not end",
    ("GET", "/live/builds/<build>/log"): "open to all, and does not end",
}

WAIVER = {
    "owner": "o",
    "reason": "r",
    "expires": "2030-01-01",
    "kind": "tag",
    "source": "qemu-kvm",
    "target": "reef-9",
}
BODIES: dict[str, dict[str, object]] = {
    "/api/v1/drops": {"target": "reef-9", "srpms": [{"sha256": "0" * 64}]},
    "/api/v1/overrides": {
        "target": "reef-9",
        "source": "qemu-kvm",
        "reason": "r",
        "settings": {"nocheck": True},
    },
    "/api/v1/waivers": WAIVER,
    "/api/v1/composes": {"target": "reef-9"},
    "/api/v1/builds/<build>/request-waiver": {"kind": "tag", "reason": "r"},
    "/api/v1/waiver-requests/<ask>/grant": {"owner": "o", "expires": "2030-01-01"},
    "/api/v1/tokens": {"name": "for a test"},
    "/api/v1/subscriptions": {"channel": "webhook", "address": "http://93.184.215.14/"},
    "/api/v1/account/password": {"former": "x", "password": "a long pass phrase"},
    "/api/v1/accounts/<account>/password": {"password": "a long pass phrase"},
    "/api/v1/accounts/<account>/rights": {"role": "viewer", "reason": "r"},
    "/api/v1/builds/<build>/priority": {"priority": 1, "reason": "r"},
    "/worker/v1/tasks/<task>/heartbeat": {"stage": "build"},
    "/worker/v1/tasks/<task>/finish": {"ok": True},
}
FORM = {
    "channel": "webhook", "address": "http://93.184.215.14/form",
    "reason": "r", "priority": "1", "owner": "o", "expires": "2030-01-01", "name": "for a test", "former": "x",
    "target": "reef-9", "finding": json.dumps(["tag", "", "", "qemu-kvm-1.0-1.el9.x86_64.rpm"]),
}  # fmt: skip


def routes_of(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        verbs = re.search(r"<any\(([^)]*)\):\w+>", rule.rule)
        names = [word.strip(" '") for word in verbs[1].split(",")] if verbs else [""]
        for name in names:
            path = rule.rule.replace(verbs[0], name) if verbs else rule.rule
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield method, path


@pytest.fixture
def place(hub: Hub, clock: Clock) -> dict[str, str]:
    """One of each thing a route is about; the build is of qemu-kvm, which SIG virt answers for, in
    a target of SIG core.
    """
    introduce(hub)
    accounts.create(hub, "dummy", role=Role.VIEWER, actor="test")
    scenario = Scenario(hub, clock)
    scenario._receive()
    build = scenario.until_waiting(scenario._build("qemu-kvm"))
    task = scenario.start(scenario.until_waiting(scenario._build("built-now")))
    with hub.store.begin() as tx:
        about = {"target": "reef-9", "created": tx.now}
        tx.add(
            WaiverRequest(
                id="A-1",
                build=build.id,
                source="qemu-kvm",
                kind="tag",
                reason="r",
                asker="a",
                **about,
            )
        )  # type: ignore[arg-type]
        tx.add(Compose(id="reef-9-1.0", tag="reef-9", generation="g", number=1, actor="a", **about))  # type: ignore[arg-type]
        tx.add(
            Generation(
                id="g", tag="reef-9", number=1, state=GenerationState.READY, digest="d", **about
            )
        )  # type: ignore[arg-type]
        tx.add(WaiverRecord(**{**WAIVER, "id": "W1", "actor": "test", "created": tx.now}))  # type: ignore[arg-type]
    return {
        "build": build.id, "drop": scenario.drop, "target": "reef-9", "worker": "local-1", "waiver": "W1", "account": "dummy",
        "compose": "reef-9-1.0", "ask": "A-1",
        "token": "0" * 16, "sha256": "0" * 64, "tag": "reef-9", "number": "1", "path:path": "x", "repository": "seed",
        "path:filename": "farm.css", "name": "guest", "cluster": "0" * 8, "generation_id": "none", "sig": "core",
        "subscription": "none", "delivery": "none", "source": "qemu-kvm", "scope": "source",
        "path:name": "qemu-kvm", "arch": "x86_64", "task": task.id,
    }  # fmt: skip


def test_every_route_is_in_the_table_and_every_line_of_it_a_route(app: Flask) -> None:
    assert set(routes_of(app)) == {*ROUTES, *APART}


@pytest.mark.parametrize(
    ("who", "way"),
    [("nobody", ""), *((who, way) for who in sorted(KNOWN) for way in ("token", "session"))],
)
def test_each_route_lets_in_whom_it_should_and_nobody_else(
    app: Flask, hub: Hub, place: dict[str, str], who: str, way: str
) -> None:
    client, headers = app.test_client(), {}
    if way == "token":
        headers = bearer(token_of(hub, who))
    elif way == "session":
        browser = browser_of(app, hub, who)
        client, headers = browser.client, {"X-CSRF-Token": browser.csrf}
    wrong = []
    for (method, rule), allowed in sorted(ROUTES.items(), key=lambda line: line[0][1] == "/logout"):
        if method == "GET" and allowed is EVERYBODY and who not in ("nobody", "viewer"):
            continue  # open to all: seen by somebody unknown and by somebody known
        path = re.sub(r"<([^>]+)>", lambda part: place[part[1]], rule)
        path += "?offset=0" if (method, rule) == ("POST", "/worker/v1/tasks/<task>/log") else ""
        if rule.startswith(("/api/", "/worker/")):
            sent = {"json": BODIES.get(rule, {"reason": "r"})} if method == "POST" else {}
        else:
            sent = {"data": FORM} if method == "POST" else {}
        status = client.open(path, method=method, headers=headers, **sent).status_code  # type: ignore[arg-type]
        if who in allowed:
            fine = status not in (401, 403, 500)
        else:
            fine = (
                status in (401, 409) if not allowed else status == (401 if who == "nobody" else 403)
            )
        if not fine:
            wrong.append(f"{method} {path}: {status}")
    assert wrong == []
