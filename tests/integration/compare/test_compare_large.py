"""Folders and repositories: streamed, resumed after a real SIGKILL, and honest about what is not
what the metadata promises.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import http.server
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import createrepo_c
import jsonschema
import pytest

from buildfarm.adapters.compare.journal import Journal
from buildfarm.adapters.compare.repository_side import RepositorySide
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.adapters.publish.repository_writer import repository_writer
from buildfarm.domain.compare.report import SCHEMA_FILE, PairResult
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import Conflict, InputError
from buildfarm.ports.repositories import RepoFile
from tests.integration.compare import compare_many

COMMAND = [Path(sys.executable).with_name("buildfarm"), "compare"]


def run(*words) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Three sources, 123 RPMs; ours differ in one script of each source, and lack a source and an
    RPM.
    """
    top = tmp_path_factory.mktemp("large")
    compare_many.distribution(top / "old", sources=3, parts=40, epoch=1_700_000_000)
    compare_many.distribution(top / "new", sources=3, parts=40, epoch=1_700_000_060, changed=True)
    compare_many.build(top / "old", "lost", parts=1)
    (top / "new" / "s001-p7-1.0-1.el9.noarch.rpm").unlink()
    return top / "old", top / "new"


def test_a_killed_run_goes_on_where_it_was_and_comes_to_the_same_result(sides, tmp_path):
    state = tmp_path / "state"
    process = subprocess.Popen(
        [*COMMAND, "--verbose", "--state", state, "--jobs", "1", *sides],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    fcntl.fcntl(
        process.stdout, fcntl.F_SETPIPE_SZ, 4096
    )  # nobody reads on: it cannot finish before it is killed
    assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    journal = state / "journal"
    done = journal.read_bytes().count(b"\n")
    assert 0 < done < 122
    with journal.open("ab") as file:
        file.write(b"0123 {torn")
    again = run("--json", "--state", state, *sides)
    assert f"{done} of them known from before" in again.stderr
    fresh = run("--json", "--state", tmp_path / "other", *sides)
    assert json.loads(again.stdout) == json.loads(fresh.stdout)
    assert again.returncode == fresh.returncode == 1
    assert journal.read_bytes().count(b"\n") == 122


def test_what_changed_meanwhile_is_compared_again_and_nothing_else(sides, tmp_path):
    new = tmp_path / "new"
    shutil.copytree(sides[1], new)
    run("--state", tmp_path / "s", sides[0], new)
    one = compare_many.build(new, "s002", parts=1, changed={0: "third"})[1]
    assert one.name.startswith("s002-p0-")
    again = run("--state", tmp_path / "s", sides[0], new)
    assert (
        "122 of 122, 120 of them known from before" in again.stderr
    )  # s002 itself was built again too


def test_results_come_with_the_sums_of_the_distribution(sides, tmp_path):
    done = run("--json", "--state", tmp_path / "s", *sides)
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(SCHEMA_FILE.read_text()))
    assert found["sources"]["missing"] == ["lost"]
    assert [(row["source"], row["rpms"]) for row in found["sources"]["worst"]] == [
        ("lost", 2), ("s001", 2), ("s000", 1), ("s002", 1),
    ]  # fmt: skip
    assert {row["provides"] for row in found["sources"]["missing_provides"]} == {
        "lost", "lost-api", "lost-p0", "s001-p7",
    }  # fmt: skip
    assert found["vendor_rpms"] == 125
    text = run("--state", tmp_path / "s", *sides).stdout
    assert "sources: 4 of the vendor's, 3 of ours, 1 missing" in text
    assert "missing Provides lost-api" in text


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(sides, tmp_path):
    """Both sides as repositories on loopback: their folders, which a test may damage, and their
    URLs.
    """
    write = repository_writer(tmp_path / "cache", tmp_path / ".pool")
    for name, side in zip(("old", "new"), sides, strict=True):
        files = [
            RepoFile(
                path=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest(), filename=file.name
            )
            for file in sorted(side.glob("s00[01]-*.rpm")) + sorted(side.glob("lost-*.rpm"))
        ]
        (tmp_path / name).mkdir()
        write(tmp_path / name, files)
        for file in (tmp_path / name).glob("Packages/*/*.rpm"):  # links to the blobs otherwise
            data = file.read_bytes()
            file.unlink()
            file.write_bytes(data)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Server, directory=tmp_path)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    yield (
        {"old": tmp_path / "old", "new": tmp_path / "new"},
        {"old": f"{url}/old", "new": f"{url}/new"},
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_two_repositories_are_compared_by_their_metadata(served, tmp_path):
    folders, urls = served
    by_url = run("--json", "--state", tmp_path / "u", urls["old"], urls["new"])
    by_folder = run("--json", "--state", tmp_path / "f", folders["old"], folders["new"])
    found = json.loads(by_url.stdout)
    assert found == json.loads(by_folder.stdout)
    assert by_url.returncode == 1
    assert found["vendor_rpms"] == 84
    assert found["sources"]["missing"] == ["lost"]
    assert {row["provides"] for row in found["sources"]["missing_provides"]} >= {
        "lost-api",
        "s001-p7",
    }
    assert [item["name"] for item in found["missing"]] == ["lost", "lost-p0", "s001-p7"]
    assert not list((tmp_path / "u").rglob("*.rpm"))
    again = run("--state", tmp_path / "u", urls["old"], urls["new"])
    assert "81 of 81, 81 of them known from before" in again.stderr


def test_an_rpm_that_is_not_the_metadatas_is_an_error_until_it_is_repaired(served, tmp_path):
    folders, urls = served
    swapped, gone = (
        next(folders["new"].glob(f"Packages/*/s000-p{number}-*.rpm")) for number in (5, 6)
    )
    good, other = (
        swapped.read_bytes(),
        next(folders["new"].glob("Packages/*/s000-p8-*.rpm")).read_bytes(),
    )
    swapped.write_bytes(other)
    kept = gone.read_bytes()
    gone.unlink()
    for place in (urls, folders):
        done = run("--json", "--state", tmp_path / "s", place["old"], place["new"])
        assert done.returncode == 3
        bad = {
            pair["name"]: pair
            for pair in json.loads(done.stdout)["pairs"]
            if pair["verdict"] == "ERROR"
        }
        assert set(bad) == {"s000-p5", "s000-p6"}
    swapped.write_bytes(good)
    gone.write_bytes(kept)
    assert run("--state", tmp_path / "s", urls["old"], urls["new"]).returncode == 1


def test_metadata_that_names_a_file_outside_or_lies_about_itself_is_refused(served, tmp_path):
    folders, _ = served
    outside = tmp_path / "outside.rpm"
    shutil.copy(next(folders["old"].glob("Packages/*/*.rpm")), outside)
    made = tmp_path / "made"
    (made / "repodata").mkdir(parents=True)
    package = createrepo_c.package_from_rpm(str(outside), location_href="../outside.rpm")
    primary = made / "repodata" / "primary.xml"
    writer = createrepo_c.PrimaryXmlFile(str(primary), createrepo_c.NO_COMPRESSION)
    writer.set_num_of_pkgs(1)
    writer.add_pkg(package)
    writer.close()
    record = createrepo_c.RepomdRecord("primary", str(primary))
    record.fill(createrepo_c.SHA256)
    repomd = createrepo_c.Repomd()
    repomd.set_record(record)
    (made / "repodata" / "repomd.xml").write_text(repomd.xml_dump())
    with (
        RepositorySide(str(made), work=tmp_path / "w", reader=SandboxedReader(jobs=1)) as side,
        side.facts(side.identities) as facts,
    ):
        assert "not in it" in facts[0].error
    primary.write_text(primary.read_text().replace("noarch", "x86_64"))
    with pytest.raises(InputError, match="not what repomd"):
        RepositorySide(str(made), work=tmp_path / "w", reader=SandboxedReader(jobs=1))
    primary.with_name("repomd.xml").write_text("<nonsense")
    assert run("--state", tmp_path / "s", made, made).returncode == 2


def test_a_server_that_is_gone_leaves_the_verdict_unknown(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        port = server.server_address[1]
    done = run(
        "--state", tmp_path / "s", f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"
    )
    assert done.returncode == 3
    assert f"http://127.0.0.1:{port}/a/repodata/repomd.xml" in done.stderr


def result() -> PairResult:
    return PairResult(old="a", new="b", name="n", source="s", verdict=Verdict.IDENTICAL)


def test_a_journal_has_one_writer_and_cuts_a_torn_line_off(tmp_path):
    file = tmp_path / "j" / "journal"
    with Journal(file) as journal:
        journal.put("k1", result())
        journal.put("k2", result())
        with pytest.raises(Conflict, match="another comparison"):
            Journal(file)
    whole = file.read_bytes()
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        with Journal(file) as journal:
            keys = journal.keys()
            assert len(keys) == whole[:cut].count(b"\n")
            assert all(journal.get(key) == result() for key in keys)
            journal.put("k3", result())
        with Journal(file) as journal:
            assert journal.keys() == keys | {"k3"}


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_three_thousand_pairs_take_no_more_memory_than_three_hundred(tmp_path):
    for side, epoch in (("old", 1_700_000_000), ("new", 1_700_000_060)):
        compare_many.distribution(
            tmp_path / side, sources=30, parts=100, epoch=epoch, changed=side == "new"
        )
        few = tmp_path / f"few-{side}"
        few.mkdir()
        for file in sorted((tmp_path / side).glob("s00[012]-*.rpm")):
            shutil.copy(file, few)

    def peak(old: str, new: str) -> tuple[int, str]:
        """Kilobytes, and what was said on standard error."""
        code = (
            "import resource, subprocess, sys\n"
            "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
            "print('PEAK', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode, file=sys.stderr)"
        )
        argv = [
            sys.executable,
            "-c",
            code,
            *COMMAND,
            "--state",
            tmp_path / f"state-{old}",
            tmp_path / old,
            tmp_path / new,
        ]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
        word, kilobytes, code = said.splitlines()[-1].split()
        assert (word, code) == ("PEAK", "1")
        return int(kilobytes), said

    few, _ = peak("few-old", "few-new")
    many, said = peak("old", "new")
    assert "pairs compared: 3030 of 3030" in said
    assert many < few + 40_000
