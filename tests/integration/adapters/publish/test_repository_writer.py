"""Our repositories read by createrepo_c's reader, its command line, and dnf."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import createrepo_c as cr
import pytest
import zstandard

from buildfarm.adapters.publish.metadata_writer import SegmentCache, write
from buildfarm.adapters.publish.package_pool import PackagePool, RepoRpm, slots
from buildfarm.adapters.publish.repository_writer import (
    ChunkCache,
    RepositoryWriter,
    repository_writer,
)
from buildfarm.domain.target.repodata_style import Checksum, Compression, RepodataStyle
from buildfarm.errors import InfraError, InputError
from buildfarm.rpm_folders import POOL, rpms_below
from tests.integration.adapters.conftest import Dnf, Rpm, RpmMaker, spec


@pytest.fixture(scope="session")
def rpms(make_rpms: RpmMaker) -> list[Rpm]:
    sub = "%package devel\nSummary: Sub\nProvides: pkgconfig(alpha) = 1.0\n%description devel\nSub.\n%files devel\n"
    paths = [
        *make_rpms(
            spec(
                "alpha", "Requires: beta", "Recommends: gamma", files=("/usr/bin/alpha",), more=sub
            )
        ),
        *make_rpms(spec("beta", "Provides: odd(name) = 3", "Conflicts: delta < 2", version="2.0")),
        *make_rpms(spec("Gamma", files=("/usr/share/gamma_&_co/<x>",))),
    ]
    return [Rpm.of(path) for path in paths if not path.name.endswith(".src.rpm")]


@pytest.fixture
def writer(tmp_path: Path) -> RepositoryWriter:
    return RepositoryWriter(tmp_path / "cache", tmp_path / ".pool")


def contents(folder: Path) -> dict[str, bytes]:
    every = (
        Path(place) / name
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in every}


def unpacked(file: Path) -> bytes:
    tools = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
    if shutil.which(tools[file.suffix]) is None:
        return (
            zstandard.ZstdDecompressor()
            .stream_reader(file.read_bytes(), read_across_frames=True)
            .read()
        )
    return subprocess.run([tools[file.suffix], "-dc", file], check=True, capture_output=True).stdout


def packages(folder: Path) -> dict[str, cr.Package]:
    reader = cr.RepositoryReader.from_path(str(folder))
    return {package.nevra(): package for package in reader.iter_packages()}


def test_rpms_are_hard_links_on_shelves_that_generations_share(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    generations = [tmp_path / "tag" / str(number) / "x86_64" for number in (1, 2)]
    for folder, some in zip(generations, (rpms, rpms[:-1]), strict=True):
        writer.write(folder, some)
        for rpm in some:
            (place,) = (folder / "Packages").glob(f"*/{rpm.filename}")
            assert place.samefile(rpm.path)
    old, new = (
        {link.name: link.readlink() for link in (folder / "Packages").iterdir()}
        for folder in generations
    )
    assert len(old) == len({slot.number % 64 for slot in slots(rpms)})
    assert sum(old[name] == new.get(name) for name in old) == len(old) - 1


def test_links_to_shelves_take_no_inode_of_their_own_and_lead_there_from_every_depth(
    rpms: list[Rpm], tmp_path: Path
):
    writer = RepositoryWriter(tmp_path / "cache", tmp_path / "repos" / ".pool")
    folders = [
        tmp_path / "repos" / place
        for place in ("tag/1/x86_64", "tag/2/x86_64", "tag/deep/3/x86_64")
    ]
    for folder in folders:
        writer.write(folder, rpms)
        assert {path.name for path in (folder / "Packages").glob("*/*.rpm")} == {
            rpm.filename for rpm in rpms
        }
    inodes = [
        {link.lstat().st_ino for link in (folder / "Packages").iterdir()} for folder in folders
    ]
    assert inodes[0] == inodes[1]
    assert not inodes[0] & inodes[2]


def test_who_looks_below_a_published_folder_finds_its_rpms(rpms: list[Rpm], tmp_path: Path):
    repository = tmp_path / "repos" / "tag" / "1" / "x86_64"
    RepositoryWriter(tmp_path / "cache", tmp_path / "repos" / POOL).write(repository, rpms)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.rpm").write_bytes(b"")
    (repository / "Packages" / "away").symlink_to(tmp_path / "elsewhere")
    (repository.parent.parent / "current").symlink_to("1")
    for folder in (repository, repository.parent.parent / "current"):
        assert sorted(path.name for path in rpms_below(folder)) == sorted(
            rpm.filename for rpm in rpms
        )


def test_a_shelf_goes_when_no_repository_stands_on_it(rpms: list[Rpm], tmp_path: Path):
    writer = RepositoryWriter(tmp_path / "cache", tmp_path / "repos" / ".pool")
    generations = [tmp_path / "repos" / "tag" / str(number) / "x86_64" for number in (1, 2)]
    for folder, some in zip(generations, (rpms, rpms[:-1]), strict=True):
        writer.write(folder, some)
    pool = PackagePool(tmp_path / "repos" / ".pool")
    assert pool.collect(older_than=2**33) == 0
    before = contents(generations[1])
    shutil.rmtree(generations[0])
    assert pool.collect(older_than=0) == 0  # filled just now: somebody may be about to link to it
    links = len(list((tmp_path / "repos" / ".pool").glob(".links/*/*")))
    assert pool.collect(older_than=2**33) == 1
    assert len(list((tmp_path / "repos" / ".pool").glob(".links/*/*"))) == links - 1
    assert contents(generations[1]) == before


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zstd"])
@pytest.mark.parametrize("checksum", ["sha256", "sha512", "sha"])
def test_metadata_in_other_checksums_and_compressions_reads_the_same(
    writer: RepositoryWriter,
    rpms: list[Rpm],
    tmp_path: Path,
    dnf: Dnf,
    checksum: Checksum,
    compression: Compression,
):
    """createrepo_c's reader is built without SHA-1 (``sha``), which dnf reads."""
    style = RepodataStyle(
        checksum=checksum, compression=compression, open_checksum=checksum == "sha512"
    )
    writer.write(tmp_path / "repo", rpms, (), style)
    for record in cr.Repomd(str(tmp_path / "repo" / "repodata" / "repomd.xml")).records:
        digest = hashlib.new(
            "sha1" if checksum == "sha" else checksum,
            (tmp_path / "repo" / record.location_href).read_bytes(),
        )
        assert (record.checksum_type, record.checksum) == (checksum, digest.hexdigest())
        opened = unpacked(tmp_path / "repo" / record.location_href)
        assert record.size_open == len(opened)
        assert record.checksum_open == (
            hashlib.sha512(opened).hexdigest() if checksum == "sha512" else None
        )
    if checksum != "sha":
        found = packages(tmp_path / "repo")
        assert {(one.pkgId, one.checksum_type) for one in found.values()} == {
            (hashlib.new(checksum, rpm.path.read_bytes()).hexdigest(), checksum) for rpm in rpms
        }
    listed = dnf(
        {"ours": (tmp_path / "repo", 99)}, "repoquery", "--repo=ours", "--qf=%{name}-%{evr}.%{arch}"
    )
    assert sorted(listed.stdout.split()) == sorted(
        rpm.filename.removesuffix(".rpm") for rpm in rpms
    )


