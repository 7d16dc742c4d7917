"""A whole log by line numbers: a page of it, and the lines in which a text stands. Neither ever holds more than a piece of the file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from buildfarm.errors import InputError
from buildfarm_web.read_models.logs import LogFile, is_error
from buildfarm_web.read_models.plain import Json

LINES = 1000
"""A page has so many lines."""

_PAGE_BYTES = 1 << 20
_MOST_TEXT = 2000
_CONTEXT_BYTES = 500
_LONGEST_QUERY = 200
_BLOCK = 1 << 20


def window(log: LogFile, line: int) -> Json:
    """The page in which ``line`` (from 1) stands: ``{first, lines: [{number, offset, text, error}], total, size}``.

    A page ends early after a mebibyte; a line longer than 2,000 characters is cut. Past the end: the last page.
    """
    first = max(line - 1, 0) // LINES * LINES + 1
    starts, total = _starts_of_pages(log)
    first = min(first, (len(starts) - 1) * LINES + 1)
    begin = starts[(first - 1) // LINES]
    lines: list[Json] = []
    data = b"".join(log.read(begin, min(begin + _PAGE_BYTES, log.end())))
    for number, raw in enumerate(data.split(b"\n")[:LINES], first):
        if number <= total:
            lines.append({"number": number, "offset": begin, "text": _text(raw), "error": is_error(_text(raw))})
        begin += len(raw) + 1
    return {
        "first": first,
        "lines": lines,
        "total": total,
        "size": log.end(),
        "task": log.task.id,
        "growing": log.growing,
    }


def search(log: LogFile, query: str, *, after: int = 0, limit: int = 100) -> Json:
    """The lines in which ``query`` stands, letter for letter (ASCII letters in either case), from the byte ``after`` on.

    ``{hits: [{number, offset, text, error, before, after}], next}``; ``next`` is the ``after`` to go on with, if there is more.

    :raises InputError: nothing to look for, too long, or more than one line.
    """
    wanted = query.encode().lower()
    if not wanted.strip() or len(query) > _LONGEST_QUERY or b"\n" in wanted:
        raise InputError("q is what to look for", hint=f"1 to {_LONGEST_QUERY} characters of one line")
    hits: list[Json] = []
    more = None
    for number, offset, raw in _lines_with(log, wanted):
        if offset < after:
            continue
        if len(hits) == limit:
            more = offset
            break
        text = _around(raw, wanted)
        hits.append(
            {
                "number": number,
                "offset": offset,
                "text": text,
                "error": is_error(text),
                **_context(log, offset, len(raw)),
            }
        )
    return {"query": query, "task": log.task.id, "hits": hits, "next": more, "growing": log.growing}


def _starts_of_pages(log: LogFile) -> tuple[list[int], int]:
    """Where each page begins, in bytes, and how many lines there are."""
    starts, number, offset, last = [0], 0, 0, b"\n"
    for block in log.read(0, log.end()):
        count = block.count(b"\n")
        while number + count >= len(starts) * LINES:
            at = _after_line(block, len(starts) * LINES - number)
            starts.append(offset + at)
        number += count
        offset += len(block)
        last = block[-1:]
    total = number if last == b"\n" else number + 1
    if len(starts) > 1 and starts[-1] == offset:
        starts.pop()  # an empty page after the last line
    return starts, total


def _after_line(block: bytes, count: int) -> int:
    r"""Where the line after the first ``count`` line breaks begins.

    >>> _after_line(b"a\nb\nc", 2)
    4
    """
    at = 0
    for _ in range(count):
        at = block.index(b"\n", at) + 1
    return at


def _lines_with(log: LogFile, wanted: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, offset and bytes of each line with ``wanted``; one longer than a block is looked at in pieces."""
    number, offset, rest = 1, 0, b""
    for block in chain(log.read(0, log.end()), (b"",)):
        data = rest + block
        whole = len(data) if not block or len(data) > _BLOCK else data.rfind(b"\n") + 1
        data, rest = data[:whole], data[whole:]
        low, counted, at = data.lower(), 0, 0
        while (found := low.find(wanted, at)) >= 0:
            begin = data.rfind(b"\n", 0, found) + 1
            stop = data.find(b"\n", found)
            stop = whole if stop < 0 else stop
            number += data.count(b"\n", counted, begin)
            counted, at = begin, stop
            yield number, offset + begin, data[begin:stop]
        number += data.count(b"\n", counted)
        offset += whole


def _text(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + " …"


def _around(raw: bytes, wanted: bytes) -> str:
    """A line, or of a long one what surrounds the text that was looked for."""
    begin = max(raw.lower().find(wanted) - _CONTEXT_BYTES, 0) if len(raw) > _MOST_TEXT else 0
    return ("… " if begin else "") + _text(raw[begin:])


def _context(log: LogFile, offset: int, length: int) -> Json:
    """Up to two lines before and after."""
    behind = offset + length + 1
    before = b"".join(log.read(max(offset - _CONTEXT_BYTES, 0), max(offset - 1, 0))).split(b"\n")[-2:]
    after = b"".join(log.read(behind, min(behind + _CONTEXT_BYTES, log.end()))).split(b"\n")[:2]
    return {"before": [_text(raw) for raw in before if offset], "after": [_text(raw) for raw in after if raw]}
