"""Repositories behind a URL are planned with: their metadata is pinned, and a silent server is no
empty repository.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from buildfarm.adapters.intake.metadata_cache import MetadataCache
from buildfarm.adapters.publish.repository_writer import RepositoryWriter
from buildfarm.adapters.schedule.solver import LibsolvSolver
from buildfarm.domain.schedule.plan import PinnedRepository
from buildfarm.errors import InfraError
from tests.integration.adapters.conftest import Rpm, spec


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/$releasever/$basearch"
    server.shutdown()
    server.server_close()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[MetadataCache]:
    made = MetadataCache(tmp_path / "pinned", clock=lambda: 0.0)
    yield made
    made.close()


def settled(remote: MetadataCache, url: str) -> Path:
    """What is pinned once the fetch is over."""
    with pytest.raises(InfraError, match="being fetched"):
        remote.pin(url, arch="x86_64", releasever="9")
    return after(remote, url)


def after(remote: MetadataCache, url: str) -> Path:
    for fetching in list(remote._fetching.values()):
        fetching.exception(timeout=30)
    return remote.pin(url, arch="x86_64", releasever="9")


def write(folder: Path, *rpms: Path) -> None:
    RepositoryWriter(folder.parent.parent / "cache", folder.parent.parent / ".pool").write(
        folder, [Rpm.of(rpm) for rpm in rpms]
    )


def test_a_repository_behind_a_url_is_solved_with(
    served: tuple[Path, str], remote: MetadataCache, make_rpm: Callable[[str], Path]
) -> None:
    folder, url = served
    write(folder / "9" / "x86_64", make_rpm(spec("zlib")))
    place = settled(remote, url)
    assert not list(place.rglob("*.rpm"))
    universe = LibsolvSolver().open(
        [PinnedRepository(id="seed", folder=place, priority=90)], "x86_64"
    )
    assert universe.resolve(["zlib"], (), ()).chosen == (("zlib-1.0-1.noarch", "seed"),)


def test_a_state_is_pinned_until_a_newer_one_has_come_in(
    served: tuple[Path, str], tmp_path: Path, make_rpm: Callable[[str], Path]
) -> None:
    folder, url = served
    now = [0.0]
    came: list[int] = []
    remote = MetadataCache(tmp_path / "pinned", ready=lambda: came.append(1), clock=lambda: now[0])
    write(folder / "9" / "x86_64", make_rpm(spec("zlib")))
    first = settled(remote, url)
    (folder / "9" / "x86_64").rename(folder / "old")
    write(folder / "9" / "x86_64", make_rpm(spec("tool")))
    assert after(remote, url) == first
    now[0] = 301.0
    assert remote.pin(url, arch="x86_64", releasever="9") == first
    second = after(remote, url)
    assert second != first
    assert (first / "repodata" / "repomd.xml").is_file()  # whoever opened it goes on
    assert len(came) == 2
    (folder / "9").rename(folder / "gone")
    now[0] = 602.0
    remote.pin(url, arch="x86_64", releasever="9")
    assert after(remote, url) == second  # the last state that is known does
    remote.close()


def test_a_server_that_has_no_repository_is_said_and_not_taken_for_an_empty_one(
    served: tuple[Path, str], remote: MetadataCache
) -> None:
    with pytest.raises(InfraError, match="404"):
        settled(remote, served[1])


def test_metadata_that_is_not_what_was_promised_is_refused(
    served: tuple[Path, str], remote: MetadataCache, make_rpm: Callable[[str], Path]
) -> None:
    folder, url = served
    write(folder / "9" / "x86_64", make_rpm(spec("zlib")))
    (primary,) = (folder / "9" / "x86_64" / "repodata").glob("*primary.xml*")
    data = primary.read_bytes()
    primary.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InfraError, match=r"not what repomd\.xml promises"):
        settled(remote, url)
