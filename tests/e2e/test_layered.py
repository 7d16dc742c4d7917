"""A SIG's own target on top of another: sources without a vendor, built on what users of the base
have.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo.drive import Farm

pytestmark = [pytest.mark.world, pytest.mark.root, pytest.mark.timeout(900)]

SPEC = """
Name: grove
Version: 1
Release: 1%{?dist}
Summary: Draws the tree of a folder when it is built
License: MIT
BuildArch: noarch
BuildRequires: tree
%description
A test.
%install
mkdir -p %{buildroot}/usr/share/grove && tree --version > %{buildroot}/usr/share/grove/version
%files
/usr/share/grove
"""


def test_a_sigs_unsigned_srpm_is_built_on_the_base_and_published_in_its_own_tag(
    line: tuple[Farm, dict[str, Any]], tmp_path: Path
) -> None:
    farm, base_drop = line
    spec = tmp_path / "grove.spec"
    spec.write_text(SPEC)
    defines = [
        "--define",
        f"_topdir {tmp_path}",
        "--define",
        "dist .el9",
        "--define",
        f"_srcrpmdir {farm.home}/drops",
    ]
    subprocess.run(["rpmbuild", "-bs", "--nodeps", *defines, spec], check=True, capture_output=True)
    file = tmp_path / "drop.json"
    srpm = farm.home / "drops" / "grove-1-1.el9.src.rpm"
    file.write_text(json.dumps({"target": "reef-9-tools", "srpms": [{"path": str(srpm)}]}))
    drop, _ = farm.run_drop(file)
    (build,) = drop["builds"]
    assert (build["state"], build["verdict"]) == ("published", "UNCOMPARED"), build["why"]
    (lock,) = farm.get(f"/builds/{build['id']}/lock")["locks"]
    ours = {line["name"]: line for line in lock["lock"] if line["ours"]}
    assert "tree" in ours  # what reef-9 published, not the seed's
    tree = next(one for one in base_drop["builds"] if one["source"] == "tree")
    assert tree["nvr"] == f"tree-{ours['tree']['version']}-{ours['tree']['release']}"
    assert (farm.home / "repos/reef-9-tools/current/x86_64/Packages").is_dir()
    provenance = {one["link"]: one for one in farm.get(f"/builds/{build['id']}")["provenance"]}
    assert provenance["vendor's SRPM"]["note"] == "digests verified, submitted by admin"
    assert provenance["on top of"]["value"].startswith("reef-9 ")
    page = farm.get("/targets/reef-9-tools")
    assert (page["base"], page["vendor"]) == ("reef-9", "")
