"""Where the checks of one binary file put what they find."""

from __future__ import annotations

from dataclasses import replace

from buildfarm.domain.compare.kinds import Kind, finding
from buildfarm.domain.core.verdict import Finding, Verdict


class Notes:
    """Findings about one file; ``member`` names the part of it (an archive's member) the checks are
    at.
    """

    def __init__(self, path: str, member: str = "") -> None:
        self.findings: list[Finding] = []
        self._path = path
        self._member = member

    def inside(self, member: str) -> Notes:
        """Notes about one member of the same file, kept in the same list."""
        notes = Notes(self._path, member)
        notes.findings = self.findings
        return notes

    def add(
        self,
        kind: Kind,
        verdict: Verdict,
        rule: str,
        subject: str,
        old: object = "",
        new: object = "",
        *,
        diff: str = "",
    ) -> None:
        """Write one down."""
        subject = f"{self._member}: {subject}" if self._member else subject
        found = finding(kind, verdict, rule, path=self._path, subject=subject, old=old, new=new)
        self.findings.append(replace(found, diff=diff) if diff else found)
