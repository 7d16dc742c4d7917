"""Mail to a server that takes it over TLS alone, from whoever logs in: its certificate is checked
before the password is said.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from buildfarm.adapters.notify.mail import Smtp
from buildfarm.config import Mail
from buildfarm.ports.notifications import DeliveryResult, MailMessage
from tests.integration.web.receivers import free_port

PASSWORD = "only over TLS"


@dataclass
class Server:
    """What it was told: letters, and who logged in with what."""

    port: int
    certificate: Path
    letters: list[bytes] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        assert session.ssl is not None
        self.letters.append(envelope.content)
        return "250 taken"

    def authenticate(self, *given: Any) -> AuthResult:
        data: LoginPassword = given[-1]
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")]), datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1)).add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = tmp_path / "mail.pem", tmp_path / "mail.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private)
    told = Server(free_port(), certificate)
    controller = Controller(
        told, hostname="127.0.0.1", port=told.port, tls_context=context, require_starttls=True, auth_required=True,
        authenticator=told.authenticate,
    )  # fmt: skip
    controller.start()
    yield told
    controller.stop()


def send(
    server: Server, folder: Path, *, password: str = PASSWORD, starttls: bool = True
) -> DeliveryResult:
    secret = folder / "password"
    secret.write_text(f"{password}\n")
    settings = Mail(
        host="127.0.0.1",
        port=server.port,
        sender="builds@reef.example",
        starttls=starttls,
        user="builds",
    )
    letter = MailMessage(
        to="ann@reef.example", subject="reef-9: 1 failed", text="failed (1)\n  zlib-1-1\n", at=datetime(2026, 1, 1, tzinfo=UTC),
        batch="b1", threads=(), unsubscribe="https://reef.example/u",
    )  # fmt: skip
    return Smtp(settings, password_file=secret)(letter)


def test_a_letter_goes_over_tls_after_a_login(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    answer = send(server, tmp_path)
    assert answer.accepted, answer.status
    assert server.logins == [(b"builds", PASSWORD.encode())]
    assert b"zlib-1-1" in server.letters[0]


def test_a_server_that_nobody_vouches_for_hears_no_password(server: Server, tmp_path: Path) -> None:
    answer = send(server, tmp_path)
    assert (answer.accepted, answer.final) == (False, False)
    assert "CERTIFICATE_VERIFY_FAILED" in answer.status
    assert (server.logins, server.letters) == ([], [])


def test_a_refused_login_is_tried_again_later_and_says_nothing_of_the_password(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    answer = send(server, tmp_path, password="another")
    assert (answer.accepted, answer.final) == (False, False)
    assert "535" in answer.status
    assert "another" not in answer.status
    assert server.letters == []


def test_without_starttls_such_a_server_takes_nothing(server: Server, tmp_path: Path) -> None:
    answer = send(server, tmp_path, starttls=False)
    assert not answer.accepted
    assert (server.logins, server.letters) == ([], [])
