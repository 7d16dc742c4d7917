"""A reader that stays: its answers are an ordinary run's, and it ends whatever it is at."""

from __future__ import annotations

import time

import pytest

from buildfarm.adapters.compare.early_reader import EarlyReader
from buildfarm.adapters.compare.rpm_facts.reader_process import ReaderProcess
from buildfarm.adapters.compare.rpm_facts.sandboxed_reader import SandboxedReader
from buildfarm.domain.compare.policy import ComparePolicy
from buildfarm.services.compare.comparison import compare_paths
from tests.integration.compare.compare_sample import Recipe, build


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    top = tmp_path_factory.mktemp("process")
    return [build(Recipe(edits=edits), top / name)["sample"] for name, edits in
            (("old", ()), ("new", (('puts("one")', 'puts("two")'), ("printf 'other", "printf 'othex"))))]  # fmt: skip


def test_one_sandbox_for_all_questions_says_what_ordinary_ones_say(pair):
    with EarlyReader(*pair) as ahead:
        begun = compare_paths(*pair, ComparePolicy(), reader=ahead)
    assert begun == compare_paths(*pair, ComparePolicy(), reader=SandboxedReader())
    with SandboxedReader(jobs=1, keep=[pair[0].parents[4]]) as kept:
        assert compare_paths(*pair, ComparePolicy(), reader=kept) == begun


def test_a_reader_that_dies_is_no_answer_and_an_ordinary_one_is_asked(pair):
    with EarlyReader(*pair) as ahead:
        ahead._begun._deadline = 0.0  # its time is up before it can say anything
        ahead._begun._thread.join(timeout=20)
        assert not ahead._begun._thread.is_alive()
        assert ahead.headers(pair) == SandboxedReader().headers(pair)


def test_an_answer_that_nobody_reads_does_not_keep_the_conversation(pair):
    process = ReaderProcess(pair)
    process.send({"files": [str(pair[0])] * 400}, seconds=60)  # more than any pipe holds
    assert process.answers(1) is not None
    started = time.monotonic()
    process.close()
    assert time.monotonic() - started < 15


def test_a_question_that_takes_too_long_ends_the_reader(pair):
    process = ReaderProcess(pair)
    process.send({"files": [str(pair[0])] * 200_000}, seconds=0.5)
    assert process.answers(200_000) is None
    process.close()


def test_it_is_renewed_after_many_questions(pair):
    with SandboxedReader(jobs=1, keep=[pair[0].parents[4]]) as reader:
        first = reader.headers(pair)
        (process,) = reader._idle
        process._left = 1
        assert reader.headers(pair) == first
        assert reader._idle == []
        assert reader.headers(pair) == first
