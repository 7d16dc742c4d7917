"""A farm without broker and without workers: the real store, blobs, intake, writer and signer, and
a clock that stands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from buildfarm import config as configuration
from buildfarm.adapters.core.blobs import Blobs
from buildfarm.adapters.core.database import SqlStore
from buildfarm.adapters.publish.signing import Signer
from buildfarm.services.core.hub import Hub
from tests.fakes import Clock, RecordingMessages, RecordingWakeup

TARGET = {
    "schema": 1, "name": "reef-9", "title": "Reef 9", "dist": ".el9", "suffix": ".reef.1", "arches": ["x86_64"],
    "builder": "chroot", "buildroot": {"releasever": "9", "packages": ["bash"]},
    "upstream": {"vendor": "ACME", "keys": ["keys/RPM-GPG-KEY-acme"]},
    "tags": {"build": "reef-9-build", "destination": "reef-9"}, "lifecycle": {"released": "2026-01-01"},
    "owner": {"sig": "core"},
}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A gpg key outside the farm, used as demo/world/vendor.py does."""

    home: Path
    fingerprint: str

    @classmethod
    def make(cls, home: Path, name: str) -> Key:
        home.mkdir(mode=0o700)
        gpg = [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--passphrase",
            "",
            "--pinentry-mode",
            "loopback",
        ]
        _quiet(
            [
                *gpg,
                "--quick-generate-key",
                f"{name} <key@{name}.example>",
                "rsa3072",
                "sign",
                "never",
            ]
        )
        listing = _quiet([*gpg, "--list-secret-keys", "--with-colons"]).decode()
        return cls(
            home,
            next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")),
        )

    def sign(self, *rpms: Path) -> None:
        defines = (f"_gpg_name {self.fingerprint}", f"_gpg_path {self.home}", "__gpg /usr/bin/gpg")
        argv = [
            "rpmsign",
            *(word for define in defines for word in ("--define", define)),
            "--addsign",
        ]
        _quiet([*argv, *map(str, rpms)], GNUPGHOME=str(self.home))

    def export(self) -> bytes:
        return _quiet(["gpg", "--homedir", str(self.home), "--batch", "--armor", "--export"])

    def stop(self) -> None:
        """End the agent that gpg left behind."""
        _quiet(["gpgconf", "--homedir", str(self.home), "--kill", "all"])


def _quiet(argv: list[str], **env: str) -> bytes:
    done = subprocess.run(argv, capture_output=True, check=False, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Key]]:
    """The vendor's key and a stranger's."""
    folder = tmp_path_factory.mktemp("k")
    made = {name: Key.make(folder / name, name) for name in ("acme", "stranger")}
    yield made
    for key in made.values():
        key.stop()


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    made = Signer(tmp_path_factory.mktemp("gnupg"), name="Reef", email="signing@reef.example")
    made.ensure_key()
    return made


def spec(name: str, version: str, release: str, *lines: str) -> str:
    return "\n".join(
        [
            f"Name: {name}", f"Version: {version}", f"Release: {release}", "Summary: Test", "License: MIT",
            *(lines or ("BuildArch: noarch",)), "%description", "Test.", "%install",
            f"install -D /dev/null %{{buildroot}}/usr/share/{name}/file", "%files", f"/usr/share/{name}", "",
        ]
    )  # fmt: skip


MakeRpms = Callable[..., list[Path]]


@pytest.fixture(scope="session")
def rpmbuild(tmp_path_factory: pytest.TempPathFactory) -> MakeRpms:
    """``rpmbuild -ba`` (or ``-bs``): unsigned files, the SRPM first."""
    made: dict[tuple[str, ...], list[Path]] = {}

    def build(
        name: str, version: str = "1.0", release: str = "1.el9", *lines: str, mode: str = "-ba"
    ) -> list[Path]:
        key = (name, version, release, mode, *lines)
        if key not in made:
            top = tmp_path_factory.mktemp("rpmbuild")
            (top / "test.spec").write_text(spec(name, version, release, *lines))
            argv = ["rpmbuild", mode, "--nodeps", "--quiet", "--define", f"_topdir {top}"]
            _quiet([*argv, "--target", "x86_64", str(top / "test.spec")])
            made[key] = [*top.glob("SRPMS/*.rpm"), *sorted(top.glob("RPMS/*/*.rpm"))]
        return made[key]

    return build


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class World:
    """A hub, the vendor's folder that it may read, and a way to put signed files there."""

    hub: Hub
    drop: Path
    keys: dict[str, Key]
    rpmbuild: MakeRpms

    def srpm(self, name: str, *what: str, key: str = "acme", file: str = "") -> Path:
        """A signed SRPM in the drop folder (unsigned with an empty ``key``)."""
        made = self.rpmbuild(name, *what, mode="-bs")[0]
        copy = self.drop / (file or made.name)
        shutil.copyfile(made, copy)
        if key:
            self.keys[key].sign(copy)
        return copy


@pytest.fixture
def make_world(
    tmp_path: Path, clock: Clock, keys: dict[str, Key], rpmbuild: MakeRpms
) -> Iterator[Callable[..., World]]:
    """A farm at ``tmp_path`` whose target has these keys changed; called again it is the same farm,
    opened again.
    """
    opened: list[SqlStore] = []

    def make(**changed: object) -> World:
        for folder in ("etc/targets", "etc/keys", "home/scratch", "home/repos", "drop"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc/keys/RPM-GPG-KEY-acme").write_bytes(keys["acme"].export())
        (tmp_path / "etc/targets/reef-9.yaml").write_text(yaml.safe_dump({**TARGET, **changed}))
        farm = {"home": "../home", "drop_folders": ["../drop"], "distribution": "Reef"}
        (tmp_path / "etc/farm.yaml").write_text(yaml.safe_dump(farm))
        config = configuration.load(tmp_path / "etc/farm.yaml")
        store = SqlStore(config.farm.database_url, clock=clock)
        opened.append(store)
        store.migrate()
        home = config.farm.home_path
        hub = Hub(
            config=config, store=store, blobs=Blobs(home / "blobs"), messages=RecordingMessages(),
            wakeup=RecordingWakeup(), scratch=home / "scratch",
        )  # fmt: skip
        return World(hub=hub, drop=tmp_path / "drop", keys=keys, rpmbuild=rpmbuild)

    yield make
    for store in opened:
        store.dispose()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
