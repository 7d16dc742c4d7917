"""The hub's API as a library: typed answers, pages that follow each other, retries, and problems as
our own errors.

    with Client("http://127.0.0.1:8080", token) as hub:
        for build in hub.builds.list(target="reef-9", state="failed"):
            print(build.nvr, build.why)
            hub.builds.retry(build.id, reason="the mirror is back")

The CLI has no other way to the hub. It needs httpx and pydantic, and nothing of the hub's own.
"""

from __future__ import annotations

from buildfarm.client.hub import Client

__all__ = ["Client"]
