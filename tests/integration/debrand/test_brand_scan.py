"""The brand scan over real RPMs: where a word can hide, and who may leave one there."""

import gzip
import hashlib
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from buildfarm.adapters.debrand.brand_scan import scan_paths, scan_rpms
from buildfarm.adapters.debrand.brand_scan.marks import dhash
from buildfarm.domain.debrand.brand import (
    UNREAD,
    Allow,
    BrandImage,
    BrandKey,
    BrandPolicy,
    BrandWord,
    Keep,
    explained,
)
from tests.integration.debrand.conftest import Rpmbuild

POLICY = BrandPolicy(
    words=(
        BrandWord(pattern="acme", kind="trademark"),
        BrandWord(pattern="Big Vendor", kind="name"),
        BrandWord(pattern=r"\bBV\b", kind="short", exact=True),
    ),
    keep=(Keep(pattern="[Cc]opyright"), Keep(pattern="©")),
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
    assert places(scan_rpms([build(Plan(text=b"\x1f\x8bACME"))], POLICY)) == [
        ("/d/text", "ACME", "trademark")
    ]


def test_an_allowed_hit_is_gone_and_the_others_stay(full: Path):
    everything = scan_rpms([full], POLICY)
    allow = [
        Allow(pattern="^acme-tool", where="header:PROVIDES", reason="functional"),
        Allow(pattern="by aCmE", where="/d/man*", reason="another place"),
        Allow(pattern="no such context", reason="another context"),
    ]
    left = scan_rpms([full], POLICY, allow)
    assert [hit for hit in everything if hit not in left] == [
        hit for hit in everything if "PROVIDES" in hit.where
    ]
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
    assert sorted(hit.where for hit in hits) == [
        "/d/acme-\N{REPLACEMENT CHARACTER}",
        "/d/text",
        "header:SUMMARY",
    ]
    assert all(str(hit.as_json()).encode() for hit in hits)


def test_many_hits_in_one_file_are_cut_short_and_the_next_file_still_counts(build):
    hits = scan_rpms([build(Plan(text=b"ACME\n" * 500, man=b"ACME"))], POLICY)
    assert [hit.where for hit in hits].count("/d/man.gz") == 1
    assert [hit.where for hit in hits].count("/d/text") == 50


@pytest.mark.parametrize("keep", [0, 100, 3000, -40])
def test_a_scan_that_could_not_read_to_the_end_is_no_clean_scan(
    full: Path, tmp_path: Path, keep: int
):
    cut = tmp_path / "cut.rpm"
    cut.write_bytes(full.read_bytes()[:keep])
    hits = scan_rpms([cut], POLICY, [Allow(pattern=".", reason="everything")])
    assert [(hit.rpm, hit.kind) for hit in hits][-1] == ("cut.rpm", UNREAD)
    assert hits[-1].context.startswith("cannot be read: ")


def nested(content: bytes, kinds: str, tmp_path: Path) -> Path:
    """``content`` packed by the programs that people pack with, the first kind innermost."""
    file = tmp_path / "innermost.txt"
    file.write_bytes(content)
    for number, kind in enumerate(kinds.split()):
        made = tmp_path / f"n{number}.{kind}"
        argv = {
            "tar": ["tar", "-cf", made, "-C", tmp_path, file.name],
            "zip": [sys.executable, "-m", "zipfile", "-c", made, file],
            "ar": ["ar", "rc", made, file],
            "cpio": ["cpio", "-o", "-H", "newc", "--quiet", "-F", made],
        }.get(kind)
        if argv is None:
            program = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd", "lzma": "xz"}[kind]
            words = [program, "-c", *(["--format=lzma"] if kind == "lzma" else []), file]
            made.write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)
        else:
            subprocess.run(
                argv, check=True, capture_output=True, cwd=tmp_path, input=f"{file.name}\n".encode()
            )
        file = made
    return file


@pytest.mark.parametrize(
    "kinds",
    [
        "gz",
        "bz2",
        "xz",
        "zst",
        "lzma",
        "tar",
        "zip",
        "ar",
        "cpio",
        "tar gz",
        "zip tar xz",
        "gz tar zst zip bz2 tar xz",
    ],
)
def test_a_brand_is_found_at_every_nesting_and_its_place_named(kinds: str, tmp_path: Path):
    file = nested(b"clean\nMade by ACME\n", kinds, tmp_path)
    (hit,) = scan_paths([file], POLICY)
    assert (hit.rpm, hit.line, hit.offset, hit.context) == (file.name, 2, 14, "Made by ACME")
    assert hit.where.startswith(file.name)
    assert hit.where.count("!") == sum(
        kind in ("tar", "zip", "ar", "cpio") for kind in kinds.split()
    )
    assert scan_paths([nested(b"clean\n", kinds, tmp_path)], POLICY) == []


