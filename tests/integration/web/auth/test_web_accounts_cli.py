"""``buildfarm account`` and ``buildfarm token`` against a real hub on loopback, and the first admin
without one.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from werkzeug.serving import make_server

from buildfarm.adapters.core.database import SqlStore
from buildfarm.cli.main import cli
from buildfarm.domain.auth.account import Account
from buildfarm.errors import Conflict, NotAllowed
from buildfarm.services.core.hub import Hub
from tests.integration.web.people_scenario import PASSWORD, PEOPLE, introduce, token_of

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    introduce(hub)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("BUILDFARM_URL", f"http://127.0.0.1:{server.server_port}")
    tokens = {name: token_of(hub, name) for name in PEOPLE}

    def run(who: str, *words: str, stdin: str = "") -> Result:
        monkeypatch.setenv("BUILDFARM_TOKEN", tokens.get(who, who))
        return CliRunner().invoke(cli, words, input=stdin)

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_account_is_made_changed_and_closed(run: Run) -> None:
    words = ("account", "add", "vera", "--role", "maintainer", "--sig", "virt")
    assert run("admin", *words, stdin=f"{PASSWORD}\n").stdout == "vera: maintainer for SIG virt\n"
    assert isinstance(run("admin", *words, stdin=f"{PASSWORD}\n").exception, Conflict)
    changed = run(
        "admin", "account", "role", "vera", "--role", "engineer", "--reason", "release engineering"
    )
    assert changed.stdout == "vera: engineer\n"
    assert (
        run("admin", "account", "disable", "vera", "--reason", "left").stdout
        == "vera: engineer, disabled\n"
    )
    listed = json.loads(run("admin", "account", "list", "--json").stdout)["accounts"]
    (vera,) = [one for one in listed if one["name"] == "vera"]
    assert (vera["role"], vera["login"], vera["disabled"]) == ("engineer", ["password"], True)
    refused = run("engineer", "account", "list").exception
    assert isinstance(refused, NotAllowed)
    assert (
        str(refused)
        == "engineer has the role engineer, to manage accounts needs admin (ask an admin, or an admin for the role)"
    )


def test_a_token_is_printed_once_and_revoked(run: Run) -> None:
    made = run("engineer", "token", "add", "the mirror", "--action", "drain", "--days", "7")
    secret = made.stdout.strip()
    assert secret.startswith("bf_")
    listed = run(secret, "token", "list", "--json")
    assert secret not in listed.stdout
    identity = re.search(r'"id": "([0-9a-f]{16})",\s+"name": "the mirror"', listed.stdout)
    assert identity
    assert run("engineer", "token", "revoke", identity[1]).stdout == f"{identity[1]}: revoked\n"
    assert "is revoked" in str(run(secret, "token", "list").exception)


def test_the_first_admin_is_made_where_no_hub_runs_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDFARM_HOME", str(tmp_path))
    monkeypatch.delenv("BUILDFARM_CONFIG", raising=False)
    made = CliRunner().invoke(
        cli, ("account", "add", "root", "--role", "admin", "--local"), input=f"{PASSWORD}\n"
    )
    assert made.stdout == "root: admin\n", made.exception
    store = SqlStore(f"sqlite:///{tmp_path / 'buildfarm.db'}")
    with store.read() as tx:
        account = tx.get(Account, "root")
    store.dispose()
    assert account.password.startswith("$argon2id$")
    short = CliRunner().invoke(
        cli, ("account", "add", "other", "--role", "admin", "--local"), input="short\n"
    )
    assert "it needs 12" in str(short.exception)
    assert not isinstance(short.exception, click.exceptions.Exit)
