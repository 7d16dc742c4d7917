"""Normalisation of names, versions and paths: what two builds of one source may call differently.

Each normaliser has a name, and whoever uses one says so in the finding's ``rule``.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from buildfarm.domain.compare.facts.facts import RpmFacts

EVR_TOKEN = "@EVR@"  # noqa: S105 -- a placeholder, no password
_MOST_DIFF_INPUT, _MOST_DIFF_LINES, _MOST_DIFF_WIDTH = 5000, 40, 200
_BUILD_ID = re.compile(r"/usr/lib/(?:debug/)?\.build-id(?:/|$)")
_MERGED = re.compile(r"^/(bin|sbin|lib|lib64)/")
_MODULE = re.compile(r"(\.module\+el[0-9.]+)[^ ]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """The words one RPM and its siblings call themselves by, with the token each becomes; longest
    first.
    """

    words: tuple[tuple[str, str], ...] = ()

    def apply(self, text: str) -> str:
        """Replace each word where it stands alone.

        >>> mask = Mask(words=(("1.0-1.el9", "@EVR@"),))
        >>> mask.apply("libfoo.so.1-1.0-1.el9.x86_64.debug")
        'libfoo.so.1-@EVR@.x86_64.debug'
        >>> mask.apply("2.1.0-1.el9"), mask.apply("1.0-1.el9x")
        ('2.1.0-1.el9', '1.0-1.el9x')
        """
        if not self.words:
            return text
        tokens = dict(self.words)
        return mask_pattern(self.words).sub(lambda match: tokens[match.group()], text)


NO_MASK = Mask()


@functools.lru_cache(maxsize=256)
def mask_pattern(words: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    """One pattern for all words of a mask; a word never matches inside a longer version."""
    return re.compile(
        r"(?<![0-9A-Za-z.])(?:"
        + "|".join(re.escape(word) for word, _ in words)
        + r")(?![0-9A-Za-z_~^+])"
    )


def own_masks(
    old: RpmFacts, new: RpmFacts, *, old_set: Iterable[RpmFacts], new_set: Iterable[RpmFacts]
) -> tuple[Mask, Mask]:
    """The masks of both sides of a pair; ``*_set`` are all RPMs of the same source.

    Empty when nothing differs.
    """
    siblings = (
        {(facts.name, facts.evr) for facts in old_set},
        {(facts.name, facts.evr) for facts in new_set},
    )
    if old.evr == new.evr and {evr for _, evr in siblings[0]} == {evr for _, evr in siblings[1]}:
        return NO_MASK, NO_MASK
    same_version = old.version == new.version
    return (
        _mask(old, [evr for _, evr in siblings[0]], same_version=same_version),
        _mask(new, [evr for _, evr in siblings[1]], same_version=same_version),
    )


def _mask(facts: RpmFacts, sibling_evrs: Iterable[str], *, same_version: bool) -> Mask:
    words: dict[str, str] = {}
    for evr in sibling_evrs:
        epoch, _, rest = evr.rpartition(":")
        version = rest.rpartition("-")[0]
        words[rest] = f"{version}-@RELEASE@"
        if epoch:
            words[evr] = f"{epoch}:{version}-@RELEASE@"
    words[f"{facts.version}-{facts.release}"] = EVR_TOKEN
    words[facts.evr] = EVR_TOKEN
    if not same_version:
        words[f"{facts.name}-{facts.version}"] = f"{facts.name}-@VERSION@"
    return Mask(words=tuple(sorted(words.items(), key=lambda item: (-len(item[0]), item))))


def is_build_id(path: str) -> bool:
    """Return whether the path only names a build-id, which differs with every build.

    >>> is_build_id("/usr/lib/.build-id/3f/22"), is_build_id("/usr/lib/debug/.build-id"), is_build_id("/usr/lib/x")
    (True, True, False)
    """
    return _BUILD_ID.match(path) is not None


def merged_usr(path: str) -> str:
    """The path on a system where ``/bin`` is a link to ``/usr/bin`` (every EL since 7).

    >>> merged_usr("/bin/sh"), merged_usr("bash")
    ('/usr/bin/sh', 'bash')
    """
    return _MERGED.sub(r"/usr/\1/", path)


def module_stem(release: str) -> str:
    """A Release without a module build's own number and context hash; other releases as they are.

    >>> module_stem("32.module+el9.3.0.z+20438+032561a0")
    '32.module+el9.3.0.'
    """
    return _MODULE.sub(r"\1", release)


def text_diff(old: str, new: str) -> str:
    r"""A unified diff without headings, cut to so many lines and characters; empty where no line
    differs.

    >>> text_diff("a\nb\n", "a\nc\n")
    '@@ -1,2 +1,2 @@\n a\n-b\n+c'
    """
    left, right = old.splitlines(), new.splitlines()
    if max(len(left), len(right)) > _MOST_DIFF_INPUT:
        return ""
    found = list(
        islice(difflib.unified_diff(left, right, n=1, lineterm=""), 2, _MOST_DIFF_LINES + 3)
    )
    lines = [line[:_MOST_DIFF_WIDTH] for line in found[:_MOST_DIFF_LINES]]
    return "\n".join([*lines, "…"] if len(found) > _MOST_DIFF_LINES else lines)


def first_difference(old: str, new: str) -> tuple[str, str]:
    r"""The first line in which two texts differ, from each.

    >>> first_difference("a\nb\n", "a\nc\n")
    ('line 2: b', 'line 2: c')
    >>> first_difference("a\n", "a\nb\n")
    ('line 2: (none)', 'line 2: b')
    """
    left, right = old.splitlines(), new.splitlines()
    for place in range(max(len(left), len(right))):
        one = left[place] if place < len(left) else "(none)"
        two = right[place] if place < len(right) else "(none)"
        if one != two:
            return f"line {place + 1}: {one}", f"line {place + 1}: {two}"
    return "the line ends differ", "the line ends differ"
