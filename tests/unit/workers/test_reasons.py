"""The one line that says why a build failed."""

from __future__ import annotations

import pytest
from buildfarm_workers.builders import reasons
from buildfarm_workers.builders.buildroot import dnf
from buildfarm_workers.builders.port import one_line

from buildfarm.domain.core.build import FailureKind

BAD_EXIT = "error: Bad exit status from /var/tmp/rpm-tmp.abc ({})"
TAIL = ["", "RPM build errors:", "    Bad exit status from /var/tmp/rpm-tmp.abc (%build)"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["x.c:1:2: warning: w", "x.c:3:5: error: 'y' undeclared", "x.c:9:9: error: later"], "%build: x.c:3:5: error: 'y' undeclared"),
        (["x.h:1:10: fatal error: zlib.h: No such file"], "%build: x.h:1:10: fatal error: zlib.h: No such file"),
        (["/usr/bin/ld: cannot find -lz", "collect2: error: ld returned 1"], "%build: /usr/bin/ld: cannot find -lz"),
        (["configure: error: no acceptable C compiler"], "%build: configure: error: no acceptable C compiler"),
        (["ModuleNotFoundError: No module named 'x'"], "%build: ModuleNotFoundError: No module named 'x'"),
        (["+ make", "something odd"], "%build: something odd"),
        (["+ ./run", "curl: (6) Could not resolve host: x.test"],
         "%build: the build tried the network, which it does not have: curl: (6) Could not resolve host: x.test"),
    ],
)  # fmt: skip
def test_the_first_telling_line_is_the_reason(lines: list[str], reason: str) -> None:
    reading = reasons.read([*lines, BAD_EXIT.format("%build"), *TAIL])
    assert (reading.kind, reading.reason) == (FailureKind.BUILD, reason)


def test_in_check_the_failing_test_is_named_before_any_compiler_line() -> None:
    lines = ["t.c:1:1: error: expected by a test", "PASS: a", "FAIL: b", BAD_EXIT.format("%check")]
    assert reasons.read(lines).reason == "%check: FAIL: b"


def test_what_rpmbuild_misses_is_listed_once() -> None:
    needed = ["\tfoo-devel >= 2 is needed by x-1-1.x86_64"] * 2
    lines = ["error: Failed build dependencies:", *needed, "\tbar is needed by x-1-1.x86_64"]
    reading = reasons.read(lines)
    assert reading.kind is FailureKind.DEPENDENCIES
    assert reading.missing == ("foo-devel >= 2", "bar")


def test_an_error_without_a_section_is_rpms_own() -> None:
    assert (
        reasons.read(["error: line 5: Unknown tag: Foo"]).reason
        == "error: line 5: Unknown tag: Foo"
    )


def test_a_silent_build_has_a_reason_too() -> None:
    assert reasons.read([]).reason == "the build said nothing"


def test_a_reason_is_one_line_of_bearable_length() -> None:
    assert len(one_line("word " * 1000)) == 500
    assert "\n" not in one_line("a\nb")


@pytest.mark.parametrize(
    ("said", "kind", "part"),
    [
        ("No match for argument: foo-devel\nError: Unable to find a match: foo-devel\n", FailureKind.DEPENDENCIES, "foo-devel"),
        ("Error: \n Problem: conflicting requests\n  - nothing provides bar >= 2 needed by foo-1-1.x86_64 from seed\n",
         FailureKind.DEPENDENCIES, "bar >= 2 (needed by foo-1-1.x86_64)"),
        ("  - Curl error (7)\nError: Failed to download metadata for repo 'own': x\n", FailureKind.INFRASTRUCTURE, "repo 'own'"),
        ("Error: Some packages from local repository have incorrect checksum\n", FailureKind.INFRASTRUCTURE, "local repository"),
        ("bwrap: Can't mount\n", FailureKind.INFRASTRUCTURE, "bwrap"),
        ("Error: Transaction test error:\n  file /usr/bin/x from install of a conflicts with b\n", FailureKind.DEPENDENCIES, "conflicts"),
        ("", FailureKind.DEPENDENCIES, "nothing"),
    ],
)  # fmt: skip
def test_dnf_is_read_for_whose_fault_it_is(said: str, kind: FailureKind, part: str) -> None:
    found, reason = dnf.explain(said)
    assert found is kind
    assert part in reason
