"""A sandbox for everything that evaluates or unpacks a vendor's file.

bubblewrap with all namespaces: no network, no access to the farm's data except the named paths, an
unprivileged user, limits on time, memory, processes and file size. A spec with ``%(touch /x)``
touches no file of the farm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from buildfarm.adapters.system import bubblewrap, process
from buildfarm.adapters.system.process import MEBIBYTE, Completed, Limits

ANONYMOUS = 65534
HOME = Path("/builddir")
_ISOLATED = (
    "--unshare-all", "--die-with-parent", "--new-session", "--uid", str(ANONYMOUS), "--gid",
    str(ANONYMOUS), "--hostname", "sandbox", "--cap-drop", "ALL", "--proc", "/proc", "--dev",
    "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--clearenv",
)  # fmt: skip


def argv(
    command: Sequence[str | Path],
    *,
    read_only: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    chdir: Path | None = None,
    env: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> list[str]:
    """Return the bubblewrap command for ``command``; named paths keep their names inside.

    ``home`` is writable too and appears as :data:`HOME`, so that programs that write their path
    into their output see the same one in every run.
    """
    return bubblewrap.argv(
        command,
        _ISOLATED,
        bubblewrap.environment({**process.BASE_ENV, "HOME": "/tmp", **(env or {})}),
        bubblewrap.host_programs(),
        bubblewrap.read_only(read_only),
        bubblewrap.writable(writable),
        () if home is None else ("--bind", home, HOME),
        () if chdir is None else ("--chdir", chdir),
    )


def run(
    command: Sequence[str | Path],
    *,
    read_only: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    chdir: Path | None = None,
    stdin: bytes | BinaryIO | None = None,
    timeout: float = 60.0,
    memory: int = 2048 * MEBIBYTE,
    file_size: int = 4096 * MEBIBYTE,
    max_output: int = 64 * MEBIBYTE,
    ok: Sequence[int] | None = (0,),
    env: Mapping[str, str] | None = None,
    home: Path | None = None,
    out: BinaryIO | None = None,
    watch: Callable[[], str] | None = None,
) -> Completed:
    """Run ``command`` in the sandbox; errors as in :func:`buildfarm.adapters.system.process.run`.

    ``memory`` and ``file_size`` are bytes, ``timeout`` seconds of wall clock (and of processor
    time). ``out`` takes standard output instead of memory; ``watch`` is as there.
    """
    return process.run(
        argv(command, read_only=read_only, writable=writable, chdir=chdir, env=env, home=home),
        timeout=timeout,
        stdin=stdin,
        limits=Limits(
            cpu_seconds=int(timeout) + 1,
            address_space=memory,
            file_size=file_size,
            processes=4096,
            open_files=4096,
        ),
        max_output=max_output,
        ok=ok,
        out=out,
        errors_apart=True,
        watch=watch,
    )


def python(
    module: str, *arguments: str | Path, read_only: Sequence[Path] = (), **options: object
) -> Completed:
    """Run ``python -m module arguments`` of this environment in the sandbox."""
    # Without the checkout: its var/ holds keys and the database.
    package = Path(__file__).resolve().parents[2]
    return run(
        [sys.executable, "-I", "-m", module, *arguments],
        read_only=[Path(sys.prefix), package, *read_only],
        **options,  # type: ignore[arg-type]  # the same options as run()
    )
