"""Small real SRPMs and RPMs, made by rpmbuild; rpm answers for what came out."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Rpmbuild:
    """rpmbuild with a folder of its own; nothing is taken from or left in the user's home."""

    top: Path
    sources: dict[str, bytes] = field(default_factory=dict)

    def __call__(
        self, mode: str, name: str, spec: bytes, *defines: str, **sources: bytes
    ) -> list[Path]:
        top = Path(self.top, f"{name}-{len(list(self.top.iterdir()))}")
        (top / "SOURCES").mkdir(parents=True)
        (top / f"{name}.spec").write_bytes(spec)
        for file, data in {**self.sources, **sources}.items():
            (top / "SOURCES" / file).write_bytes(data)
        return self.run(mode, top, top / f"{name}.spec", *defines)

    def run(self, mode: str, top: Path, spec: Path, *defines: str) -> list[Path]:
        """What rpmbuild wrote: SRPMs first."""
        argv = ["rpmbuild", mode, "--nodeps", "--quiet", "--define", f"_topdir {top}"]
        for define in ("dist .el9", "debug_package %{nil}", *defines):
            argv += ["--define", define]
        done = subprocess.run([*argv, spec], capture_output=True, check=False, cwd=top)
        assert done.returncode == 0, done.stderr
        return [*top.glob("SRPMS/*.rpm"), *sorted(top.glob("RPMS/*/*.rpm"))]


@pytest.fixture(scope="session")
def rpmbuild(tmp_path_factory: pytest.TempPathFactory) -> Rpmbuild:
    return Rpmbuild(tmp_path_factory.mktemp("rpmbuild"))


@pytest.fixture(scope="session")
def query() -> Callable[..., str]:
    def ask(path: Path, *words: str) -> str:
        done = subprocess.run(
            ["rpm", "-qp", "--nosignature", *words, path], capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape")

    return ask
