"""The distribution's key: gpg and rpmsign with a home of their own, opened by the signer only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buildfarm.adapters import process

_SECONDS = 600.0


class Signer:
    """Signs RPMs and repomd.xml with the one key of ``home`` (a GNUPGHOME)."""

    def __init__(self, home: Path, *, name: str, email: str) -> None:
        self._home = home
        self._user = f"{name} <{email}>"

    @property
    def _env(self) -> Mapping[str, str]:
        return {"GNUPGHOME": str(self._home)}

    def ensure_key(self) -> None:
        """Make the key unless there is one (RSA 3072, no pass phrase: the home's permissions protect it)."""
        if self._fingerprint():
            return
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._gpg("--quick-generate-key", self._user, "rsa3072", "sign", "never")
        self.rest()

    def _fingerprint(self) -> str:
        if not self._home.exists():
            return ""
        listing = self._gpg("--list-secret-keys", "--with-colons").text
        return next((line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")), "")

    def _gpg(self, *words: str) -> process.Completed:
        argv = ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", *words]
        return process.run(argv, env=self._env, timeout=_SECONDS)

    def export(self) -> bytes:
        """The public key, ASCII-armored."""
        return self._gpg("--armor", "--export", self._fingerprint()).stdout

    def sign_rpms(self, paths: Sequence[Path]) -> None:
        """Sign files in place (the caller's own copies), replacing any signature. :raises ToolFailed: rpmsign refused."""
        if not paths:
            return
        argv = ["rpmsign", "--define", f"_gpg_name {self._fingerprint()}", "--define", f"_gpg_path {self._home}"]
        process.run([*argv, "--resign", *paths], env=self._env, timeout=_SECONDS)

    def sign_repomd(self, repomd: Path) -> None:
        """Write ``repomd.xml.asc`` beside ``repomd``."""
        signature = repomd.with_name(f"{repomd.name}.asc")
        self._gpg("--yes", "--armor", "--detach-sign", "--output", str(signature), str(repomd))

    def rest(self) -> None:
        """End the agent that gpg started; the key is in no process's memory after this."""
        process.run(["gpgconf", "--kill", "all"], env=self._env, timeout=30, ok=None)
