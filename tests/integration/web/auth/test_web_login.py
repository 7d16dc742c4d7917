"""Logging in with a password, and what a session is worth: tries are counted, ids are new, cookies
are guarded, ends are ends.
"""

from __future__ import annotations

import dataclasses
import time

import pytest
from buildfarm_web.app import create_app
from flask import Flask
from flask.testing import FlaskClient

from buildfarm.adapters.auth.passwords import Argon2Passwords
from buildfarm.domain.auth.account import Session
from buildfarm.domain.auth.permissions import Role
from buildfarm.services.auth import accounts
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.core.hub import Hub
from buildfarm.services.core.tasks import token_hash
from tests.fakes import Clock
from tests.integration.web import scenarios
from tests.integration.web.people_scenario import PASSWORD, Browser, browser_of, csrf_on, introduce

COOKIE = "buildfarm"


@pytest.fixture
def ann(hub: Hub, login_tools: LoginTools) -> str:
    accounts.create(
        hub,
        "ann",
        role=Role.ENGINEER,
        passwords=login_tools.passwords,
        password=PASSWORD,
        actor="test",
    )
    return "ann"


def log_in(client: FlaskClient, name: str, password: str = PASSWORD, **form: str) -> int:
    data = {"name": name, "password": password, **form}
    page = client.get("/login").get_data(as_text=True)
    if client.get_cookie(COOKIE):
        data["csrf"] = csrf_on(page)
    return client.post("/login", data=data, headers={"Origin": "http://localhost"}).status_code


def whoami(client: FlaskClient) -> str:
    return str((client.get("/api/v1/account").get_json() or {}).get("name", ""))


def test_somebody_logs_in_and_out(client: FlaskClient, ann: str) -> None:
    assert 'href="/login?next=/builds"' in client.get("/builds").get_data(as_text=True)
    assert log_in(client, ann) == 303
    assert whoami(client) == "ann"
    page = client.get("/builds").get_data(as_text=True)
    assert '<a href="/account">ann</a>' in page
    assert client.post("/logout", data={"csrf": csrf_on(page)}).status_code == 303
    assert whoami(client) == ""


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong"), ("nobody-here", PASSWORD), ("", ""), ("ann", "")]
)
def test_what_is_wrong_is_not_told(client: FlaskClient, ann: str, name: str, password: str) -> None:
    answer = client.post("/login", data={"name": name, "password": password})
    assert answer.status_code == 401
    assert "name or password is wrong" in answer.get_data(as_text=True)
    assert client.get_cookie(COOKIE) is None


def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    passwords = Argon2Passwords()
    kept = passwords.hashed(PASSWORD)

    def seconds(of: str) -> float:
        begun = time.perf_counter()
        assert not passwords.fits("a wrong one", of)
        return time.perf_counter() - begun

    known, unknown = (min(seconds(of) for _ in range(7)) for of in (kept, ""))
    assert known / 2 < unknown < known * 2


def test_the_sixth_try_is_not_looked_at_in_any_process_until_the_window_is_over(
    app: Flask, hub: Hub, clock: Clock, login_tools: LoginTools, ann: str
) -> None:
    client = app.test_client()
    for _ in range(5):
        assert client.post("/login", data={"name": "ann", "password": "wrong"}).status_code == 401
    other_process = create_app(hub, intake=scenarios.fake_intake, login=login_tools).test_client()
    refused = other_process.post(
        "/login",
        data={"name": "ann", "password": PASSWORD},
        environ_base={"REMOTE_ADDR": "192.0.2.9"},
    )
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "900"
    assert "too many tries" in refused.get_data(as_text=True)
    clock.pass_seconds(901)
    assert log_in(client, "ann") == 303


def test_an_unknown_account_rests_like_a_known_one(client: FlaskClient) -> None:
    statuses = [
        client.post("/login", data={"name": "ghost", "password": "x"}).status_code for _ in range(6)
    ]
    assert statuses == [401] * 5 + [429]


