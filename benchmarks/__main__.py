"""Run one benchmark, or all: ``python -m benchmarks [NAME] [--runs N]``.

A slow farm is a number in the table; the exit code is 1 only if something could not be measured.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import FrameType

import httpx

from benchmarks import (
    build_overhead,
    compare,
    debrand_check,
    debrand_scan,
    guests,
    pages,
    publish,
    schedule,
    web,
)
from demo.drive import DemoFailed
from demo.world.run import WorldError

ALL: Mapping[str, Callable[[int], None]] = {
    "build_overhead": build_overhead.run, "compare": compare.run,
    "debrand_check": debrand_check.run, "debrand_scan": debrand_scan.run, "guests": guests.run,
    "pages": pages.run, "publish": publish.run, "schedule": schedule.run, "web": web.run,
}  # fmt: skip


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _leave(number: int, _: FrameType | None) -> None:
    """End as on Ctrl-C, so that every farm is stopped and every temporary folder removed."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run the requested benchmarks."""
    parser = argparse.ArgumentParser(prog="./farm bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(ALL), help="default: all")
    parser.add_argument("--runs", type=_count, default=5, help="runs that count (default: 5)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    try:
        for name, run in ALL.items():
            if given.name in (None, name):
                run(given.runs)
    except subprocess.CalledProcessError as error:
        output = error.stderr or error.stdout or b""
        said = (output if isinstance(output, str) else output.decode("utf-8", "replace"))[-2000:]
        print(f"bench: {error.cmd[0]} … ended with {error.returncode}:\n{said}", file=sys.stderr)
        return 1
    except (DemoFailed, WorldError, httpx.HTTPError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


sys.exit(main())
