"""Real pairs with verdicts a person reached (pairs.yaml), and hostile files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.domain.compare.report import from_json, to_json
from buildfarm.domain.core.verdict import Verdict
from buildfarm.services.compare.comparison import compare_paths, compare_sets

CORPUS = os.environ.get("BUILDFARM_CORPUS", "")
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS, reason="BUILDFARM_CORPUS is not set: no folder of real RPMs"),
]
RPMS = Path(CORPUS) / "rpms"
PAIRS = yaml.safe_load((RPMS / "pairs/pairs.yaml").read_text()) if CORPUS else []


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: f"{case['old']}~{case['new']}")
def test_a_labelled_pair_gets_its_verdict_and_its_findings(case):
    wanted = [case["expect"]] if isinstance(case["expect"], str) else case["expect"]
    report = compare_paths(
        RPMS / "pairs" / case["old"],
        RPMS / "pairs" / case["new"],
        ComparePolicy(),
        reader=SandboxedReader(),
    )
    findings = [item for pair in report.pairs for item in pair.findings]
    assert report.verdict.value in wanted, findings
    for must in case.get("must_find", ()):
        assert any(
            must["path"] in item.path and item.verdict.value == must["verdict"] for item in findings
        ), must
    assert from_json(to_json(report)) == report


def test_every_good_rpm_is_identical_to_itself():
    files = sorted(
        path
        for folder in ("pairs", "features", "signed")
        for path in (RPMS / folder).rglob("*.rpm")
    )
    for path in files:
        report = compare_sets(
            [path], [path], policy=ComparePolicy(), reader=SandboxedReader(jobs=1)
        )
        assert report.verdict is Verdict.IDENTICAL, path


def test_a_payload_whose_md5_says_ok_is_an_error():
    facts = SandboxedReader().headers([RPMS / "hostile/hello-2.0-1.x86_64-corrupted.rpm"])[0]
    assert "payload sha256" in facts.error


def test_a_bad_ima_signature_is_a_signature_and_no_more():
    report = compare_paths(
        RPMS / "signed/hello-2.0-1.x86_64.rpm", RPMS / "hostile/hello-2.0-1.x86_64-badima.rpm", ComparePolicy(),
        reader=SandboxedReader(),
    )  # fmt: skip
    assert report.verdict is Verdict.EQUIVALENT
    assert [item.kind for item in report.pairs[0].findings] == ["signature"]


@pytest.mark.parametrize("name", ["GtkAda-gl", "isl", "libcdio"])
def test_debugging_data_has_no_interface(name):
    old, new = sorted((RPMS / "pairs").glob(f"{name}-debuginfo-*.rpm"))
    report = compare_paths(old, new, ComparePolicy(), reader=SandboxedReader())
    assert report.verdict is Verdict.COMPATIBLE, report.pairs[0].findings
