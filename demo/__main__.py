"""Run the whole pipeline on real input: ``python -m demo [--fresh] [--keep] [--guests] [--home
DIR]``.

It begins with an empty home and ends with a repository that dnf accepts.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from demo.drive import GUEST, DemoFailed, Farm, empty_home, make_world, prepare_home
from demo.proof import prove
from demo.report import print_report

_GUESTS = 2
CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run the demo; return 0 if every planted case has its expected result and dnf accepts the
    repository.
    """
    parser = argparse.ArgumentParser(prog="./farm demo", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave the page and the farm up until Ctrl-C"
    )
    parser.add_argument(
        "--guests", action="store_true", help="every build in a KVM guest of its own"
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="begin with an empty farm: what an earlier demo built is removed",
    )
    parser.add_argument(
        "--home", type=Path, default=os.environ.get("BUILDFARM_HOME") or None,
        help="where the farm keeps everything (default: var/demo, with --guests var/demo-guests)",
    )  # fmt: skip
    given = parser.parse_args()
    # End the farm as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    var = CHECKOUT / "var"
    home = (given.home or var / ("demo-guests" if given.guests else "demo")).absolute()
    world = Path(os.environ.get("BUILDFARM_WORLD") or var / "demo" / "world").absolute()
    try:
        make_world(world, CHECKOUT, machine=given.guests)
        if given.fresh:
            empty_home(home)
        prepare_home(home, CHECKOUT, world=world, guests=_GUESTS if given.guests else 0)
        with Farm(home) as farm:
            if given.guests:
                farm.build_image(GUEST)
            drop, seconds = farm.run_drop(home / "world" / "drop.json")
            good = print_report(farm, drop, seconds, home)
            good = prove(farm, home) and good
            if given.keep:
                print(f"\nThe farm stays up: {farm.url}   (Ctrl-C ends it)", flush=True)
                farm.wait()
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0 if good else 1


sys.exit(main())
