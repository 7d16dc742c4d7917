"""Which of our RPMs stands against which of the vendor's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.compare.contents.normalise import module_stem
from buildfarm.domain.compare.facts.facts import RpmFacts
from buildfarm.domain.compare.policy import ComparePolicy, Mode
from buildfarm.domain.core.nevra import EVR, split_filename
from buildfarm.errors import InputError

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Pairs of (vendor's, ours), and what stands alone."""

    pairs: tuple[tuple[RpmFacts, RpmFacts], ...]
    missing: tuple[RpmFacts, ...] = ()
    extra: tuple[RpmFacts, ...] = ()


def pair(old: Sequence[RpmFacts], new: Sequence[RpmFacts], policy: ComparePolicy) -> Pairing:
    """Pair by NAME and ARCH across dist tags and the configured suffix; another source is then a
    finding of the pair.

    In gate mode version and Release (suffix and a module build's own numbers taken off) must be
    equal too. In named mode equal EVRs come first, then the newest is set against the newest; two
    single files are always a pair.
    """
    if policy.mode is Mode.NAMED and len(old) == len(new) == 1:
        return Pairing(pairs=((old[0], new[0]),))
    vendors, ours = _keyed(old, policy, vendor=True), _keyed(new, policy, vendor=False)
    pairs: list[tuple[RpmFacts, RpmFacts]] = []
    missing: list[RpmFacts] = []
    extra: list[RpmFacts] = []
    for key in sorted(vendors.keys() | ours.keys()):
        left, right = _equal_first(vendors.get(key, []), ours.get(key, []), policy)
        pairs += zip(left, right, strict=False)
        missing += left[len(right) :]
        extra += right[len(left) :]
    return Pairing(pairs=tuple(pairs), missing=tuple(missing), extra=tuple(extra))


def _keyed(
    side: Sequence[RpmFacts], policy: ComparePolicy, *, vendor: bool
) -> dict[Key, list[RpmFacts]]:
    """One side by what makes a pair, newest first."""
    groups: defaultdict[Key, list[RpmFacts]] = defaultdict(list)
    for facts in side:
        groups[_key(facts, policy, vendor=vendor)].append(facts)
    for group in groups.values():
        group.sort(key=lambda facts: _evr(facts, policy), reverse=True)
    return dict(groups)


def _key(facts: RpmFacts, policy: ComparePolicy, *, vendor: bool) -> Key:
    known = facts if facts.name else named_after_file(facts)
    name = policy.renamed(known.name) if vendor else known.name
    key: Key = (name, "src" if known.is_source else known.arch)
    if policy.mode is Mode.NAMED:
        return key
    release = known.release if vendor else policy.without_suffix(known.release)
    return (*key, known.version, module_stem(release))


def _evr(facts: RpmFacts, policy: ComparePolicy) -> EVR:
    return EVR(
        epoch=facts.epoch or 0, version=facts.version, release=policy.without_suffix(facts.release)
    )


def _equal_first(
    left: list[RpmFacts], right: list[RpmFacts], policy: ComparePolicy
) -> tuple[list[RpmFacts], list[RpmFacts]]:
    """Both lists with equal EVRs at equal places in front, the rest newest first behind them."""
    equal: list[tuple[RpmFacts, RpmFacts]] = []
    rest = list(right)
    for facts in left:
        partner = next(
            (other for other in rest if _evr(other, policy) == _evr(facts, policy)), None
        )
        if partner is not None:
            equal.append((facts, partner))
            rest.remove(partner)
    matched = {id(one) for one, _ in equal}
    return [one for one, _ in equal] + [facts for facts in left if id(facts) not in matched], [
        two for _, two in equal
    ] + rest


def named_after_file(facts: RpmFacts) -> RpmFacts:
    """A damaged RPM's facts with the identity its file name claims, so that it still stands against
    its partner.
    """
    try:
        name, version, release, arch = split_filename(facts.basename)
    except InputError:
        return replace(facts, name=facts.basename)
    return replace(
        facts,
        name=name,
        version=version,
        release=release,
        arch=arch,
        is_source=arch in ("src", "nosrc"),
    )
