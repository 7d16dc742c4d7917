"""On a real farm: a cycle that no seed breaks, and a BuildRequires that only a build knows of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.drive import Farm
from tests.e2e.conftest import MakeHome, Signed
from tests.e2e.test_kill import until

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.full, pytest.mark.timeout(900)]

FILES = "%install\nmkdir -p %{buildroot}/usr/share/x\necho x > %{buildroot}/usr/share/x/%{name}\n%files\n/usr/share/x/%{name}"
CONDITION = "BuildArch: noarch\n%bcond_with bootstrap\n%if %{without bootstrap}\nBuildRequires: ring-b\n%endif"
SPECS = {
    "ring-a": (CONDITION, FILES),
    "ring-b": ("BuildArch: noarch\nBuildRequires: ring-a", FILES),
    "late": ("BuildArch: noarch", FILES),
    "app": ("BuildArch: noarch", f"%generate_buildrequires\necho late\n{FILES}"),
}


@pytest.fixture(scope="module")
def farm(
    make_home: MakeHome, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Farm, str]]:
    vendor = Signed(tmp_path_factory.mktemp("vendor") / "v")
    upstream = {"vendor": "Test", "keys": [str(vendor.public)]}
    home = make_home(
        "ring", target={"upstream": upstream, "gate": {"uncompared": True}, "rules": ""}
    )
    srpms = [
        vendor.srpm(name, body, into=home / "drops", preamble=more)
        for name, (more, body) in SPECS.items()
    ]
    with Farm(home) as running:
        drop = running.post(
            "/drops", {"target": "reef-9", "srpms": [{"path": str(path)} for path in srpms]}
        )["id"]

        def rested() -> list[dict[str, Any]] | None:
            found = running.get(f"/drops/{drop}")
            moving = [
                build
                for build in found["builds"]
                if build["state"] not in ("published", "failed", "on_hold")
            ]
            return found["builds"] if found["state"] == "ingested" and not moving else None

        until(rested, seconds=600)
        yield running, drop


def test_everything_is_published_and_nothing_of_it_was_built_under_a_condition(
    farm: tuple[Farm, str],
) -> None:
    running, drop = farm
    found = {build["source"]: build for build in running.get(f"/drops/{drop}")["builds"]}
    assert {source: build["state"] for source, build in found.items()} == dict.fromkeys(
        SPECS, "published"
    )
    assert (found["ring-a"]["round"], found["ring-a"]["bootstrap"], found["ring-a"]["seeded"]) == (
        2,
        "",
        [],
    )
    assert found["ring-b"]["seeded"] == []
    rounds = running.get("/builds", source="ring-a")["builds"]
    first = next(build for build in rounds if build["round"] == 1)
    assert first["bootstrap"] == "--with bootstrap"
    assert "reef-9" not in first["tags"]
    assert "without its own cycle" in first["gate_reason"]


def test_the_first_round_did_without_the_circle_and_the_second_had_it(
    farm: tuple[Farm, str],
) -> None:
    running, _ = farm
    for build in running.get("/builds", source="ring-a")["builds"]:
        (lock,) = running.get(f"/builds/{build['id']}/lock")["locks"][-1:]
        names = {rpm["name"] for rpm in lock["lock"]}
        assert ("ring-b" in names) is (build["round"] == 2)


def test_what_a_build_asked_for_went_through_the_plan(farm: tuple[Farm, str]) -> None:
    running, drop = farm
    (app,) = [
        build for build in running.get(f"/drops/{drop}")["builds"] if build["source"] == "app"
    ]
    page = running.get(f"/builds/{app['id']}")
    assert page["found_requires"] == ["late"]
    assert page["learned_requires"] == ["late"]
