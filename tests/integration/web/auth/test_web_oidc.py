"""Login by a real OIDC server: the whole authorization code flow with PKCE, state and nonce, over
HTTP.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest
from buildfarm_web.app import create_app
from werkzeug.serving import make_server

from buildfarm.adapters.auth.oidc import OidcIssuer
from buildfarm.adapters.auth.passwords import Argon2Passwords
from buildfarm.adapters.core.database import SqlStore
from buildfarm.domain.auth.account import Account
from buildfarm.domain.auth.login import LoginSettings, OidcSettings
from buildfarm.domain.auth.permissions import Role
from buildfarm.domain.core.records import Event
from buildfarm.domain.target.sig import Sig
from buildfarm.errors import NotAllowed
from buildfarm.services.auth import accounts
from buildfarm.services.auth.login import LoginTools
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock
from tests.integration.web import oidc_server, scenarios
from tests.integration.web.oidc_server import OidcServer, query_of

pytestmark = pytest.mark.skipif(
    oidc_server.PROGRAM is None, reason="no glewlwyd here; `apt-get install glewlwyd`"
)


@dataclass(frozen=True)
class Farm:
    url: str
    hub: Hub
    issuer: OidcServer

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False)

    def leave(self, browser: httpx.Client, onward: str = "/builds") -> str:
        """Begin a login; the URL at the issuer."""
        answer = browser.get("/login/oidc", params={"next": onward})
        assert answer.status_code == 303
        return answer.headers["Location"]

    def asked(self, browser: httpx.Client, url: str) -> str:
        """Where the issuer sends the browser of somebody it knows, who agreed."""
        answer = browser.get(f"{url}&g_continue")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def complete(self, browser: httpx.Client, name: str, onward: str = "/builds") -> httpx.Response:
        """The whole way of one person."""
        url = self.leave(browser, onward)
        self.issuer.consent(browser, name)
        return browser.get(self.asked(browser, url))


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("oidc")
    hub = scenarios.make_hub(folder / "farm", Clock())

    def later(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return app(environ, start)  # its configuration names this server's own port

    server = make_server("127.0.0.1", 0, later, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    with oidc_server.running(folder, f"{url}/login/oidc/return") as issuer:
        for name, groups in (
            ("vera", ["virt-team"]),
            ("lars", ["releng"]),
            ("nils", []),
            ("ann", ["releng"]),
            ("dora", ["releng"]),
        ):
            issuer.add_person(name, groups)
        settings = OidcSettings(
            issuer=issuer.issuer, client_id=oidc_server.CLIENT, title="the distribution's login", scopes="openid",
            roles={"releng": Role.ENGINEER}, sigs={"virt-team": ("virt",)},
        )  # fmt: skip
        settled = dataclasses.replace(
            hub.config.farm,
            hub_url=url,
            login=LoginSettings(oidc=settings),
            sigs={"virt": Sig(sources=("qemu*",))},
        )
        hub = dataclasses.replace(hub, config=dataclasses.replace(hub.config, farm=settled))
        tools = LoginTools(
            passwords=Argon2Passwords(), issuer=OidcIssuer(settings, oidc_server.SECRET)
        )
        app = create_app(hub, intake=scenarios.fake_intake, login=tools)  # type: ignore[arg-type]  # reads JSON
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Farm(url, hub, issuer)
        server.shutdown()
        thread.join()
        server.server_close()
    assert isinstance(hub.store, SqlStore)
    hub.store.dispose()


def account_of(farm: Farm, name: str) -> Account:
    with farm.hub.store.read() as tx:
        return accounts.find(tx, name)


def test_somebody_comes_back_with_the_rights_of_their_groups(farm: Farm) -> None:
    with farm.browser() as browser:
        assert "the distribution&#39;s login" in browser.get("/login").text
        answer = farm.complete(browser, "vera", "/builds?state=failed")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/builds?state=failed")
        me = browser.get("/api/v1/account").json()
    assert (me["name"], me["role"], me["sigs"], me["account"]["login"]) == (
        "vera",
        "maintainer",
        ["virt"],
        ["oidc"],
    )
    assert account_of(farm, "vera").subject.startswith(farm.issuer.issuer)
    with farm.hub.store.read() as tx:
        kinds = [event.kind for event in tx.find(Event, subject="vera", order_by="id")]
    assert kinds == ["account.created", "account.rights", "session.started"]


def test_the_request_carries_state_nonce_and_a_challenge_and_each_login_has_its_own(
    farm: Farm,
) -> None:
    with farm.browser() as browser:
        first, second = query_of(farm.leave(browser)), query_of(farm.leave(browser))
    assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
    for word in ("state", "nonce", "code_challenge"):
        assert len(first[word]) >= 32
        assert first[word] != second[word]


def test_rights_follow_the_groups_at_the_next_login(farm: Farm) -> None:
    with farm.browser() as browser:
        farm.complete(browser, "lars")
        assert browser.get("/api/v1/account").json()["role"] == "engineer"
        farm.issuer.set_groups("lars", ["virt-team"])
        farm.complete(browser, "lars")
        assert browser.get("/api/v1/account").json()["role"] == "maintainer"


def test_an_answer_to_another_browsers_login_is_refused(farm: Farm) -> None:
    with farm.browser() as mallory, farm.browser() as victim:
        url = farm.leave(mallory)
        farm.issuer.consent(mallory, "nils")
        back = farm.asked(mallory, url)
        assert victim.get(back).status_code == 403  # no login is under way in this browser
        farm.leave(victim)
        answer = victim.get(back)
        assert answer.status_code == 403
        assert "this answer belongs to another login" in answer.text
        assert victim.get("/api/v1/account").status_code == 401


def test_a_code_without_its_verifier_is_refused_by_the_issuer(farm: Farm) -> None:
    """A code that was stolen on its way is worth nothing in another browser, even with its state
    forged (RFC 7636).
    """
    with farm.browser() as owner, farm.browser() as thief:
        url = farm.leave(owner)
        farm.issuer.consent(owner, "nils")
        stolen = query_of(farm.asked(owner, url))["code"]
        own = query_of(farm.leave(thief))["state"]
        answer = thief.get("/login/oidc/return", params={"code": stolen, "state": own})
        assert answer.status_code == 403
        assert "did not prove who you are" in answer.text
        assert thief.get("/api/v1/account").status_code == 401


def test_a_token_of_another_login_is_refused_by_its_nonce(farm: Farm) -> None:
    settings = farm.hub.config.farm.login.oidc
    assert settings is not None
    issuer, complete = OidcIssuer(settings, oidc_server.SECRET), f"{farm.url}/login/oidc/return"
    with farm.browser() as browser:
        url, authorization_request = issuer.begin(complete)
        farm.issuer.consent(browser, "nils")
        answer = query_of(farm.asked(browser, url))
    with pytest.raises(NotAllowed, match="nonce"):
        issuer.complete(
            dataclasses.replace(authorization_request, nonce="of another login"), complete, answer
        )


def test_a_code_opens_one_session_only(farm: Farm) -> None:
    with farm.browser() as browser:
        url = farm.leave(browser)
        farm.issuer.consent(browser, "nils")
        back = farm.asked(browser, url)
        authorization_request = browser.cookies.get("buildfarm-login")
        assert browser.get(back).status_code == 303
        browser.cookies.set("buildfarm-login", str(authorization_request), domain="127.0.0.1")
        assert browser.get(back).status_code == 403


def test_the_issuer_cannot_take_over_a_local_account(farm: Farm) -> None:
    accounts.create(farm.hub, "ann", role=Role.ADMIN, actor="test")
    with farm.browser() as browser:
        answer = farm.complete(browser, "ann")
        assert answer.status_code == 403
        assert "there is an account ann that does not belong to this login" in answer.text
    assert account_of(farm, "ann").subject == ""


def test_a_disabled_account_does_not_come_back(farm: Farm) -> None:
    with farm.browser() as browser:
        farm.complete(browser, "dora")
        accounts.set_disabled(farm.hub, "dora", disabled=True, actor="test", why="left")
        assert browser.get("/api/v1/account").status_code == 401
        answer = farm.complete(browser, "dora")
        assert answer.status_code == 403
        assert "the account dora is disabled" in answer.text


def test_what_the_issuer_refuses_is_said(farm: Farm) -> None:
    with farm.browser() as browser:
        state = query_of(farm.leave(browser))["state"]
        answer = browser.get(
            "/login/oidc/return", params={"state": state, "error": "access_denied"}
        )
    assert answer.status_code == 403
    assert "said no: access_denied" in answer.text


def test_no_other_site_is_a_way_on_after_a_login(farm: Farm) -> None:
    with farm.browser() as browser:
        assert farm.complete(browser, "nils", "//evil.example/").headers["Location"] == "/account"
