"""Run programs for the world: argv lists, a small environment, errors that name the failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "DEBIAN_FRONTEND": "noninteractive",
}


class WorldError(Exception):
    """The world cannot be made; the message names the file or program, the reason and the next
    step.
    """


def run(
    argv: Sequence[str | Path],
    *,
    home: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end; return standard output. rpm and gpg look for their files in
    ``home``.

    :raises WorldError: another exit code than 0.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, env={**ENV, "HOME": str(home), **(env or {})}, cwd=cwd, capture_output=True,
            text=True, check=False, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise WorldError(
            f"{words[0]}: {error.strerror}; ./farm setup installs what is missing"
        ) from error
    if done.returncode != 0:
        tail = f"{done.stdout}{done.stderr}"[-3000:]
        raise WorldError(f"{' '.join(words[:6])} … ended with {done.returncode}:\n{tail}")
    return done.stdout


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"==> world: {text}", file=sys.stderr, flush=True)