def test_metadata_reads_the_same_as_createrepo_cs_own(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    writer.write(ours, rpms)
    writer.write(theirs, rpms)
    command = Path(sys.prefix) / "bin" / "createrepo_c"
    subprocess.run([command, "--quiet", theirs], check=True, capture_output=True)
    expected, found = packages(theirs), packages(ours)
    assert found.keys() == expected.keys()
    fields = (
        "pkgId", "name", "arch", "version", "epoch", "release", "summary", "description", "rpm_license",
        "rpm_sourcerpm", "size_package", "size_installed", "size_archive", "rpm_header_start", "rpm_header_end",
        "location_href", "time_build", "checksum_type", "requires", "provides", "conflicts", "obsoletes",
        "recommends", "files", "changelogs",
    )  # fmt: skip
    for nevra, package in found.items():
        for field in fields:
            assert getattr(package, field) == getattr(expected[nevra], field), f"{nevra} {field}"


def test_same_rpms_same_bytes_in_whatever_order(rpms: list[Rpm], tmp_path: Path):
    first = RepositoryWriter(tmp_path / "cache1", tmp_path / ".pool").write(tmp_path / "one", rpms)
    second = RepositoryWriter(tmp_path / "cache2", tmp_path / ".pool").write(
        tmp_path / "two", list(reversed(rpms))
    )
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert first == second
    assert cr.Repomd(str(tmp_path / "one" / "repodata" / "repomd.xml")).revision == first


def test_another_set_of_rpms_has_another_revision(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    assert writer.write(tmp_path / "one", rpms) != writer.write(tmp_path / "two", rpms[1:])


def test_an_unchanged_rpm_is_never_opened_again(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    writer.write(tmp_path / "one", rpms)
    junk = tmp_path / "junk"
    junk.write_bytes(b"not an RPM at all")
    writer.write(tmp_path / "two", [replace(rpm, path=junk) for rpm in rpms])
    assert contents(tmp_path / "one" / "repodata") == contents(tmp_path / "two" / "repodata")


def test_a_torn_cache_file_is_made_again(writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path):
    writer.write(tmp_path / "one", rpms)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert len(kept) == len(rpms) + 1  # and one segment
    for number, file in enumerate(kept):
        data = file.read_bytes()
        file.write_bytes((b"", data[:-20])[number % 2])
    writer.write(tmp_path / "two", rpms)
    assert contents(tmp_path / "one" / "repodata") == contents(tmp_path / "two" / "repodata")


def test_many_rpms_lie_in_segments_and_one_that_changes_touches_only_its_own(tmp_path: Path):
    def named(number: int, version: str = "1.0") -> Rpm:
        name = f"rpm{number:04}-{version}-1.noarch.rpm"
        return Rpm(
            path=tmp_path / name, sha256=hashlib.sha256(name.encode()).hexdigest(), filename=name
        )

    def chunks_of(file: RepoRpm, href: str) -> tuple[str, str, str]:
        made.append(file.filename)
        return (f"<package>{href}</package>\n",) * 3

    def written(folder: str, files: list[Rpm]) -> None:
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, slots(files), chunks_of, cache, style=RepodataStyle())

    made: list[str] = []
    cache = SegmentCache(tmp_path / "cache")
    files = [named(number) for number in range(500)]
    written("one", files)
    assert sorted(made) == sorted(one.filename for one in files)
    made.clear()
    written("two", [*files[:77], named(77, "2.0"), *files[78:]])
    assert "rpm0077-2.0-1.noarch.rpm" in made
    assert 1 <= len(made) <= 128
    (text,) = (
        gzip.decompress(path.read_bytes()).decode()
        for path in (tmp_path / "two").glob("*-primary.xml.gz")
    )
    assert text.count("<package>") == 500
    assert 'packages="500"' in text
    assert cache.forget(older_than=0) == 0
    assert cache.forget(older_than=2**33) >= 8


def test_a_file_that_is_not_what_its_digest_says_is_refused(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    with pytest.raises(InfraError, match="its SHA-256 is"):
        writer.write(tmp_path / "one", [replace(rpms[0], sha256="0" * 64)])
    text = tmp_path / "text.rpm"
    text.write_text("text")
    with pytest.raises(InfraError, match="repository"):
        writer.write(tmp_path / "two", [Rpm.of(text)])


@pytest.mark.parametrize("name", ["../evil.rpm", "", ".hidden.rpm", "a/b.rpm"])
def test_a_name_that_leaves_its_folder_is_refused(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path, name: str
):
    with pytest.raises(InputError):
        writer.write(tmp_path / "one", [replace(rpms[0], filename=name)])


def test_two_files_of_one_name_are_refused(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    with pytest.raises(InputError, match="twice"):
        writer.write(tmp_path / "one", [rpms[0], rpms[0]])


def test_a_folder_that_is_there_already_is_never_written_into(
    writer: RepositoryWriter, rpms: list[Rpm], tmp_path: Path
):
    writer.write(tmp_path / "one", rpms)
    before = contents(tmp_path / "one")
    with pytest.raises(InfraError):
        writer.write(tmp_path / "one", rpms[1:])
    assert contents(tmp_path / "one") == before


def test_across_file_systems_rpms_are_copied(rpms: list[Rpm], tmp_path: Path):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == rpms[0].path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    source = memory / f"{tmp_path.name}.rpm"
    source.write_bytes(rpms[0].path.read_bytes())
    try:
        repository_writer(tmp_path / "cache", tmp_path / ".pool")(
            tmp_path / "one", [replace(rpms[0], path=source)]
        )
    finally:
        source.unlink()
    (copy,) = (tmp_path / "one" / "Packages").glob("*/*.rpm")
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == rpms[0].sha256


def test_an_empty_repository_is_one_too(writer: RepositoryWriter, tmp_path: Path, dnf: Dnf):
    writer.write(tmp_path / "empty", [])
    assert packages(tmp_path / "empty") == {}
    done = dnf({"empty": (tmp_path / "empty", 99)}, "repoquery", "--repo=empty", "--qf=%{name}")
    assert (done.returncode, done.stdout) == (0, "")


def test_dnf_sees_what_was_written(
    writer: RepositoryWriter,
    rpms: list[Rpm],
    tmp_path: Path,
    dnf: Dnf,
    make_rpm: Callable[[str], Path],
):
    writer.write(tmp_path / "repo", rpms)
    repositories = {"ours": (tmp_path / "repo", 99)}
    listed = dnf(
        repositories, "repoquery", "--repo=ours", "--qf=%{name}-%{evr}.%{arch} %{reponame}"
    )
    assert sorted(listed.stdout.split("\n"))[1:] == sorted(
        f"{rpm.filename.removesuffix('.rpm')} ours" for rpm in rpms
    )
    assert (
        dnf(repositories, "repoquery", "--whatprovides", "/usr/bin/alpha", "--qf=%{name}").stdout
        == "alpha\n"
    )
    assert (
        dnf(repositories, "repoquery", "--whatprovides", "pkgconfig(alpha)", "--qf=%{name}").stdout
        == "alpha-devel\n"
    )
    fetched = dnf(repositories, "download", f"--destdir={tmp_path / 'fetched'}", "alpha")
    if fetched.returncode == 0:  # the download plug-in is not everywhere
        assert (tmp_path / "fetched" / "alpha-1.0-1.noarch.rpm").exists()


def test_chunks_that_no_bucket_was_made_from_for_long_are_let_go(rpms: list[Rpm], tmp_path: Path):
    cache = ChunkCache(tmp_path / "cache")
    for number, digest in enumerate(("old", "used")):
        cache.put(digest, "Packages/r/r.rpm", ("p", "f", "o"))
        for file in (tmp_path / "cache").glob("??/*"):
            os.utime(file, (1000 + number, 1000 + number))
    assert cache.get("used", "Packages/r/r.rpm") == ("p", "f", "o")  # touches it
    assert cache.forget(older_than=2000) == 1
    assert cache.get("old", "Packages/r/r.rpm") is None
    assert cache.get("used", "Packages/r/r.rpm") is not None
