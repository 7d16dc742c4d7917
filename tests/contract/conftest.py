"""What the builders' contract needs: a seed repository, small real SRPMs, and both builders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from buildfarm_workers.builders import Builder
from buildfarm_workers.builders.buildroot.overlay import mounted_under
from buildfarm_workers.builders.chroot import ChrootBuilder
from buildfarm_workers.builders.mock import MockBuilder
from buildfarm_workers.config import MockSettings

from buildfarm import wire
from tests.contract.specimens import MIB, MODULE, PACKAGES, STREAMED, Run, seed


@pytest.fixture(scope="session")
def make_srpm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a real SRPM from a spec and sources with the host's rpmbuild."""

    def make(text: str, **sources: str) -> Path:
        top = tmp_path_factory.mktemp("srpm")
        for name, content in sources.items():
            (top / name.replace("_", ".")).write_text(content)
        _rpmbuild("-bs", top, text)
        (srpm,) = (top / "SRPMS").glob("*.src.rpm")
        return srpm

    return make


def _rpmbuild(mode: str, top: Path, text: str) -> None:
    file = top / "x.spec"
    file.write_text(text)
    done = subprocess.run(
        ["rpmbuild", mode, "--nodeps", "--define", f"_topdir {top}", "--define", f"_sourcedir {top}",
         "--define", "dist .el9", file],
        capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(top)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def tree_tar(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A debranded source tree as the hub sends it."""

    def make(name: str, text: str, **sources: str) -> Path:
        top = tmp_path_factory.mktemp("tree")
        (top / "SPECS").mkdir()
        (top / "SOURCES").mkdir()
        (top / "SPECS" / f"{name}.spec").write_text(text)
        for source, content in sources.items():
            (top / "SOURCES" / source.replace("_", ".")).write_text(content)
        target = top / f"{name}.tar"
        with tarfile.open(target, "w") as tar:
            tar.add(top / "SPECS", "SPECS")
            tar.add(top / "SOURCES", "SOURCES")
        return target

    return make


@pytest.fixture(scope="session")
def buildroot(world: Path) -> wire.Buildroot:
    repomd = world / "seed" / "repodata" / "repomd.xml"
    key = hashlib.sha256(repomd.read_bytes() + " ".join(PACKAGES).encode()).hexdigest()
    return wire.Buildroot(
        key=key,
        generation="",
        packages=PACKAGES,
        repositories=(wire.Repository(id="seed", baseurl=f"file://{seed().resolve()}"),),
    )


@pytest.fixture(scope="session")
def modular(buildroot: wire.Buildroot, tmp_path_factory: pytest.TempPathFactory) -> wire.Buildroot:
    """A buildroot with stream 1 of a module enabled whose stream 2 has the newer RPM."""
    top = tmp_path_factory.mktemp("modular")
    for version in ("1", "2"):
        _rpmbuild("-bb", top, STREAMED.format(version))
    folder = top / "RPMS"
    (top / "modules.yaml").write_text("".join(MODULE.format(version) for version in ("1", "2")))
    tools = Path(sys.prefix) / "bin"
    subprocess.run([tools / "createrepo_c", folder], check=True, capture_output=True)
    subprocess.run(
        [tools / "modifyrepo_c", top / "modules.yaml", folder / "repodata"],
        check=True,
        capture_output=True,
    )
    repository = wire.Repository(id="modular", baseurl=f"file://{folder}")
    return buildroot.model_copy(
        update={
            "key": "modular",
            "repositories": (*buildroot.repositories, repository),
            "modules": ("streamed:1",),
        }
    )


@pytest.fixture(scope="session", params=["chroot", pytest.param("mock", marks=pytest.mark.mock)])
def builder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Both builders, where they can work."""
    return _make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def chroot(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """The chroot builder alone, for what only it promises."""
    return _make("chroot", tmp_path_factory.mktemp("chroot-only"))


_MADE: dict[str, Builder] = {}


def _make(kind: str, folder: Path) -> Builder:
    if kind not in _MADE:
        # pytest's folders are 0700, and mock's user has to pass
        place = Path("/var/tmp") / f"buildfarm-contract-{os.getpid()}" / kind
        place.mkdir(parents=True, exist_ok=True)
        _MADE[kind] = (
            ChrootBuilder(place, owner="contract")
            if kind == "chroot"
            else MockBuilder(
                place, MockSettings(command=shutil.which("mock") or "mock", isolation="simple")
            )
        )
    builder = _MADE[kind]
    if problems := builder.missing():
        pytest.skip(f"builder {kind}: {'; '.join(problems)}")
    return builder


@pytest.fixture(scope="session", autouse=True)
def _remove_places() -> Iterator[None]:
    yield
    shutil.rmtree(Path("/var/tmp") / f"buildfarm-contract-{os.getpid()}", ignore_errors=True)


@pytest.fixture
def run(buildroot: wire.Buildroot, request: pytest.FixtureRequest) -> Iterator[Callable[..., Run]]:
    """Build something; afterwards nothing of it may be alive or mounted."""
    place = (
        Path("/var/tmp")
        / f"buildfarm-contract-{os.getpid()}"
        / "runs"
        / hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    )
    count = 0

    def build(
        builder: Builder, payload: Path, *, kind: str = "build", limits: wire.Limits | None = None,
        stop: Callable[[], str] = lambda: "", **order: object,
    ) -> Run:  # fmt: skip
        nonlocal count
        count += 1
        work, result = place / str(count) / "work", place / str(count) / "result"
        work.mkdir(parents=True)
        result.mkdir()
        made = wire.WorkOrder.model_validate(
            {
                "task": place.name,
                "kind": kind,
                "build": "b1",
                "target": "test-9",
                "nvr": payload.name.removesuffix(".src.rpm"),
                "arch": "x86_64",
                "payload": {
                    "sha256": "0" * 64,
                    "filename": payload.name,
                    "size": payload.stat().st_size,
                },
                "buildroot": buildroot,
                "macros": {"dist": ".el9"},
                "limits": limits
                or wire.Limits(
                    seconds=60, memory=1024 * MIB, processes=500, disk=1024 * MIB, log=16 * MIB
                ),
                **order,
            }
        )
        outcome = builder.build(made, payload, work, result, stage=lambda _: None, stop=stop)
        assert mounted_under(place) == []
        return Run(outcome, result)

    yield build
    shutil.rmtree(place, ignore_errors=True)
