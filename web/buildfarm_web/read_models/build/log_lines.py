"""A whole log by line numbers: a page of it, and the lines in which a text stands.

Neither ever holds more than a piece of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from buildfarm.errors import InputError
from buildfarm_web.read_models.build.logs import ERROR, LogFile, is_error
from buildfarm_web.read_models.core.convert import Json

LINES = 1000
"""A page has so many lines."""

_PAGE_BYTES = 1 << 20
_MOST_TEXT = 2000
_CONTEXT_BYTES = 500
_LONGEST_QUERY = 200
_BLOCK = 1 << 20
_MARKED_BYTES = 4 << 20


def window(log: LogFile, line: int) -> Json:
    """The page in which ``line`` (from 1) stands: ``{first, lines: [{number, offset, text, error}],
    total, size}``.

    A page ends early after a mebibyte; a line longer than 2,000 characters is cut. Past the end:
    the last page.
    """
    first = max(line - 1, 0) // LINES * LINES + 1
    starts, total = _starts_of_pages(log)
    first = min(first, (len(starts) - 1) * LINES + 1)
    begin = starts[(first - 1) // LINES]
    lines: list[Json] = []
    data = b"".join(log.read(begin, min(begin + _PAGE_BYTES, log.end())))
    for number, raw in enumerate(data.split(b"\n")[:LINES], first):
        if number <= total:
            lines.append(
                {
                    "number": number,
                    "offset": begin,
                    "text": _text(raw),
                    "error": is_error(_text(raw)),
                }
            )
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
    """The lines in which ``query`` stands, letter for letter (ASCII letters in either case), from
    the byte ``after`` on.

    ``{hits: [{number, offset, text, error, before, after}], next}``; ``next`` is the ``after`` to
    go on with, if there is more.

    :raises InputError: nothing to look for, too long, or more than one line.
    """
    wanted = query.encode().lower()
    if not wanted.strip() or len(query) > _LONGEST_QUERY or b"\n" in wanted:
        raise InputError(
            "q is what to look for", hint=f"1 to {_LONGEST_QUERY} characters of one line"
        )
    scan = _Scan(log, after, log.end(), lambda _, low, at: low.find(wanted, at))
    return {"query": query, **_hits(log, scan, limit, lambda raw: _around(raw, wanted))}


def marked(log: LogFile, *, after: int = 0, limit: int = 100) -> Json:
    """The lines that look like the reason of a failure, in the form of :func:`search`; 4 MiB are
    looked at in one answer.
    """

    def find(data: bytes, _: bytes, at: int) -> int:
        found = ERROR.search(data, at)
        return found.end() - 1 if found else -1

    scan = _Scan(log, after, min(after + _MARKED_BYTES, log.end()), find)
    return {"query": "", **_hits(log, scan, limit, _text, only_errors=True)}


def _hits(
    log: LogFile,
    scan: _Scan,
    limit: int,
    text_of: Callable[[bytes], str],
    *,
    only_errors: bool = False,
) -> Json:
    hits: list[Json] = []
    more = None
    for number, offset, raw in scan.lines():
        text = text_of(raw)
        error = is_error(text)
        if only_errors and not error:
            continue
        if len(hits) == limit:
            more = offset
            break
        hits.append(
            {
                "number": number,
                "offset": offset,
                "text": text,
                "error": error,
                **_context(log, offset, len(raw)),
            }
        )
    if more is None and scan.reached < log.end():
        more = scan.reached
    return {"task": log.task.id, "hits": hits, "next": more, "growing": log.growing}


def _starts_of_pages(log: LogFile) -> tuple[list[int], int]:
    """Return where each page begins, in bytes, and how many lines there are."""
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
    r"""Return where the line after the first ``count`` line breaks begins.

    >>> _after_line(b"a\nb\nc", 2)
    4
    """
    at = 0
    for _ in range(count):
        at = block.index(b"\n", at) + 1
    return at


class _Scan:
    """Goes through a log from the byte ``begin`` to about ``end``, block by block.

    :ivar reached: the byte up to which it came; a line that was cut there is left for the next
    scan.
    """

    def __init__(
        self, log: LogFile, begin: int, end: int, find: Callable[[bytes, bytes, int], int]
    ) -> None:
        """``find`` is given bytes, the same in lower case, and where to begin; it answers with a
        place or -1.
        """
        self._log, self._end, self._find = log, end, find
        self.reached = min(begin, end)

    def lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Number, offset and bytes of each line in which something is found; one longer than a
        block is looked at in pieces.
        """
        number, rest = 1 + sum(block.count(b"\n") for block in self._log.read(0, self.reached)), b""
        is_all = self._end == self._log.end()
        for block in chain(self._log.read(self.reached, self._end), (b"",)):
            data = rest + block
            whole = (
                len(data) if (is_all and not block) or len(data) > _BLOCK else data.rfind(b"\n") + 1
            )
            data, rest = data[:whole], data[whole:]
            low, counted, at = data.lower(), 0, 0
            while (found := self._find(data, low, at)) >= 0:
                begin = data.rfind(b"\n", 0, found) + 1
                stop = data.find(b"\n", found)
                stop = whole if stop < 0 else stop
                number += data.count(b"\n", counted, begin)
                counted, at = begin, stop
                yield number, self.reached + begin, data[begin:stop]
            number += data.count(b"\n", counted)
            self.reached += whole


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
    before = b"".join(log.read(max(offset - _CONTEXT_BYTES, 0), max(offset - 1, 0))).split(b"\n")[
        -2:
    ]
    after = b"".join(log.read(behind, min(behind + _CONTEXT_BYTES, log.end()))).split(b"\n")[:2]
    return {
        "before": [_text(raw) for raw in before if offset],
        "after": [_text(raw) for raw in after if raw],
    }
