"""Our buildroot beside the vendor's over HTTP, and what a build wants beyond its header."""

from __future__ import annotations

from flask.testing import FlaskClient

from buildfarm.domain.core.build import Build
from buildfarm.domain.core.records import BootstrapVariant, Event, LearnedRequires, SourceSurvey
from buildfarm.services.core.hub import Hub
from tests.integration.web.scenarios import Scenario

REFERENCE = """\
bash-1.0-1.el9.x86_64 1700000000 7738634 ccc installed
gcc-1.0-2.el9.x86_64 1700000000 7738634 ccc installed
popt-0.9-1.el9.x86_64 1700000000 7738634 ccc installed
glibc-2.34-1.el9.x86_64 1700000000 7738634 ccc installed
"""


def build_of(hub: Hub, source: str) -> Build:
    with hub.store.read() as tx:
        return tx.find(Build, source=source)[0]


def test_a_reference_is_attached_to_a_build_and_stands_beside_its_buildroot(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
):
    build = build_of(hub, "popt")
    place = f"/api/v1/builds/{build.id}"
    assert client.get(f"{place}/parity").status_code == 404
    assert client.post(f"{place}/reference", json={"text": REFERENCE}).status_code == 401
    assert (
        client.post(f"{place}/reference", json={"text": "hello"}, headers=engineer).status_code
        == 422
    )
    made = client.post(f"{place}/reference", json={"text": REFERENCE}, headers=engineer)
    assert (made.status_code, made.get_json()["rpms"], made.get_json()["arch"]) == (
        201,
        4,
        "x86_64",
    )
    (found,) = client.get(f"{place}/parity").get_json()["parity"]
    assert (found["same"], found["reference"]["of"], found["reference"]["form"]) == (
        1, "build", "mock's installed_pkgs.log",
    )  # fmt: skip
    differences = {one["name"]: one for one in found["differences"]}
    assert [one["kind"] for one in found["differences"]][:3] == ["missing", "missing", "lower"]
    assert (differences["gcc"]["kind"], differences["gcc"]["from"]) == ("lower", "seed")
    assert (differences["glibc"]["kind"], differences["glibc"]["why"]) == (
        "missing",
        "no source of ours makes it",
    )
    ours = next(
        one for one in found["differences"] if one["kind"] == "extra" and one["from"] == "here"
    )
    assert ours["why"] == "built here"
    page = client.get(f"/builds/{build.id}").get_data(as_text=True)
    assert "Beside the vendor’s buildroot, x86_64" in page
    assert "glibc-2.34-1.el9.x86_64" in page
    with hub.store.read() as tx:
        assert [
            one.kind for one in tx.find(Event, subject=build.id) if one.kind.startswith("reference")
        ] == ["reference.added"]


def test_a_targets_reference_stands_in_for_builds_that_have_none(
    client: FlaskClient, hub: Hub, scenario: Scenario, engineer: dict[str, str]
):
    build = build_of(hub, "bzip2")
    assert (
        client.post(
            "/api/v1/targets/nope/reference", json={"text": REFERENCE}, headers=engineer
        ).status_code
        == 404
    )
    made = client.post(
        "/api/v1/targets/reef-9/reference", json={"text": REFERENCE}, headers=engineer
    )
    assert made.get_json()["subject"] == "target:reef-9"
    (found,) = client.get(f"/api/v1/builds/{build.id}").get_json()["parity"]
    assert found["reference"]["of"] == "target"


def test_the_page_says_what_a_build_wants_beyond_its_header(
    client: FlaskClient, hub: Hub, scenario: Scenario
):
    build = build_of(hub, "tree")
    with hub.store.begin() as tx:
        tx.update(tx.get(Build, build.id), found_requires=("python3dist(flit)",))
        tx.add(
            LearnedRequires(
                id="reef-9/tree",
                target="reef-9",
                build="x",
                requires=("python3dist(old)",),
                created=tx.now,
            )
        )
        tx.add(
            BootstrapVariant(
                id=build.id, target="reef-9", condition="--with bootstrap", srpm="s", created=tx.now
            )
        )
    build_json = client.get(f"/api/v1/builds/{build.id}").get_json()
    assert build_json["found_requires"] == ["python3dist(flit)"]
    assert build_json["learned_requires"] == ["python3dist(old)"]
    assert build_json["bootstrap_variant"] == {
        "condition": "--with bootstrap",
        "requires": [],
        "problem": "",
    }
    page = client.get(f"/builds/{build.id}").get_data(as_text=True)
    assert "python3dist(flit)" in page
    assert "would require nothing" in page


def test_a_drops_page_lists_sources_with_brand_words_and_no_rule(
    client: FlaskClient, hub: Hub, scenario: Scenario
):
    build = build_of(hub, "tree")
    hit: dict[str, object] = {
        "where": "tree.spec",
        "line": 7,
        "context": "URL: https://acme.example",
    }
    with hub.store.begin() as tx:
        tx.add(SourceSurvey(id=build.srpm, policy="p", found=3, hits=(hit,), created=tx.now))
    plan = client.get(f"/api/v1/drops/{build.drop_id}/plan").get_json()
    assert [one["first"] for one in plan["branded"]] == ["tree.spec:7: URL: https://acme.example"]
    assert "brand words and no rule" in client.get(f"/drops/{build.drop_id}").get_data(as_text=True)
