"""Small real RPMs, made by rpmbuild, and gpg keys to sign them with."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.publish.signing import Signer

SpecText = str
RpmMaker = Callable[[SpecText], list[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpm:
    """What the repository writer wants to know of an RPM."""

    path: Path
    sha256: str
    filename: str

    @classmethod
    def of(cls, path: Path) -> Rpm:
        return cls(
            path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), filename=path.name
        )


def spec(
    name: str, *lines: str, version: str = "1.0", files: tuple[str, ...] = (), more: str = ""
) -> SpecText:
    """A spec of a noarch RPM with empty files; ``lines`` go into the preamble, ``more`` to the end."""
    install = "\n".join(f"install -D /dev/null '%{{buildroot}}{file}'" for file in files)
    return "\n".join(
        [
            f"Name: {name}", f"Version: {version}", "Release: 1", "Summary: Test", "License: MIT", "BuildArch: noarch",
            *lines, "%description", "Test.", "%install", install or "true", "%files", *files, more,
        ]
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_rpms(tmp_path_factory: pytest.TempPathFactory) -> RpmMaker:
    """Build a spec with ``rpmbuild -ba``: the SRPM first, then the RPMs by name."""
    made: dict[str, list[Path]] = {}

    def make(text: SpecText) -> list[Path]:
        if text not in made:
            top = tmp_path_factory.mktemp("rpmbuild")
            (top / "test.spec").write_text(text)
            argv = [
                "rpmbuild",
                "-ba",
                "--nodeps",
                "--quiet",
                "--define",
                f"_topdir {top}",
                "--define",
                "safe 1",
            ]
            (top / "SOURCES").mkdir()
            (top / "SOURCES" / "source.txt").write_text("source")
            (top / "SOURCES" / "fix.patch").write_text("patch")
            done = subprocess.run(
                [*argv, top / "test.spec"], check=False, capture_output=True, text=True, cwd=top
            )
            assert done.returncode == 0, done.stderr
            made[text] = [*top.glob("SRPMS/*.rpm"), *sorted(top.glob("RPMS/*/*.rpm"))]
        return made[text]

    return make


@pytest.fixture(scope="session")
def make_rpm(make_rpms: RpmMaker) -> Callable[[SpecText], Path]:
    """Build a spec that makes one RPM."""
    return lambda text: make_rpms(text)[1]


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    made = Signer(tmp_path_factory.mktemp("gnupg"), name="Test Signer", email="signer@example.org")
    made.ensure_key()
    return made


@pytest.fixture(scope="session")
def public_key(signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "RPM-GPG-KEY-test"
    file.write_bytes(signer.export())
    return file


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    other = Signer(tmp_path_factory.mktemp("other"), name="Somebody Else", email="else@example.org")
    other.ensure_key()
    file = tmp_path_factory.mktemp("key") / "RPM-GPG-KEY-other"
    file.write_bytes(other.export())
    return file


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[[str, list[Path]], Path]:
    """Write a repository of these RPMs with our own writer (tested elsewhere)."""
    writer = RepositoryWriter(tmp_path / "cache", tmp_path / ".pool")

    def make(name: str, rpms: list[Path]) -> Path:
        writer.write(tmp_path / name, [Rpm.of(rpm) for rpm in rpms])
        return tmp_path / name

    return make


class Dnf:
    """The real dnf with repositories of our choosing and nothing of the machine's."""

    def __init__(self, home: Path) -> None:
        self._home = home
        (home / "dnf.conf").write_text("[main]\nreposdir=/nonexistent\npluginpath=/nonexistent\n")

    def __call__(
        self, repositories: dict[str, tuple[Path, int]], *words: str
    ) -> subprocess.CompletedProcess[str]:
        """Repositories are ``{id: (folder, priority)}``."""
        argv = [
            "dnf",
            "-y",
            f"--config={self._home / 'dnf.conf'}",
            f"--installroot={self._home / 'root'}",
        ]
        argv += [
            "--releasever=9",
            "--forcearch=x86_64",
            f"--setopt=cachedir={self._home / 'cache'}",
        ]
        argv += [
            "--setopt=install_weak_deps=0",
            f"--setopt=logdir={self._home}",
            "--setopt=gpgcheck=0",
        ]
        for name, (folder, priority) in repositories.items():
            argv += [
                f"--repofrompath={name},file://{folder}",
                f"--setopt={name}.priority={priority}",
            ]
        argv += ["-q"] if "repoquery" in words else []
        return subprocess.run([*argv, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def dnf(tmp_path: Path) -> Dnf:
    home = tmp_path / "dnf"
    home.mkdir()
    return Dnf(home)
