"""What a process serves beside its work: probes for the kubelet, metrics for Prometheus."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.kubeconfig import load_pair
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.runtime.resources import ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

_LOG = logging.getLogger(__name__)
# cert-manager renews days ahead, and the kubelet writes a mounted Secret within a minute or two:
# looking more often finds nothing.
_RENEWED: Final = 60.0

# Callers, not scrapes: Prometheus has a few replicas with a token each. The bound is for whoever
# tries tokens.
_REMEMBERED: Final = 100
# How long a token that was revoked still sees metrics, against two calls of the API server a
# scrape.
_REMEMBERED_FOR: Final = 60.0


class AddressError(Exception):
    """An address to listen at cannot be used; the message says why."""


def address(text: str) -> tuple[str | None, int] | None:
    """Read an address to listen at: `:9440`, `127.0.0.1:9440`, `[::1]:9440`; `0` for nothing.

    Returns:
        Host and port, the host None for all; None where nothing is to be served.

    Raises:
        AddressError: It is not an address.
    """
    if text == "0":
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise AddressError(f"{text!r} is not an address such as :9440, or 0 to serve nothing")
    return host.strip("[]") or None, int(port)


@asynccontextmanager
async def served(
    app: web.Application, at: tuple[str | None, int], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve an application meanwhile; yields the port.

    Raises:
        AddressError: Nobody can listen there.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=5.0,
        # A few bytes of a request must not become many here.
        auto_decompress=False,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, at[0], at[1], ssl_context=tls, backlog=256)
        try:
            await site.start()
        except OSError as error:
            said = error.strerror or str(error)
            raise AddressError(f"cannot listen at {at[0] or ''}:{at[1]}: {said}") from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def probes(lacks: Callable[[], list[str]]) -> web.Application:
    """`/healthz`, which answers as long as the process does, and `/readyz`.

    An API server that is away makes no process unhealthy: a restart would throw its caches away, and change nothing.

    Args:
        lacks: What is still missing, in words; nothing: it is ready.
    """

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        missing = lacks()
        if missing:
            return web.Response(status=503, text="".join(f"{one}\n" for one in missing))
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get("/healthz", alive)
    # The same under the name that Kubernetes' own components have.
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    return app


def diagnostics(metrics: Metrics, guard: Guard | None) -> web.Application:
    """`/metrics`.

    Args:
        metrics: What is shown.
        guard: Who may see them; None: whoever asks.
    """

    async def show(request: web.Request) -> web.Response:
        if guard is not None:
            refusal = await guard.refusal(request.headers.get("Authorization", ""), "/metrics")
            if refusal:
                return web.Response(status=refusal)
        text, content_type = metrics.shown(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/metrics", show)
    return app


class _Extra(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class _ReviewStatus(msgspec.Struct):
    authenticated: bool = False
    allowed: bool = False
    user: _Extra = msgspec.field(default_factory=_Extra)


class _Review(msgspec.Struct):
    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


class Guard:
    """Lets in whom the management cluster lets in: a token of its own, and a role that allows `get` of the path.

    Args:
        client: Of the management cluster.
        clock: Seconds that never go back.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._said = Recent[bytes, tuple[int, float]](_REMEMBERED)

    async def refusal(self, authorization: str, path: str) -> int:
        """Ask whether somebody may get a path.

        Args:
            authorization: The request's header of that name.
            path: What is asked for.

        Returns:
            HTTP status of the refusal: 401, 403, or 503 where nobody can say; 0: let it in.
        """
        scheme, _, token = authorization.partition(" ")
        # The scheme is case-insensitive (RFC 9110, 11.1). A service account's token has about 1
        # KiB; nobody hashes more for a stranger.
        if scheme.lower() != "bearer" or not token.strip() or len(token) > 16384:
            return 401
        token = token.strip()
        # By its digest: a token that is let in must not stand in memory for longer than the question.
        key = hashlib.sha256(f"{path}\n{token}".encode()).digest()
        said, until = self._said.get(key) or (0, 0.0)
        if self._clock() < until:
            return said
        try:
            said = await self._asked(token, path)
        except ApiError:
            # Neither yes nor no, and not remembered: an API server that is away must not lock
            # Prometheus out for a minute longer.
            return 503
        self._said.put(key, (said, self._clock() + _REMEMBERED_FOR))
        return said

    async def _asked(self, token: str, path: str) -> int:
        who = await self._review(TOKEN_REVIEWS, {"token": token})
        if not who.authenticated:
            return 401
        user = who.user
        may = await self._review(
            ACCESS_REVIEWS,
            {
                "user": user.username,
                "uid": user.uid,
                "groups": user.groups,
                "extra": user.extra,
                # As kube-rbac-proxy and controller-runtime's filter ask: the same ClusterRole opens
                # all of them.
                "nonResourceAttributes": {"path": path, "verb": "get"},
            },
        )
        return 0 if may.allowed else 403

    async def _review(self, resource: Resource, spec: dict[str, Any]) -> _ReviewStatus:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        answer = await self._client.create(resource, "", body)
        return msgspec.json.decode(answer, type=_Review).status


class Certificates:
    """A certificate in files that somebody renews: new connections get the new one.

    Args:
        certificate: Path of the certificate and what it is signed by, in PEM.
        key: Path of its key.

    Raises:
        AddressError: They cannot be read, or do not belong together.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Before the files are read: if they are renewed in between, the next look loads them once
        # more.
        self._loaded = self._times()
        self._load()

    async def keep(self) -> None:
        """Look every minute whether they are new, until cancelled."""
        while True:
            await asyncio.sleep(_RENEWED)
            self.renew()

    def renew(self) -> bool:
        """Take new ones over; returns whether there were any. While they cannot be used the old ones serve on."""
        try:
            times = self._times()
            if times == self._loaded:
                return False
            # Whole first: half of a new pair would leave the context without any.
            fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            fresh.load_cert_chain(*self._files, password=lambda: "")
            self._load()
        # Renewal must not end what serves: the old certificate is good for days yet.
        except AddressError as error:
            _LOG.warning("the old certificate is used on: %s", error)
            return False
        except (OSError, ssl.SSLError) as error:
            _LOG.warning("%s: the old certificate is used on: %s", self._files[0], error)
            return False
        self._loaded = times
        return True

    def _load(self) -> None:
        try:
            # Into the same context: aiohttp's server keeps it, and connections that are open stay
            # with the old certificate.
            self.context.load_cert_chain(*self._files, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            said = error.strerror or "not a certificate and its key"
            raise AddressError(f"{self._files[0]}, {self._files[1]}: {said}") from None

    def _times(self) -> tuple[int, ...]:
        try:
            return tuple(Path(one).stat().st_mtime_ns for one in self._files)
        except OSError as error:
            raise AddressError(f"{error.filename}: {error.strerror}") from None


def self_signed(now: datetime) -> ssl.SSLContext:
    """A TLS server with a certificate of its own, made for this process: who asks cannot check it, who listens cannot read.

    Args:
        now: The time.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # P-256: made in 14 microseconds, where an RSA key takes 55 ms of each start.
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "machineadm")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        # For scrapers whose clock is behind.
        not_valid_before=now - timedelta(hours=1),
        # Longer than any process lives.
        not_valid_after=now + timedelta(days=3650),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, certificate, secret)
    return context
