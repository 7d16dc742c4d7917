"""The fold: worst wins, and nothing compared is never success."""

import itertools

from buildfarm.domain.build.gate import decide
from buildfarm.domain.core.verdict import Verdict, worst
from buildfarm.domain.target.target import GatePolicy


def test_the_worst_verdict_decides_whatever_the_order() -> None:
    for pair in itertools.permutations([v for v in Verdict if v is not Verdict.UNCOMPARED], 2):
        assert worst(pair) is max(pair, key=lambda verdict: verdict.badness)


def test_nothing_compared_is_uncompared_and_not_compatible() -> None:
    assert worst([]) is Verdict.UNCOMPARED
    assert not Verdict.UNCOMPARED.is_compatible


def test_uncompared_passes_only_where_the_target_says_so() -> None:
    assert decide(Verdict.UNCOMPARED, policy=GatePolicy(), scratch=False).gate == "refused"
    assert (
        decide(Verdict.UNCOMPARED, policy=GatePolicy(uncompared=True), scratch=False).gate
        == "passed"
    )


def test_review_feeds_the_next_builds_and_not_the_users() -> None:
    decision = decide(Verdict.REVIEW, policy=GatePolicy(), scratch=False)
    assert decision.build_tag
    assert decision.gate == "refused"
    assert "REVIEW" in decision.reason


def test_incompatible_and_worse_enter_no_tag() -> None:
    for verdict in (Verdict.INCOMPATIBLE, Verdict.MISSING, Verdict.ERROR):
        assert not decide(verdict, policy=GatePolicy(), scratch=False).build_tag


def test_what_is_left_of_a_brand_keeps_a_compatible_build_from_users_and_not_from_other_builds():
    decision = decide(
        Verdict.EXPECTED, policy=GatePolicy(), scratch=False, brands=["x.rpm: /etc/x: by ACME"]
    )
    assert (decision.build_tag, decision.gate) == (True, "refused")
    assert decision.reason.startswith(
        "1 brand hits that no rule allows: x.rpm: /etc/x: by ACME; the build tag takes it"
    )
    worse = decide(Verdict.INCOMPATIBLE, policy=GatePolicy(), scratch=False, brands=["x"])
    assert worse == decide(Verdict.INCOMPATIBLE, policy=GatePolicy(), scratch=False)