def test_one_address_has_so_many_tries_for_all_accounts_together(
    client: FlaskClient, ann: str
) -> None:
    statuses = [
        client.post("/login", data={"name": f"guess-{n}", "password": "x"}).status_code
        for n in range(31)
    ]
    assert (statuses[29], statuses[30]) == (401, 429)
    assert client.post("/login", data={"name": ann, "password": PASSWORD}).status_code == 429
    elsewhere = client.post(
        "/login",
        data={"name": ann, "password": PASSWORD},
        environ_base={"REMOTE_ADDR": "192.0.2.9"},
    )
    assert elsewhere.status_code == 303


def test_a_session_is_never_one_that_the_browser_brought(
    client: FlaskClient, hub: Hub, ann: str
) -> None:
    client.set_cookie(COOKIE, "planted-by-somebody")
    assert log_in(client, ann) == 303
    assert whoami(client) == "ann"
    made = client.get_cookie(COOKIE)
    assert made is not None
    assert made.value != "planted-by-somebody"
    with hub.store.read() as tx:
        assert tx.first(Session, id=token_hash("planted-by-somebody")) is None
    thief = client.application.test_client()
    thief.set_cookie(COOKIE, "planted-by-somebody")
    assert whoami(thief) == ""


def test_a_new_login_ends_the_session_before_it(app: Flask, client: FlaskClient, ann: str) -> None:
    log_in(client, ann)
    first = client.get_cookie(COOKIE)
    assert first is not None
    page = client.get("/builds").get_data(as_text=True)
    client.post("/login", data={"name": ann, "password": PASSWORD, "csrf": csrf_on(page)})
    second = client.get_cookie(COOKIE)
    assert second is not None
    assert first.value != second.value
    replayed = app.test_client()
    replayed.set_cookie(COOKIE, first.value)
    assert whoami(replayed) == ""
    assert whoami(client) == "ann"


def test_the_cookie_of_a_session_that_ended_opens_nothing(
    app: Flask, client: FlaskClient, ann: str
) -> None:
    log_in(client, ann)
    kept = client.get_cookie(COOKIE)
    assert kept is not None
    client.post("/logout", data={"csrf": csrf_on(client.get("/builds").get_data(as_text=True))})
    replayed = app.test_client()
    replayed.set_cookie(COOKIE, kept.value)
    assert whoami(replayed) == ""


def test_the_store_has_no_secret_of_a_session(client: FlaskClient, hub: Hub, ann: str) -> None:
    log_in(client, ann)
    kept = client.get_cookie(COOKIE)
    assert kept is not None
    home = hub.config.folder
    stored = b"".join(file.read_bytes() for file in home.glob("farm.db*"))
    assert token_hash(kept.value).encode() in stored
    assert kept.value.encode() not in stored
    assert PASSWORD.encode() not in stored


@pytest.mark.parametrize(
    ("rest", "steps", "who"), [(7 * 3600, 2, "ann"), (9 * 3600, 1, ""), (7 * 3600, 11, "")]
)
def test_a_session_ends_when_it_rests_and_at_the_latest_after_three_days(
    client: FlaskClient, clock: Clock, ann: str, rest: float, steps: int, who: str
) -> None:
    log_in(client, ann)
    for _ in range(steps):
        clock.pass_seconds(rest)
        name = whoami(client)
    assert name == who


