import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildfarm.adapters.core.blobs import Blob, Blobs
from buildfarm.errors import InfraError, InputError, NotFound

HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def leftovers(blobs: Blobs) -> list[Path]:
    return list(blobs._incoming.iterdir())


def everything(blobs: Blobs) -> list[str]:
    return sorted(path.name for path in blobs._root.rglob("*") if path.is_file())


def test_a_blob_stands_under_its_digest_and_nobody_may_write_it(blobs: Blobs):
    assert blobs.put_bytes(b"hello") == Blob(sha256=HELLO, size=5)
    path = blobs.path(HELLO)
    assert path == blobs._root / HELLO[:2] / HELLO
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    with blobs.open(HELLO) as file:
        assert file.read() == b"hello"
    assert blobs.has(HELLO)
    assert not leftovers(blobs)


def test_putting_twice_is_putting_once(blobs: Blobs):
    blobs.put_bytes(b"hello")
    before = blobs.path(HELLO).stat()
    assert blobs.put_stream(io.BytesIO(b"hello"), expected_sha256=HELLO).size == 5
    assert blobs.path(HELLO).stat().st_ino == before.st_ino
    assert everything(blobs) == [HELLO]


@pytest.mark.parametrize("bad", ["", "xyz", "../../etc/passwd", HELLO.upper(), HELLO[:-1]])
def test_what_is_no_digest_names_nothing(blobs: Blobs, bad: str):
    assert not blobs.has(bad)
    with pytest.raises(InputError):
        blobs.path(bad)
    with pytest.raises(InputError):
        blobs.put_stream([b"hello"], expected_sha256=bad)


def test_an_unknown_digest_is_not_found(blobs: Blobs):
    with pytest.raises(NotFound, match=HELLO):
        blobs.open(HELLO)


def test_another_digest_than_expected_leaves_nothing(blobs: Blobs):
    with pytest.raises(InputError, match="expected was"):
        blobs.put_stream([b"he", b"llo!"], expected_sha256=HELLO)
    assert everything(blobs) == []


def test_more_than_the_limit_leaves_nothing_and_stops_reading(blobs: Blobs):
    seen = []

    def endless():
        while True:
            seen.append(1)
            yield b"x" * 1000

    with pytest.raises(InputError, match="more than 2500 bytes"):
        blobs.put_stream(endless(), limit=2500)
    assert len(seen) == 3
    assert everything(blobs) == []


def test_a_stream_that_breaks_leaves_nothing(blobs: Blobs):
    def broken():
        yield b"he"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        blobs.put_stream(broken())
    assert everything(blobs) == []


def test_a_copied_file_stays_and_a_moved_one_goes(blobs: Blobs, tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b"hello")
    assert blobs.put_file(file).sha256 == HELLO
    assert file.exists()
    assert blobs.put_file(file, move=True) == Blob(sha256=HELLO, size=5)
    assert not file.exists()
    other = tmp_path / "other"
    other.write_bytes(b"other")
    inode = other.stat().st_ino
    assert blobs.path(blobs.put_file(other, move=True).sha256).stat().st_ino == inode
    assert not other.exists()


def test_a_moved_file_that_has_another_name_is_copied_so_that_nobody_can_change_the_blob(
    blobs: Blobs, tmp_path: Path
):
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"hello")
    other.hardlink_to(file)
    blobs.put_file(file, move=True)
    assert not file.exists()
    other.write_bytes(b"changed")
    assert blobs.path(HELLO).read_bytes() == b"hello"


def test_a_damaged_blob_is_put_right_by_putting_it_again(blobs: Blobs):
    blobs.put_bytes(b"hello")
    place = blobs.path(HELLO)
    place.chmod(0o644)
    place.write_bytes(b"he")
    blobs.put_bytes(b"hello")
    assert blobs.path(HELLO).read_bytes() == b"hello"


def test_a_full_disk_is_the_farms_fault(blobs: Blobs):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    blobs._incoming.rmdir()
    blobs._incoming.symlink_to("/nonexistent")
    with pytest.raises(InfraError, match="blob store"):
        blobs.put_bytes(b"hello")


def test_many_processes_may_put_the_same_blob(blobs: Blobs):
    program = (
        "import sys; from pathlib import Path; from buildfarm.adapters.core.blobs import Blobs; "
        "b = Blobs(Path(sys.argv[1])); [b.put_bytes(b'%d' % (n % 7) * 5000) for n in range(40)]"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(blobs._root)]) for _ in range(4)
    ]
    assert [process.wait(30) for process in running] == [0] * 4
    names = everything(blobs)
    assert len(names) == 7
    assert all(hashlib.sha256(blobs.path(name).read_bytes()).hexdigest() == name for name in names)


def test_many_threads_may_put_the_same_blob(blobs: Blobs):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: blobs.put_bytes(b"hello"), range(64)))) == 1
    assert everything(blobs) == [HELLO]


def test_a_killed_writer_leaves_a_temporary_file_only_and_the_sweep_takes_it(blobs: Blobs):
    program = (
        "import sys; from pathlib import Path; from buildfarm.adapters.core.blobs import Blobs\n"
        "def slow():\n    yield b'x' * 100000\n    print('half', flush=True)\n    sys.stdin.read()\n"
        "Blobs(Path(sys.argv[1])).put_stream(slow())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(blobs._root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    (left,) = leftovers(blobs)
    assert everything(blobs) == [left.name]
    assert blobs.sweep_temporary(older_than=3600) == 0
    old = time.time() - 7200
    os.utime(left, (old, old))
    assert blobs.sweep_temporary(older_than=3600) == 1
    assert everything(blobs) == []
