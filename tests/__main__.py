"""``./farm test [--full] [pytest arguments]``: linters and types first, then every test this
machine can run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests import spreading

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = Path(sys.prefix) / "bin"
LINTERS = {
    "ruff": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--quiet", "--check", "."],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports", "--no-cache"],
    "codespell": [
        "codespell",
        "buildfarm",
        "workers",
        "web",
        "demo",
        "tests",
        "configs",
        "benchmarks",
    ],
}


def lint() -> bool:
    """Run all linters at once; what a failing one said is printed whole."""
    running = {
        name: subprocess.Popen(
            [BIN / argv[0], *argv[1:]],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, argv in LINTERS.items()
    }
    good = True
    for name, process in running.items():
        output, _ = process.communicate()
        print(f"{name}: {'ok' if process.returncode == 0 else 'FAILED'}", flush=True)
        if process.returncode != 0:
            good = False
            print(output)
    return good


def main() -> int:
    """0 when everything passed."""
    arguments = sys.argv[1:]
    started = time.monotonic()
    good = lint()
    if "--full" in arguments:
        arguments.remove("--full")
        os.environ.setdefault("BUILDFARM_HYPOTHESIS", "search")  # other examples in every run
        selection = []
    else:
        selection = ["-m", "not full"]
    doctests = pytest("--doctest-modules", "--quiet", "buildfarm/domain", "web/buildfarm_web")
    tests = pytest(*spreading.ARGUMENTS, *selection, "--durations=15", *arguments)
    print(
        f"{time.monotonic() - started:.0f} s in all; linters {word(good)}, examples {word(doctests)}, tests {word(tests)}"
    )
    return 0 if good and doctests and tests else 1


def pytest(*arguments: str) -> bool:
    """Run pytest; whether everything passed."""
    return (
        subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], cwd=CHECKOUT, check=False
        ).returncode
        == 0
    )


def word(good: bool) -> str:
    """How a part ended."""
    return "ok" if good else "FAILED"


sys.exit(main())
