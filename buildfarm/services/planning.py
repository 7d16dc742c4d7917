"""Plan: which waiting builds are ready, in which order, and why the others wait.

libsolv answers what can be installed; :mod:`buildfarm.domain.plan` decides. Everything is asked against one pinned
generation of the build tag and the target's seeds, and what the drop itself will still provide.
"""

from __future__ import annotations

from dataclasses import dataclass
