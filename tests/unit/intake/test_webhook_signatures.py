"""What counts as signed, against the Standard Webhooks library and the examples in the forges'
documentation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from buildfarm.domain.intake.webhook import TOLERANCE, BadSignature, Message, verified
from buildfarm.domain.target.trigger import Forge
from buildfarm.errors import ConfigError

NOW = 1_772_442_000
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, truly").decode()
BODY = b'{"ref": "refs/heads/c9"}'


def standard(
    body: bytes = BODY,
    *,
    secret: str = SECRET,
    identity: str = "msg_1",
    at: int = NOW,
    **changed: str,
) -> Message:
    signature = Webhook(secret).sign(identity, datetime.fromtimestamp(at, UTC), body.decode())
    headers = {
        "webhook-id": identity,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
        **changed,
    }
    return Message(headers=headers, body=body, now=NOW)


def signed(header: str, body: bytes = BODY, *, secret: str = "s3cret", prefix: str = "") -> Message:
    made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Message(headers={header: f"{prefix}{made}"}, body=body, now=NOW)


@pytest.mark.parametrize("forge", [Forge.GENERIC, Forge.GITLAB])
def test_what_the_standard_webhooks_library_signs_is_accepted_and_named_by_its_signed_id(forge):
    assert verified(forge, standard(), [SECRET]) == "msg_1"


def test_the_example_of_the_specification_is_accepted():
    """The vector of github.com/standard-webhooks/standard-webhooks, spec and every library's test."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }  # fmt: skip
    assert verified(
        Forge.GENERIC, Message(headers=headers, body=body, now=1614265330), [secret]
    ).startswith("msg_")


def test_while_a_secret_is_changed_either_one_is_enough():
    other = "whsec_" + base64.b64encode(b"the key that comes after this one").decode()
    assert verified(Forge.GENERIC, standard(), [other, SECRET]) == "msg_1"
    both = standard()
    both.headers["webhook-signature"] += " v1a,unknown v1,AAAA"
    assert verified(Forge.GENERIC, both, [SECRET]) == "msg_1"


@pytest.mark.parametrize("off", [-TOLERANCE - 1, TOLERANCE + 1])
def test_a_message_that_is_too_old_or_too_new_is_refused_though_its_signature_fits(off):
    with pytest.raises(BadSignature):
        verified(Forge.GENERIC, standard(at=NOW + off), [SECRET])
    assert verified(Forge.GENERIC, standard(at=NOW + off - (1 if off > 0 else -1)), [SECRET])


@pytest.mark.parametrize(
    "message",
    [
        standard(secret="whsec_" + base64.b64encode(b"another key").decode()),
        standard(**{"webhook-id": "msg_2"}),
        standard(**{"webhook-timestamp": str(NOW + 1)}),
        standard(**{"webhook-timestamp": "nan"}),
        standard(**{"webhook-signature": "v1,"}),
        standard(**{"webhook-signature": ""}),
        Message(headers=standard().headers, body=BODY + b" ", now=NOW),
        Message(headers={}, body=BODY, now=NOW),
    ],
)
def test_whatever_part_does_not_fit_the_refusal_is_the_same(message):
    with pytest.raises(BadSignature) as refusal:
        verified(Forge.GENERIC, message, [SECRET])
    assert str(refusal.value).startswith("the message is not signed as this webhook wants it")


@pytest.mark.parametrize(
    ("forge", "header", "prefix"),
    [(Forge.GITEA, "x-gitea-signature", ""), (Forge.GITHUB, "x-hub-signature-256", "sha256=")],
)
def test_a_forges_hex_hmac_is_accepted_and_the_message_is_named_by_its_body(forge, header, prefix):
    named = verified(forge, signed(header, prefix=prefix), ["s3cret"])
    assert named == f"message sha256:{hashlib.sha256(BODY).hexdigest()}"
    for wrong in (
        signed(header, secret="other"),
        signed("x-other"),
        Message(headers={header: "é"}, body=BODY, now=NOW),
    ):
        with pytest.raises(BadSignature):
            verified(forge, wrong, ["s3cret"])


def test_githubs_own_example_is_accepted():
    """docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation"."""
    headers = {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    }
    message = Message(headers=headers, body=b"Hello, World!", now=NOW)
    assert verified(Forge.GITHUB, message, ["It's a Secret to Everybody"])


def test_gitlabs_older_token_is_accepted_and_never_stands_in_for_a_signature():
    token = Message(headers={"x-gitlab-token": "s3cret"}, body=BODY, now=NOW)
    assert verified(Forge.GITLAB, token, ["s3cret"])
    with pytest.raises(BadSignature):
        verified(Forge.GITLAB, token, ["other"])
    forged = Message(headers={**token.headers, "webhook-signature": "v1,AAAA"}, body=BODY, now=NOW)
    with pytest.raises(BadSignature):
        verified(Forge.GITLAB, forged, ["s3cret"])


def test_pagure_signs_its_time_with_the_body_and_an_old_message_is_refused():
    def message(at: int) -> Message:
        body = json.dumps(
            {"topic": "git.receive", "timestamp": at, "msg_id": "2026-1", "msg": {}}, sort_keys=True
        ).encode()
        return signed("x-pagure-signature-256", body)

    assert verified(Forge.PAGURE, message(NOW), ["s3cret"]) == "2026-1"
    with pytest.raises(BadSignature):
        verified(Forge.PAGURE, message(NOW - TOLERANCE - 1), ["s3cret"])


def test_a_farm_without_a_usable_secret_says_so_instead_of_accepting():
    for secrets in ([], ["s3cret"], ["whsec_"], ["whsec_***"]):
        with pytest.raises(ConfigError):
            verified(Forge.GENERIC, standard(), secrets)