def test_an_srpm_inside_an_srpm_is_read_and_the_outer_specs_changelog_is_history(
    rpmbuild: Rpmbuild,
):
    (inner,) = rpmbuild(
        "-bs",
        "inner",
        spec(Plan()),
        text=b"by ACME\n",
        **{"man.gz": b"", "wide": b"", "main.c": b""},
    )
    outer_spec = spec(Plan(changelog="ACME made this")).replace(
        b"Source0: text", b"Source0: inner.src.rpm"
    )
    (outer,) = rpmbuild(
        "-bs",
        "outer",
        outer_spec,
        **{"inner.src.rpm": inner.read_bytes(), "man.gz": b"", "wide": b"", "main.c": b""},
    )
    (hit,) = scan_rpms([outer], POLICY)
    assert (hit.where, hit.line) == ("inner.src.rpm!text", 1)


def test_a_ghost_is_only_a_name_and_found_by_it(rpmbuild: Rpmbuild):
    text = spec(Plan()).replace(b"%files\n", b"%files\n%ghost /var/acme.state\n")
    (made,) = rpmbuild(
        "-bb", "scanned", text.replace(b"%post", b"mkdir %{buildroot}/var; touch %{buildroot}/var/acme.state\n%post"),
        "_build_id_links none",
        **{"text": b"", "man.gz": b"", "wide": b"", "main.c": b"int main(void){return 0;}"},
    )  # fmt: skip
    assert places(scan_rpms([made], POLICY)) == [("/var/acme.state", "acme", "trademark")]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-16", "cp1252"]
)
def test_a_word_is_found_in_any_encoding(encoding: str, tmp_path: Path):
    file = tmp_path / "text"
    file.write_bytes("Grüße von ACME\n".encode(encoding))
    assert [hit.word.lower() for hit in scan_paths([file], POLICY)] == ["acme"]


def test_catalogues_of_messages_are_read_compiled_or_not(tmp_path: Path):
    po = tmp_path / "de.po"
    po.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "Hello"\nmsgstr "Hallo von ACME"\n'
    )
    mo = tmp_path / "de.mo"
    mo.write_bytes(
        _compiled({"": "Content-Type: text/plain; charset=UTF-8\n", "Hello": "Hallo von ACME"})
    )
    assert [(hit.rpm, hit.line) for hit in scan_paths([po, mo], POLICY)] == [
        ("de.mo", 0),
        ("de.po", 5),
    ]


def _compiled(messages: dict[str, str]) -> bytes:
    """As msgfmt writes them (gettext manual, "The Format of GNU MO Files")."""
    ids, texts, rows = b"", b"", []
    for key, value in sorted(messages.items()):
        rows.append((len(key.encode()), len(ids), len(value.encode()), len(texts)))
        ids += key.encode() + b"\0"
        texts += value.encode() + b"\0"
    start = 28 + 16 * len(rows)
    keys = b"".join(struct.pack("<II", size, start + at) for size, at, _, _ in rows)
    values = b"".join(struct.pack("<II", size, start + len(ids) + at) for _, _, size, at in rows)
    head = struct.pack("<7I", 0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, 0)
    return head + keys + values + ids + texts


def logo(size: int, shift: int = 0) -> Image.Image:
    picture = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((size * 0.1 + shift, size * 0.2, size * 0.7 + shift, size * 0.6), fill="red")
    draw.rectangle((size * 0.3, size * 0.55, size * 0.9, size * 0.9), fill="black")
    return picture


def saved(picture: Image.Image, file: Path) -> Path:
    picture.save(file)
    return file


