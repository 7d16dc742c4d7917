"""What services need from the outside, as protocols; adapters implement them, :mod:`buildfarm.bootstrap` chooses.

A service never learns whether the store is SQLite or PostgreSQL, or whether a message goes through Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from buildfarm.domain.allowed_url import AllowedUrl
from buildfarm.domain.compose import Compose, Release
from buildfarm.domain.plan import BaseResolution, Expected, PinnedRepository, Resolution
from buildfarm.domain.polling import Look
from buildfarm.domain.records import Event
from buildfarm.domain.repodata import RepodataStyle
from buildfarm.domain.repository import RepositoryKind
from buildfarm.domain.target import CarriedKind
from buildfarm.errors import InputError

R = TypeVar("R")

Clock = Callable[[], datetime]
"""The present moment, with time zone UTC."""


@dataclass(frozen=True, slots=True)
class Below:
    """In a filter: less than this; with an order and a limit, the page of a list that comes next."""

    value: object


@dataclass(frozen=True, slots=True)
class Prefix:
    """In a filter: text that begins so, byte by byte."""

    text: str


@dataclass(frozen=True, slots=True)
class Above:
    """In a filter: greater than this."""

    value: object


@dataclass(frozen=True, slots=True)
class Among:
    """In a filter: one of the values that ``field`` has in the records of ``kind`` that ``where`` chooses."""

    kind: type[object]
    field: str
    where: Mapping[str, object]


class Transaction(Protocol):
    """One unit of work on the store; what it changed is seen by others all at once, or not at all.

    Records are the frozen dataclasses of :mod:`buildfarm.domain`. In a filter, a tuple means "one of these"; there are
    :class:`Prefix`, :class:`Above` and :class:`Among` too.
    """

    def add(self, record: object) -> None:
        """Insert. :raises Conflict: such a record exists already."""

    def add_once(self, record: object) -> bool:
        """Insert unless it exists; False when it did."""

    def add_all(self, records: Sequence[object]) -> None:
        """Insert records of one kind in one statement; those that exist are left as they are."""

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
        after: object = None,
        **where: object,
    ) -> list[R]:
        """All records whose fields equal ``where``; ``after`` is the last one seen, whose ``order_by`` values to go on from."""

    def pick(
        self,
        kind: type[object],
        fields: Sequence[str],
        /,
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        after: object = None,
        **where: object,
    ) -> list[tuple[Any, ...]]:
        """Some fields of what :meth:`find` would give; what is not asked for is not read."""

    def first(self, kind: type[R], /, *, order_by: str = "", descending: bool = False, **where: object) -> R | None:
        """The first of what :meth:`find` would give."""

    def count(self, kind: type[object], /, *, most: int | None = None, **where: object) -> int:
        """How many :meth:`find` would give; no further than ``most``."""

    def tally(self, kind: type[object], by: Sequence[str], /, **where: object) -> dict[tuple[Any, ...], int]:
        """How many :meth:`find` would give, for each combination of the values of ``by`` that occurs."""

    def newest(
        self, kind: type[object], fields: Sequence[str], /, *, of_each: str, by: str = "created", **where: object
    ) -> list[tuple[Any, ...]]:
        """Some fields of the newest record (the largest ``by``) for each value of ``of_each``, in the order of these values."""

    def change(self, record: R, *, only_if: Mapping[str, object] | None = None, **values: object) -> R | None:
        """Set fields of one record; with ``only_if`` a compare-and-set that gives ``None`` when the row differs."""

    def change_all(self, kind: type[object], where: Mapping[str, object], /, **values: object) -> int:
        """Set fields of all records that ``where`` chooses; how many."""

    def remove(self, kind: type[object], /, **where: object) -> int:
        """Take records away that only index what others say, or were told long ago; how many. Nothing else is ever deleted."""

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

    def settled(self, after: int, limit: int) -> list[Event]:
        """The events that follow ``after``, in order, so that none with a number in between will ever come."""


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
    """Verifies RPMs (payload digest, header digests, signature) and reads their headers, in a sandbox."""

    def __call__(self, paths: Sequence[Path], keys: Sequence[Path] | None) -> list[RpmHeader | InputError]:
        """One answer a file, in order; ``keys`` ``None`` asks for digests only (our own, unsigned builds)."""


class Universe(Protocol):
    """Answers over pinned repositories."""

    def base(self, packages: Sequence[str]) -> BaseResolution:
        """Resolve the base packages."""

    def resolve(self, requires: Sequence[str], base: Sequence[str], expected: Sequence[Expected]) -> Resolution:
        """Resolve BuildRequires beside the base, with what the drop will provide."""


class RemoteRepositories(Protocol):
    """Pins repositories behind a URL."""

    def pin(self, baseurl: str, *, arch: str, releasever: str) -> Path:
        """A folder with the repodata of its newest known state, which does not change.

        :raises InfraError: none is known yet.
        """


class Solver(Protocol):
    """Opens pinned repositories."""

    def open(
        self, repositories: Sequence[PinnedRepository], arch: str, *, modules: Sequence[str] = (), releasever: str = ""
    ) -> Universe:
        """:raises InfraError: metadata is missing or unreadable, or no repository has one of the module streams."""


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

    def __call__(
        self, folder: Path, files: Sequence[RepoFile], carried: Sequence[CarriedFile], style: RepodataStyle
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedRpm:
    """One RPM of a compose. ``nevra`` and ``srpm`` are ``name-epoch:version-release.arch``; an SRPM is its own."""

    nevra: str
    srpm: str
    filename: str
    arch: str
    repository: RepositoryKind


class ComposeWriter(Protocol):
    """Writes what a compose says of itself into its new folder."""

    def __call__(
        self, folder: Path, compose: Compose, release: Release, arches: Sequence[str], rpms: Iterable[ComposedRpm]
    ) -> None: ...


class Sealer(Protocol):
    """Signs with the distribution's key."""

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign files in place (copies that the caller made)."""

    def sign_repomd(self, repomd: Path) -> None:
        """Write ``repomd.xml.asc`` beside it."""

    def export(self) -> bytes:
        """The public key, ASCII-armored."""


class EventStream(Protocol):
    """One message an event for other systems; it knows by itself which event it told last."""

    def last(self) -> int | None:
        """The number of the last event told; ``None`` if it has told none, or was lost. :raises InfraError: not reachable."""

    def tell(self, messages: Iterable[tuple[int, Mapping[str, str]]]) -> int:
        """Append messages, each under its event's number; what was told already is left out. The length afterwards.

        :raises InfraError: not reachable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one try to deliver, ``status`` in words.

    ``final``: trying again is of no use; ``gone``: the receiver wants no more at all.
    """

    accepted: bool
    status: str
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail. ``batch`` is the same however often it is sent, ``threads`` are the drops it is about, ``unsubscribe`` is a URL."""

    to: str
    subject: str
    text: str
    batch: str
    threads: tuple[str, ...]
    unsubscribe: str
    at: datetime


