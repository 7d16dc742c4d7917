"""A large comparison as batches of work: small enough that memory stays flat, each with a key that
survives a restart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.compare.contents.both_sides import debuginfo_of
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.metadata.header import source_name
from buildfarm.domain.compare.pairing import Pairing

PAIRS_IN_A_BATCH = 32

Pair = tuple[RpmFacts, RpmFacts]


def identity(facts: RpmFacts) -> RpmFacts:
    """The identity alone of an RPM: what pairing needs, a few hundred bytes."""
    return replace(
        facts, dependencies={}, scriptlets=(), triggers=(), changelog=(), files=(), tags={}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Pairs of identities that are compared together, the debuginfo RPMs of both sides of each, and
    the key of its result.
    """

    pairs: tuple[Pair, ...]
    debug: tuple[tuple[RpmFacts | None, RpmFacts | None], ...]
    keys: tuple[str, ...]

    def left(self, done: frozenset[str]) -> Batch | None:
        """Return what of it is not done yet."""
        rest = [
            row for row in zip(self.pairs, self.debug, self.keys, strict=True) if row[2] not in done
        ]
        if not rest:
            return None
        pairs, debug, keys = zip(*rest, strict=True)
        return Batch(pairs=pairs, debug=debug, keys=keys)


def batches(
    pairing: Pairing,
    *,
    old_sources: Mapping[str, Sequence[RpmFacts]],
    new_sources: Mapping[str, Sequence[RpmFacts]],
    salt: str,
    jobs: int = 1,
) -> Iterator[Batch]:
    """Batches in the order of sources, so that what one source's RPMs share is read together; small
    enough that ``jobs`` have work.

    :param salt: digest of the tool and of the policy: with another one, nothing that was done
        counts.
    """
    evrs = [
        {source: sorted({facts.evr for facts in side}) for source, side in sources.items()}
        for sources in (old_sources, new_sources)
    ]
    ordered = sorted(pairing.pairs, key=lambda pair: (source_name(pair[1]), pair[1].basename))
    size = max(1, min(PAIRS_IN_A_BATCH, -(-len(ordered) // (4 * jobs))))
    for start in range(0, len(ordered), size):
        chosen = tuple(ordered[start : start + size])
        debug = tuple(
            (
                debuginfo_of(old, old_sources.get(source_name(old), ())),
                debuginfo_of(new, new_sources.get(source_name(new), ())),
            )
            for old, new in chosen
        )
        keys = (_key(*named, evrs, salt) for named in zip(chosen, debug, strict=True))
        yield Batch(pairs=chosen, debug=debug, keys=tuple(keys))


def _key(
    pair: Pair, debug: tuple[RpmFacts | None, RpmFacts | None], evrs: Sequence[Mapping[str, Sequence[str]]], salt: str
) -> str:  # fmt: skip
    """Over all that a pair's result depends on: both files, their names, debuginfo, the EVRs of
    their siblings, policy, tool.
    """
    old, new = pair
    form = [
        salt, old.sha256, new.sha256, old.basename, new.basename, old.error, new.error,
        evrs[0].get(source_name(old), ()), evrs[1].get(source_name(new), ()),
        *(facts.sha256 if facts is not None else "" for facts in debug),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()
