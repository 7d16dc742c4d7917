"""Whether dnf has to run at all. The oracle for versions is rpm's order, as in the domain's EVR."""

from __future__ import annotations

import pytest
from buildfarm_workers.builders.requires import index, missing

PROVIDES = index(
    [
        "gcc = 12.2.0-3",
        "zlib-devel = 1.2.13-1.el9",
        "perl(strict) = 1.12",
        "perl(Foo)",
        "/usr/bin/sed",
        "x = 2:1.0-1",
    ]
)


@pytest.mark.parametrize(
    "met",
    [
        "gcc", "gcc >= 11", "gcc = 12.2.0", "gcc = 12.2.0-3", "gcc < 13", "zlib-devel > 1.2.9", "/usr/bin/sed", "x >= 1:9",
        "perl(strict)", "rpmlib(CompressedFileNames) <= 3.0.4-1", "",
    ],
)  # fmt: skip
def test_what_is_there_needs_no_dnf(met: str) -> None:
    assert missing([met], PROVIDES) == []


@pytest.mark.parametrize(
    "unmet",
    [
        "cmake",
        "gcc > 12.2.0",
        "gcc = 12.2.0-4",
        "perl(Foo) >= 1",
        "x < 2:1.0-1",
        "(gcc or clang)",
        "/usr/bin/awk",
        "gcc = a:b",
    ],
)
def test_what_is_not_surely_there_is_left_to_dnf(unmet: str) -> None:
    assert missing([unmet], PROVIDES) == [unmet]
