"""The gate: decides which tags take a compared build, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from buildfarm.domain.core.build import Gate
from buildfarm.domain.core.verdict import Verdict
from buildfarm.domain.target.target import GatePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision for both tags: whether the build tag takes the build, the answer of the
    destination tag, and the reason for people.
    """

    build_tag: bool
    gate: Gate
    reason: str


def decide(
    verdict: Verdict, *, policy: GatePolicy, scratch: bool, brands: Sequence[str] = (),
    held_back: str = "", bootstrap: bool = False,
) -> Decision:  # fmt: skip
    """Decide both tags at once.

    :param brands: hits of the scan in its RPMs that no rule allows, a line each; users never get
        such a build.
    :param held_back: why users must not get it though it is good
        (:func:`buildfarm.domain.selfhosting.seeds.held_back`).
    :param bootstrap: it was built under a bootstrap condition, so that something is missing in it
        on purpose: builders get it whatever the comparison says, users never do.

    The build tag takes whatever is not INCOMPATIBLE or worse: a MISSING sub-package is the worst
    finding of its SRPM and would hide an INCOMPATIBLE one beside it, so it is refused too.

    >>> decide(Verdict.REVIEW, policy=GatePolicy(), scratch=False).build_tag
    True
    """
    if bootstrap and not scratch and verdict is not Verdict.ERROR:
        return Decision(build_tag=True, gate=Gate.REFUSED, reason=held_back)
    decision = _by_verdict(verdict, policy, scratch=scratch)
    if decision.gate is Gate.PASSED and brands:
        reason = (
            f"{len(brands)} brand hits that no rule allows: {brands[0]}; the build tag takes it, "
            "the destination tag does not"
        )
        return replace(decision, gate=Gate.REFUSED, reason=reason)
    if decision.gate is Gate.PASSED and held_back:
        return replace(decision, gate=Gate.REFUSED, reason=held_back)
    return decision


def _by_verdict(verdict: Verdict, policy: GatePolicy, *, scratch: bool) -> Decision:
    if scratch:
        return Decision(
            build_tag=False, gate=Gate.REFUSED, reason="scratch build: compared, never published"
        )
    if verdict is Verdict.UNCOMPARED:
        if policy.uncompared:
            return Decision(build_tag=True, gate=Gate.PASSED, reason="")
        return Decision(
            build_tag=True,
            gate=Gate.REFUSED,
            reason="no vendor binaries to compare with yet, and the target wants them",
        )
    if verdict.is_compatible:
        return Decision(build_tag=True, gate=Gate.PASSED, reason="")
    in_build_tag = verdict.badness < Verdict.INCOMPATIBLE.badness
    where = (
        "the build tag takes it, the destination tag does not"
        if in_build_tag
        else "no tag takes it"
    )
    return Decision(build_tag=in_build_tag, gate=Gate.REFUSED, reason=f"verdict {verdict}: {where}")
