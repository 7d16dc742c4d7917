"""Brands other than words: pictures by appearance, certificates by name, OpenPGP keys.

The keys are known by their fingerprints.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import warnings
from collections.abc import Iterator

from buildfarm.domain.debrand.brand import BrandPolicy, Found, image_of, key_of

_PICTURES = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
    b"\x00\x00\x01\x00",
    b"RIFF",
    b"/* XPM */",
)
_MOST_PIXELS = 64 << 20
_SIDE = 8
_PEM = re.compile(
    rb"-----BEGIN (CERTIFICATE|PGP PUBLIC KEY BLOCK)-----\r?\n(.*?)-----END \1-----", re.DOTALL
)
_DER = re.compile(rb"\x30\x82..\x30\x82", re.DOTALL)
_PUBLIC_KEY, _SUBKEY = 6, 14


def find_marks(data: bytes, policy: BrandPolicy) -> Iterator[Found]:
    """Yield every picture and key of the policy that these bytes are or hold."""
    if policy.images and data.startswith(_PICTURES):
        yield from _picture(data, policy)
    if policy.keys:
        for match in _PEM.finditer(data):
            line = data.count(b"\n", 0, match.start()) + 1
            yield from _armoured(match[1], match[2], match.start(), line, policy)
        if _DER.match(data):
            yield from _certificate(data, 0, 0, policy)
        elif data[:1] in (b"\x99", b"\xc6"):
            yield from _openpgp(data, 0, 0, policy)


def dhash(data: bytes) -> str:
    """Return a picture's difference hash: 64 bits in hex.

    Each bit tells whether a pixel of 9 by 8 is brighter than its right neighbour.

    :raises ValueError: it is not a readable picture.
    """
    from PIL import Image  # noqa: PLC0415  # only pictures need it

    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as picture:
                flat = picture.convert("RGBA")
                ground = Image.new("RGBA", flat.size, "white")
                small = (
                    Image.alpha_composite(ground, flat)
                    .convert("L")
                    .resize((_SIDE + 1, _SIDE), Image.Resampling.LANCZOS)
                )
        except Exception as error:  # Pillow raises the errors of each format's reader
            raise ValueError(str(error)) from error
    pixels = small.tobytes()
    bits = 0
    for row in range(_SIDE):
        for column in range(_SIDE):
            at = row * (_SIDE + 1) + column
            bits = bits << 1 | (pixels[at] > pixels[at + 1])
    return f"{bits:016x}"


def _picture(data: bytes, policy: BrandPolicy) -> Iterator[Found]:
    try:
        looks = dhash(data) if any(image.dhash for image in policy.images) else ""
    except ValueError:
        looks = ""  # not a picture in spite of its first bytes; words in it are found anyway
    found = image_of(policy, hashlib.sha256(data).hexdigest(), looks)
    if found is not None:
        yield Found(
            offset=0,
            line=0,
            word=found.name,
            kind=found.kind,
            context=f"picture {found.name} (dhash {looks or 'not taken'})",
        )


def _armoured(
    kind: bytes, body: bytes, offset: int, line: int, policy: BrandPolicy
) -> Iterator[Found]:
    lines = [
        text
        for text in body.replace(b"\r", b"").split(b"\n")
        if text and b":" not in text and not text.startswith(b"=")
    ]
    try:
        plain = base64.b64decode(b"".join(lines))
    except (binascii.Error, ValueError):
        return
    yield from (_certificate if kind == b"CERTIFICATE" else _openpgp)(plain, offset, line, policy)


def _certificate(data: bytes, offset: int, line: int, policy: BrandPolicy) -> Iterator[Found]:
    from cryptography import x509  # noqa: PLC0415  # only certificates need it

    try:
        certificate = x509.load_der_x509_certificate(data)
        names = [certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()]
    except ValueError:
        return
    found = key_of(policy, names=names)
    if found is not None:
        yield Found(
            offset=offset,
            line=line,
            word=found.name,
            kind=found.kind,
            context=f"certificate {names[0]}",
        )


def _openpgp(data: bytes, offset: int, line: int, policy: BrandPolicy) -> Iterator[Found]:
    for fingerprint in fingerprints(data):
        found = key_of(policy, fingerprint=fingerprint)
        if found is not None:
            yield Found(
                offset=offset,
                line=line,
                word=found.name,
                kind=found.kind,
                context=f"OpenPGP key {fingerprint}",
            )


def fingerprints(data: bytes) -> Iterator[str]:
    """Yield the fingerprint of every version 4 public key and subkey in binary OpenPGP data.

    RFC 4880, 4.2 and 12.2. It ends with the data.
    """
    at = 0
    while at + 2 < len(data) and data[at] & 0x80:
        tag, size, at = _packet(data, at)
        body = data[at : at + size]
        if tag in (_PUBLIC_KEY, _SUBKEY) and body[:1] == b"\x04":
            yield hashlib.sha1(
                b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False
            ).hexdigest()
        at += size


def _packet(data: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, length and begin of the body; without a length, the body is the rest."""
    head = data[at]
    if head & 0x40:
        first = data[at + 1]
        if first < 192:  # noqa: PLR2004  # RFC 4880, 4.2.2
            return head & 0x3F, first, at + 2
        if first < 224:  # noqa: PLR2004
            return head & 0x3F, ((first - 192) << 8) + data[at + 2] + 192, at + 3
        if first == 255:  # noqa: PLR2004
            return head & 0x3F, int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
        return head & 0x3F, len(data), at + 2
    kind = head & 3
    if kind == 3:  # noqa: PLR2004  # RFC 4880, 4.2.1
        return (head >> 2) & 0xF, len(data), at + 1
    width = 1 << kind
    return (head >> 2) & 0xF, int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width
