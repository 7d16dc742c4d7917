"""A comparison for reading: pairs and findings, worst first."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.api.responses.core.base import ApiResponse, JsonObject, Moment
from buildfarm.domain.core.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(ApiResponse):
    """One difference, in the report's terms and in words (``plain``); ``was`` what it had been
    before a rule or waiver.
    """

    kind: str
    path: str
    subject: str
    verdict: Verdict
    rule: str
    old: str
    new: str
    plain: str
    was: str = ""
    diff: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(ApiResponse):
    """The vendor's RPM (``old``) and ours (``new``); one of them may be missing."""

    old: str
    new: str
    verdict: Verdict
    findings: list[Finding]
    waived: bool
    name: str = ""
    source: str = ""
    old_sha256: str = ""
    new_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaired(ApiResponse):
    """An RPM that stands alone: missing from ours, or not the vendor's."""

    rpm: str
    verdict: Verdict
    rule: str
    waived: bool
    kind: str = ""
    name: str = ""
    source: str = ""
    sha256: str = ""
    was: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiversSeen(ApiResponse):
    """Ids of waivers that were expired, and of those that lifted nothing."""

    expired: list[str]
    unused: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings(ApiResponse):
    """The comparison in force of one build.

    ``brand_hits`` are in what users install, ``source_brand_hits`` in the SRPM.
    """

    id: str
    created: Moment
    schema_: int | None
    verdict: Verdict
    counts: dict[str, int]
    vendor_rpms: int | None
    compatible_rpms: int | None
    waived_rpms: int
    pairs: list[Pair]
    missing: list[Unpaired]
    extra: list[Unpaired]
    waivers: WaiversSeen
    sources: JsonObject | None
    brand_hits: list[JsonObject]
    source_brand_hits: list[JsonObject]
