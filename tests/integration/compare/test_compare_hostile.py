"""Files made to hurt: cut at every place, bombs, archives without end.

Bounded memory and time, a clear word, nothing written.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.contents.normalise import NO_MASK
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.services.compare.comparison import compare_paths
from tests.integration.compare.compare_sample import Recipe, build

_OFFSETS = 2_000
_BIG_LINE = "printf 'other\\n' > $d/usr/share/sample/other.txt"


def _all_cut_are_damaged(rpm: Path, sizes, folder: Path) -> None:
    """Written in shares, so that a cut file of every size never lies on the disk at once."""
    data = rpm.read_bytes()
    reader = SandboxedReader(keep=[folder])
    with reader:
        todo = list(sizes)
        for start in range(0, len(todo), 256):
            files = [folder / f"{size}.rpm" for size in todo[start : start + 256]]
            for file, size in zip(files, todo[start : start + 256], strict=True):
                file.write_bytes(data[:size])
            facts = reader.headers(files)
            assert [
                file.name for file, found in zip(files, facts, strict=True) if not found.error
            ] == []
            for file in files:
                file.unlink()


@pytest.mark.corpus
def test_the_smallest_rpm_cut_at_every_offset_is_an_error(tmp_path):
    rpms = Path(os.environ["BUILDFARM_CORPUS"]) / "rpms"
    smallest = min(rpms.glob("pairs/*.rpm"), key=lambda path: path.stat().st_size)
    _all_cut_are_damaged(smallest, range(smallest.stat().st_size), tmp_path)


def test_an_rpm_cut_at_sampled_offsets_is_an_error(tmp_path):
    rpm = build(Recipe(), tmp_path / "base")["sample"]
    sizes = random.Random(9).sample(range(rpm.stat().st_size), _OFFSETS)
    (tmp_path / "cut").mkdir()
    _all_cut_are_damaged(rpm, sizes, tmp_path / "cut")


def _bombs(tmp_path: Path, gigabytes: int) -> list[Path]:
    """Two RPMs that hold so many gigabytes of zeros, and one byte that differs, in a few hundred
    kilobytes.
    """
    size = gigabytes << 30
    return [
        build(
            Recipe(
                edits=((_BIG_LINE, f"truncate -s {size} $d/usr/share/sample/other.txt; echo {word} >> $d/usr/share/sample/other.txt"),),
                macros={"_binary_payload": "w1.zstdio"},
            ),
            tmp_path / word,
        )["sample"]
        for word in ("one", "two")
    ]  # fmt: skip


def test_gigabytes_of_zeros_in_a_payload_are_read_in_bounded_memory(tmp_path):
    old, new = _bombs(tmp_path, 1)
    assert old.stat().st_size < 1_000_000
    measured = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "kinds = {item['path']: item['kind'] for item in json.loads(done.stdout)['pairs'][0]['findings']}\n"
        "print(kinds['/usr/share/sample/other.txt'], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [Path(sys.executable).with_name("buildfarm"), "compare", "--json", old, new]
    done = subprocess.run(
        [sys.executable, "-c", measured, *command], capture_output=True, text=True, check=True
    )
    kind, peak = done.stdout.split()  # KiB, of the largest process of this one run
    assert kind == "content-data"
    assert int(peak) < 512 * 1024


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_hundred_gigabytes_of_zeros_end_in_bounded_time(tmp_path):
    old, new = _bombs(tmp_path, 100)
    started = time.monotonic()
    report = compare_paths(old, new, ComparePolicy(), reader=SandboxedReader(jobs=1))
    assert time.monotonic() - started < 300
    told = {item.path: item for item in report.pairs[0].findings}
    assert told["/usr/share/sample/other.txt"].kind in ("content-data", "unreadable")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_an_rpm_of_very_many_files_is_compared_or_refused_in_words(tmp_path):
    many = 'seq 200000 | sed "s,^,$d/usr/share/sample/f," | xargs touch; ' + _BIG_LINE
    built = [build(Recipe(edits=((_BIG_LINE, many),), epoch=epoch), tmp_path / str(epoch))["sample"]
             for epoch in (1_700_000_000, 1_700_000_060)]  # fmt: skip
    report = compare_paths(*built, ComparePolicy(), reader=SandboxedReader(jobs=1))
    assert report.verdict.value in ("EQUIVALENT", "ERROR")
    assert all(
        item.new or item.old for item in report.pairs[0].findings if item.verdict.value == "ERROR"
    )


def _gzips(depth: int) -> bytes:
    data = b"the innermost"
    for _ in range(depth):
        data = gzip.compress(data, mtime=0)
    return data


def _tars(depth: int) -> bytes:
    data = b"the innermost"
    for level in range(depth):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as box:
            for name in (f"../../../etc/level{level}", f"/etc/level{level}"):
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                box.addfile(entry, io.BytesIO(data))
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            box.addfile(link)
            again = tarfile.TarInfo("again")
            again.type, again.linkname = tarfile.LNKTYPE, "again"  # a hard link to itself
            box.addfile(again)
        data = out.getvalue()
    return data


def _zip_of_zeros(count: int, size: int) -> bytes:
    """Many entries that share one compressed stream, so that a small file unpacks to very much."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        zeros = bytes(size)
        for at in range(count):
            box.writestr(f"z{at}", zeros)
    return out.getvalue()


HOSTILE = {
    "a gzip in a gzip, 500 deep": lambda: _gzips(500),
    "a tar in a tar with paths out of it, links out of it and to itself": lambda: _tars(6),
    "a zip that unpacks to a gigabyte": lambda: _zip_of_zeros(16, 64 << 20),
    "a gzip of a gigabyte of zeros": lambda: gzip.compress(
        bytes(1 << 30), compresslevel=1, mtime=0
    ),
    "an xz that says it needs all memory": lambda: (
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01\x28" + bytes(64)
    ),
    "a zstd with a window of gigabytes": lambda: b"\x28\xb5\x2f\xfd\0\xff" + bytes(64),
    "a tar of its own beginning": lambda: _tars(1)[:700],
    "a cpio that ends behind the file": lambda: b"070701" + b"F" * 104 + b"name\0" + bytes(64),
}

_READ = """
import resource, sys
from buildfarm.adapters.compare.rpm_facts.normalisers import normal_form
from buildfarm.domain.compare.contents.normalise import NO_MASK
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
data = sys.stdin.buffer.read()
try:
    print(normal_form.reduce(data, "/usr/share/x/file", NO_MASK).nature)
except (ValueError, MemoryError, RecursionError) as error:
    print("refused:", repr(error))
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_container_made_to_hurt_costs_bounded_memory_and_time(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _READ],
        input=HOSTILE[name](),
        capture_output=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-600:]
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_two_containers_of_the_same_depth_that_differ_at_the_bottom_still_differ():
    one = _gzips(30)
    inner = gzip.compress(b"another bottom", mtime=0)
    for _ in range(29):
        inner = gzip.compress(inner, mtime=0)
    assert (
        normal_form.reduce(one, "/x", NO_MASK).digest
        != normal_form.reduce(inner, "/x", NO_MASK).digest
    )


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["content", "code", "header"])
def test_coverage_guided_fuzzing_finds_no_crash(target, tmp_path):
    """Two minutes a target; ``python -m tests.integration.compare.fuzz_readers TARGET`` runs as
    long as one likes.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.compare.fuzz_readers", target, "-max_total_time=120",
         "-rss_limit_mb=2048", "-timeout=20", f"-artifact_prefix={tmp_path}/", "-seed=7"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
