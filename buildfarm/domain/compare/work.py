"""A large comparison as pieces of work: small enough that memory stays flat, each with a key that survives a restart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.compare.facts import RpmFacts
from buildfarm.domain.compare.header import source_name
from buildfarm.domain.compare.pairing import Pairing

PAIRS_IN_A_PIECE = 32

Pair = tuple[RpmFacts, RpmFacts]


def card(facts: RpmFacts) -> RpmFacts:
    """The identity alone of an RPM: what pairing needs, a few hundred bytes."""
    return replace(facts, dependencies={}, scriptlets=(), triggers=(), changelog=(), files=(), tags={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Pairs of cards that are compared together, and the key of each pair's result."""

    pairs: tuple[Pair, ...]
    keys: tuple[str, ...]

    def left(self, done: frozenset[str]) -> Piece | None:
        """What of it is not done yet."""
        rest = [(pair, key) for pair, key in zip(self.pairs, self.keys, strict=True) if key not in done]
        return Piece(pairs=tuple(pair for pair, _ in rest), keys=tuple(key for _, key in rest)) if rest else None


def pieces(
    pairing: Pairing,
    *,
    old_sources: Mapping[str, Sequence[RpmFacts]],
    new_sources: Mapping[str, Sequence[RpmFacts]],
    salt: str,
) -> Iterator[Piece]:
    """Pieces in the order of sources, so that what one source's RPMs share is read together.

    :param salt: digest of the tool and of the policy: with another one, nothing that was done counts.
    """
    evrs = [
        {source: sorted({facts.evr for facts in side}) for source, side in sources.items()}
        for sources in (old_sources, new_sources)
    ]
    ordered = sorted(pairing.pairs, key=lambda pair: (source_name(pair[1]), pair[1].basename))
    for start in range(0, len(ordered), PAIRS_IN_A_PIECE):
        chosen = tuple(ordered[start : start + PAIRS_IN_A_PIECE])
        yield Piece(pairs=chosen, keys=tuple(_key(pair, evrs[0], evrs[1], salt) for pair in chosen))


def _key(pair: Pair, old_evrs: Mapping[str, Sequence[str]], new_evrs: Mapping[str, Sequence[str]], salt: str) -> str:
    """Over everything a pair's result depends on: both files, their names, the EVRs of their siblings, policy and tool."""
    old, new = pair
    form = [
        salt, old.sha256, new.sha256, old.basename, new.basename, old.error, new.error,
        old_evrs.get(source_name(old), ()), new_evrs.get(source_name(new), ()),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()
