"""The worker is a wheel of its own: it runs where the hub's libraries are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT


def run(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_worker_starts_from_its_two_wheels_without_database_page_or_solver(
    tmp_path: Path,
) -> None:
    wheels = tmp_path / "wheels"
    for source in (CHECKOUT, CHECKOUT / "workers"):
        run(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels,
            source,
        )  # fmt: skip
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv)
    python = venv / "bin" / "python"
    # the lock names a few archives by digest; here only its versions count
    pins = tmp_path / "pins"
    lines = (CHECKOUT / "requirements.lock").read_text().splitlines()
    pins.write_text("".join(line.split(" ")[0] + "\n" for line in lines if line[:1].isalpha()))
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        pins,
        *sorted(wheels.glob("*.whl")),
    )
    assert "worker" in run(venv / "bin" / "buildfarm-worker", "--help").lower()
    absent = "import importlib.util as u; print([m for m in ('sqlalchemy', 'flask', 'solv') if u.find_spec(m)])"
    assert run(python, "-c", absent).strip() == "[]"
