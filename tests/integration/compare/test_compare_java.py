"""Java classes compiled by javac, one change each."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.adapters.compare.rpm_facts import java_class
from buildfarm.adapters.compare.rpm_facts.content_codec import content_from_json, content_to_json
from buildfarm.domain.compare.contents.java import compare_class, compare_classes
from tests.integration.compare.elf_sample import compare, facts, told

pytestmark = pytest.mark.skipif(shutil.which("javac") is None, reason="javac is not installed")
SOURCE = """
public class Sample implements Runnable {
    public static final int LIMIT = 7;
    protected long counted;
    private int hidden;
    public void run() { counted += LIMIT; }
    public static String told(int value) { return "value " + value; }
    static class Inner { int x; }
}
"""
CHANGES = {
    "a method removed": (
        "public static String told(int value)", "static String told(int value)",
        ("class-changed", "INCOMPATIBLE", "Sample.told(I)Ljava/lang/String;")),
    "another parameter": (
        "told(int value)", "told(long value)", ("class-changed", "INCOMPATIBLE", "Sample.told(I)Ljava/lang/String;")),
    "a method added": (
        "private int hidden;", "public int more() { return 1; }", ("class-changed", "COMPATIBLE", "Sample.more()I")),
    "a method that is final now": (
        "public void run()", "public final void run()", ("class-changed", "INCOMPATIBLE", "Sample.run()V")),
    "a constant": ("LIMIT = 7", "LIMIT = 8", ("class-changed", "REVIEW", "Sample.LIMIT:I")),
    "an interface": ("implements Runnable", "", ("class-changed", "INCOMPATIBLE", "Sample interfaces")),
    "a superclass": ("Sample implements", "Sample extends Exception implements", ("class-changed", "INCOMPATIBLE", "Sample superclass")),
    "a class that is final now": ("public class Sample", "public final class Sample", ("class-changed", "INCOMPATIBLE", "Sample")),
    "a class that is no longer public": ("public class Sample", "class Sample", ("class-changed", "INCOMPATIBLE", "Sample")),
    "code": ('"value "', '"worth "', ("class-code", "REVIEW", "Sample")),
    "an inner class": ("static class Inner { int x; }", "", ("class-removed", "REVIEW", "Sample$Inner")),
}  # fmt: skip


def javac(folder, sources, release="11"):
    """The classes of each source; all in one run of javac, each in a package of its own, which is
    then renamed.
    """
    files = []
    for number, source in enumerate(sources):
        file = folder / f"v{number:02}" / "Sample.java"
        file.parent.mkdir(parents=True)
        file.write_text(f"package v{number:02};\n{source}")
        files.append(str(file))
    done = subprocess.run(
        ["javac", "-Xlint:-options", "--release", release, "-d", str(folder), *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        [
            path.read_bytes().replace(f"v{number:02}/".encode(), b"pkg/")
            for path in sorted((folder / f"v{number:02}").glob("*.class"))
        ]
        for number in range(len(sources))
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Every variant's classes by name; the unchanged one under the empty name."""
    for old, _, _ in CHANGES.values():
        assert SOURCE.count(old) == 1
    sources = [SOURCE, *(SOURCE.replace(old, new) for old, new, _ in CHANGES.values())]
    return dict(zip(("", *CHANGES), javac(tmp_path_factory.mktemp("java"), sources), strict=True))


@pytest.fixture(scope="module")
def sample(built):
    return built[""][1]


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_to_a_class_is_found_and_named(name, built):
    kind, verdict, subject = CHANGES[name][2]
    old, new = ([java_class.read(data) for data in built[which]] for which in ("", name))
    assert (kind, verdict, f"pkg/{subject}") in told(
        compare_classes("/usr/share/java/sample.jar", old, new)
    )


def test_newer_bytecode_is_incompatible_and_older_is_not(sample, tmp_path):
    old, newer = (
        java_class.read(sample),
        java_class.read(javac(tmp_path, [SOURCE], release="17")[0][1]),
    )
    assert old.version == (55, 0)
    assert ("class-version", "INCOMPATIBLE", "pkg/Sample") in told(
        compare_class("/a.class", old, newer)
    )
    assert {(kind, verdict) for kind, verdict, _ in told(compare_class("/a.class", newer, old))} == {
        ("class-version", "COMPATIBLE"), ("class-code", "REVIEW")
    }  # fmt: skip


def test_a_class_file_of_an_rpm_is_compared_by_its_interface_and_its_facts_survive_the_wall(built):
    sample, changed = built[""][1], built["a method added"][1]
    assert ("class-changed", "COMPATIBLE", "pkg/Sample.more()I") in told(
        compare(sample, changed, "/usr/share/java/Sample.class")
    )
    known = facts(changed, "/usr/share/java/Sample.class")
    assert content_from_json(json.loads(json.dumps(content_to_json(known)))) == known
    with pytest.raises(java_class.JavaClassError):
        facts(sample[:-3], "/usr/share/java/Sample.class")


def test_facts_are_what_javap_says(sample, tmp_path):
    (tmp_path / "Sample.class").write_bytes(sample)
    done = subprocess.run(
        ["javap", "-protected", "-s", str(tmp_path / "Sample.class")],
        capture_output=True,
        text=True,
        check=True,
    )
    descriptors = [line.split()[-1] for line in done.stdout.splitlines() if "descriptor:" in line]
    assert sorted(descriptors) == sorted(
        member.descriptor for member in java_class.read(sample).members
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4
    ),
    st.integers(0, 2000),
)
def test_mutated_classes_are_facts_or_an_error_and_never_equal(sample, edits, cut):
    data = bytearray(sample)
    for at, value in edits:
        data[at % len(data) : at % len(data) + len(value)] = value
    changed = bytes(data[: len(data) - cut % 50])
    try:
        facts = java_class.read(changed)
    except java_class.JavaClassError:
        assert changed != sample
        return
    assert (facts.digest == java_class.read(sample).digest) == (changed == sample)
