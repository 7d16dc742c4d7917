"""Find the reason of a failure in a build log. Pure functions on a stream of lines of any
length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from buildfarm.domain.core.build import FailureKind
from buildfarm_workers.builders.port import one_line

_BAD_EXIT = re.compile(r"Bad exit status from \S+ \((?P<stage>%\w+)\)")
_NEEDED = re.compile(r"^\t(?P<what>\S.*?) is needed by \S+$")
_COMPILER = re.compile(r"^[^\s:][^:]*:\d+(?::\d+)?: (?:fatal )?error: ")
_NOTIFICATIONS = re.compile(
    r"(?:^|: )(?:fatal error|configure: error|CMake Error|undefined reference to)"
    r"|ld: cannot find |^error: (?!Bad exit status|Failed build "
    r"dependencies)|^\w*(?:Error|Exception): |^FAILED |^Hunk #\d+ FAILED"
    r"|command not found|^E: |ERROR: |File not found"
)
_TEST = re.compile(r"^(?:FAIL|not ok|FAILED|ERROR|XPASS)\b[: ]")
_NETWORK = re.compile(
    r"Could not resolve host|Temporary failure in name resolution|Network is unreachable|Name or "
    r"service not known"
    r"|Failed to connect to"
)
_FULL = re.compile(r"File size limit exceeded|File too large|No space left on device")
_NOISE = re.compile(
    r"^(?:\+|RPM build (?:errors|warnings):|make(?:\[\d+\])?: (?:Entering|Leaving)|\s*$|child "
    r"process exited)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The end of a log.

    ``missing`` are unmet build requirements, in rpmbuild's words.
    """

    kind: FailureKind
    reason: str
    missing: tuple[str, ...] = ()
    file_limit: bool = False


def read(lines: Iterable[str]) -> Reading:
    """Find the reason why the build that wrote ``lines`` failed.

    >>> read(["gcc -c x.c", "x.c:3:5: error: 'y' undeclared",
    ...       "error: Bad exit status from /var/tmp/r (%build)"]).reason
    "%build: x.c:3:5: error: 'y' undeclared"
    """
    state = _State()
    for line in lines:
        state.take(line.rstrip("\n"))
    return state.reading()


class _State:
    """The first line of each sort, and the last one before rpmbuild ended."""

    def __init__(self) -> None:
        self.stage = ""
        self.missing: list[str] = []
        self.first: dict[str, str] = {}
        self.last = ""
        self.before_exit = ""

    def take(self, line: str) -> None:
        if match := _BAD_EXIT.search(line):
            self.stage = self.stage or match["stage"]
            self.before_exit = self.before_exit or self.last
            return
        if match := _NEEDED.match(line):
            self.missing.append(match["what"])
            return
        for name, pattern in (
            ("network", _NETWORK), ("compiler", _COMPILER), ("test", _TEST),
            ("notifications", _NOTIFICATIONS), ("full", _FULL),
        ):  # fmt: skip
            if name not in self.first and pattern.search(line):
                self.first[name] = line.strip()
        if not _NOISE.match(line):
            self.last = line.strip()

    def reading(self) -> Reading:
        if self.missing:
            what = ", ".join(dict.fromkeys(self.missing))
            return Reading(
                kind=FailureKind.DEPENDENCIES,
                reason=one_line(f"not in the buildroot: {what}"),
                missing=tuple(dict.fromkeys(self.missing)),
            )
        return Reading(
            kind=FailureKind.BUILD, reason=one_line(self._reason()), file_limit="full" in self.first
        )

    def _reason(self) -> str:
        at = f"{self.stage}: " if self.stage else ""
        if "network" in self.first:
            return (
                f"{at}the build tried the network, which it does not have: {self.first['network']}"
            )
        order = (
            ("test", "compiler", "notifications")
            if self.stage == "%check"
            else ("compiler", "notifications")
        )
        for name in order:
            if name in self.first:
                return at + self.first[name]
        said = self.before_exit or self.last or "the build said nothing"
        return at + said
