"""Webhooks: verify that a message has its forge's signature, and read which source and commit a
push names.

The forms are the forges' own: Standard Webhooks (standardwebhooks.com; GitLab's signing tokens are
the same), Gitea and Forgejo (``X-Gitea-Signature``), GitHub (``X-Hub-Signature-256``), GitLab's
older secret token (``X-Gitlab-Token``), Pagure (``X-Pagure-Signature-256``). Nothing in a message
is used before its signature is verified; no answer says which part was wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from buildfarm.domain.target.trigger import Forge
from buildfarm.errors import ConfigError, InputError, NotAllowed

TOLERANCE = 300
"""Seconds a message may be old or ahead (Standard Webhooks, "Verifying webhooks": five minutes)."""
_PREFIX = "whsec_"
_SOURCE = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}"
_COMMIT = re.compile(r"[0-9a-f]{40}")


class BadSignature(NotAllowed):
    """The message is not signed with the webhook's secret, or is too old; deliberately one error
    for all of it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An incoming request. ``headers`` have lower-case names; ``now`` is in seconds since 1970."""

    headers: Mapping[str, str]
    body: bytes
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push to a source's repository: ``ref`` is the whole name, ``urls`` are all that the forge
    gives for the repository.
    """

    ref: str
    commit: str
    urls: tuple[str, ...]


def verified(forge: Forge, message: Message, secrets: Sequence[str]) -> str:
    """Return what identifies the message: a signed id where the scheme has one, else the digest of
    its body.

    An id in an unsigned header (``X-GitHub-Delivery``) would let the same body come again under
    another one.

    :raises BadSignature: none of ``secrets`` signed it, or its time is more than five minutes off.
    :raises ConfigError: there is no secret, or one that cannot be one.
    """
    if not secrets:
        raise ConfigError("the webhook's secret file is empty", hint="one secret a line")
    if forge is Forge.GENERIC or (forge is Forge.GITLAB and "webhook-signature" in message.headers):
        return _standard(message, secrets, strict=forge is Forge.GENERIC)
    if forge is Forge.GITLAB:
        given = message.headers.get("x-gitlab-token", "").encode()
        fits = [hmac.compare_digest(given, secret.encode()) for secret in secrets]
    else:
        header = {
            "gitea": "x-gitea-signature",
            "github": "x-hub-signature-256",
            "pagure": "x-pagure-signature-256",
        }[forge.value]
        given = message.headers.get(header, "").removeprefix("sha256=").encode()
        made = [
            hmac.new(secret.encode(), message.body, hashlib.sha256).hexdigest()
            for secret in secrets
        ]
        fits = [hmac.compare_digest(given, one.encode()) for one in made]
    if not any(fits):
        raise _refused()
    if forge is Forge.PAGURE:
        return _pagure_id(message)
    event = message.headers.get(
        f"x-{forge.value}-event", "message"
    )  # not signed: another event is another message
    return f"{event} sha256:{hashlib.sha256(message.body).hexdigest()}"


def _standard(message: Message, secrets: Sequence[str], *, strict: bool) -> str:
    """Verify Standard Webhooks: ``id.timestamp.body`` under HMAC-SHA256, the header ``v1,BASE64``
    for each key in use.
    """
    identity, stamp = (
        message.headers.get("webhook-id", ""),
        message.headers.get("webhook-timestamp", ""),
    )
    content = f"{identity}.{stamp}.".encode() + message.body
    signatures = message.headers.get("webhook-signature", "").split(" ")
    given = [text.removeprefix("v1,").encode() for text in signatures if text.startswith("v1,")]
    keys = [key_of(secret) for secret in secrets if strict or secret.startswith(_PREFIX)]
    made = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()) for key in keys]
    fits = [hmac.compare_digest(one, other) for one in given for other in made]
    if not any(fits) or not identity or not stamp.isascii() or not stamp.isdigit():
        raise _refused()
    if abs(message.now - int(stamp)) > TOLERANCE:
        raise _refused()
    return identity


def key_of(secret: str) -> bytes:
    """The bytes of a Standard Webhooks secret. :raises ConfigError: it is none.

    >>> key_of("whsec_c2VjcmV0LCBzZWNyZXQsIHNlY3JldA==")
    b'secret, secret, secret'
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or not key:
        raise ConfigError(
            "a secret of Standard Webhooks is whsec_ and base64",
            hint='make one: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def _pagure_id(message: Message) -> str:
    """Return Pagure's ``msg_id``, which is signed with ``timestamp`` and body."""
    sent = _object(message.body)
    stamp = sent.get("timestamp")
    if (
        not isinstance(stamp, int | float)
        or abs(message.now - stamp) > TOLERANCE
        or not sent.get("msg_id")
    ):
        raise _refused()
    return str(sent["msg_id"])