def test_over_https_the_cookie_is_bound_to_this_host(app: Flask, ann: str) -> None:
    client = app.test_client()
    plain = client.post("/login", data={"name": ann, "password": PASSWORD}).headers["Set-Cookie"]
    assert all(word in plain for word in ("buildfarm=", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Secure" not in plain
    safe = app.test_client().post(
        "/login", data={"name": ann, "password": PASSWORD}, base_url="https://localhost"
    )
    cookie = safe.headers["Set-Cookie"]
    assert cookie.startswith("__Host-buildfarm=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert "Domain" not in cookie


def test_a_disabled_account_is_out_at_once_and_stays_out(
    client: FlaskClient, hub: Hub, ann: str
) -> None:
    log_in(client, ann)
    accounts.set_disabled(hub, ann, disabled=True, actor="test", why="left")
    assert whoami(client) == ""
    answer = client.post("/login", data={"name": ann, "password": PASSWORD})
    assert answer.status_code in (401, 403)
    accounts.set_disabled(hub, ann, disabled=False, actor="test", why="came back")
    assert whoami(client) == ""  # the old session does not live again


def test_another_password_ends_every_other_session(
    app: Flask, hub: Hub, client: FlaskClient, ann: str
) -> None:
    elsewhere = browser_of(app, hub, ann)
    log_in(client, ann)
    csrf = csrf_on(client.get("/account").get_data(as_text=True))
    wrong = client.post(
        "/account/password", data={"csrf": csrf, "former": "wrong", "password": "another long one"}
    )
    assert wrong.status_code == 422
    short = client.post(
        "/account/password", data={"csrf": csrf, "former": PASSWORD, "password": "short"}
    )
    assert "it needs 12" in short.get_data(as_text=True)
    assert "The password is changed" in Browser(client, csrf).post(
        "/account/password", former=PASSWORD, password="another long one"
    )
    assert (whoami(client), whoami(elsewhere.client)) == ("ann", "")
    assert log_in(app.test_client(), ann) == 401
    assert log_in(app.test_client(), ann, "another long one") == 303


@pytest.mark.parametrize(
    ("next_page", "where"),
    [("/builds?state=failed", "/builds?state=failed"), ("https://evil.example/", "/account"), ("//evil.example", "/account"),
     ("/\\evil.example", "/account"), ("javascript:alert(1)", "/account"), ("", "/account")],
)  # fmt: skip
def test_a_login_leads_on_to_our_own_pages_only(
    client: FlaskClient, ann: str, next_page: str, where: str
) -> None:
    answer = client.post("/login", data={"name": ann, "password": PASSWORD, "next": next_page})
    assert answer.headers["Location"] == where


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
])  # fmt: skip
def test_another_site_can_neither_log_somebody_in_nor_act(
    app: Flask, client: FlaskClient, hub: Hub, ann: str, headers: dict[str, str]
) -> None:
    answer = client.post("/login", data={"name": ann, "password": PASSWORD}, headers=headers)
    assert (answer.status_code, client.get_cookie(COOKIE)) == (403, None)
    browser = browser_of(app, hub, ann)
    acted = browser.client.post(
        "/targets/reef-9/pause", data={"csrf": browser.csrf, "reason": "r"}, headers=headers
    )
    assert acted.status_code == 403
    assert "another site sent this" in acted.get_data(as_text=True)


def test_a_write_with_a_session_needs_the_token_of_its_own_pages(app: Flask, hub: Hub) -> None:
    introduce(hub)
    browser, other = browser_of(app, hub, "engineer"), browser_of(app, hub, "admin")
    for csrf in ("", "0" * 32, other.csrf):
        for sent in (
            {"data": {"csrf": csrf, "reason": "r"}},
            {"json": {"reason": "r"}, "headers": {"X-CSRF-Token": csrf}},
        ):
            for path in (
                "/targets/reef-9/pause",
                "/api/v1/targets/reef-9/pause",
                "/logout",
                "/account/tokens",
            ):
                answer = browser.client.post(path, **sent)  # type: ignore[arg-type]
                assert answer.status_code == 403, (path, csrf)
                assert "not sent by a page of this session" in answer.get_data(as_text=True)
    assert "Paused" in browser.post("/targets/reef-9/pause", reason="disks are full")


def test_the_page_of_somebody_is_not_kept_for_others(app: Flask, hub: Hub) -> None:
    introduce(hub)
    answer = browser_of(app, hub, "engineer").client.get("/builds")
    assert "private" in answer.headers["Cache-Control"]
    assert "Cookie" in answer.headers["Vary"]
    assert app.test_client().get("/builds").headers["Cache-Control"] == "no-cache"


def test_behind_a_proxy_https_is_what_it_says(hub: Hub, login_tools: LoginTools, ann: str) -> None:
    login = dataclasses.replace(hub.config.farm.login, proxies=1)
    proxied = dataclasses.replace(
        hub,
        config=dataclasses.replace(
            hub.config, farm=dataclasses.replace(hub.config.farm, login=login)
        ),
    )
    client = create_app(proxied, intake=scenarios.fake_intake, login=login_tools).test_client()
    said = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    safe = client.post("/login", data={"name": ann, "password": PASSWORD}, headers=said)
    assert safe.headers["Set-Cookie"].startswith("__Host-buildfarm=")
