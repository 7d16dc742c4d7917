"""Any process may die at any moment: started again, the line finishes, nothing is lost, nothing is
published twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.drive import Farm
from tests import waiting
from tests.e2e.conftest import MakeHome

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.timeout(600)]

SOURCE_OF = {
    "worker-1": "bzip2",
    "redis": "zlib",
    "scheduler": "tree",
    "services": "micro-httpd",
    "web": "pngcheck",
    "everything": "diffutils",
}


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Path:
    return make_home("kill", workers=1)


@pytest.fixture(scope="module")
def farm(home: Path) -> Iterator[Farm]:
    with Farm(home) as running:
        yield running


def until(condition: Callable[[], Any], *, seconds: float = 240) -> Any:
    """What the API says once ``condition`` holds; the page itself may be the one that was killed."""

    def asked() -> Any:
        with contextlib.suppress(httpx.TransportError):
            return condition()
        return None

    return waiting.until(asked, "what the API should say", seconds=seconds)


def send(farm: Farm, world: Path, source: str) -> str:
    def files(folder: str) -> list[dict[str, str]]:
        return [
            {"path": str(path)}
            for path in sorted((world / "vendor" / folder).glob(f"{source}-*.rpm"))
        ]

    return str(
        farm.post(
            "/drops", {"target": "reef-9", "srpms": files("SRPMS"), "binaries": files("RPMS")}
        )["id"]
    )


def the_build(farm: Farm, drop: str) -> dict[str, Any] | None:
    builds = farm.get(f"/drops/{drop}")["builds"]
    return builds[0] if builds else None


def in_state(farm: Farm, drop: str, *states: str) -> dict[str, Any] | None:
    build = the_build(farm, drop)
    return build if build and build["state"] in states else None


def kill(home: Path, name: str) -> None:
    os.kill(int((home / "run" / f"{name}.pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("victim", ["worker-1", "redis", "scheduler", "services", "web"])
def test_the_line_finishes_after_a_process_was_killed_in_mid_build(
    farm: Farm, home: Path, world: Path, victim: str
) -> None:
    drop = send(farm, world, SOURCE_OF[victim])
    until(lambda: in_state(farm, drop, "building"))
    kill(home, victim)
    build = until(lambda: in_state(farm, drop, "published", "failed"))
    assert_published_once(farm, home, build)


def test_the_line_finishes_after_everything_was_killed(home: Path, world: Path, farm: Farm) -> None:
    drop = send(farm, world, SOURCE_OF["everything"])
    until(lambda: in_state(farm, drop, "building"))
    assert farm._process is not None
    farm._process.kill()
    farm._process.wait()
    farm.__enter__()
    build = until(lambda: in_state(farm, drop, "published", "failed"))
    assert_published_once(farm, home, build)


def assert_published_once(farm: Farm, home: Path, build: dict[str, Any]) -> None:
    assert build["state"] == "published", build.get("why")
    found = farm.get(f"/builds/{build['id']}")
    done = [
        task for task in found["tasks"] if task["kind"] == "build" and task["state"] == "CLOSED"
    ]
    assert len(done) == 1
    name = found["nvr"]
    packages = home / "repos" / "reef-9" / "current" / "source" / "Packages"
    assert len(list(packages.glob(f"*/{name}.src.rpm"))) == 1
    head = next(h for h in farm.get("/targets/reef-9")["heads"] if h["tag"] == "reef-9")
    assert (home / "repos" / "reef-9" / "current").readlink() == Path(str(head["number"]))
