"""A real browser: where it is, how it is started, and a page that keeps what its console said."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; `apt-get install chromium`")


def open_page(browser: Any, **options: Any) -> tuple[Any, list[str]]:
    """A page in a context of its own, and what its console will say."""
    page = browser.new_context(**options).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return page, said
