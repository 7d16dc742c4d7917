"""A whole log by line numbers, without script: pages of it, the search, and what a log of 60 MiB
costs.
"""

import time
import tracemalloc

import pytest
from flask.testing import FlaskClient

from buildfarm.domain.core.task import Task, TaskState
from buildfarm.services.build.building import log_path
from tests.integration.web.scenarios import Scenario

LONG = "".join(f"line {number} of many\n" for number in range(1, 2501))


@pytest.fixture
def build(scenario: Scenario) -> str:
    return scenario.ids["diffutils"]


def write(scenario: Scenario, build: str, data: bytes) -> None:
    with scenario.hub.store.read() as tx:
        task = tx.find(Task, subject=build, state=TaskState.OPEN)[0]
    log_path(scenario.hub, task.id).write_bytes(data)


def hits(client: FlaskClient, build: str, query: str, **more: object) -> dict[str, object]:
    return client.get(f"/api/v1/builds/{build}/log/search", query_string={"q": query, **more}).json


def test_a_page_has_a_thousand_numbered_lines_and_says_where_the_others_are(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    write(scenario, build, LONG.encode())
    page = client.get(f"/builds/{build}/log?line=1500").text
    assert 'id="L1001"' in page
    assert 'id="L2000"' in page
    assert 'id="L1000"' not in page
    assert "line 1500 of many" in page
    assert "lines 1001 to 2000 of 2500" in page
    assert "&amp;line=1#" not in page
    last = client.get(f"/builds/{build}/log?line=999999").text
    assert "lines 2001 to 2500 of 2500" in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    "text", ["", "one", "one\n", "one\n\n", LONG[: LONG.index("line 1001 ")], LONG + "half"]
)
def test_the_lines_are_those_of_the_file_whatever_its_end(
    client: FlaskClient, scenario: Scenario, build: str, text: str
) -> None:
    write(scenario, build, text.encode())
    expected = text.split("\n")[: -1 if text.endswith("\n") or not text else None]
    found: list[dict[str, object]] = []
    total = client.get(f"/api/v1/builds/{build}/log/lines").json["total"]
    while len(found) < total:
        found += client.get(f"/api/v1/builds/{build}/log/lines?line={len(found) + 1}").json["lines"]
    assert [line["text"] for line in found] == expected
    assert [line["number"] for line in found] == list(range(1, len(expected) + 1))
    for line, text_of in zip(found, expected, strict=True):
        assert text.encode()[line["offset"] :].startswith(text_of.encode())


def test_what_is_looked_for_is_text_and_no_pattern(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    write(scenario, build, b"first\na.c: error: x [-Wall]\nabc\nA.C again\nlast")
    found = hits(client, build, "a.c")["hits"]
    assert [(hit["number"], hit["offset"], hit["text"]) for hit in found] == [
        (2, 6, "a.c: error: x [-Wall]"), (4, 32, "A.C again"),
    ]  # fmt: skip
    assert (found[0]["error"], found[0]["before"], found[0]["after"]) == (
        True,
        ["first"],
        ["abc", "A.C again"],
    )
    assert hits(client, build, "[-W")["hits"][0]["number"] == 2
    assert hits(client, build, ".*")["hits"] == []
    assert hits(client, build, "last")["hits"][0]["number"] == 5


def test_a_search_goes_on_where_it_stopped(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    write(scenario, build, LONG.encode())
    seen, after = [], 0
    while after is not None:
        found = hits(client, build, "of many", limit=700, after=after)
        seen += [hit["number"] for hit in found["hits"]]
        after = found["next"]
    assert seen == list(range(1, 2501))


def test_marked_lines_of_a_large_log_are_found_bit_by_bit(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    quiet = b"checking for error.h... no\ngcc -Werror -c x.c\n" * 50_000  # 2.3 MB, and no error
    write(
        scenario,
        build,
        b"a.c:1: error: first\n" + quiet + b"make: *** [all] Error 1\n" + quiet + b"Killed",
    )
    numbers, after, answers = [], 0, 0
    while after is not None:
        found = client.get(f"/api/v1/builds/{build}/log/search?marked=1&after={after}").json
        numbers += [hit["number"] for hit in found["hits"]]
        after, answers = found["next"], answers + 1
    assert numbers == [1, 100_002, 200_003]
    assert answers > 1
    assert "#L100002" in client.get(f"/builds/{build}/log?marked=1&after={len(quiet)}").text


@pytest.mark.parametrize("query", ["", "   ", "x" * 201, "two\nlines"])
def test_nothing_to_look_for_is_refused(client: FlaskClient, build: str, query: str) -> None:
    answer = client.get(f"/api/v1/builds/{build}/log/search", query_string={"q": query})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")


def test_the_search_without_script_leads_to_the_line(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    write(scenario, build, (LONG + "<b>x</b>: error: y\n").encode())
    page = client.get(f"/builds/{build}/log?q=<b>x").text
    assert "line=2501#L2501" in page
    assert "&lt;b&gt;x&lt;/b&gt;: error: y" in page
    assert "<b>x" not in page
    assert "No line has it" in client.get(f"/builds/{build}/log?q=nowhere").text


def test_bytes_that_are_no_text_and_endless_lines_are_shown_cut(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    write(scenario, build, b"\xff\xfe\x00\r\n" + b"y" * (3 << 20) + b"needle\nend\n")
    page = client.get(f"/api/v1/builds/{build}/log/lines").json
    assert page["total"] == 3
    assert page["lines"][0]["text"].startswith("\ufffd\ufffd\x00")
    assert len(page["lines"][1]["text"]) < 2100
    found = hits(client, build, "needle")["hits"]
    assert [hit["number"] for hit in found] == [2]
    assert "needle" in found[0]["text"]
    assert hits(client, build, "end")["hits"][0]["number"] == 3


def test_sixty_mebibytes_are_searched_and_paged_without_being_held(
    client: FlaskClient, scenario: Scenario, build: str
) -> None:
    block = "".join(
        f"gcc -O2 -g -c part{number}.c -o part{number}.o\n" for number in range(24_000)
    ).encode()
    write(scenario, build, block * (60 * 2**20 // len(block)) + b"the needle\n")
    started = time.process_time()
    page = client.get(f"/builds/{build}/log?line=1000000").text
    tracemalloc.start()
    found = hits(client, build, "the needle")["hits"]
    seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 1
    assert "of 1" in page
    assert peak < 24 * 2**20, "a few blocks, not the file"
    assert seconds < 10, "of one CPU; half a second where it is not shared"