def test_a_picture_is_known_by_its_looks_in_another_format_and_size(tmp_path: Path):
    original = saved(logo(256), tmp_path / "logo.png")
    policy = BrandPolicy(
        words=(), images=(BrandImage(name="their hat", dhash=dhash(original.read_bytes())),)
    )
    same = [
        original,
        saved(logo(90), tmp_path / "small.png"),
        saved(logo(300), tmp_path / "big.jpg"),
        saved(logo(64), tmp_path / "icon.gif"),
    ]
    other = [
        saved(logo(256).rotate(90), tmp_path / "turned.png"),
        saved(Image.new("RGB", (64, 64), "blue"), tmp_path / "blue.png"),
    ]
    assert sorted(hit.rpm for hit in scan_paths(same + other, policy)) == sorted(
        file.name for file in same
    )
    digest = BrandPolicy(
        words=(),
        images=(BrandImage(name="x", sha256=hashlib.sha256(original.read_bytes()).hexdigest()),),
    )
    assert [hit.rpm for hit in scan_paths(same + other, digest)] == ["logo.png"]


def test_certificates_are_known_by_their_names_in_both_forms(tmp_path: Path):
    subject = "/O=ACME, Inc./CN=ACME Secure Boot CA"
    for form, name in (("PEM", "ca.pem"), ("DER", "ca.cer")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key", "-outform", form, "-out",
             tmp_path / name, "-subj", subject, "-days", "1"], check=True, capture_output=True,
        )  # fmt: skip
    policy = BrandPolicy(words=(), keys=(BrandKey(name="their CA", subject="O=ACME"),))
    hits = scan_paths([tmp_path / "ca.pem", tmp_path / "ca.cer"], policy)
    assert [(hit.rpm, hit.kind, hit.word) for hit in hits] == [
        (n, "signing-key", "their CA") for n in ("ca.cer", "ca.pem")
    ]
    nobody = BrandPolicy(words=(), keys=(BrandKey(name="x", subject="O=Nobody"),))
    assert scan_paths([tmp_path / "ca.pem", tmp_path / "ca.cer"], nobody) == []


def test_openpgp_keys_are_known_by_their_fingerprint_as_gpg_says_it(tmp_path: Path):
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = [
        "gpg",
        "--homedir",
        str(home),
        "--batch",
        "--passphrase",
        "",
        "--pinentry-mode",
        "loopback",
    ]
    subprocess.run(
        [*gpg, "--quick-generate-key", "X <x@x.example>", "rsa2048", "sign", "never"],
        check=True,
        capture_output=True,
    )
    listing = subprocess.run(
        [*gpg, "--list-keys", "--with-colons"], check=True, capture_output=True, text=True
    ).stdout
    fingerprint = next(
        line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")
    )
    armoured, binary = tmp_path / "RPM-GPG-KEY-x", tmp_path / "x.gpg"
    armoured.write_bytes(
        subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout
    )
    binary.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    policy = BrandPolicy(
        words=(), keys=(BrandKey(name="their key", fingerprint=fingerprint[-16:]),)
    )
    assert [hit.rpm for hit in scan_paths([armoured, binary], policy)] == [
        armoured.name,
        binary.name,
    ]
    other = BrandPolicy(words=(), keys=(BrandKey(name="x", fingerprint="0" * 16),))
    assert scan_paths([armoured, binary], other) == []


def test_a_damaged_archive_and_one_nested_too_deep_are_not_taken_for_clean(tmp_path: Path):
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(b"y" * 5000)
    damaged = tmp_path / "damaged.cpio"
    subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet", "-F", damaged],
        input=b"first\nsecond\n",
        check=True,
        cwd=tmp_path,
    )
    damaged.write_bytes(damaged.read_bytes()[:7000])
    (cut,) = scan_paths([damaged], POLICY)
    assert (cut.kind, cut.context) == (
        UNREAD,
        "an archive that is damaged: second ends before its 5000 bytes",
    )
    deep = nested(b"clean", " ".join(["tar"] * 12), tmp_path)
    hits = scan_paths([deep], POLICY)
    assert [(hit.kind, hit.context) for hit in hits] == [
        (UNREAD, "archives nested more than 8 deep")
    ]
    assert explained(hits[0], [Allow(pattern=".", reason="all of it")]) is None


def test_words_may_be_limited_to_places_and_lines_kept_in_places(tmp_path: Path):
    (tmp_path / "a.desktop").write_text("Name=ACME Browser\n")
    (tmp_path / "b.c").write_text("/* the ACME algorithm */\n")
    only = BrandPolicy(words=(BrandWord(pattern="acme", kind="trademark", where="*.desktop"),))
    assert [hit.rpm for hit in scan_paths([tmp_path], only)] == ["a.desktop"]
    kept = BrandPolicy(words=POLICY.words, keep=(Keep(pattern="algorithm", where="*.c"),))
    assert [hit.rpm for hit in scan_paths([tmp_path], kept)] == ["a.desktop"]
