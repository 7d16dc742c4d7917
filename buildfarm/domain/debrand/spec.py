"""A spec as text: its lines, its sections, the preamble of each sub-package.

No macro is ever expanded here.

Sections are found as rpm finds them (rpm manual, "Spec file format"; ``build/parseSpec.c:
isPart``): a known word at the start of a line, whatever ``%if`` surrounds it. Joining the lines
gives the text back, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from buildfarm.domain.debrand.nearest import nearest
from buildfarm.domain.debrand.tree import RuleDoesNotFit

PREAMBLE = "preamble"
SECTIONS = frozenset(
    "package description prep generate_buildrequires conf build install check clean files "
    "changelog pre post preun postun"
    " pretrans posttrans preuntrans postuntrans verifyscript triggerprein triggerin triggerun "
    "triggerpostun filetriggerin"
    " filetriggerun filetriggerpostun transfiletriggerin transfiletriggerun transfiletriggerpostun "
    "sourcelist patchlist"
    " sepolicy".split()
)
"""The names rpm 4.14 to 4.20 know, without their per cent sign."""

_WHOLE_BUILD = frozenset(
    "prep generate_buildrequires conf build install check clean changelog sourcelist patchlist".split()
)
_WITH_ARGUMENT = frozenset(("-n", "-p", "-f", "-l", "-P"))
_HEADER = re.compile(r"%([a-z_]+)(?=\s|$)(.*)", re.IGNORECASE | re.DOTALL)
_IF = re.compile(r"[ \t]*%if(?:n?arch|n?os)?(?=[\s(0-9!%{]|$)")
_ENDIF = re.compile(r"[ \t]*%endif\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines ``start`` to before ``end`` (0-based); ``of`` is the sub-package, empty for the main
    package.

    ``body`` is the first line after the header; the main preamble has none, so there it is
    ``start``.
    """

    name: str
    of: str
    start: int
    body: int
    end: int


def split_lines(text: str) -> list[str]:
    r"""The lines with their ends; only a newline ends one (``str.splitlines`` knows a dozen
    others).

    >>> split_lines("a\x0cb\r\nc")
    ['a\x0cb\r\n', 'c']
    """
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def sections(lines: Sequence[str]) -> list[Section]:
    """All sections in order; the first is the main preamble, and ``%package`` is the preamble of a
    sub-package.
    """
    heads = [(0, PREAMBLE, "", 0)]
    for number, line in enumerate(lines):
        found = _HEADER.match(line)
        if found is not None and found[1].lower() in SECTIONS:
            name = found[1].lower()
            heads.append(
                (number, PREAMBLE if name == "package" else name, _of(name, found[2]), number + 1)
            )
    ends = [head[0] for head in heads[1:]] + [len(lines)]
    return [
        Section(name=name, of=of, start=start, body=body, end=end)
        for (start, name, of, body), end in zip(heads, ends, strict=True)
    ]


def _of(name: str, words: str) -> str:
    """The sub-package in a section's header: ``-n NAME`` or the first word that belongs to no
    option.
    """
    if name in _WHOLE_BUILD:
        return ""
    given = words.split(" --", maxsplit=1)[0].split()
    skip, first = False, ""
    for number, word in enumerate(given):
        if skip:
            skip = False
        elif word == "-n":
            return given[number + 1] if number + 1 < len(given) else ""
        elif word in _WITH_ARGUMENT:
            skip = True
        elif not word.startswith("-") and not first:
            first = word
    return first


def section(lines: Sequence[str], name: str, of: str, where: str) -> Section:
    """The one section ``name`` of the sub-package ``of``.

    :raises RuleDoesNotFit: there is none, or several that cannot be told apart.
    """
    name = name.removeprefix("%").lower()
    name = PREAMBLE if name == "package" else name
    known = sections(lines)
    found = [one for one in known if one.name == name and one.of == of]
    if len(found) == 1:
        return found[0]
    called = f"%{name}" if name != PREAMBLE else PREAMBLE
    which = f"{called} of {of}" if of else called
    if found:
        places = ", ".join(str(one.start + 1) for one in found)
        raise RuleDoesNotFit(
            f"{where}: the spec has {which} {len(found)} times, at lines {places}",
            hint="use replace",
        )
    heads = [lines[one.start] for one in known[1:]]
    raise RuleDoesNotFit(f"{where}: the spec has no {which}", hint=nearest(f"%{name} {of}", heads))


def after_conditionals(lines: Sequence[str], index: int) -> int:
    """The first place after line ``index`` that stands outside every ``%if`` around it.

    >>> after_conditionals(["%if 1", "Patch1: a", "%endif", "x"], 1)
    3
    """
    depth = 0
    for line in lines[: index + 1]:
        depth += bool(_IF.match(line)) - bool(_ENDIF.match(line))
    place = index + 1
    while depth > 0 and place < len(lines):
        depth += bool(_IF.match(lines[place])) - bool(_ENDIF.match(lines[place]))
        place += 1
    return place


def ended(text: str) -> str:
    """Return ``text`` with a newline at its end."""
    return text if text.endswith("\n") or not text else f"{text}\n"
