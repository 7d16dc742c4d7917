"""Farms for the end-to-end tests: the real thing, every process of it, in a home of its own."""

from __future__ import annotations

import base64
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.drive import Farm, prepare_home
from demo.world import vendor
from tests.conftest import CHECKOUT
from tests.e2e import chromium

QUICK = {"heartbeat": 1.0, "lease": 8.0, "sweep": 2.0, "message_patience": 6.0, "leader_lease": 3.0}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium.CHROMIUM, args=list(chromium.FLAGS)
        )
        yield started
        started.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


MakeHome = Callable[..., Path]


@pytest.fixture(scope="session")
def make_home(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeHome]:
    """A function that makes homes: the demo's configuration, a free port, quick timing, and
    whatever a test adds.
    """
    made: list[Path] = []

    def make(
        name: str,
        *,
        workers: int = 2,
        target: dict[str, object] | None = None,
        guests: int = 0,
        lease: float = 8.0,
    ) -> Path:
        home = tmp_path_factory.mktemp(name, numbered=False)
        made.append(home)
        prepare_home(home, CHECKOUT, world=world, guests=guests)
        file = home / "farm.yaml"
        farm = yaml.safe_load(file.read_text())
        folders = [*farm["drop_folders"], str(home / "drops")]
        farm |= {
            "listen": f"127.0.0.1:{free_port()}", "local_workers": workers, "timing": QUICK | {"lease": lease}, "drop_folders": folders,
        }  # fmt: skip
        file.write_text(yaml.safe_dump(farm))
        if target:
            place = home / "targets" / "reef-9.yaml"
            place.write_text(yaml.safe_dump(yaml.safe_load(place.read_text()) | target))
        return home

    yield make
    for home in made:
        mounts = [
            line.split()[1]
            for line in Path("/proc/mounts").read_text().splitlines()
            if str(home) in line
        ]
        assert not mounts, f"left mounted: {mounts}"
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def line(make_home: MakeHome, world: Path) -> Iterator[tuple[Farm, dict[str, object]]]:
    """A farm on which the whole drop of the demo has come to rest; a SIG has a target of its own on
    top of reef-9, whose forge may trigger drops.
    """
    home = make_home("line")
    base = yaml.safe_load((home / "targets" / "reef-9.yaml").read_text())
    layered = {
        key: base[key] for key in ("schema", "dist", "suffix", "arches", "builder", "buildroot", "lifecycle", "limits")
    } | {
        "name": "reef-9-tools", "title": "Tools SIG", "base": "reef-9", "upstream": {"submitted": True}, "gate": {"uncompared": True},
        "tags": {"build": "reef-9-tools-build", "destination": "reef-9-tools"}, "owner": {"sig": "tools"},
        "triggers": {"webhooks": [{"name": "forge", "secret": "secrets/forge"}]},
    }  # fmt: skip
    (home / "secrets").mkdir(mode=0o700)
    (home / "secrets" / "forge").write_text(
        f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}\n"
    )
    (home / "targets" / "reef-9-tools.yaml").write_text(yaml.safe_dump(layered))
    with Farm(home) as farm:
        drop, _ = farm.run_drop(world / "drop.json")
        yield farm, drop
        told = (home / "logs" / "web.log").read_text().splitlines()
        assert [
            line for line in told if '"web.broke"' in line
        ] == []  # no page answered with a 500, whoever looked at it


class Signed:
    """A vendor of the tests' own: SRPMs written here, built by rpmbuild -bs, signed with a key the
    target trusts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._gnupg = folder / "gnupg"
        self._key = vendor.make_key(self._gnupg, "Test Vendor", "test@vendor.example")
        self.public = folder / "RPM-GPG-KEY-test"
        self.public.write_text(vendor.export_key(self._gnupg))

    def srpm(
        self,
        name: str,
        body: str,
        *,
        into: Path,
        preamble: str = "",
        sources: dict[str, str] | None = None,
    ) -> Path:
        """One signed SRPM; ``body`` is everything of the spec behind the description."""
        top = self._folder / f"build-{name}"
        (top / "SOURCES").mkdir(parents=True)
        for file, text in (sources or {}).items():
            (top / "SOURCES" / file).write_text(text)
        spec = top / f"{name}.spec"
        spec.write_text(
            f"Name: {name}\nVersion: 1\nRelease: 1%{{?dist}}\nSummary: A test\nLicense: MIT\nBuildRequires: gcc\n{preamble}\n"
            f"%description\nA test.\n{body}\n%changelog\n* Mon Jan 05 2026 Test <test@vendor.example> - 1-1\n- Made\n"
        )
        argv = [
            "rpmbuild",
            "-bs",
            "--nodeps",
            "--define",
            f"_topdir {top}",
            "--define",
            "dist .el9",
            spec,
        ]
        subprocess.run(argv, check=True, capture_output=True)
        made = next((top / "SRPMS").glob("*.src.rpm"))
        vendor.sign(self._gnupg, self._key, [made])
        into.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(made, into))
