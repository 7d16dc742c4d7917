"""People for tests: one account for each kind of rights, their sessions and tokens, and one build
that SIG virt answers for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient

from buildfarm.domain.auth.permissions import Action, Principal, Role
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.services.auth import accounts, sessions, tokens
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario

PASSWORD = "correct horse battery"
PEOPLE: Mapping[str, tuple[Role, tuple[str, ...]]] = {
    "viewer": (Role.VIEWER, ()),
    "source": (Role.MAINTAINER, ("virt",)),  # speaks for the SIG that answers for qemu-kvm
    "target": (Role.MAINTAINER, ("core",)),  # speaks for the SIG that owns reef-9
    "other": (Role.MAINTAINER, ("media",)),  # speaks for neither
    "engineer": (Role.ENGINEER, ()),
    "admin": (Role.ADMIN, ()),
}


def introduce(hub: Hub) -> None:
    """Make every account, without passwords."""
    for name, (role, sigs) in PEOPLE.items():
        accounts.create(hub, name, role=role, sigs=sigs, actor="test")


def token_of(hub: Hub, name: str, *actions: Action, days: int = 90) -> str:
    """A new token of an account."""
    role, sigs = PEOPLE[name]
    asker = Principal(name=name, role=role, sigs=sigs, account=name)
    return tokens.issue(hub, asker, account=name, name="a test", actions=actions, days=days).secret


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Browser:
    """A client with a session, and the token its forms carry, as a page shows it."""

    client: FlaskClient
    csrf: str

    def post(self, path: str, **form: str) -> str:
        """Send a form; the words of the answer."""
        answer = self.client.post(path, data={"csrf": self.csrf, **form})
        assert answer.status_code in (200, 303), answer.get_data(as_text=True)
        if answer.status_code == 303:
            answer = self.client.get(answer.headers["Location"])
        return answer.get_data(as_text=True)


def browser_of(app: Flask, hub: Hub, name: str) -> Browser:
    """Somebody who is logged in."""
    with hub.store.read() as tx:
        account = accounts.find(tx, name)
    client = app.test_client()
    client.set_cookie("buildfarm", sessions.start(hub, account, by="a test"))
    return Browser(client, csrf_on(client.get("/targets").get_data(as_text=True)))


def csrf_on(page: str) -> str:
    """What the forms of a page extra_metadata."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found, page
    return found[1]


def failed_build(scenario: Scenario, source: str) -> Build:
    """A build that failed, so that it can be retried."""
    build = scenario.until_waiting(scenario._build(source))
    return scenario._move(build, BuildState.CANCELED, "scheduler", "no reason")
