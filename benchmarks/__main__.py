"""``python -m benchmarks [NAME] [--runs N]``: run one benchmark or all."""

from __future__ import annotations

import argparse

from benchmarks import build_overhead

ALL = {"build_overhead": build_overhead.run}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="./farm bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(ALL))
    parser.add_argument("--runs", type=int, default=5, help="counted runs (default: 5)")
    given = parser.parse_args()
    for name, run in ALL.items():
        if given.name in (None, name):
            run(given.runs)


main()
