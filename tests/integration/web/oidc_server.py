"""A real OpenID Connect server (Debian's glewlwyd, a C program over SQLite) on loopback, set up
through its own API.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.waiting import until

PROGRAM = shutil.which("glewlwyd")
_TABLES = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")
_CONFIG = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="auth/login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{folder}/glewlwyd.log"
cookie_domain="127.0.0.1"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
session_expiration=2419200
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder}/glewlwyd.db"; }};
"""
CLIENT, SECRET, PASSWORD = "farm", "the client's secret", "a long pass phrase"
_PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class OidcServer:
    """The running server, as its admin; ``people`` log in to it with :data:`PASSWORD`."""

    url: str
    admin: httpx.Client

    @property
    def issuer(self) -> str:
        return f"{self.url}/api/oidc"

    def add_person(self, name: str, groups: list[str]) -> None:
        body = {
            "username": name,
            "name": name.title(),
            "enabled": True,
            "password": PASSWORD,
            "scope": ["openid"],
            "groups": groups,
        }
        self.admin.post("/api/user/", json=body).raise_for_status()

    def set_groups(self, name: str, groups: list[str]) -> None:
        known = self.admin.get(f"/api/user/{name}").raise_for_status().json()
        self.admin.put(f"/api/user/{name}", json={**known, "groups": groups}).raise_for_status()

    def consent(self, browser: httpx.Client, name: str) -> None:
        """Log a person in at this server with a browser, and let the farm know who it is: what its
        login page would post.
        """
        credentials = {"username": name, "password": PASSWORD}
        browser.post(f"{self.url}/api/auth/", json=credentials).raise_for_status()
        browser.put(
            f"{self.url}/api/auth/grant/{CLIENT}", json={"scope": "openid"}
        ).raise_for_status()


@contextmanager
def running(folder: Path, complete: str) -> Iterator[OidcServer]:
    """The server until the block ends; ``complete`` is where it may send a browser."""
    assert PROGRAM is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with sqlite3.connect(folder / "glewlwyd.db") as database:
        database.executescript(gzip.decompress(_TABLES.read_bytes()).decode())
    database.close()
    config = folder / "glewlwyd.conf"
    config.write_text(_CONFIG.format(port=port, folder=folder), encoding="utf-8")
    process = subprocess.Popen(
        [PROGRAM, f"--config-file={config}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as admin:
        try:
            _until_it_answers(process, port)
            made = OidcServer(f"http://127.0.0.1:{port}", admin)
            _set_up(made, complete)
            yield made
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_SECONDS)


def _until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    def answers() -> bool:
        assert process.poll() is None, "glewlwyd ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    until(answers, "glewlwyd answers", seconds=_PATIENCE_SECONDS)


def _set_up(server: OidcServer, complete: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    admin = server.admin
    admin.post("/api/auth/", json={"username": "admin", "password": "password"}).raise_for_status()
    users = next(
        one
        for one in admin.get("/api/mod/user/").raise_for_status().json()
        if one["name"] == "database"
    )
    every = {
        "multiple": True,
        "read": True,
        "write": True,
        "profile-read": True,
        "profile-write": False,
    }
    users["parameters"]["data-format"]["groups"] = every
    admin.put("/api/mod/user/database", json=users).raise_for_status()
    admin.put("/api/mod/user/database/reset", json={})
    parameters = {
        "iss": server.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": private.decode(), "cert": public.decode(),
        "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600, "refresh-token-rolling": False,
        "allow-non-oidc": False, "auth-type-code-enabled": True, "auth-type-code-revoke-replayed": True,
        "auth-type-id-token-enabled": True, "auth-type-refresh-enabled": True, "subject-type": "public", "pkce-allowed": True,
        "pkce-required": True, "pkce-method-plain-allowed": False, "jwks-show": True,
        "claims": [
            {"name": "preferred_username", "type": "string", "user-property": "username", "mandatory": True},
            {"name": "groups", "type": "string", "user-property": "groups", "mandatory": True},
        ],
    }  # fmt: skip
    plugin = {
        "module": "oidc",
        "name": "oidc",
        "display_name": "OIDC",
        "enabled": True,
        "parameters": parameters,
    }
    admin.post("/api/mod/plugin/", json=plugin).raise_for_status()
    client = {
        "client_id": CLIENT, "name": CLIENT, "enabled": True, "confidential": True, "client_secret": SECRET, "password": SECRET,
        "authorization_type": ["code"], "redirect_uri": [complete], "scope": ["openid"],
        "token_endpoint_auth_method": ["client_secret_basic"],
    }  # fmt: skip
    admin.post("/api/client/", json=client).raise_for_status()


def query_of(url: str) -> dict[str, str]:
    """The words of a URL's query."""
    return dict(httpx.QueryParams(urlsplit(url).query).items())
