"""``buildfarm debrand`` and ``buildfarm brand-scan`` as people call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.integration.debrand.conftest import Rpmbuild

POLICY = "schema: 1\nwords:\n- {pattern: acme, class: trademark}\n"
RULE = """\
schema: 1
source: tool
why: the vendor's name
date: 2026-05-04
actions:
- release: {suffix: .reef.1, auto_increment: true}
- replace: {in: spec, find: "The tool of ACME", with: "The tool of Reef"}
- changelog: {author: "Reef <reef@reef.example>", lines: ["Debrand"]}
scan:
  allow:
  - {pattern: "acme_init", reason: "the name of a function"}
"""
SPEC = """\
Name: {name}
Version: 1
Release: 2%{{?dist}}
Summary: {summary}
License: MIT
BuildArch: noarch
Source0: text
%description
Text.
%prep
%build
%install
%files
%changelog
* Mon Apr 29 2024 ACME <x@acme.example> - 1-2
- By ACME
"""


def run(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "buildfarm", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def srpm(rpmbuild: Rpmbuild) -> Path:
    (made,) = rpmbuild(
        "-bs",
        "tool",
        SPEC.format(name="tool", summary="The tool of ACME").encode(),
        text=b"acme_init();\n",
    )
    return made


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "tool.yaml").write_text(RULE)
    (tmp_path / "brand.yaml").write_text(POLICY)
    return folder


def test_an_srpm_is_changed_the_same_way_twice_and_left_alone_after_that(
    srpm: Path, rules: Path, tmp_path: Path
):
    made = []
    for name in ("one", "two"):
        run("debrand", srpm, "--rule", rules / "tool.yaml", "-o", tmp_path / name)
        made.append(next((tmp_path / name).glob("*.src.rpm")))
    assert made[0].name == "tool-1-2.el9.reef.1.src.rpm"
    assert made[0].read_bytes() == made[1].read_bytes()
    assert "+Summary: The tool of Reef" in (tmp_path / "one" / "spec.diff").read_text()
    audit = json.loads((tmp_path / "one" / "audit.json").read_text())
    assert [step["action"] for step in audit["actions"]] == [
        "release .reef.1",
        "replace 'The tool of ACME'",
        "changelog",
    ]
    assert "debranded already by tool.yaml" in run(
        "debrand", made[0], "--rule", rules / "tool.yaml", "-o", tmp_path / "three"
    )
    assert (tmp_path / "three" / made[0].name).read_bytes() == made[0].read_bytes()


def test_the_changelogs_date_can_be_given(srpm: Path, rules: Path, tmp_path: Path):
    run(
        "debrand",
        "apply",
        srpm,
        "--rule",
        rules / "tool.yaml",
        "--date",
        "2026-07-01",
        "-o",
        tmp_path / "out",
    )
    assert (
        "* Wed Jul 01 2026 Reef" in (tmp_path / "out" / "tree" / "SPECS" / "tool.spec").read_text()
    )


def test_a_rule_that_no_longer_fits_shows_the_nearest_line_and_writes_nothing(
    srpm: Path, rules: Path, tmp_path: Path
):
    (rules / "tool.yaml").write_text(RULE.replace("The tool of ACME", "A tool of ACME"))
    said = run("debrand", srpm, "--rule", rules / "tool.yaml", "-o", tmp_path / "out", code=1)
    assert "'A tool of ACME' was found 0 times" in said
    assert "Summary: The tool of ACME" in said
    assert not (tmp_path / "out").exists()


def test_a_drop_is_rehearsed_in_one_table(
    srpm: Path, rules: Path, rpmbuild: Rpmbuild, tmp_path: Path
):
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / srpm.name).write_bytes(srpm.read_bytes())
    for name, summary in (("clean", "Clean"), ("forgotten", "Made by ACME")):
        (made,) = rpmbuild("-bs", name, SPEC.format(name=name, summary=summary).encode(), text=b"")
        (drop / made.name).write_bytes(made.read_bytes())
    (drop / "cut-1-1.src.rpm").write_bytes(srpm.read_bytes()[:500])
    (rules / "gone.yaml").write_text(RULE.replace("source: tool", "source: gone"))
    words = ("debrand", "check", drop, "--rules", rules, "--brand", tmp_path / "brand.yaml")
    found = {one["source"]: one for one in json.loads(run(*words, "--json", code=1))}
    assert {name: one["standing"] for name, one in found.items()} == {
        "tool": "fits", "clean": "clean, no rule", "forgotten": "branded, no rule", "": "cannot be read",
    }  # fmt: skip
    assert (
        '- replace: {in: "spec", find: "ACME", with: TODO, count: any}'
        in found["forgotten"]["proposal"]
    )
    assert "4 SRPMs: 1 cannot be read, 1 branded, no rule, 1 fits, 1 clean, no rule" in run(
        *words, code=1
    )
    (rules / "tool.yaml").write_text(RULE.replace("The tool of ACME", "nothing such"))
    assert "no longer fits" in run(
        "debrand",
        "check",
        drop / srpm.name,
        "--rules",
        rules,
        "--brand",
        tmp_path / "brand.yaml",
        code=1,
    )


def test_what_is_left_of_a_brand_is_listed_and_what_a_rule_allows_is_not(
    srpm: Path, rules: Path, tmp_path: Path
):
    run("debrand", srpm, "--rule", rules / "tool.yaml", "-o", tmp_path / "out")
    done = next((tmp_path / "out").glob("*.src.rpm"))
    policy = tmp_path / "brand.yaml"
    assert "2 hits (2 trademark)" in run("brand-scan", srpm, "--policy", policy, code=1)
    (hit,) = json.loads(run("brand-scan", done, "--policy", policy, "--json", code=1))
    assert (hit["where"], hit["line"], hit["class"], hit["allowed"]) == ("text", 1, "trademark", "")
    assert "clean; 1 allowed" in run(
        "brand-scan", done, "--policy", policy, "--rule", rules / "tool.yaml"
    )


@pytest.mark.corpus
def test_real_packages_show_only_brands_that_are_there():
    """44 real RPMs: the three hits are CentOS's own words on what it derives from; the damaged one
    cannot be read.
    """
    corpus = Path(os.environ["BUILDFARM_CORPUS"]) / "rpms"
    hits = json.loads(
        run(
            "brand-scan",
            corpus,
            "--policy",
            CHECKOUT / "configs" / "brand-rhel.yaml",
            "--json",
            code=1,
        )
    )
    assert {(hit["rpm"].split("-")[0], hit["class"]) for hit in hits} == {
        ("centos", "trademark"),
        ("hello", "unread"),
    }
    assert all(
        "Red Hat Enterprise Linux" in hit["context"] for hit in hits if hit["class"] == "trademark"
    )


@pytest.mark.world
def test_a_repository_of_unbranded_packages_is_clean(world: Path):
    assert "clean; 0 allowed" in run(
        "brand-scan", world / "seed", "--policy", CHECKOUT / "configs" / "brand.yaml"
    )


def test_what_prep_makes_is_scanned_on_demand_and_a_prep_that_fails_is_not_clean(
    rpmbuild: Rpmbuild, rules: Path, tmp_path: Path
):
    policy = tmp_path / "brand.yaml"
    grown = SPEC.format(name="grown", summary="Clean").replace(
        "%prep\n", "%prep\nprintf 'by %s%s\\n' AC ME > notice\n"
    )
    (made,) = rpmbuild("-bs", "grown", grown.encode(), text=b"")
    assert "clean" in run("brand-scan", made, "--policy", policy)
    (hit,) = json.loads(run("brand-scan", made, "--prep", "--policy", policy, "--json", code=1))
    assert (hit["where"], hit["word"], hit["rpm"]) == ("%prep!notice", "ACME", made.name)
    (broken,) = rpmbuild(
        "-bs",
        "broken",
        grown.replace("name: grown", "name: broken").replace("printf", "false; printf").encode(),
        text=b"",
    )
    (hit,) = json.loads(run("brand-scan", broken, "--prep", "--policy", policy, "--json", code=1))
    assert (hit["where"], hit["class"]) == ("%prep", "unread")
