"""Coverage-guided fuzzing of what reads hostile bytes, by atheris: ``python -m
tests.integration.compare.fuzz_readers TARGET``.

A reader may refuse with its own errors; anything else is a crash. TARGET is ``content``, ``code``
or ``header``; further arguments are libFuzzer's (``-max_total_time=60``, a corpus folder).
"""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["buildfarm"]):
    from buildfarm.adapters.compare.rpm_facts import headers
    from buildfarm.adapters.compare.rpm_facts.elf import disassembly
    from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
    from buildfarm.domain.compare.contents.normalise import NO_MASK

from tests.integration.compare.compare_sample import Recipe, build

_REFUSED = (
    ValueError,
    struct.error,
    MemoryError,
    RecursionError,
)  # what contents.py makes an ERROR of that file
_PATHS = (
    "/usr/lib64/a.so",
    "/usr/share/man/man1/a.1",
    "/usr/share/a/A.class",
    "/usr/share/a/x.html",
    "/boot/symvers-5.gz",
)


def content(data: bytes) -> None:
    """The normal form of a file, whatever it says it is."""
    try:
        normal_form.reduce(data[1:], _PATHS[data[0] % len(_PATHS)] if data else "/a", NO_MASK)
    except _REFUSED:
        return


def code(data: bytes) -> None:
    """The disassembly of what may be an ELF file."""
    try:
        disassembly.code(data)
    except (*_REFUSED, IndexError, OverflowError):  # as both_sides.py does
        return


def header(data: bytes) -> None:
    """A whole RPM; every damage must end in ``error``."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for answer in headers.answers([file.name]):
            assert isinstance(answer["error"], str)


TARGETS: dict[str, Callable[[bytes], None]] = {"content": content, "code": code, "header": header}


def _seeds(folder: Path) -> None:
    """A few small files to begin with."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w") as tar:
        tar.add(__file__, "a.py")
    seeds = {"tar": box.getvalue(), "gzip": gzip.compress(b"text\n" * 9), "text": b".TH A 1\n"}
    source = folder / "a.c"
    source.write_text("int a(int x) { return x; } int b = 3;\n")
    made = folder / "library"
    subprocess.run(["gcc", "-shared", "-fPIC", "-s", "-nostdlib", "-o", made, source], check=True)
    source.unlink()
    seeds["elf"] = made.read_bytes()
    with tempfile.TemporaryDirectory() as top:
        seeds["rpm"] = build(Recipe(), Path(top) / "rpm")["sample-data"].read_bytes()
    for name, data in seeds.items():
        (folder / name).write_bytes(data)
        (folder / f"{name}-of-a-path").write_bytes(b"\0" + data)


def main() -> None:
    """Run libFuzzer; it ends the process."""
    target = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        _seeds(Path(folder))
        atheris.Setup([sys.argv[0], *sys.argv[2:], folder], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
