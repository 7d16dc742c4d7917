"""Damage is ERROR of that file, never equal, and costs no other file its facts."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.core.verdict import Verdict
from buildfarm.errors import InfraError, InputError, NotFound
from buildfarm.services.compare.comparison import compare_paths, compare_sets
from tests.integration.compare.compare_sample import Recipe, build


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build(Recipe(), tmp_path_factory.mktemp("damage") / "base")


@pytest.fixture
def reader():
    return SandboxedReader()


def test_every_kind_of_damage_is_an_error_and_the_good_file_among_them_keeps_its_facts(
    sample, tmp_path, reader
):
    good = sample["sample"].read_bytes()
    header_end = len(good) - 2000
    variants = {
        f"cut-{size}": good[:size]
        for size in (0, 1, 95, 96, 112, 500, 4096, 6000, header_end, len(good) - 1)
    }
    variants |= {
        f"flip-{at}": good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :]
        for at in (0, 100, header_end, len(good) - 1, len(good) // 2)
    }
    variants |= {"longer": good + b"x", "text": b"no RPM at all\n" * 500, "good": good}
    files = []
    for name, data in variants.items():
        path = tmp_path / f"{name}.rpm"
        path.write_bytes(data)
        files.append(path)
    facts = dict(zip(variants, reader.headers(files), strict=True))
    assert [name for name, found in facts.items() if not found.error] == ["good"]
    assert facts["good"].name == "sample"


def test_a_damaged_file_is_an_error_even_against_itself(sample, tmp_path, reader):
    damaged = tmp_path / sample["sample"].name
    damaged.write_bytes(sample["sample"].read_bytes()[:-10])
    report = compare_paths(damaged, damaged, ComparePolicy(), reader=reader)
    assert report.verdict is Verdict.ERROR
    assert report.exit_code == 3
    assert "payload" in report.pairs[0].findings[0].old


def test_in_a_set_only_the_damaged_one_is_an_error_and_it_keeps_its_partner(
    sample, tmp_path, reader
):
    ours = tmp_path / "ours"
    ours.mkdir()
    for name in ("sample", "sample-data"):
        shutil.copy(sample[name], ours)
    broken = ours / sample["sample-data"].name
    broken.write_bytes(broken.read_bytes()[:300])
    report = compare_sets(
        [sample["sample"], sample["sample-data"]],
        sorted(ours.iterdir()),
        policy=ComparePolicy(),
        reader=reader,
    )
    assert {pair.old.partition("-1.0")[0]: pair.verdict for pair in report.pairs} == {
        "sample": Verdict.IDENTICAL, "sample-data": Verdict.ERROR,
    }  # fmt: skip
    assert not report.missing


def test_a_damaged_file_of_ours_is_an_error_even_without_a_vendors_side(sample, tmp_path, reader):
    broken = tmp_path / "broken.rpm"
    broken.write_bytes(sample["sample"].read_bytes()[:700])
    report = compare_sets([], [sample["sample"], broken], policy=ComparePolicy(), reader=reader)
    assert report.verdict is Verdict.ERROR
    assert [pair.verdict for pair in report.pairs] == [Verdict.UNCOMPARED, Verdict.ERROR]


def test_a_compressed_bomb_in_a_payload_stays_inside_the_limits(tmp_path, reader):
    page = "printf '.TH SAMPLE 1\\n'"
    bombs = [
        Recipe(edits=((page, f"(head -c 150000000 /dev/zero; echo {word})"),))
        for word in ("one", "two")
    ]
    built = [build(recipe, tmp_path / str(place))["sample"] for place, recipe in enumerate(bombs)]
    report = compare_paths(*built, ComparePolicy(), reader=reader)
    assert [item.kind for item in report.pairs[0].findings if "sample.1.gz" in item.path] == [
        "content-doc"
    ]


def test_a_signature_is_the_only_difference_of_a_signed_copy(sample, tmp_path, reader):
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    environment = {"GNUPGHOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(
        ["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "Tester <t@example.org>", "rsa2048", "sign"],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    signed = tmp_path / sample["sample"].name
    shutil.copy(sample["sample"], signed)
    subprocess.run(
        ["rpmsign", "-D", "_gpg_name t@example.org", "-D", f"__gpg {shutil.which('gpg')}", "--addsign", str(signed)],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)
    report = compare_paths(sample["sample"], signed, ComparePolicy(), reader=reader)
    assert report.verdict is Verdict.EQUIVALENT
    assert [item.kind for item in report.pairs[0].findings] == ["signature"]


def test_content_too_large_for_the_readers_memory_is_an_error_of_that_file(sample, tmp_path):
    line = "printf 'other\\n' > $d/usr/share/sample/other.txt"
    zeros = "head -c 100000000 /dev/zero > $d/usr/share/sample/other.txt"
    other = build(Recipe(edits=((line, zeros),)), tmp_path / "big")
    starved = SandboxedReader(memory=200 * 1024 * 1024)
    report = compare_paths(sample["sample"], other["sample"], ComparePolicy(), reader=starved)
    assert report.verdict is Verdict.ERROR
    assert {item.kind for item in report.pairs[0].findings if item.verdict is Verdict.ERROR} == {
        "unreadable"
    }


def test_a_sandbox_that_cannot_start_is_the_farms_fault_and_no_verdict(sample):
    with pytest.raises(InfraError):
        SandboxedReader(memory=1024 * 1024).headers([sample["sample"]])


def test_folders_are_walked_and_srpms_left_out(sample, tmp_path, reader):
    for side in ("old", "new"):
        folder = tmp_path / side / "deep"
        folder.mkdir(parents=True)
        for path in sample.values():
            shutil.copy(path, folder)
    report = compare_paths(tmp_path / "old", tmp_path / "new", ComparePolicy(), reader=reader)
    assert report.verdict is Verdict.IDENTICAL
    assert sorted(pair.name for pair in report.pairs) == ["sample", "sample-data"]


def test_what_is_not_there_or_not_of_a_kind_is_refused(sample, tmp_path, reader):
    with pytest.raises(NotFound):
        compare_paths(tmp_path / "no", tmp_path, ComparePolicy(), reader=reader)
    with pytest.raises(InputError):
        compare_paths(sample["sample"], tmp_path, ComparePolicy(), reader=reader)
    with pytest.raises(InputError):
        compare_paths(tmp_path, tmp_path, ComparePolicy(), reader=reader)
