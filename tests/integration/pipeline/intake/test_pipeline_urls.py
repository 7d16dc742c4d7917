"""Files of a drop by URL: fetched when it is ingested, from where the target allows, and checked
like any other.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildfarm_web.app import create_app

from buildfarm.adapters.intake import dist_git
from buildfarm.adapters.intake.fetching import Fetcher
from buildfarm.adapters.intake.rpm_verify import verify_many
from buildfarm.domain.core.build import Build, BuildState
from buildfarm.domain.core.records import ApiToken, Event
from buildfarm.domain.intake.drop import Drop, DropItem, ItemKind
from buildfarm.errors import ConfigError, InputError
from buildfarm.services.core import tasks
from buildfarm.services.intake import downloads, drops, ingesting
from buildfarm.services.intake.drops import Offered
from tests.integration.pipeline.conftest import World
from tests.integration.vendor_server import VendorServer


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[VendorServer]:
    with VendorServer(tmp_path / "drop").running() as running:
        yield running


@pytest.fixture
def farm(make_world: Callable[..., World], vendor: VendorServer) -> World:
    allowed = [
        {"prefix": f"{vendor.url}/", "private": True},
        {"prefix": f"http://localhost:{vendor.port}/"},
    ]
    return make_world(
        upstream={"vendor": "ACME", "keys": ["keys/RPM-GPG-KEY-acme"], "allowed_urls": allowed}
    )


def ingest(farm: World, *urls: str, sha256: str = "") -> Drop:
    offered = [Offered(kind=ItemKind.SRPM, url=url, sha256=sha256) for url in urls]
    drop = drops.receive(farm.hub, "reef-9", offered, trigger="test", actor="ann").drop
    with contextlib.closing(Fetcher()) as fetch:
        downloads.bring(farm.hub, fetch, drop.id, lambda _: None)
    ingesting.ingest(farm.hub, verify_many, dist_git.checkout, drop.id, lambda _: None)
    return drop


def found(farm: World, kind: type) -> list:
    with farm.hub.store.read() as tx:
        return tx.find(kind)


def test_a_file_by_url_becomes_a_build_and_the_same_url_is_the_same_drop(farm, vendor):
    srpm = farm.srpm("zlib")
    drop = ingest(farm, f"{vendor.url}/{srpm.name}")
    (build,) = found(farm, Build)
    assert (build.source, build.state, build.srpm) == (
        "zlib",
        BuildState.INGESTED,
        hashlib.sha256(srpm.read_bytes()).hexdigest(),
    )
    (item,) = found(farm, DropItem)
    assert (item.sha256, item.filename, item.url) == (
        build.srpm,
        srpm.name,
        f"{vendor.url}/{srpm.name}",
    )
    assert ingest(farm, item.url).id == drop.id
    assert len(vendor.asked) == 1
    assert "file.fetched" in {event.kind for event in found(farm, Event)}


def test_a_digest_in_the_drop_is_what_the_file_must_have_and_its_name(farm, vendor):
    srpm = farm.srpm("zlib")
    sha256 = hashlib.sha256(srpm.read_bytes()).hexdigest()
    drop = ingest(farm, f"{vendor.url}/{srpm.name}", sha256=sha256)
    assert drop.id == drops.receive(
        farm.hub, "reef-9", [Offered(kind=ItemKind.SRPM, sha256=sha256)], trigger="http", actor="ann"
    ).drop.id  # fmt: skip
    ingest(farm, f"{vendor.url}/{srpm.name}", sha256="0" * 64)
    (problem,) = [item.problem for item in found(farm, DropItem) if item.problem]
    assert f"SHA-256 is {sha256}, expected was {'0' * 64}" in problem


def test_what_cannot_be_had_is_said_and_the_rest_goes_on(farm, vendor):
    srpm = farm.srpm("zlib")
    vendor.answer(
        "/moved.src.rpm", 302, {"Location": f"http://localhost:{vendor.port}/{srpm.name}"}
    )
    vendor.answer("/inside.src.rpm", 302, {"Location": "http://169.254.169.254/latest/meta-data"})
    vendor.answer("/twice.src.rpm", 200, {}, srpm.read_bytes())
    names = [srpm.name, "gone.src.rpm", "moved.src.rpm", "inside.src.rpm", "twice.src.rpm"]
    ingest(farm, *(f"{vendor.url}/{name}" for name in names))
    problems = {item.filename: item.problem for item in found(farm, DropItem) if item.problem}
    assert "answers 404" in problems["gone.src.rpm"]
    assert "no public address" in problems["moved.src.rpm"]
    assert "not under a URL that the target allows" in problems["inside.src.rpm"]
    assert ("the same file as" in problems.get("twice.src.rpm", "")) != (
        "the same file as" in problems.get(srpm.name, "")
    )
    assert [build.source for build in found(farm, Build)] == ["zlib"]
    assert len([event for event in found(farm, Event) if event.kind == "file.refused"]) == 3


def test_a_url_that_is_not_allowed_is_refused_at_once_over_http_too(farm):
    with farm.hub.store.begin() as tx:
        tx.add(ApiToken(id=tasks.token_hash("t"), name="ann", role="engineer", created=tx.now))
    client = create_app(farm.hub, intake=verify_many).test_client()
    for url in (
        "http://169.254.169.254/x.src.rpm",
        "file:///etc/passwd",
        "https://vendor.example/x.src.rpm",
        "x",
    ):
        with pytest.raises(InputError):
            drops.receive(
                farm.hub,
                "reef-9",
                [Offered(kind=ItemKind.SRPM, url=url)],
                trigger="http",
                actor="ann",
            )
        body = {"target": "reef-9", "srpms": [{"url": url}]}
        answer = client.post("/api/v1/drops", json=body, headers={"Authorization": "Bearer t"})
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert found(farm, Drop) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"upstream": {"vendor": "ACME", "allowed_urls": [{"prefix": "ftp://vendor.example/"}]}},
        {"triggers": {"polls": [{"name": "a", "baseurl": "https://user:word@vendor.example/"}]}},
        {"triggers": {"polls": [{"name": "a", "baseurl": "https://a.example/"}, {"name": "a", "baseurl": "https://b.example/"}]}},
        {"triggers": {"webhooks": [{"name": "a", "secret": "x", "forge": "sourceforge"}]}},
        {"triggers": {"folders": [{"name": "a", "path": "x", "surprise": 1}]}},
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_is_an_error_when_it_is_loaded(make_world, changed):
    with pytest.raises(ConfigError):
        make_world(**changed)
