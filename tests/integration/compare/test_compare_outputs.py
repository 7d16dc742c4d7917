"""What people and CI see of a comparison: exit codes, lines, JSON against its schema, the page,
JUnit XML, waivers by file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from junitparser import JUnitXml

from buildfarm.adapters.build.waiver_files import dump_waivers, load_waivers
from buildfarm.adapters.compare.report_page import render
from buildfarm.domain.compare.report import PairResult, Report, to_json
from buildfarm.domain.core.verdict import Finding, Verdict
from buildfarm.errors import ConfigError
from tests.integration.compare import compare_many

BUILDFARM = Path(sys.executable).with_name("buildfarm")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUILDFARM, "compare", *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Ours lacks p3, has another script in p1, and an RPM of its own; p0 was built at another time."""
    top = tmp_path_factory.mktemp("sides")
    for side in ("old", "new"):
        (top / side).mkdir()
    compare_many.build(top / "old", "many", parts=4)
    compare_many.build(
        top / "new",
        "many",
        parts=5,
        changed={1: "another"},
        without=frozenset({3}),
        epoch=1_700_000_060,
    )
    return top / "old", top / "new"


@pytest.fixture(scope="module")
def pair(sides):
    old, new = sides
    return old / "many-p1-1.0-1.el9.noarch.rpm", new / "many-p1-1.0-1.el9.noarch.rpm"


def test_the_exit_code_says_compatible_different_wrong_call_or_error(sides, pair, tmp_path):
    old, new = sides
    same = old / "many-p0-1.0-1.el9.noarch.rpm"
    cut = tmp_path / same.name
    cut.write_bytes(same.read_bytes()[:-20])
    assert run(same, same).returncode == 0
    assert run(same, new / same.name).returncode == 0
    assert run(*pair).returncode == 1
    assert run(old, new).returncode == 1
    assert run(same).returncode == 2
    assert run(same, tmp_path / "none.rpm").returncode == 2
    assert run(same, new).returncode == 2
    assert run(same, cut).returncode == 3


def test_a_finding_is_one_line_and_evidence_comes_with_verbose(pair):
    short, long = run(*pair).stdout, run("--verbose", *pair).stdout
    assert [line.split()[:2] for line in short.splitlines() if "/usr/bin" in line] == [
        ["INCOMPATIBLE", "content-script"]
    ]
    assert "next (content-script): " in short
    assert "build-record" not in short
    assert "build-record" in long
    assert "      vendor: " in long
    assert "      | -" in long, "the lines that differ"
    assert "      | " not in short
    assert "      next: " in long


