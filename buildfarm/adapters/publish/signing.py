"""The distribution's key: gpg and rpmsign with their own home, used by the signer only.

gpg 2 leaves an agent behind that holds the secret key. Each command here runs in its own process
namespace (bubblewrap), which ends with the command, or with the farm if that is killed, and the
agent ends with it. A home is used by one command at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from buildfarm.adapters.system import bubblewrap, process
from buildfarm.errors import ConfigError, InfraError, InputError, ToolFailed

_SECONDS = 600.0
_FINGERPRINT = "fpr:"  # codespell:ignore fpr
_GPG = ("gpg", "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
_OWN_PROCESSES = (
    "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent",
)  # fmt: skip


class Signer:
    """Signs RPMs and repomd.xml with the one key of ``home`` (a GNUPGHOME).

    The key's owner is ``name`` and ``email``.
    """

    def __init__(self, home: Path, *, name: str, email: str) -> None:
        self._home = home.absolute()
        self._user = f"{name} <{email}>"
        self._key = ""

    def ensure_key(self) -> str:
        """Make the key unless there is one; return its fingerprint.

        RSA 3072, because every rpm can verify it. No pass phrase, because it would have to be
        stored beside the key: the permissions of the home (0700) protect it.
        """
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._home.chmod(0o700)
        if not (found := self._find_key()):
            self._run([*_GPG, "--quick-generate-key", self._user, "rsa3072", "sign", "never"])
            found = self.fingerprint()
        return found

    def fingerprint(self) -> str:
        """Return the key's fingerprint. :raises ConfigError: there is no key."""
        if not (found := self._find_key()):
            raise ConfigError(f"no signing key in {self._home}", hint="`buildfarm init` makes one")
        return found

    def export(self) -> bytes:
        """Return the public key, ASCII-armored."""
        return self._run([*_GPG, "--armor", "--export", self.fingerprint()]).stdout

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign files in place (the caller's own copies); replace signatures that are there.

        :raises InputError: a file is not an RPM.
        """
        if not paths:
            return
        key = self.fingerprint()
        argv = ["rpmsign", "--addsign"]
        for macro in (f"_gpg_name {key}", "__gpg /usr/bin/gpg", "_gpg_digest_algo sha256"):
            argv += ["--define", macro]  # Debian's rpm looks for gpg2, which Debian no longer ships
        try:
            self._run([*argv, "--", *(str(path.absolute()) for path in paths)])
        except ToolFailed as error:
            if "corrupt package" in error.output:
                raise InputError(
                    f"cannot be signed: {error.output}", hint="was it verified?"
                ) from error
            raise

    def sign_repomd(self, repomd: Path) -> None:
        """Write ``repomd.xml.asc`` beside ``repomd``, atomically."""
        key = self.fingerprint()
        signature = repomd.with_name(f"{repomd.name}.asc")
        fresh = signature.with_name(f".{signature.name}.new")
        words = [
            "--yes",
            "--armor",
            "--digest-algo",
            "SHA256",
            "--local-user",
            key,
            "--output",
            str(fresh),
        ]
        self._run([*_GPG, *words, "--detach-sign", str(repomd)])
        fresh.replace(signature)

    def verify(self, path: Path) -> None:
        """Check that ``path.asc`` is a signature of ``path`` by this key.

        :raises InputError: it is not, or there is no signature.
        """
        signature = path.with_name(f"{path.name}.asc")
        key = self.fingerprint()
        argv = [
            *_GPG,
            "--status-fd",
            "1",
            "--trust-model",
            "always",
            "--verify",
            str(signature),
            str(path),
        ]
        done = self._run(argv, ok=None)
        if done.returncode != 0 or f"[GNUPG:] VALIDSIG {key} " not in done.text:
            raise InputError(
                f"{path}: its signature does not fit: {done.error_text}", hint="sign it again"
            )

    def _find_key(self) -> str:
        if not self._key and self._home.exists():
            listing = self._run([*_GPG, "--list-secret-keys", "--with-colons"]).text
            self._key = next(
                (
                    line.split(":")[9]
                    for line in listing.splitlines()
                    if line.startswith(_FINGERPRINT)
                ),
                "",
            )
        return self._key

    def _run(self, argv: Sequence[str], *, ok: Sequence[int] | None = (0,)) -> process.Completed:
        """Run a command with a short GNUPGHOME: a socket's path has at most 107 characters."""
        try:
            with self._alone(), tempfile.TemporaryDirectory(prefix="gpg-") as folder:
                link = Path(folder) / "h"
                link.symlink_to(self._home)
                env = {"GNUPGHOME": str(link), "HOME": folder}
                return process.run(alone(argv), env=env, timeout=_SECONDS, ok=ok)
        except OSError as error:
            raise InfraError(
                f"signing key in {self._home}: {error}", hint="is the disk full?"
            ) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other command uses the home, and remove what the last one left.

        Its locks name a process of another namespace, and its agent may still be closing its
        sockets.
        """
        with (self._home / ".farm.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pattern in ("[!.]*.lock", ".#lk*", "S.*"):
                for left in self._home.glob(pattern):
                    left.unlink(missing_ok=True)
            yield


def alone(command: Sequence[str]) -> list[str]:
    """Return ``command`` in a process namespace of its own, which ends with it."""
    return bubblewrap.argv(command, _OWN_PROCESSES)
