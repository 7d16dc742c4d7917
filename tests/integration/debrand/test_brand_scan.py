"""The brand scan over real RPMs: where a word can hide, and who may leave one there."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildfarm.adapters.brand_scan import scan_rpms
from buildfarm.domain.brand import Allow, BrandPolicy, BrandWord
from buildfarm.errors import ToolFailed
from tests.integration.debrand.conftest import Rpmbuild

POLICY = BrandPolicy(
    words=(
        BrandWord(pattern="acme", kind="trademark"),
        BrandWord(pattern="Big Vendor", kind="name"),
        BrandWord(pattern=r"\bBV\b", kind="short", exact=True),
    ),
    keep=("[Cc]opyright", "©"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is planted where; everything else of the RPM is clean."""

    summary: str = "Clean"
    provides: str = "clean"
    post: str = "true"
    text: bytes = b"nothing\n"
    man: bytes = b"nothing\n"
    elf: str = "nothing"
    wide: str = "nothing"
    name: str = "file"
    link: str = "nowhere"
    changelog: str = "Clean"


def spec(plan: Plan) -> bytes:
    return f"""\
Name: scanned
Version: 1
Release: 1
Summary: {plan.summary}
License: MIT
Provides: {plan.provides}
Source0: text
Source1: man.gz
Source2: wide
Source3: main.c
%description
Clean.
%install
mkdir -p %{{buildroot}}/d
cp %{{SOURCE0}} %{{SOURCE1}} %{{SOURCE2}} %{{buildroot}}/d
gcc -x c -o %{{buildroot}}/d/program %{{SOURCE3}}
touch '%{{buildroot}}/d/{plan.name}'
ln -s {plan.link} %{{buildroot}}/d/link
%post
{plan.post}
%files
/d
%changelog
* Mon Apr 29 2024 X <x@x.example> - 1-1
- {plan.changelog}
""".encode("utf-8", "surrogateescape")


@pytest.fixture(scope="session")
def build(rpmbuild: Rpmbuild):
    def make(plan: Plan, *defines: str) -> Path:
        code = f'#include <stdio.h>\nint main(void) {{ return puts("{plan.elf}"); }}\n'
        (made,) = rpmbuild(
            "-bb", "scanned", spec(plan), "_build_id_links none", "_invalid_encoding_terminates_build 0", *defines,
            **{
                "text": plan.text, "man.gz": gzip.compress(plan.man, mtime=0), "wide": plan.wide.encode("utf-16-le"),
                "main.c": code.encode(),
            },
        )  # fmt: skip
        return made

    return make


def places(hits) -> list[tuple[str, str, str]]:
    return sorted((hit.where, hit.word, hit.kind) for hit in hits)


FULL = Plan(
    summary="The tool of Acme", provides="acme-tool", post="echo ACME", text=b"Line\nby aCmE here\n", man=b".TH ACME 1\n",
    elf="Welcome to Big Vendor", wide="x ACME", name="acme.conf", link="acme-release", changelog="ACME made this",
)  # fmt: skip


@pytest.fixture(scope="session")
def full(build) -> Path:
    return build(FULL)


def test_a_clean_rpm_has_no_hit(build):
    assert scan_rpms([build(Plan())], POLICY) == []
    assert scan_rpms([], POLICY) == []


def test_a_word_is_found_wherever_it_hides_except_in_the_changelog(full: Path):
    hits = scan_rpms([full], POLICY)
    assert places(hits) == [
        ("/d/acme.conf", "acme", "trademark"),
        ("/d/link", "acme", "trademark"),
        ("/d/man.gz", "ACME", "trademark"),
        ("/d/program", "Big Vendor", "name"),
        ("/d/text", "aCmE", "trademark"),
        ("/d/wide", "acme", "trademark"),
        ("header:POSTIN", "ACME", "trademark"),
        ("header:PROVIDES", "acme", "trademark"),
        ("header:SUMMARY", "Acme", "trademark"),
    ]
    text = next(hit for hit in hits if hit.where == "/d/text")
    assert (text.rpm, text.offset, text.context) == (full.name, 8, "by aCmE here")
    assert next(hit for hit in hits if hit.where == "/d/wide").offset == 4


