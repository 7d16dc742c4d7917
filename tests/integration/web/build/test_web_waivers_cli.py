"""``buildfarm waive`` and ``buildfarm waivers`` against a real hub on loopback."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from flask import Flask
from werkzeug.serving import make_server

from tests.integration.web import scenarios

BUILDFARM = Path(sys.executable).with_name("buildfarm")
Run = Callable[..., subprocess.CompletedProcess[str]]
ACCEPT = (
    "waive",
    "requires",
    "--owner",
    "sig-core",
    "--reason",
    "the vendor's was wrong",
    "--source",
    "zlib",
)


@pytest.fixture
def run(app: Flask) -> Iterator[Run]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub = {
        "BUILDFARM_URL": f"http://127.0.0.1:{server.server_port}",
        "BUILDFARM_TOKEN": scenarios.ENGINEER,
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BUILDFARM, *words], capture_output=True, text=True, check=False, env=os.environ | hub
        )

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_waiver_is_made_listed_exported_revoked_and_imported_elsewhere(
    run: Run, tmp_path: Path
) -> None:
    made = run(*ACCEPT, "--expires", "2099-01-31", "--id", "W1")
    assert made.stdout == "W1: in force until 2099-01-31, lifts nothing now\n"
    listed = run("waivers")
    assert "W1" in listed.stdout
    assert "waiver W1 matches nothing" in listed.stderr
    file = tmp_path / "w.yaml"
    assert run("waivers", "export", str(file)).returncode == 0
    assert yaml.safe_load(file.read_text()) == {
        "waivers": [
            {"id": "W1", "owner": "sig-core", "reason": "the vendor's was wrong", "expires": yaml.safe_load("2099-01-31"),
             "kind": "requires", "source": "zlib"}
        ]
    }  # fmt: skip
    file.write_text(
        file.read_text().replace(
            "waivers:\n",
            "waivers:\n- {id: W2, owner: o, reason: r, kind: tag, expires: 2099-01-01}\n",
        )
    )
    assert run("waivers", "import", str(file)).stdout == "W2: recorded\nW1: known\n"
    assert (
        run("waivers", "revoke", "W1", "--reason", "repaired").stdout == "W1: revoked: repaired\n"
    )
    assert "W1" not in run("waivers", "list").stdout
    assert "W1" in run("waivers", "list", "--all").stdout


def test_what_cannot_be_waived_is_refused_in_words(run: Run) -> None:
    past = run(*ACCEPT, "--expires", "2001-01-01")
    assert (past.returncode, past.stdout) == (1, "")
    assert "expired on 2001-01-01" in past.stderr
    assert run("waive", "requires").returncode == 2
    security = run(*ACCEPT, "--expires", "2099-01-01", "--authority", "security")
    assert "speaks for the security authority" in security.stderr
