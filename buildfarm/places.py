"""Locations that are known without reading a file."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def home() -> Path:
    """Return the folder of runtime data: ``BUILDFARM_HOME``, else ``var`` in the checkout."""
    return Path(os.environ.get("BUILDFARM_HOME") or CHECKOUT / "var").absolute()
