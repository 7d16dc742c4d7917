"""Conditions of a rule: branches, and ranges of the vendor's EVR in rpm's own order."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass

from buildfarm.domain.core.nevra import EVR

_TERM = re.compile(r"(<=|>=|==|=|<|>|!=)\s*([0-9A-Za-z][0-9A-Za-z.:~^+_-]*)")
_HOLDS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """``branches`` (none: all) and ``evr``, terms that must all hold, such as ``>= 2.4, <
    2.5-3.el9``.
    """

    branches: tuple[str, ...] = ()
    evr: str = ""

    def holds(self, *, branch: str, evr: str) -> bool:
        """Return whether both hold; what is empty is not asked.

        >>> When(branches=("el8", "el9"), evr=">=2.4, <3").holds(branch="el9", evr="2.4-1.el9")
        True
        >>> When(evr="< 2.4-2").holds(branch="", evr="1:2.3-1")
        False
        """
        if self.branches and branch and branch not in self.branches:
            return False
        return not self.evr or not evr or all(_term_holds(*term, evr) for term in terms(self.evr))


def terms(text: str) -> list[tuple[str, str]]:
    """``(comparison, EVR)`` of every term. :raises ValueError: ``text`` is no list of terms.

    >>> terms(">=2.4, <3")
    [('>=', '2.4'), ('<', '3')]
    """
    found = []
    for part in text.split(","):
        match = _TERM.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no comparison with an EVR such as '>= 2.4-1'")
        found.append((match[1], match[2]))
    return found


def _term_holds(comparison: str, wanted: str, evr: str) -> bool:
    limit, found = EVR.parse(wanted), EVR.parse(evr)
    if "-" not in wanted:  # rpm: a missing release matches every release
        found = EVR(epoch=found.epoch, version=found.version, release="")
    return bool(_HOLDS[comparison](found, limit))


def branch_of(release: str) -> str:
    """The branch a Release belongs to: its dist tag without the minor part.

    >>> branch_of("5.el9_4.3"), branch_of("5.module+el8.9.0+19"), branch_of("5")
    ('el9', 'el8', '')
    """
    found = re.search(r"(?:^|[.+])((?:el|fc|eln|amzn)[0-9]*)", release)
    return found[1] if found else ""