def test_json_is_what_the_published_schema_says(sides):
    schema = json.loads(run("--schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    found = json.loads(run("--json", *sides).stdout)
    jsonschema.validate(found, schema)
    assert (found["vendor_rpms"], found["compatible_rpms"], found["waived_rpms"]) == (5, 3, 0)
    assert [item["name"] for item in found["missing"]] == ["many-p3"]
    assert [item["name"] for item in found["extra"]] == ["many-p4"]
    findings = [item for pair in found["pairs"] for item in pair["findings"]]
    assert {item["kind"] for item in findings if "next_step" in item} == {"content-script"}
    assert all(item["rule"] for item in findings)
    for wrong in ({**found, "verdict": "FINE"}, {**found, "novel": 1}, {**found, "pairs": [{}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_junit_has_a_suite_a_source_and_a_case_an_rpm(sides, tmp_path):
    file = tmp_path / "junit.xml"
    assert run("--junit", file, *sides).returncode == 1
    suites = list(JUnitXml.fromfile(str(file)))
    assert [(suite.name, suite.tests, suite.failures, suite.errors) for suite in suites] == [
        ("many", 6, 3, 0)
    ]
    cases = {case.name: [result.type for result in case.result] for case in suites[0]}
    assert cases["many-p1-1.0-1.el9.noarch.rpm"] == ["INCOMPATIBLE"]
    assert cases["many-p3-1.0-1.el9.noarch.rpm"] == ["MISSING"]
    assert cases["many-p0-1.0-1.el9.noarch.rpm"] == []


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.loads = [], []

    def handle_data(self, data):
        self.text.append(data)

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset")] + [
            tag
        ] * (tag in ("script", "link"))


def test_the_page_stands_alone_and_says_what_to_do(sides, tmp_path):
    file = tmp_path / "report.html"
    run("--html", file, *sides)
    page = Page()
    page.feed(file.read_text(encoding="utf-8"))
    text = "".join(page.text)
    assert page.loads == []
    assert "3 of the vendor’s 5 RPMs have a compatible one" in text
    assert "is a script and differs" in text
    assert "Next:" in text
    assert "many-p3-1.0-1.el9.noarch.rpm" in text


WAIVER = "{id: W1, owner: sig-core, reason: known, expires: %s, kind: content-script, rpm: many-p1}"


def test_a_waiver_from_a_file_lifts_is_counted_apart_and_is_reported_when_it_does_nothing(
    pair, sides, tmp_path
):
    file = tmp_path / "waivers.yaml"
    file.write_text(f"waivers:\n- {WAIVER % '2999-01-01'}\n- {(WAIVER % '2020-01-01').replace('W1', 'W2')}\n"
                    f"- {(WAIVER % '2999-01-01').replace('W1', 'W3').replace('many-p1', 'gone')}\n")  # fmt: skip
    done = run("--waivers", file, *pair)
    assert done.returncode == 0
    assert (
        "EXPECTED: 0 of 1 of the vendor's RPMs have a compatible one, 1 more only by a waiver"
        in done.stdout
    )
    assert "[waiver:W1]" in done.stdout
    assert "waiver W2 has expired" in done.stdout
    assert "waiver W3 matches nothing" in done.stdout
    found = json.loads(run("--json", "--waivers", file, *sides).stdout)
    assert (found["compatible_rpms"], found["waived_rpms"], found["counts"]["waived"]) == (3, 1, 1)
    assert found["waivers"] == {"expired": ["W2"], "unused": ["W3"]}
    assert found["verdict"] == "MISSING"


def test_waivers_survive_the_way_through_a_file(tmp_path):
    file = tmp_path / "w.yaml"
    file.write_text(
        "waivers:\n- {id: a, owner: o, reason: 'r: ü', expires: 2027-02-03, "
        "kind: file-mode, path: /a/**, authority: security, target: reef-9}\n"
    )
    loaded = load_waivers(file)
    file.write_text(dump_waivers(loaded), encoding="utf-8")
    assert load_waivers(file) == loaded
    assert loaded[0].authority == "security"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("waivers: 1", "no list"),
        ("waivers: [{id: a, owner: o, reason: r, kind: tag}]", "no expires"),
        ("waivers: [{id: a, owner: o, reason: ' ', kind: tag, expires: 2027-01-01}]", "no reason"),
        ("waivers: [{id: a, owner: o, reason: r, kind: tag, expires: soon}]", "is no day"),
        (
            "waivers: [{id: a, owner: o, reason: r, kind: tag, expires: 2027-01-01, until: 1}]",
            "unknown key 'until'",
        ),
        (
            "waivers: [{id: a, owner: o, reason: r, kind: tag, expires: 2027-01-01, authority: me}]",
            "authority 'me'",
        ),
        ("waivers: [", "not YAML"),
    ],
)
def test_a_wrong_waiver_file_is_refused_with_its_reason(text, why, tmp_path, pair):
    file = tmp_path / "w.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load_waivers(file)
    assert run("--waivers", file, *pair).returncode == 2


def test_a_comparison_starts_in_a_fifth_of_a_second_because_it_imports_little(pair):
    heavy = {
        "sqlalchemy",
        "flask",
        "celery",
        "pydantic",
        "rich",
        "structlog",
        "httpx",
        "jinja2",
        "jsonschema",
        "createrepo_c",
    }
    code = (
        "import sys, time; t = time.perf_counter()\n"
        "import buildfarm.cli.main as main\n"
        f"sys.argv = ['buildfarm', 'compare', {str(pair[0])!r}, {str(pair[1])!r}]\n"
        "try: main.main()\nexcept SystemExit: pass\n"
        "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) & heavy == set()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run("--help")
        times.append(time.perf_counter() - started)
    assert min(times) < 0.2


def test_what_a_hostile_rpm_says_is_text_on_the_page():
    bad = '"><script>alert(1)</script>'
    item = Finding(
        kind="tag",
        path=bad,
        subject=bad,
        verdict=Verdict.REVIEW,
        rule=bad,
        old=bad,
        new=bad,
        was=f"REVIEW {bad}",
    )
    pair = PairResult(
        old=bad, new=bad, name=bad, source=bad, verdict=Verdict.REVIEW, findings=(item,)
    )
    page = Page()
    page.feed(render(to_json(Report(verdict=Verdict.REVIEW, pairs=(pair,))), title=bad))
    assert page.loads == []
    assert "".join(page.text).count("<script>alert(1)</script>") >= 8
