"""Search: what people know of a thing (a part of its name, a file, a word of its failure) leads to
its page.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import FindingRecord
from buildfarm.domain.intake.drop import Drop
from buildfarm.services.core import search_index
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import HOSTILE, FakeHeader, Scenario

FILES = (
    "/usr/bin/zlib-flate",
    "/usr/lib64/libz.so.1",
    "/etc/zlib.conf",
    "/usr/lib/.build-id/ab/cdef",
)


@pytest.fixture
def noted(hub: Hub, scenario: Scenario) -> Scenario:
    """The scenario again, with what intake and the builder's end note in a real farm."""
    with hub.store.begin() as tx:
        for source in ("zlib", "reef-cannot-build", "bzip2"):
            build = tx.get(Build, scenario.ids[source])
            search_index.note_source(tx, build)
            search_index.note_failure(tx, build) if build.failure_kind else None
        zlib = tx.get(Build, scenario.ids["zlib"])
        header = FakeHeader(
            name="zlib-ng-compat", version="1.0", release="1.el9", arch="x86_64", files=FILES
        )
        for _ in range(2):
            search_index.note_rpms(tx, zlib, [header])  # type: ignore[list-item]  # the fake intake's
        search_index.note_drop(tx, tx.get(Drop, scenario.drop))
    return scenario


def groups(client: FlaskClient, query: str) -> dict[str, list[dict[str, Any]]]:
    answer = client.get("/api/v1/search", query_string={"q": query})
    assert answer.status_code == 200
    assert answer.json is not None
    return {group["title"]: group["hits"] for group in answer.json["groups"]}


KNOWN = (
    ("zlib", "Sources", "zlib"), ("CANNOT", "Sources", "reef-cannot-build"), ("compat", "RPMs", "zlib-ng-compat"),
    ("libz.so", "Files in RPMs", "/usr/lib64/libz.so.1"), ("/etc/zl", "Files in RPMs", "/etc/zlib.conf"),
    ("zlib-1.0-1.el9", "This build", "zlib-1.0-1.el9"), ("expat-1", "SRPMs", "expat-1.0-1.el9"),
    ("zlib-1.0-1.el9.x86_64", "RPM files", "zlib-1.0-1.el9.x86_64.rpm"),
    ("/usr/share/bzip2", "Findings", "/usr/share/bzip2/table"), ("libbz2.so", "Findings", "/usr/lib64/libbz2.so.1.0.8"),
    ("undeclared", "Failures", "main.c: error: 'x' undeclared"), ("update pnaelv", "Drops", "PNAELV 9.4 update 3"),
    ("old-guest", "Workers and guests", "old-guest-7"), ("Reef 9", "Targets", "reef-9"),
)  # fmt: skip


def test_everything_is_found_by_what_one_knows_of_it_and_leads_to_a_page(
    client: FlaskClient, noted: Scenario
) -> None:
    for query, title, label in KNOWN:
        hits = groups(client, query)[title]
        assert label in {hit["label"] for hit in hits}, query
        for hit in hits:
            assert client.get(hit["href"].partition("#")[0]).status_code == 200, hit


def test_a_name_is_one_hit_however_often_it_was_noted(client: FlaskClient, noted: Scenario) -> None:
    assert len(groups(client, "compat")["RPMs"]) == 1
    assert len(groups(client, "libz.so")["Files in RPMs"]) == 1
    assert "Files in RPMs" not in groups(client, "/usr/lib/.build-id")


def test_every_word_narrows(client: FlaskClient, noted: Scenario) -> None:
    assert "Sources" in groups(client, "cannot build")
    assert "Sources" not in groups(client, "cannot zlib")


def test_findings_of_superseded_builds_are_not_found(
    client: FlaskClient, hub: Hub, noted: Scenario
) -> None:
    with hub.store.begin() as tx:
        tx.change_all(FindingRecord, {"build": noted.ids["bzip2"]}, superseded=True)
    assert "Findings" not in groups(client, "libbz2.so")


def test_the_page_has_a_box_in_its_header_and_shows_the_hits(
    client: FlaskClient, noted: Scenario
) -> None:
    page = client.get("/search?q=zlib").get_data(as_text=True)
    assert '<form class="search" method="get" action="/search"' in page
    assert "/builds?source=zlib&amp;target=reef-9" in page
    assert "Nothing begins with" in client.get("/search?q=nosuchthing").get_data(as_text=True)
    assert "at least 2 characters" in client.get("/search?q=x").get_data(as_text=True)
    assert client.get("/search").status_code == 200


def test_a_hostile_query_is_only_text(client: FlaskClient, noted: Scenario) -> None:
    for query in (HOSTILE, "%", "__", "a' OR 1=1 --", "\\", "\x00zz", "ö" * 500, "x" * 5000):
        answer = client.get("/search", query_string={"q": query})
        assert answer.status_code == 200
        assert "<script>alert" not in answer.get_data(as_text=True)
        if "\0" in query or len(query) > 500:
            assert client.get("/api/v1/search", query_string={"q": query}).status_code == 422
        else:
            assert not groups(client, query), query


def test_the_line_notes_a_failure_by_itself(client: FlaskClient, scenario: Scenario) -> None:
    assert groups(client, "undeclared")["Failures"][0]["href"] == "/targets/reef-9#failures"
