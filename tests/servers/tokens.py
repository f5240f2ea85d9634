"""A token service as registries send their clients to: signs JSON Web Tokens, and misbehaves on request.

with TokenService(authority, directory, users={"reader": "s3cr3t"}, identity=identity) as service:
    ...  # docker-registry with `auth: {token: {realm: service.realm, rootcertbundle: ca.crt, ...}}`
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.servers.authority import Authority, Identity
from tests.servers.serving import Handler, Request, Serving

ISSUER = "the tests' issuer"
LEEWAY = 60
"""Seconds for which docker-registry takes a token that has expired."""


Access = dict[str, "str | list[str]"]
"""What a token allows: type, name, actions."""


class TokenService(Serving):
    """Gives whoever asks a token for what they may do; the signing key's certificate is the authority's.

    Args:
        authority: Whose certificate the registry trusts.
        directory: For the signing key.
        users: Names and passwords of those who may do everything.
        public: Repositories below this prefix may be pulled by everybody; empty: none.
        identity: Certificate and key for TLS.
    """

    def __init__(
        self,
        authority: Authority,
        directory: Path,
        *,
        users: dict[str, str],
        public: str = "",
        identity: Identity | None = None,
    ) -> None:
        super().__init__(_Tokens, identity=identity)
        self._signer = authority.identity(directory, "signer")
        self.users, self.public = users, public
        self.faults: list[str] = []
        """Taken one for each request: a status, `huge`, `long`, `none`, `blanks`, `array`, `other`, `expired`, or a URL to redirect to."""

        self.lifetimes: list[float] = []
        """Seconds that the registry takes the next tokens; empty: 300."""

        self.issued: list[str] = []

    def __enter__(self) -> TokenService:
        super().__enter__()
        return self

    @property
    def realm(self) -> str:
        """What registries name."""
        return f"{self.url}/token"

    def token(self, service: str, access: list[Access], *, lifetime: float) -> str:
        """Sign a token; the registry refuses it after `lifetime` seconds."""
        key = load_pem_private_key(self._signer.key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(self._signer.certificate.read_bytes())
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        shown = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": "", "aud": service, "access": access, "jti": str(len(self.issued)),
            "iat": now - 120, "nbf": now - 120, "exp": int(now + lifetime) - LEEWAY,
        }  # fmt: skip
        parts = ({"typ": "JWT", "alg": "ES256", "x5c": [shown]}, claims)
        text = ".".join(_word(json.dumps(one).encode()) for one in parts)
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(SHA256())))
        made = f"{text}.{_word(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        self.issued.append(made)
        return made


class _Tokens(Handler):
    owner: TokenService

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request("GET", self.path, headers))
        fault = owner.faults.pop(0) if owner.faults else ""
        if fault.isdecimal():
            self._answer(int(fault), b"{}")
        elif "://" in fault:
            self._answer(307, b"", {"Location": fault})
        elif fault == "huge":
            self._answer(200, b'{"token": "' + b"x" * (32 << 20) + b'"}')
        elif fault in _ANSWERS:
            self._answer(200, json.dumps(_ANSWERS[fault]).encode())
        else:
            self._give(headers.get("authorization", ""), fault)

    def _give(self, authorization: str, fault: str) -> None:
        owner = self.owner
        asked = parse_qs(urlsplit(self.path).query)
        user, _, password = (
            base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        )
        if user and owner.users.get(user) != password:
            self._answer(401, b"{}")
            return
        access: list[Access] = []
        for scope in asked.get("scope", []):
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            allowed = actions.split(",") if user else []
            if owner.public and name.startswith(owner.public):
                allowed = allowed or ["pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        lifetime = owner.lifetimes.pop(0) if owner.lifetimes else 300
        lifetime = -3600 if fault == "expired" else lifetime
        service = "another" if fault == "other" else asked.get("service", [""])[0]
        made = owner.token(service, access, lifetime=lifetime)
        self._answer(200, json.dumps({"token": made}).encode())

    def _answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


_ANSWERS: dict[str, object] = {
    "long": {"token": "x" * (1 << 20)},
    "none": {"expires_in": 300},
    "blanks": {"token": "two words\r\nX-More: yes"},
    "array": ["token"],
}


def _word(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
