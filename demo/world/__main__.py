"""Make the demo's world once: ``python -m demo.world --out DIR``.

A second run, or a concurrent one, finds it made.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from demo.world import machine, seed, vendor
from demo.world.apt import Apt
from demo.world.run import WorldError, say

HERE = Path(__file__).resolve().parent


SEED_FILES = ("apt.py", "debugedit.sh", "macros.el", "repack.py", "run.py", "seed.py", "seed.yaml")


def digest_of(files: Iterable[Path]) -> str:
    """Return a SHA-256 over every file that a stage is made from."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.parent.name}/{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Make the world; return 0 if it is complete."""
    parser = argparse.ArgumentParser(prog="python -m demo.world", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--machine", action="store_true", help="also what a guest's image needs beyond the seed"
    )
    given = parser.parse_args()
    out = given.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make(out, is_machine=given.machine)


def make(out: Path, *, is_machine: bool) -> int:
    """Make the stages that are missing or were made from other inputs; return 0 if all are
    there.
    """
    jobs = os.cpu_count() or 1
    seed_files = [HERE / name for name in SEED_FILES]
    specs = [path for path in vendor.SPECS.rglob("*") if path.is_file()]
    machine_files = [*seed_files, HERE / "machine.py", HERE / "machine.yaml"]
    inputs = {
        "seed": digest_of(seed_files),
        "vendor": digest_of([*seed_files, HERE / "vendor.py", *specs]),
    }
    if is_machine:
        inputs["machine"] = digest_of(machine_files)
    manifest = out / "world.json"
    made = json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else {}
    work = out / "work"
    try:
        apt = None
        for stage, digest in inputs.items():
            if made.get(stage, {}).get("inputs") == digest and (out / stage).is_dir():
                continue
            started = time.monotonic()
            if apt is None:
                shutil.rmtree(work, ignore_errors=True)
                apt = Apt(work / "apt")
                say("reading the host distribution's package lists")
                apt.update()
            fresh = out / f".{stage}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            if stage == "seed":
                seed.make_seed(fresh, work / "seed", apt, jobs=jobs)
            elif stage == "machine":
                machine.make_machine(fresh, work / "machine", apt, jobs=jobs)
            else:
                vendor.make_vendor(
                    vendor.Paths(work=work / "vendor", out=fresh, seed=out / "seed"), apt, jobs=jobs
                )
            shutil.rmtree(out / stage, ignore_errors=True)
            fresh.rename(out / stage)
            made[stage] = {"inputs": digest, "files": _digests(out / stage)}
            _write(manifest, json.dumps(made, indent=1))
            say(f"{stage} made in {time.monotonic() - started:.0f} s")
        vendor.write_drop(out)
    except WorldError as error:
        print(f"world: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(work, ignore_errors=True)
    return 0


def _write(file: Path, text: str) -> None:
    """Write a file atomically: an interrupted run must not leave half a manifest."""
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.rpm"))
    }


sys.exit(main())
