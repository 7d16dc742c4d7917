"""Two buildroots beside each other, whatever form the vendor's is told in."""

from __future__ import annotations

import json

import pytest

from buildfarm.domain.build.parity import Differs, parity, parse_nevra, read_reference
from buildfarm.errors import InputError

MOCK_LOCK = {
    "version": "1.0.0",
    "buildroot": {"rpms": [
        {"name": "bash", "epoch": None, "version": "5.1.8", "release": "9.el9", "arch": "x86_64", "sigmd5": "1", "url": "x"},
        {"name": "perl", "epoch": "4", "version": "5.32.1", "release": "481.el9", "arch": "x86_64", "sigmd5": "2"},
    ]},
    "bootstrap": {"image_digest": "x"},
}  # fmt: skip
INSTALLED = """\
bash-5.1.8-9.el9.x86_64 1700000000 7738634 ccc installed
perl-4:5.32.1-481.el9.x86_64 1700000000 0 ddd installed
gpg-pubkey-8483c65d-5ccc5b19 1700000000 0 (none) installed
"""
NEVRAS = ("bash-5.1.8-9.el9.x86_64", "perl-4:5.32.1-481.el9.x86_64")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (json.dumps(MOCK_LOCK), "mock's buildroot_lock.json"),
        (json.dumps({"lock": MOCK_LOCK["buildroot"]["rpms"]}), "a lock of ours"),  # type: ignore[index]  # JSON
        (json.dumps(MOCK_LOCK["buildroot"]["rpms"]), "Koji's list of RPMs"),  # type: ignore[index]  # JSON
        (INSTALLED.replace("gpg-pubkey-8483c65d-5ccc5b19", "gpg-pubkey-8483c65d-5ccc5b19.noarch"), "mock's installed_pkgs.log"),
        ("# a comment\nperl-4:5.32.1-481.el9.x86_64.rpm\nbash-5.1.8-9.el9.x86_64\n", "a list of NEVRAs"),
    ],
)  # fmt: skip
def test_a_reference_is_read_from_any_of_its_forms(text: str, form: str) -> None:
    found = read_reference(text)
    assert (found.form, tuple(map(str, found.rpms))) == (form, NEVRAS)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "hello world", '{"buildroot": {}}', '{"lock": [1]}', '[{"name": "x"}]']
)
def test_what_is_no_lock_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(InputError):
        read_reference(text)


def test_differences_come_by_kind_and_say_who_built_ours() -> None:
    ours = [
        "same-1-1.noarch",
        "old-1-1.x86_64",
        "new-2-1.x86_64",
        "extra-1-1.x86_64",
        "epoch-1:1-1.noarch",
    ]
    theirs = [
        "same-1-1.noarch",
        "old-1-2.x86_64",
        "new-2~rc1-1.x86_64",
        "gone-1-1.x86_64",
        "epoch-2-1.noarch",
    ]
    built = {rpm: rpm.name == "new" for rpm in map(parse_nevra, ours) if rpm}
    found = parity(built, [rpm for rpm in map(parse_nevra, theirs) if rpm])
    assert found.same == 1
    assert [(one.kind, one.name, one.built_here) for one in found.differences] == [
        (Differs.MISSING, "gone", False), (Differs.LOWER, "old", False), (Differs.HIGHER, "epoch", False),
        (Differs.HIGHER, "new", True), (Differs.EXTRA, "extra", False),
    ]  # fmt: skip
