"""Check whether KVM really runs code here.

``/dev/kvm`` and libvirt's report are not enough: nested hosts offer both and hang. The probe boots
512 bytes that do what a kernel does first (long mode, then twenty million turns of a loop) and exit
with a code of their own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from buildfarm.adapters.system import process
from buildfarm.errors import ConfigError, InfraError

Accelerator = Literal["kvm", "tcg"]

PROBE = (
    bytes.fromhex(
        "fa31c08ed88ec08ed0bc007cfc66bf001000000f22df6631c066b9000c000066f3ab66c70600100320000066c70600200330000066c7060030"
        "830000000f20e06683c8200f22e066b9800000c00f32660d000100000f300f20c0660d010000800f22c00f0116907cea6d7c0800b9002d3101"
        "ffc975fcb02a66baf400eef4ebfd000000000000000000000000009a20000f00807c"
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)
"""``workers/guest/kvm-probe.S``, assembled."""

_CAME_BACK = 85  # isa-debug-exit turns 42 into 2 * 42 + 1
_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """The acceleration of guests, and the reason if it is not KVM."""

    kind: Accelerator
    why: str

    @property
    def domain_type(self) -> str:
        """Libvirt's name of it."""
        return "kvm" if self.kind == "kvm" else "qemu"


def runs(accelerator: Accelerator) -> str:
    """Run the probe; return an empty string on success, else the failure.

    :raises InfraError: QEMU cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="buildfarm-probe-") as folder:
        sector = Path(folder) / "probe"
        sector.write_bytes(PROBE)
        done = process.run(
            [
                "qemu-system-x86_64", "-accel", accelerator, "-display", "none", "-nodefaults",
                "-m", "16", "-drive", f"file={sector},format=raw,if=floppy", "-device",
                "isa-debug-exit,iobase=0xf4,iosize=1",
            ],
            timeout=_SECONDS,
            ok=None,
        )  # fmt: skip
    if done.returncode == _CAME_BACK:
        return ""
    if done.stopped:
        return (
            f"{accelerator} hangs: it does not come to the end of a short loop in {_SECONDS:.0f} s"
        )
    said = done.error_text.strip().splitlines() or [f"exit code {done.returncode}"]
    return f"{accelerator}: {said[-1]}"


def choose(wanted: Literal["auto", "kvm", "tcg"]) -> Acceleration:
    """Return KVM if it runs code, else emulation if it is allowed (``auto``) or requested.

    :raises ConfigError: KVM is required and does not run.
    :raises InfraError: emulation does not run either.
    """
    if wanted == "tcg":
        return Acceleration(kind="tcg", why="emulation is asked for")
    problem = runs("kvm")
    if not problem:
        return Acceleration(kind="kvm", why="")
    if wanted == "kvm":
        raise ConfigError(
            f"KVM does not work here: {problem}", hint="`accelerator: auto` falls back to emulation"
        )
    if trouble := runs("tcg"):
        raise InfraError(
            f"neither KVM nor emulation runs: {problem}; {trouble}",
            hint="is qemu-system-x86 whole?",
        )
    return Acceleration(kind="tcg", why=problem)
