"""Redis: the private server of a one-machine farm, the workers' ACL users, and the wake-up.

kombu keeps ``unacked`` and other keys beside its queues; with one prefix for all, every worker
could read and acknowledge the messages of others. So each worker has its own prefix and an ACL user
that sees nothing else.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import redis

from buildfarm.errors import InfraError

_WAKE_KEY = "bf:hub:wake"
_ACL_CATEGORIES = (
    "+@read", "+@write", "+@connection", "+@transaction", "+@scripting", "+@blocking",
    "-@dangerous", "-@admin", "+info",
)  # fmt: skip


def prefix_of(worker: str) -> str:
    """Return the key prefix of one worker."""
    return f"bf:w:{worker}:"


def with_credentials(url: str, user: str, password: str) -> str:
    """Return ``url`` with another user and password (``unix://`` URLs too)."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, '')}:{quote(password, '')}@{host}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateRedis:
    """The embedded redis-server: on the loopback, without a default user, and without
    persistence.
    """

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """The hub's URL, with its password."""
        return f"redis://hub:{self.password}@127.0.0.1:{self.port}/0"

    def write_configuration(self) -> Path:
        """Write redis.conf and, the first time, the ACL file; return the path of redis.conf."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        acl = self.folder / "users.acl"
        if not acl.exists():
            acl.touch(mode=0o600)
            acl.write_text(
                f"user default off\nuser hub on >{self.password} ~bf:* &* +@all\n", encoding="utf-8"
            )
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        lines = [
            "bind 127.0.0.1", f"port {self.port}", "protected-mode yes", "save \"\"",
            "appendonly no", f"dir {self.folder}", f"aclfile {acl}", "daemonize no",
            "maxmemory 256mb", "maxmemory-policy noeviction",
        ]  # fmt: skip
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return configuration


class Broker:
    """The hub's own connection to Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis = redis.Redis.from_url(url, socket_timeout=70, socket_connect_timeout=5)

    def _command(self, *words: str) -> object:
        return self._redis.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def ping(self) -> None:
        """Check the connection. :raises InfraError: Redis does not answer."""
        try:
            self._redis.ping()
        except redis.RedisError as error:
            raise InfraError(f"Redis: {error}", hint="is it up? `buildfarm doctor`") from error

    def add_worker(self, worker: str) -> str:
        """Create (or renew) the ACL user of one worker; return its URL with a new password.

        :raises InfraError: Redis does not answer.
        """
        password = secrets.token_urlsafe(24)
        try:
            self._command(
                "ACL", "SETUSER", f"w-{worker}", "reset", "on", f">{password}",
                f"~{prefix_of(worker)}*", "resetchannels", *_ACL_CATEGORIES,
            )  # fmt: skip
            self._command("ACL", "SAVE")
        except redis.RedisError as error:
            raise InfraError(f"Redis: cannot add the user of worker {worker}: {error}") from error
        return with_credentials(self.url, f"w-{worker}", password)

    def remove_worker(self, worker: str) -> None:
        """Remove the ACL user and its keys."""
        with contextlib.suppress(redis.RedisError):
            self._command("ACL", "DELUSER", f"w-{worker}")
            self._command("ACL", "SAVE")
            for key in self._redis.scan_iter(match=f"{prefix_of(worker)}*"):
                self._redis.delete(key)


class RedisWakeup:
    """The scheduler's wake-up: a list of at most one element, so that many calls cause one
    round.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=70, socket_connect_timeout=5)

    def notify(self) -> None:
        """Wake the scheduler; if that fails, the next sweep replaces it."""
        with contextlib.suppress(redis.RedisError):
            pipe = self._redis.pipeline()
            pipe.lpush(_WAKE_KEY, "1")
            pipe.ltrim(_WAKE_KEY, 0, 0)
            pipe.execute()

    def wait(self, seconds: float) -> bool:
        """Wait for a wake-up, at most ``seconds``.

        :raises InfraError: Redis does not answer.
        """
        try:
            return self._redis.blpop([_WAKE_KEY], timeout=seconds) is not None
        except redis.RedisError as error:
            raise InfraError(f"Redis: {error}") from error
