"""Facts of incoming RPMs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from buildfarm.errors import InputError


class RpmHeader(Protocol):
    """Facts of a verified RPM or SRPM.

    Dependencies are strings in rpm's notation.
    """

    @property
    def name(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def version(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def is_source(self) -> bool: ...
    @property
    def requires(self) -> tuple[str, ...]: ...
    @property
    def provides(self) -> tuple[str, ...]: ...
    @property
    def exclusivearch(self) -> tuple[str, ...]: ...
    @property
    def excludearch(self) -> tuple[str, ...]: ...
    @property
    def files(self) -> tuple[str, ...]: ...
    @property
    def sourcerpm(self) -> str: ...
    @property
    def sha256header(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def buildtime(self) -> int: ...


class Intake(Protocol):
    """Verifies RPMs (payload digest, header digests, signature) and reads their headers, in a
    sandbox.
    """

    def __call__(
        self, paths: Sequence[Path], keys: Sequence[Path] | None
    ) -> list[RpmHeader | InputError]:
        """Return one answer for each file, in order.

        ``keys`` ``None`` checks digests only (our own, unsigned builds).
        """
