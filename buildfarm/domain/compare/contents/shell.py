"""Shell scripts without comments: the lines that a shell runs."""

from __future__ import annotations

_NOT_ONLY_COMMENTS = ("<<", "BEGIN INIT INFO", "chkconfig:", "\\\n")
"""Documents in the script, headers that programs read, and joined lines."""
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "ksh93", "mksh"})


def is_shell(interpreter: str) -> bool:
    """Return whether a command line, as of ``#!`` or ``%post -p``, is one of a shell.

    >>> is_shell("/usr/bin/sh -e"), is_shell("/usr/bin/python3"), is_shell("")
    (True, False, False)
    """
    command = interpreter.split(" ", maxsplit=1)[0]
    return command.rpartition("/")[2] in _SHELLS


def without_comments(text: str) -> str | None:
    r"""Return a shell script without blank lines and lines of comment, the first line with its
    ``#!`` apart; ``None`` where a line that looks like one may be something else.

    >>> without_comments("#!/bin/sh\n# by tool 1.2\nx=1 # y\n\necho 'a\n# b'\n")
    "#!/bin/sh\nx=1 # y\necho 'a\n# b'"
    >>> without_comments("cat <<EOF\n# text\nEOF\n") is None
    True
    """
    if any(word in text for word in _NOT_ONLY_COMMENTS):
        return None
    kept: list[str] = []
    quote = ""
    for number, line in enumerate(text.splitlines()):
        plain = line.strip()
        if not quote and (not plain or (plain.startswith("#") and not line.startswith("#!"))):
            continue
        if number and not quote and line.startswith("#!"):
            continue
        kept.append(line)
        state = _quote_after(line, quote)
        if state is None:
            return None
        quote = state
    return None if quote else "\n".join(kept)


def _quote_after(line: str, quote: str) -> str | None:
    """Return the quote that is open after a line; ``None`` where commands stand inside quotes."""
    at = 0
    while at < len(line):
        letter = line[at]
        if quote == '"' and (letter == "`" or line.startswith("$(", at)):
            return None
        if letter == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (at == 0 or line[at - 1] in " \t;&|("):
            return quote
        at += 1
    return quote