class WebhookSender(Protocol):
    """Posts one signed message."""

    def __call__(self, url: str, *, message_id: str, subscription: str, body: bytes, at: datetime) -> Answer:
        """What the receiver answered; being unreachable is an answer too."""


class Mailer(Protocol):
    """Hands one message over to a mail server."""

    def __call__(self, letter: Letter, /) -> Answer:
        """What the server answered; being unreachable is an answer too."""


class Passwords(Protocol):
    """Keeps passwords as slow, salted hashes."""

    def hashed(self, password: str) -> str: ...

    def fits(self, password: str, kept: str) -> bool:
        """Whether it is the password behind ``kept``; with an empty ``kept`` it takes as long and is False."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A login that is under way at an OIDC issuer; the browser keeps it until it comes back."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider(Protocol):
    """An OIDC issuer that says who somebody is."""

    def send_off(self, come_back: str) -> tuple[str, Errand]:
        """Where to send the browser, and what must be kept meanwhile. :raises InfraError: the issuer does not answer."""

    def welcome(self, errand: Errand, come_back: str, answer: Mapping[str, str]) -> Mapping[str, object]:
        """The verified claims about who came back with ``answer``, the query's words.

        :raises NotAllowed: the answer is not one to this errand, or the issuer said no.
        :raises InfraError: the issuer does not answer.
        """


class Fetched(Protocol):
    """An answer that is being read; ``chunks`` are the bytes as they were sent, never decoded, never more than was allowed."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def chunks(self) -> Iterable[bytes]: ...


class Fetch(Protocol):
    """Gets a URL, and nothing that the target does not allow: neither by a redirect nor by a name that leads inside."""

    def __call__(
        self, url: str, *, allowed: Sequence[AllowedUrl], limit: int, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Fetched]:
        """The answer (200, or 304 to a condition in ``headers``), until the block ends.

        :param limit: bytes of the body.
        :raises InputError: the URL, an address or a redirect is not allowed, there is nothing, or it is longer than ``limit``.
        :raises NotNow: no answer, or the server asks to come later.
        """


class LookAt(Protocol):
    """Looks at a repository of RPMs."""

    def __call__(self, place: str, known: Mapping[str, str], *, allowed: Sequence[AllowedUrl], work: Path) -> Look:
        """What is there, unless it is what was ``known``. Errors as of :class:`Fetch`; ``work`` is a folder for scratch files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Something happened to a file; ``settled``: whoever wrote it has closed it, or it was renamed into place."""

    path: Path
    settled: bool


class FolderEvents(Protocol):
    """What happens in a folder and below it, as the kernel tells it."""

    def start(self) -> None:
        """Begin to listen, or begin again after the folder was gone. :raises InputError: it is not there."""

    def wait(self, seconds: float) -> list[Heard]:
        """What happened since the last call, after waiting for something as long as that."""

    def stop(self) -> None:
        """Listen no more."""
