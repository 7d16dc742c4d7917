"""The collaborators of every service: the configuration, the store, the blobs, messages and the
wake-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from buildfarm.config import Config
from buildfarm.domain.target.target import Target
from buildfarm.ports.blobs import BlobStore
from buildfarm.ports.messages import Messages, Wakeup
from buildfarm.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The collaborators that :mod:`buildfarm.bootstrap` chose.

    ``scratch`` is a folder for work that may be thrown away.
    """

    config: Config
    store: Store
    blobs: BlobStore
    messages: Messages
    wakeup: Wakeup
    scratch: Path

    def target(self, name: str) -> Target:
        """A configured target. :raises NotFound: there is none of that name."""
        return self.config.target(name)

    @property
    def repos(self) -> Path:
        """The folder of all tags' repositories."""
        return self.config.farm.home_path / "repos"


Heartbeat = Callable[[str], None]
"""Called by a long handler with the stage it is in; keeps its lease and raises when the lease is
lost.
"""
