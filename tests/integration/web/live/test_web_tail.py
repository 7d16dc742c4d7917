"""A tail gives every byte once: however a log is written, looked at and followed."""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path

from buildfarm_web.live.tail import Tail
from buildfarm_web.read_models.build.logs import is_error
from hypothesis import given, settings
from hypothesis import strategies as st

RUNS = st.lists(
    st.tuples(st.sampled_from(["a", "é", "😀", "\n", "\r", "x.c: error: y\n", "\u2028"]), st.integers(1, 9_000)),
    min_size=1, max_size=6,
)  # fmt: skip


def told(message: bytes) -> list[tuple[int, str, int]]:
    fields = dict(line.split(": ", 1) for line in message.decode().strip("\n").split("\n"))
    assert fields["event"] == "lines"
    return [tuple(line) for line in json.loads(fields["data"])]


@settings(max_examples=25, deadline=None)
@given(RUNS, st.lists(st.integers(0, 1 << 16), max_size=5), st.integers(0, 1 << 15))
def test_pieces_are_the_log_whatever_was_written_when_and_wherever_one_begins(
    runs: list[tuple[str, int]], cuts: list[int], begin: int
) -> None:
    text = "".join(part * count for part, count in runs)
    data = text.encode()
    begin = len(
        data.decode()[: min(begin, len(text))].encode()
    )  # a client begins where a page or a piece ended
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.touch()
        tail = Tail(path, growing=True)
        lines: list[tuple[int, str, int]] = []
        at = begin
        for start, end in pairwise(edges):
            with path.open("ab") as log:
                log.write(data[start:end])
            tail.look()
            while at < tail.published:
                piece = tail.piece(at)
                assert piece.begin == at < piece.end <= tail.published
                lines += told(piece.message)
                at = piece.end
        tail.look()
        tail.look()
        while at < tail.published:
            piece = tail.piece(at)
            lines += told(piece.message)
            at = piece.end
        tail.close()
    assert "".join(text for _, text, _ in lines) == data[begin:].decode()
    for offset, text_of, _ in lines:
        assert data[offset:].startswith(text_of.encode())
    assert any(is_error for _, _, is_error in lines) == any(map(is_error, _marked(data, begin)))


def _marked(data: bytes, begin: int) -> list[str]:
    """The lines that a client sees the end of."""
    first = data.rfind(b"\n", 0, begin) + 1
    return data[first:].decode().split("\n") if begin < len(data) else []
