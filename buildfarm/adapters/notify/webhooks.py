"""Post webhooks by Standard Webhooks (standardwebhooks.com): signed, with a time limit, no
redirects.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

import httpx

from buildfarm.adapters.notify.keys import NotificationKeys
from buildfarm.adapters.notify.outward import address_of
from buildfarm.errors import BuildFarmError, InputError, NotAllowed
from buildfarm.ports.notifications import DeliveryResult

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_GONE = 410


class Webhooks:
    """See :class:`buildfarm.ports.notifications.WebhookSender`.

    ``allowed`` are URL prefixes that may be at private addresses.
    """

    def __init__(self, keys: NotificationKeys, *, allowed: Sequence[str]) -> None:
        self._keys = keys
        self._allowed = tuple(allowed)
        # Connections are not kept: one was made for a name and must not serve another.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.Client(
            timeout=_TIMEOUT, follow_redirects=False, trust_env=False, limits=limits
        )

    def __call__(
        self, url: str, *, message_id: str, subscription: str, body: bytes, at: datetime
    ) -> DeliveryResult:
        """Post once; anything but a 2xx is a refusal.

        Only the status of the answer is read.
        """
        stamp = int(at.timestamp())
        host = urlsplit(url).hostname or ""
        headers = {
            "Host": urlsplit(url).netloc,
            "Content-Type": "application/json",
            "User-Agent": "buildfarm",
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": self._keys.sign(subscription, message_id, stamp, body),
        }
        try:
            there = httpx.URL(url).copy_with(host=address_of(url, self._allowed))
            with self._http.stream(
                "POST", there, content=body, headers=headers, extensions={"sni_hostname": host}
            ) as answer:
                code = answer.status_code
        except (NotAllowed, InputError) as error:
            return DeliveryResult(accepted=False, status=str(error), final=True)
        except (BuildFarmError, httpx.HTTPError, httpx.InvalidURL) as error:
            return DeliveryResult(accepted=False, status=f"{type(error).__name__}: {error}"[:300])
        status = f"HTTP {code}"
        if httpx.codes.is_redirect(code):
            status += ": redirects are not followed"
        return DeliveryResult(
            accepted=httpx.codes.is_success(code),
            status=status,
            final=code == _GONE,
            gone=code == _GONE,
        )
