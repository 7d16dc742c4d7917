"""The machine repository: what a guest needs beyond the seed (a kernel, dnf, Python)."""

from __future__ import annotations

from pathlib import Path

import yaml

from demo.world import seed
from demo.world.apt import Apt

HERE = Path(__file__).parent


def make_machine(out: Path, work: Path, apt: Apt, *, jobs: int) -> int:
    """Write the repository to ``out``, repacked like the seed; return the number of RPMs."""
    bootstrap = yaml.safe_load((HERE / "seed.yaml").read_text(encoding="utf-8"))
    plan = yaml.safe_load((HERE / "machine.yaml").read_text(encoding="utf-8"))
    in_seed = {one.name for one in seed.closure_of(apt, bootstrap)}
    whole = seed.closure_of(apt, plan)
    beyond = [one for one in whole if one.name not in in_seed]
    known = in_seed | {one.name for one in whole}
    count = seed.repack_all(out, work, apt, beyond, plan, known=known, jobs=jobs)
    seed.write_repodata(out)
    return count
