"""``/repos``: what dnf reads, and nothing beside it."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario

REPOMD = "/repos/reef-9/2/x86_64/repodata/repomd.xml"


def test_a_generation_and_the_one_in_force_are_served(
    client: FlaskClient, scenario: Scenario
) -> None:
    assert client.get(REPOMD).data == b"<repomd>reef-9 2</repomd>"
    current = client.get("/repos/reef-9/current/x86_64/repodata/repomd.xml")
    assert current.data == b"<repomd>reef-9 2</repomd>"
    assert "immutable" in client.get(REPOMD).headers["Cache-Control"]
    assert "immutable" not in current.headers["Cache-Control"]


def test_requests_can_be_conditional_and_partial(client: FlaskClient, scenario: Scenario) -> None:
    etag = client.get(REPOMD).headers["ETag"]
    assert client.get(REPOMD, headers={"If-None-Match": etag}).status_code == 304
    part = client.get(REPOMD, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.data) == (206, b"<repomd>")


def test_the_seed_and_the_key_are_served(client: FlaskClient, hub: Hub) -> None:
    (hub.config.folder / "seed" / "repodata" / "repomd.xml").write_text("<seed/>", encoding="utf-8")
    (hub.repos / "RPM-GPG-KEY").write_text("-----BEGIN", encoding="utf-8")
    assert client.get("/repos/external/reef-9/seed/repodata/repomd.xml").data == b"<seed/>"
    assert client.get("/repos/RPM-GPG-KEY").data == b"-----BEGIN"


@pytest.mark.parametrize(
    "path",
    [
        "/repos/reef-9/2/../../../farm.db", "/repos/reef-9/2/%2e%2e/%2e%2e/%2e%2e/farm.db",
        "/repos/reef-9/2/x86_64//etc/passwd", "/repos/reef-9/2/%2fetc%2fpasswd", "/repos/reef-9/../farm.db/x",
        "/repos/external/reef-9/seed/../farm.db", "/repos/external/reef-9/seed/%2e%2e/farm.db",
        "/repos/external/reef-9/none/x", "/repos/external/none/seed/x", "/repos/other/1/x", "/repos/reef-9/2/x86_64",
        "/repos/reef-9/1e1/x86_64/x", "/repos/reef-9/2/a%00b", "/repos/reef-9/2/x86_64/link", "/repos/reef-9/.2.new/x",
        "/repos/reef-9/2/.hidden",
    ],
)  # fmt: skip
def test_nothing_outside_a_repository_is_served(
    client: FlaskClient, hub: Hub, scenario: Scenario, path: str
) -> None:
    folder = hub.repos / "reef-9" / "2"
    Path(folder / "x86_64" / "link").symlink_to(hub.config.folder / "farm.db")
    (folder / ".hidden").write_text("x", encoding="utf-8")
    assert client.get(path).status_code in (404, 308)
    assert client.get(path, follow_redirects=True).status_code == 404
