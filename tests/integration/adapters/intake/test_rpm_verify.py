"""Intake against rpm itself: what ``rpm -qp`` and ``rpmkeys -K`` say is the oracle."""

import base64
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from buildfarm.adapters.intake import rpm_verify
from buildfarm.adapters.intake.rpm_verify import (  # fmt: skip
    BadSignature,
    Damaged,
    NotAnRpm,
    UnknownKey,
    Unsigned,
    Verified,
    verify,
    verify_many,
)
from buildfarm.adapters.intake.rpm_verify.reader import Problem, judge
from buildfarm.adapters.publish.signing import Signer
from buildfarm.errors import ConfigError, InfraError, InputError
from tests.integration.adapters.conftest import RpmMaker, spec

RICH = spec(
    "rich",
    "Epoch: 2",
    "Vendor: PNAELV",
    "Source0: source.txt",
    "Patch0: fix.patch",
    "BuildRequires: gcc >= 11, (foo if bar), (a or b >= 2), /usr/bin/perl, pkgconfig(zlib) < 1:3",
    "ExclusiveArch: x86_64 noarch",
    "ExcludeArch: ppc64le",
    "Requires: sh, (x and y)",
    "Provides: rich-api = 2:3.4",
    files=("/usr/share/rich/file",),
)
_SIGNATURE_TAG_RSA_HEADER = 268
_SIGNATURE_TAG_PGP = 1002


@pytest.fixture(scope="session")
def rich(make_rpms: RpmMaker) -> tuple[Path, Path]:
    """An SRPM and its RPM."""
    srpm, rpm = make_rpms(RICH)
    return srpm, rpm