def _refused() -> BadSignature:
    return BadSignature(
        "the message is not signed as this webhook wants it",
        hint=(
            "check the secret on both sides, and both clocks: a signed time may be five minutes off"
        ),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise InputError(
            "the body is not JSON", hint="let the forge send application/json"
        ) from error
    if not isinstance(found, dict):
        raise InputError("the body is not a JSON object")
    return found


def push_of(forge: Forge, message: Message) -> Push | str:
    """The push that a verified message tells of, or why there is nothing to do.

    :raises InputError: the body is not what its forge sends.
    """
    sent = _object(message.body)
    if forge is Forge.PAGURE:
        return _pagure_push(sent)
    event = message.headers.get(f"x-{forge.value}-event", "")
    if event.lower() not in {"push", "push hook", "tag push hook"}:
        return f"the event is {event or 'not named'}, not a push"
    project = sent.get("project" if forge is Forge.GITLAB else "repository")
    names = (
        ("git_http_url", "git_ssh_url", "web_url")
        if forge is Forge.GITLAB
        else ("clone_url", "ssh_url", "html_url")
    )
    urls = (
        tuple(str(project[name]) for name in names if project.get(name))
        if isinstance(project, dict)
        else ()
    )
    ref, after = str(sent.get("ref") or ""), str(sent.get("after") or "")
    if sent.get("deleted") or not after.strip("0"):
        return f"{ref} was deleted"
    head = sent.get("head_commit")
    commit = str(
        sent.get("checkout_sha") or (head.get("id") if isinstance(head, dict) else "") or after
    )
    return _checked(
        Push(ref=ref, commit=commit, urls=urls)
    )  # an annotated tag's `after` is the tag, not the commit


def _pagure_push(sent: Mapping[str, Any]) -> Push | str:
    """Read topics ``git.receive`` (branch, end_commit) and ``git.tag.creation`` (tag, rev); the
    header that names them is not signed.
    """
    topic, message = str(sent.get("topic") or ""), sent.get("msg")
    kind = topic.rpartition("pagure.")[2]
    if kind not in {"git.receive", "git.tag.creation"} or not isinstance(message, dict):
        return f"the topic is {topic or 'not named'}, not a push"
    if kind == "git.tag.creation":
        ref, commit = f"refs/tags/{message.get('tag') or ''}", message.get("rev")
    else:
        branch, commit = str(message.get("branch") or ""), message.get("end_commit")
        ref = branch if branch.startswith("refs/") else f"refs/heads/{branch}"
    repository = message.get("repo")
    url = str(repository.get("full_url") or "") if isinstance(repository, dict) else ""
    if not url and message.get("pagure_instance") and message.get("project_fullname"):
        url = f"{str(message['pagure_instance']).rstrip('/')}/{message['project_fullname']}"
    return _checked(Push(ref=ref, commit=str(commit or ""), urls=(url,) if url else ()))


def _checked(push: Push) -> Push:
    if not push.ref or not _COMMIT.fullmatch(push.commit) or not push.urls:
        raise InputError(
            "the push names no ref, no commit or no repository",
            hint="is the webhook of the right forge?",
        )
    return push


def follows(refs: Sequence[str], ref: str) -> bool:
    """Return whether a webhook follows a ref.

    >>> follows(("refs/heads/c9*", "refs/tags/imports/c9/*"), "refs/tags/imports/c9/tree-1.8-1.el9")
    True
    """
    return any(fnmatchcase(ref, pattern) for pattern in refs)


def source_of(urls: Sequence[str], pattern: str) -> str:
    """The source whose dist-git repository one of ``urls`` is, by the target's own URL with
    ``{source}`` in it; else empty.

    How the forge spells it does not matter (``https``, ``ssh``, ``git@host:path``, with ``.git`` or
    without); host and path do.

    >>> pattern = "https://git.example.org/rpms/{source}.git"
    >>> source_of(["git@Git.example.org:rpms/tree.git"], pattern)
    'tree'
    >>> source_of(["https://git.example.org/rpms/tree/evil.git", "https://evil.example/rpms/tree"],
    ...           "https://git.example.org/rpms/{source}")
    ''
    """
    wanted = re.escape(_place(pattern)).replace(re.escape("{source}"), f"(?P<source>{_SOURCE})", 1)
    wanted = wanted.replace(re.escape("{source}"), "(?P=source)")
    for url in urls:
        if found := re.fullmatch(wanted, _place(url)):
            return found["source"]
    return ""


def _place(url: str) -> str:
    """Return host and path of a repository's URL, without the parts that do not tell one repository
    from another.
    """
    if "://" not in url and (scp := re.fullmatch(r"(?:[^@/:]+@)?([^/:]+):(.+)", url)):
        url = f"ssh://{scp[1]}/{scp[2].lstrip('/')}"
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{host}{parts.path.rstrip('/').removesuffix('.git')}"
