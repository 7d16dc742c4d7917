"""Specs, the seed's place and a finished build: what contract and worker tests share."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from buildfarm_workers.builders import Outcome

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "bash", "coreutils", "cpio", "diffutils", "findutils", "gawk", "gcc", "glibc-devel", "grep", "gzip", "make", "patch",
    "redhat-rpm-config", "rpm-build", "sed", "shadow-utils", "tar", "xz",
)  # fmt: skip
MIB = 1024 * 1024


def seed() -> Path:
    """The demo world's seed; ``python -m demo.world`` makes it."""
    world = Path(os.environ.get("BUILDFARM_WORLD", CHECKOUT / "var" / "demo" / "world"))
    return world / "seed"


@dataclass(frozen=True)
class Run:
    """One finished build."""

    outcome: Outcome
    result: Path

    @property
    def log(self) -> str:
        return (self.result / "build.log").read_text(errors="replace")

    @property
    def rpms(self) -> list[str]:
        return sorted(path.name for path in self.result.glob("*.rpm"))

    def rpm(self, query: str) -> str:
        (file,) = self.result.glob("*.rpm")
        return rpm_query(file, query)


def rpm_query(file: Path, query: str) -> str:
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", "--qf", query, file],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


STREAMED = """\
Name: streamed
Version: {0}
Release: 1
Summary: A test
License: MIT
BuildArch: noarch
%description
A test.
%files
"""
MODULE = """\
---
document: modulemd
version: 2
data:
  name: streamed
  stream: "{0}"
  version: 20260101
  context: "00000000"
  arch: x86_64
  summary: A test
  description: A test
  license: {{module: [MIT]}}
  dependencies: [{{requires: {{platform: [el9]}}}}]
  artifacts: {{rpms: ["streamed-0:{0}-1.noarch"]}}
"""

_SPEC = """\
Name: @NAME@
Version: 1.0
Release: 3%{?dist}
Summary: A test
License: MIT
@EXTRA@
%global debug_package %{nil}
%description
A test.
%prep
@PREP@
%build
@BUILD@
%install
mkdir -p %{buildroot}/usr/share/@NAME@
echo "%{?flavour}" > %{buildroot}/usr/share/@NAME@/data
@FILES@
@CHECK@
%files
/usr/share/@NAME@
%{?with_binary:/usr/bin/@NAME@}
%changelog
* Mon Jan 05 2026 Test <test@example.test> - 1.0-3
- One
"""


def spec(
    name: str,
    *,
    build: str = "true",
    extra: str = "",
    check: str = "",
    prep: str = "",
    files: str = "",
) -> str:
    """A spec of one RPM with one file; ``build`` is what %build does."""
    parts = {
        "@NAME@": name, "@EXTRA@": extra, "@PREP@": prep, "@BUILD@": build, "@FILES@": files,
        "@CHECK@": f"%check\n{check}" if check else "",
    }  # fmt: skip
    text = _SPEC
    for mark, value in parts.items():
        text = text.replace(mark, value)
    return text