@pytest.mark.parametrize(
    "more",
    [
        Plan(text=b"clean\nACME\n"), Plan(man=b"ACME"), Plan(elf="ACME"), Plan(wide="Big Vendor"), Plan(summary="A BV"),
        Plan(name="acme"), Plan(link="acme"), Plan(provides="acme"), Plan(post="acme"),
    ],
)  # fmt: skip
def test_one_word_more_is_one_hit_more(build, more: Plan):
    assert len(scan_rpms([build(more)], POLICY)) == 1


@pytest.mark.parametrize("payload", ["w9.gzdio", "w9.xzdio", "w3.zstdio", "w9.bzdio", "w.ufdio"])
def test_every_kind_of_payload_is_read(build, payload: str):
    made = build(Plan(text=b"ACME"), f"_binary_payload {payload}")
    assert places(scan_rpms([made], POLICY)) == [("/d/text", "ACME", "trademark")]


def test_a_file_that_only_looks_compressed_is_read_as_it_is(build):
    assert places(scan_rpms([build(Plan(text=b"\x1f\x8bACME"))], POLICY)) == [("/d/text", "ACME", "trademark")]


def test_an_allowed_hit_is_gone_and_the_others_stay(full: Path):
    everything = scan_rpms([full], POLICY)
    allow = [
        Allow(pattern="^acme-tool", where="header:PROVIDES", reason="functional"),
        Allow(pattern="by aCmE", where="/d/man*", reason="another place"),
        Allow(pattern="no such context", reason="another context"),
    ]
    left = scan_rpms([full], POLICY, allow)
    assert [hit for hit in everything if hit not in left] == [hit for hit in everything if "PROVIDES" in hit.where]
    assert scan_rpms([full], POLICY, [Allow(pattern="", reason="all of it")]) == []


def test_a_line_that_is_to_be_kept_is_no_hit_and_the_next_line_is(build):
    text = "Copyright 2024 ACME\n© ACME\ncopyright Big Vendor\nby ACME\n".encode()
    hits = scan_rpms([build(Plan(text=text))], POLICY)
    assert [(hit.offset, hit.context) for hit in hits] == [(text.index(b"by ACME") + 3, "by ACME")]


def test_case_counts_only_where_the_policy_says_exact(build):
    assert scan_rpms([build(Plan(text=b"bv BVX xBV"))], POLICY) == []
    assert places(scan_rpms([build(Plan(text=b"(BV)"))], POLICY)) == [("/d/text", "BV", "short")]


def test_names_and_headers_that_are_no_utf_8_are_scanned_like_others(build):
    odd = b"acme-\xe9".decode("utf-8", "surrogateescape")
    hits = scan_rpms([build(Plan(name=odd, summary=odd, text=b"\xe9 ACME \xff"))], POLICY)
    assert sorted(hit.where for hit in hits) == ["/d/acme-\N{REPLACEMENT CHARACTER}", "/d/text", "header:SUMMARY"]
    assert all(str(hit.as_json()).encode() for hit in hits)


def test_many_hits_in_one_file_are_cut_short_and_the_next_file_still_counts(build):
    hits = scan_rpms([build(Plan(text=b"ACME\n" * 500, man=b"ACME"))], POLICY)
    assert [hit.where for hit in hits].count("/d/man.gz") == 1
    assert [hit.where for hit in hits].count("/d/text") == 50


@pytest.mark.parametrize("keep", [0, 100, 3000, -40])
def test_a_scan_that_could_not_read_to_the_end_is_no_clean_scan(full: Path, tmp_path: Path, keep: int):
    cut = tmp_path / "cut.rpm"
    cut.write_bytes(full.read_bytes()[:keep])
    with pytest.raises(ToolFailed):
        scan_rpms([cut], POLICY)
