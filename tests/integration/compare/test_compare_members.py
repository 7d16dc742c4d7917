"""Members of archives: each is compared as a file of its sort and named, however deep it lies."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from buildfarm.adapters.compare.rpm_facts import contents
from buildfarm.adapters.compare.rpm_facts.content_codec import content_from_json, content_to_json
from buildfarm.domain.compare.contents.content import compare_content
from buildfarm.domain.compare.contents.normalise import NO_MASK
from buildfarm.domain.compare.metadata.files import DOC, FilePair
from buildfarm.domain.core.verdict import Finding, Verdict
from tests.integration.compare.elf_sample import LIBRARY, entry, library


def zipped(**members: bytes | str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as box:
        for name, body in members.items():
            box.writestr(zipfile.ZipInfo(name.replace("__", "."), (2026, 1, 1, 0, 0, 0)), body)
    return held.getvalue()


def tarred(**members: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as box:
        for name, body in members.items():
            about = tarfile.TarInfo(name.replace("__", "."))
            about.size = len(body)
            box.addfile(about, io.BytesIO(body))
    return gzip.compress(held.getvalue(), mtime=0)


def found(old: bytes, new: bytes, path: str = "/usr/share/x/a.zip", **about: int) -> list[Finding]:
    """Compare by what crosses the wall of the sandbox."""
    sides = [
        content_from_json(content_to_json(contents._read(iter([data]), len(data), path, NO_MASK)))
        for data in (old, new)
    ]
    one = entry(path)
    fields = {name: getattr(one, name) for name in one.__slots__}
    plain = type(one)(**{**fields, "mode": 0o100644, **about})
    return compare_content(FilePair(old=plain, new=plain), *sides, is_source=False)


def told(findings: list[Finding]) -> set[tuple[str, str, str]]:
    return {(item.kind, item.verdict.value, item.subject) for item in findings}


def test_a_member_that_differs_is_named_with_the_line():
    (item,) = found(zipped(a="1\n", b__conf="on\n"), zipped(a="1\n", b__conf="off\n"))
    assert (item.kind, item.verdict, item.subject) == ("content-data", Verdict.REVIEW, "b.conf")
    assert (item.old, item.new) == ("line 1: on", "line 1: off")


def test_members_of_one_side_are_named():
    items = found(zipped(a="1", b="2"), zipped(a="1", c="3"))
    assert {(item.subject, item.rule, item.verdict) for item in items} == {
        ("b", "member-removed", Verdict.REVIEW), ("c", "member-added", Verdict.REVIEW)
    }  # fmt: skip


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_library_in_an_archive_is_compared_as_one_at_the_top(tmp_path: Path, pack):
    old = library(tmp_path / "old").read_bytes()
    new = library(
        tmp_path / "new", source=LIBRARY.replace("int one(", "static int one(")
    ).read_bytes()
    items = found(pack(lib__so=old), pack(lib__so=new))
    assert ("export-removed", "INCOMPATIBLE", "lib.so: one") in told(items)
    assert ("export-removed", "INCOMPATIBLE", "lib.so: all 3 exports") in told(
        found(pack(lib__so=old, b=b"1"), pack(b=b"1"))
    )


def test_a_member_of_an_archive_in_an_archive_is_named_by_both():
    (item,) = found(zipped(inner__zip=zipped(a="1")), zipped(inner__zip=zipped(a="2")))
    assert item.subject == "inner.zip!a"


def tar_with_mode(mode: int, body: bytes) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as box:
        about = tarfile.TarInfo("run")
        about.size, about.mode = len(body), mode
        box.addfile(about, io.BytesIO(body))
    return held.getvalue()


@pytest.mark.parametrize("sort", ["text", "program"])
def test_a_member_with_other_rights_is_for_review_whatever_it_is(tmp_path: Path, sort: str):
    body = b"text\n" if sort == "text" else library(tmp_path / "x").read_bytes()
    (item,) = found(tar_with_mode(0o755, body), tar_with_mode(0o4755, body))
    assert (item.rule, item.subject, item.verdict) == ("member-attributes", "run", Verdict.REVIEW)


def test_an_archive_whose_members_are_equal_differs_in_its_frame():
    held = [io.BytesIO(), io.BytesIO()]
    for place, order in zip(held, ("12", "21"), strict=True):
        with tarfile.open(fileobj=place, mode="w") as box:
            for body in (*order, "3"):
                about = tarfile.TarInfo("a")
                about.size = 1
                box.addfile(about, io.BytesIO(body.encode()))
    (item,) = found(held[0].getvalue(), held[1].getvalue())
    assert (item.rule, item.verdict) == ("archive-frame", Verdict.REVIEW)


PAGE = "<html><body><p>{}</p>{}</body></html>"


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ("", Verdict.COMPATIBLE),
        ("<script>fetch('//evil')</script>", Verdict.REVIEW),
        ("<img onerror='go()'>", Verdict.REVIEW),
        ("<a href='javascript:go()'>x</a>", Verdict.REVIEW),
        ("<iframe src='//evil'>", Verdict.REVIEW),
    ],
)
def test_what_a_browser_runs_is_no_documentation(more: str, verdict: Verdict):
    old, new = PAGE.format("one", ""), PAGE.format("two", more)
    path = "/usr/share/doc/x/a.html"
    (item,) = found(old.encode(), new.encode(), path, flags=DOC)
    assert (item.kind, item.verdict) == ("content-doc", verdict)


def test_a_script_is_a_script_whatever_its_flag():
    old, new = b"#!/bin/sh\necho 1\n", b"#!/bin/sh\necho 2\n"
    path = "/usr/share/doc/x/run"
    (item,) = found(old, new, path, flags=DOC, mode=0o100755)
    assert (item.kind, item.verdict) == ("content-script", Verdict.INCOMPATIBLE)
    (item,) = found(old, new, path, flags=DOC)
    assert item.verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    ("old", "new", "path", "verdict", "rule"),
    [
        ("#!/bin/sh\nx\n", "#!/usr/bin/sh\nx\n", "/usr/bin/x", Verdict.EQUIVALENT, "merged-usr"),
        ("#!/bin/sh\nx\n", "#!/usr/bin/bash\nx\n", "/usr/bin/x", Verdict.INCOMPATIBLE, "content-script"),
        ("#!/bin/sh\n# by 1\nx\n", "#!/bin/sh\n# by 2\nx\n", "/usr/bin/x", Verdict.COMPATIBLE, "comment"),
        ("#!/bin/sh\n# by 1\nx\n", "#!/bin/sh\n# by 2\ny\n", "/usr/bin/x", Verdict.INCOMPATIBLE, "content-script"),
        ("#!/usr/bin/python3\n# -*- 1\n", "#!/usr/bin/python3\n# -*- 2\n", "/usr/bin/x", Verdict.INCOMPATIBLE, "content-script"),
        ("# by 1\ndlname='a'\n", "# by 2\ndlname='a'\n", "/usr/lib64/x.la", Verdict.COMPATIBLE, "comment"),
        ("# by 1\ndlname='a'\n", "# by 1\ndlname='b'\n", "/usr/lib64/x.la", Verdict.REVIEW, "content-data"),
    ],
)  # fmt: skip
def test_comments_of_what_a_shell_reads_are_told_apart(old, new, path, verdict, rule):
    mode = 0o100755 if path.startswith("/usr/bin") else 0o100644
    (item,) = found(old.encode(), new.encode(), path, mode=mode)
    assert (item.verdict, item.rule) == (verdict, rule)


def test_the_line_that_differs_is_shown_of_a_large_script():
    lines = [f"echo {number}" for number in range(9000)]
    old = "\n".join(["#!/bin/sh", *lines]).encode()
    (item,) = found(old, old.replace(b"echo 7000\n", b"echo 7001\n"), "/usr/bin/x", mode=0o100755)
    assert (item.old, item.new) == ("line 7002: echo 7000", "line 7002: echo 7001")


needs_javac = pytest.mark.skipif(shutil.which("javac") is None, reason="javac is not installed")


@needs_javac
def test_classes_of_a_jar_are_compared_and_one_that_two_members_define_is_not_lost(tmp_path: Path):
    made = {}
    for name, body in (("one", "return 1;"), ("two", "return 2;")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "A.java").write_text(f"public class A {{ public int get() {{ {body} }} }}")
        subprocess.run(["javac", "--release", "11", "A.java"], cwd=folder, check=True)
        made[name] = (folder / "A.class").read_bytes()
    path = "/usr/share/java/a.jar"
    old = zipped(A__class=made["one"], b="1")
    assert ("class-removed", "INCOMPATIBLE", "A") in told(found(old, zipped(b="1"), path))
    assert ("class-code", "REVIEW", "A") in told(
        found(old, zipped(A__class=made["two"], b="1"), path)
    )
    moved = found(old, zipped(x__A__class=made["one"], b="1"), path)
    assert {(item.rule, item.verdict) for item in moved} == {
        ("member-removed", Verdict.REVIEW), ("member-added", Verdict.REVIEW)
    }  # fmt: skip
    several = {"A__class": made["one"], "META-INF/versions/11/A__class": made["one"]}
    hidden = {**several, "META-INF/versions/11/A__class": made["two"]}
    (item,) = found(zipped(**several), zipped(**hidden), path)
    assert (item.subject, item.verdict) == ("META-INF/versions/11/A.class", Verdict.REVIEW)
