"""The machine's capacity, for comparison with a target's ``machine_requirements:``."""

from __future__ import annotations

import os
from pathlib import Path

_KIB_A_MIB = 1024


def capacity(
    *, meminfo: Path = Path("/proc/meminfo"), kvm: Path = Path("/dev/kvm")
) -> dict[str, str]:
    """Return MiB of memory (proc(5), MemTotal), usable cores, and whether KVM can be opened."""
    total = next(
        line
        for line in meminfo.read_text(encoding="ascii").splitlines()
        if line.startswith("MemTotal:")
    )
    return {
        "memory_mib": str(int(total.split()[1]) // _KIB_A_MIB),
        "cores": str(len(os.sched_getaffinity(0))),
        "kvm": "yes" if os.access(kvm, os.R_OK | os.W_OK) else "no",
    }