@pytest.fixture(scope="session")
def signed(
    rich: tuple[Path, Path], signer: Signer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    copy = tmp_path_factory.mktemp("signed") / "rich-1.0-1.src.rpm"
    shutil.copyfile(rich[0], copy)
    signer.sign_rpms([copy])
    return copy


def rpm_query(path: Path, what: str) -> list[str]:
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", what, path], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def broken_at(path: Path, tmp_path: Path, offset: int) -> Path:
    """A copy with one byte changed; a negative offset counts from the end."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    copy = tmp_path / f"broken-{offset}.rpm"
    copy.write_bytes(data)
    return copy


def test_a_signed_srpm_is_verified_and_its_header_read(signed: Path, public_key: Path):
    found = verify(signed, [public_key])
    assert isinstance(found, Verified)
    assert (found.name, found.epoch, found.version, found.release) == ("rich", 2, "1.0", "1")
    assert (found.arch, found.is_source, found.vendor) == ("src", True, "PNAELV")
    assert found.exclusivearch == ("x86_64", "noarch")
    assert found.excludearch == ("ppc64le",)
    assert found.buildarchs == ("noarch",)
    assert found.sources == ("source.txt",)
    assert found.patches == ("fix.patch",)
    assert found.sha256header == rpm_query(signed, "--qf=%{sha256header}")[0]
    assert str(found.buildtime) == rpm_query(signed, "--qf=%{buildtime}")[0]
    assert len(found.key_id) == 8
    assert found.key_id in rpm_query(signed, "--qf=%{rsaheader:pgpsig}")[0]


def test_dependencies_are_as_rpm_prints_them(rich: tuple[Path, Path], signed: Path):
    srpm, rpm = verify_many(rich, None)
    assert isinstance(srpm, Verified)
    assert isinstance(rpm, Verified)
    for path, found in zip(rich, (srpm, rpm), strict=True):
        expected = [
            line for line in rpm_query(path, "--requires") if not line.startswith("rpmlib(")
        ]
        assert list(found.requires) == expected
        assert list(found.provides) == rpm_query(path, "--provides")
    assert "(foo if bar)" in srpm.requires
    assert "pkgconfig(zlib) < 1:3" in srpm.requires
    assert (srpm.sourcerpm, rpm.sourcerpm) == ("", "rich-1.0-1.src.rpm")
    assert rpm.arch == "noarch"


def test_a_folder_of_keys_is_a_key_ring(signed: Path, public_key: Path):
    assert verify(signed, public_key.parent).name == "rich"


def test_several_keys_in_one_file_all_count(
    signed: Path, public_key: Path, other_key: Path, tmp_path: Path
):
    both = tmp_path / "both"
    both.write_bytes(b"Keys of the vendor\n\n" + other_key.read_bytes() + public_key.read_bytes())
    assert verify(signed, [both]).name == "rich"


def test_an_unsigned_file_is_fine_only_where_no_signature_is_asked_for(
    rich: tuple[Path, Path], public_key: Path
):
    assert verify(rich[0], None).name == "rich"
    with pytest.raises(Unsigned, match=r"rich-1\.0-1\.src\.rpm: it is not signed"):
        verify(rich[0], [public_key])


@pytest.mark.parametrize("trusted", [True, False])
def test_a_key_that_is_not_in_the_ring_is_named(signed: Path, other_key: Path, trusted: bool):
    with pytest.raises(
        UnknownKey, match=r"signed by key [0-9a-f]{8}, which the target does not trust"
    ):
        verify(signed, [other_key] if trusted else [])


def test_a_payload_that_was_changed_is_damaged(signed: Path, public_key: Path, tmp_path: Path):
    with pytest.raises(Damaged, match="Payload SHA256 digest"):
        verify(broken_at(signed, tmp_path, -10), [public_key])


def test_a_header_that_was_changed_is_damaged(signed: Path, public_key: Path, tmp_path: Path):
    start = signed.read_bytes().index(b"PNAELV")
    with pytest.raises(Damaged, match="header"):
        verify(broken_at(signed, tmp_path, start), [public_key])


def test_every_truncation_is_refused_with_a_reason(signed: Path, public_key: Path, tmp_path: Path):
    data = signed.read_bytes()
    lengths = sorted({4, 50, 96, 110, 500, *range(1000, len(data), 997), len(data) - 1})
    files = [tmp_path / f"{length}.rpm" for length in lengths]
    for file, length in zip(files, lengths, strict=True):
        file.write_bytes(data[:length])
    answers = verify_many(files, [public_key])
    assert [type(answer) for answer in answers] == [Damaged] * len(files)
    assert all(
        str(answer).startswith(f"{file.name}: ")
        for file, answer in zip(files, answers, strict=True)
    )


def test_a_signature_that_was_changed_is_bad(signed: Path, public_key: Path, tmp_path: Path):
    data = signed.read_bytes()
    signature = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf=%{rsaheader:base64}", signed],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    start = data.index(base64.b64decode(signature))
    with pytest.raises((BadSignature, UnknownKey)):
        verify(broken_at(signed, tmp_path, start + 300), [public_key])


def relabelled(signed: Path, tmp_path: Path, tag: int) -> Path:
    """A copy whose header signature stands under another tag of the (unprotected) signature header."""
    data = bytearray(signed.read_bytes())
    entries = struct.unpack(">I", data[104:108])[0]
    for number in range(entries):
        at = 112 + 16 * number
        if struct.unpack(">I", data[at : at + 4])[0] == _SIGNATURE_TAG_RSA_HEADER:
            data[at : at + 4] = struct.pack(">I", tag)
    copy = tmp_path / f"relabelled-{tag}.rpm"
    copy.write_bytes(data)
    return copy


def test_a_signature_under_a_tag_that_header_readers_do_not_look_at_is_not_believed(
    signed: Path, public_key: Path, tmp_path: Path
):
    for tag in (_SIGNATURE_TAG_PGP, 999):
        with pytest.raises((BadSignature, Unsigned, Damaged)):
            verify(relabelled(signed, tmp_path, tag), [public_key])


def test_a_signature_over_the_header_alone_proves_nothing_about_the_payload():
    header = "    Header V3 RSA/SHA256 Signature, key ID f4a80eb5: OK\n    Header SHA1 digest: OK\n    MD5 digest: OK\n"
    with pytest.raises(Problem, match="nothing covers the payload"):
        judge(header, signed=True)
    assert (
        judge(header + "    V3 RSA/SHA256 Signature, key ID f4a80eb5: OK\n", signed=True)
        == "f4a80eb5"
    )
    assert judge(header + "    Payload SHA256 digest: OK\n", signed=True) == "f4a80eb5"
    with pytest.raises(Problem, match="no digest covers the payload"):
        judge("    Header SHA256 digest: OK\n", signed=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"I am a text\n", "not an RPM"), (b"\xed\xab", "not an RPM")],
)
def test_what_is_no_rpm_is_called_that(
    tmp_path: Path, public_key: Path, content: bytes, reason: str
):
    file = tmp_path / "file.rpm"
    file.write_bytes(content)
    with pytest.raises(NotAnRpm, match=reason):
        verify(file, [public_key])


def test_a_header_that_claims_to_be_huge_costs_nothing(signed: Path, tmp_path: Path):
    data = bytearray(signed.read_bytes())
    data[104:112] = struct.pack(">II", 0x0FFFFFFF, 0x0FFFFFFF)
    file = tmp_path / "huge.rpm"
    file.write_bytes(data)
    started = time.monotonic()
    with pytest.raises(Damaged):
        verify(file, None)
    assert time.monotonic() - started < 5


def test_one_bad_file_does_not_cost_the_others_their_answers(
    signed: Path, public_key: Path, tmp_path: Path
):
    text = tmp_path / "text.rpm"
    text.write_text("text")
    files = [signed, text, broken_at(signed, tmp_path, -10), signed] * 6
    answers = verify_many(files, [public_key])
    assert [type(answer).__name__ for answer in answers] == [
        "Verified",
        "NotAnRpm",
        "Damaged",
        "Verified",
    ] * 6


def test_a_file_that_ends_the_reader_is_damaged_and_the_others_are_read(
    signed: Path, public_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fragile = tmp_path / "reader.py"
    crash = 'import io, os, sys\ngiven = sys.stdin.read()\nif "evil" in given: os.abort()\nsys.stdin = io.StringIO(given)\n'
    head, future, rest = rpm_verify._READER.read_text().partition(
        "from __future__ import annotations\n"
    )
    fragile.write_text(head + future + crash + rest)
    monkeypatch.setattr(rpm_verify, "_READER", fragile)
    evil = tmp_path / "evil.rpm"
    shutil.copyfile(signed, evil)
    first, second, third = verify_many([signed, evil, signed], [public_key])
    assert isinstance(first, Verified)
    assert isinstance(third, Verified)
    assert isinstance(second, Damaged)
    assert "evil.rpm: reading it ended the reader" in str(second)


def test_a_spec_is_never_evaluated(make_rpms: RpmMaker, tmp_path: Path):
    trap = tmp_path / "trapped"
    srpm = make_rpms(spec("trap", f"%{{!?safe:%(touch {trap})}}"))[0]  # our rpmbuild defines `safe`
    assert verify(srpm, None).name == "trap"
    assert not trap.exists()


def test_a_macro_in_a_header_is_text(make_rpms: RpmMaker, tmp_path: Path):
    trap = tmp_path / "trapped"
    srpm = make_rpms(spec("text", f"Vendor: %%(touch {trap})"))[0]
    found = verify(srpm, None)
    assert isinstance(found, Verified)
    assert found.vendor == f"%(touch {trap})"
    assert not trap.exists()


def test_a_key_that_is_none_is_a_mistake_in_the_configuration(
    signed: Path, public_key: Path, tmp_path: Path
):
    for content in (
        "hello",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    ):
        key = tmp_path / "bad-key"
        key.write_text(content)
        with pytest.raises(ConfigError, match="bad-key: no usable"):
            verify(signed, [public_key, key])
    with pytest.raises(ConfigError, match="absent"):
        verify(signed, [tmp_path / "absent"])


def test_a_file_that_is_gone_is_the_farms_fault(tmp_path: Path):
    with pytest.raises(InfraError, match="no such file"):
        verify(tmp_path / "gone.rpm", None)


def test_the_systems_rpm_database_is_not_touched(signed: Path, public_key: Path):
    database = Path("/var/lib/rpm")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in database.glob("*"))
    verify(signed, [public_key])
    assert sorted((path.name, path.stat().st_mtime_ns) for path in database.glob("*")) == before


@pytest.fixture(scope="session")
def corpus() -> Path:
    folder = os.environ.get("BUILDFARM_CORPUS")
    if not folder:
        pytest.skip("BUILDFARM_CORPUS is not set: no folder of real RPMs")
    return Path(folder)


@pytest.mark.corpus
def test_the_corpus_is_judged_as_rpmkeys_judges_it(corpus: Path):
    files = sorted(corpus.glob("rpms/**/*.rpm")) + sorted(corpus.glob("srpms/*.rpm"))
    for file, answer in zip(files, verify_many(files, None), strict=True):
        done = subprocess.run(
            ["rpmkeys", "-K", "--nosignature", file], capture_output=True, text=True, check=False
        )
        assert isinstance(answer, InputError) == (done.returncode != 0), (
            f"{file}: {done.stdout}{answer}"
        )


@pytest.mark.corpus
def test_the_corpus_of_signed_rpms_names_its_keys_and_the_hostile_payload_is_damaged(
    corpus: Path, public_key: Path
):
    expected = {
        "signed/centos-release-5-0.0.el5.centos.2.x86_64.rpm": (UnknownKey, "e8562897"),
        "signed/centos-release-7-2.1511.el7.centos.2.10.x86_64.rpm": (UnknownKey, "f4a80eb5"),
        "signed/hello-2.0-1.x86_64-signed.rpm": (UnknownKey, "1964c5fc"),
        "signed/hello-2.0-1.x86_64.rpm": (Unsigned, "not signed"),
        "hostile/hello-2.0-1.x86_64-corrupted.rpm": (Damaged, "payload"),
    }
    for name, (kind, words) in expected.items():
        with pytest.raises(kind, match=words):
            verify(corpus / "rpms" / name, [public_key])
