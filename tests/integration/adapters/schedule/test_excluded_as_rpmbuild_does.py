"""rpmbuild refuses an arch that ExclusiveArch or ExcludeArch rules out: the oracle of
:func:`excluded`.
"""

import subprocess
from pathlib import Path

import pytest

from buildfarm.domain.schedule.plan import excluded


@pytest.mark.parametrize(
    "exclusive",
    [(), ("x86_64",), ("s390x",), ("x86_64", "noarch"), ("s390x", "x86_64"), ("noarch",)],
)
@pytest.mark.parametrize("exclude", [(), ("x86_64",), ("noarch",), ("s390x",)])
@pytest.mark.parametrize("build_arches", [(), ("noarch",)])
def test_what_rpmbuild_refuses_is_excluded(
    tmp_path: Path,
    exclusive: tuple[str, ...],
    exclude: tuple[str, ...],
    build_arches: tuple[str, ...],
):
    tags = {"ExclusiveArch": exclusive, "ExcludeArch": exclude, "BuildArch": build_arches}
    lines = [f"{tag}: {' '.join(arches)}" for tag, arches in tags.items() if arches]
    head = [
        "Name: a",
        "Version: 1",
        "Release: 1",
        "Summary: A",
        "License: MIT",
        *lines,
        "%description",
        "A.",
        "%files",
    ]
    file = tmp_path / "a.spec"
    file.write_text("\n".join([*head, ""]))
    argv = [
        "rpmbuild",
        "--nobuild",
        "--nodeps",
        "--target",
        "x86_64",
        "-bb",
        "--define",
        f"_topdir {tmp_path}",
        file,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    refused = "Architecture is" in done.stderr
    assert refused == (done.returncode != 0), done.stderr
    assert bool(excluded(exclusive, exclude, build_arches, ("x86_64",))) == refused, done.stderr
