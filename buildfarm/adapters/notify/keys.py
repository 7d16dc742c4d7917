"""Keys that sign webhooks and unsubscribe links, derived from one key in ``secrets/``.

A subscription's secret is an HMAC of its id under the farm's key. So no secret is stored in the
database, and the secret of an ended subscription is never used again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

_PREFIX = "whsec_"


class NotificationKeys:
    """Derives keys from the key in ``file``, which is made the first time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def secret(self, subscription: str) -> str:
        """Return a webhook's secret in the form of Standard Webhooks, 256 bits."""
        return _PREFIX + base64.b64encode(self._derive("webhook", subscription)).decode("ascii")

    def sign(self, subscription: str, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the header ``webhook-signature``."""
        content = f"{message_id}.{timestamp}.".encode() + body
        mac = hmac.digest(self._derive("webhook", subscription), content, "sha256")
        return f"v1,{base64.b64encode(mac).decode('ascii')}"

    def proof(self, subscription: str) -> str:
        """Return the proof in an unsubscribe link."""
        return base64.urlsafe_b64encode(self._derive("unsubscribe", subscription)[:18]).decode(
            "ascii"
        )

    def is_proof(self, subscription: str, proof: str) -> bool:
        """Check the proof of an unsubscribe link."""
        return hmac.compare_digest(
            self.proof(subscription).encode(), proof.encode("utf-8", "replace")
        )

    def _derive(self, purpose: str, subscription: str) -> bytes:
        return hmac.digest(self._key(), f"{purpose}\n{subscription}".encode(), hashlib.sha256)

    def _key(self) -> bytes:
        if not self._file.exists():
            fresh = self._file.with_name(f".{self._file.name}.{secrets.token_hex(4)}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(32))
            try:
                os.link(fresh, self._file)  # the first one wins
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return self._file.read_bytes()
