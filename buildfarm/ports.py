"""What services need from the outside, as protocols; adapters implement them, :mod:`buildfarm.bootstrap` chooses.

A service never learns whether the store is SQLite or PostgreSQL, or whether a message goes through Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from buildfarm.domain.plan import BaseResolution, Expected, PinnedRepository, Resolution
from buildfarm.domain.target import CarriedKind
from buildfarm.errors import InputError

R = TypeVar("R")

Clock = Callable[[], datetime]
"""The present moment, with time zone UTC."""


class Transaction(Protocol):
    """One unit of work on the store; what it changed is seen by others all at once, or not at all.

    Records are the frozen dataclasses of :mod:`buildfarm.domain`. In a filter, a tuple means "one of these".
    """

    def add(self, record: object) -> None:
        """Insert. :raises Conflict: such a record exists already."""

    def add_once(self, record: object) -> bool:
        """Insert unless it exists; False when it did."""

    def get(self, kind: type[R], key: str, /) -> R:
        """One record by its id. :raises NotFound: there is none."""

    def find(
        self,
        kind: type[R],
        /,
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        beyond: tuple[object, ...] = (),
        **where: object,
    ) -> list[R]:
        """All records whose fields equal ``where``.

        ``beyond`` are values of the fields of ``order_by``: only what comes after them in that order.
        """

    def first(self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object) -> R | None:
        """The first of what :meth:`find` would give."""

    def count(self, kind: type[object], /, **where: object) -> int:
        """How many :meth:`find` would give."""

    def change(self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object) -> R | None:
        """Set fields of one record; with ``only_if`` a compare-and-set that gives ``None`` when the row differs."""

    def remove(self, record: object) -> None:
        """Delete one record: for what is kept for a time only, never for history."""

    def event(self, kind: str, subject: str, *, actor: str, why: str = "", **data: object) -> None:
        """Append one line of history, at the transaction's time."""

    @property
    def now(self) -> datetime:
        """The time of this transaction: every record it touches carries the same."""


class Store(Protocol):
    """The database: the only truth."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """A read-write transaction; it commits at the end of the block and rolls back on an exception."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A consistent read."""


class StoredBlob(Protocol):
    """A file in the blob store."""

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...


class BlobStore(Protocol):
    """Files by their SHA-256; putting one twice is putting it once."""

    def put_file(self, path: Path, *, move: bool = False) -> StoredBlob:
        """Take a file in (a copy, unless ``move``)."""

    def put_stream(
        self, stream: BinaryIO | Iterable[bytes], *, expected_sha256: str | None = None, limit: int | None = None
    ) -> StoredBlob:
        """Take a stream in. :raises InputError: another digest than expected, or longer than ``limit`` bytes."""

    def put_bytes(self, data: bytes) -> StoredBlob:
        """Take bytes in."""

    def path(self, sha256: str) -> Path:
        """Where the file is. :raises NotFound: it is not in the store."""

    def has(self, sha256: str) -> bool:
        """Whether the file is there."""


class Messages(Protocol):
    """Sends wake-up messages; losing or doubling one does no harm."""

    def send(self, *, worker: str, queue: str, task: str) -> None:
        """Tell ``worker`` that ``task`` waits for it. :raises InfraError: the broker cannot be reached."""


class Wakeup(Protocol):
    """Tells the scheduler that something changed, so that it need not wait for its next round."""

    def notify(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        """Sleep until somebody notifies or ``seconds`` are over; True when notified."""


class RpmHeader(Protocol):
    """What intake reads from a verified RPM or SRPM. Dependencies are strings as rpm prints them."""

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
    def sourcerpm(self) -> str: ...
    @property
    def sha256header(self) -> str: ...
    @property
    def key_id(self) -> str: ...


class Intake(Protocol):
    """Verifies RPMs (payload digest, header digests, signature) and reads their headers, in a sandbox."""

    def __call__(self, paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
        """One answer a file, in order; ``keys`` ``None`` asks for digests only (our own, unsigned builds)."""


class Universe(Protocol):
    """Answers over pinned repositories."""

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """Resolve the base packages."""

    def resolve(self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]) -> Resolution:
        """Resolve BuildRequires beside the base, with what the drop will provide."""


class Solver(Protocol):
    """Opens pinned repositories."""

    def open(self, repositories: Sequence[PinnedRepository], arch: str) -> Universe:
        """:raises InfraError: metadata is missing or unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoFile:
    """One RPM of a repository: the signed file, its digest and the name it gets."""

    path: Path
    sha256: str
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedFile:
    """What goes into a repository beside its RPMs; ``names`` maps the vendor's file names to ours."""

    kind: CarriedKind
    path: Path
    names: Mapping[str, str]


class RepositoryWriter(Protocol):
    """Writes one repository (files and repodata) into an empty folder."""

    def __call__(self, folder: Path, files: Sequence[RepoFile], carried: Sequence[CarriedFile] = ()) -> None: ...


class Sealer(Protocol):
    """Signs with the distribution's key."""

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign files in place (copies that the caller made)."""

    def sign_repomd(self, repomd: Path) -> None:
        """Write ``repomd.xml.asc`` beside it."""

    def export(self) -> bytes:
        """The public key, ASCII-armored."""
