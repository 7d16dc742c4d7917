"""How tests are spread over processes: a file stays in one, and so do files that share a farm,
which is dear to start.
"""

from __future__ import annotations

import os

from xdist.scheduler.loadscope import LoadScopeScheduling

ARGUMENTS = ("--numprocesses", str(min(os.cpu_count() or 1, 4)), "--no-loadscope-reorder")
"""The order of the folders: contract and e2e are the longest, and begin."""

_TOGETHER = {
    "tests/e2e/test_pipeline.py": "the demo's line",
    "tests/e2e/test_layered.py": "the demo's line",
    "tests/e2e/test_scenario_in_browser.py": "the demo's line",
}


class ByFarm(LoadScopeScheduling):
    """pytest-xdist's scheduler by scopes, with our scopes (see "Making custom schedulers" in its
    documentation).
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return "the builders" if file.startswith("tests/contract/") else _TOGETHER.get(file, file)
