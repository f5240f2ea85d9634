"""A store of our own: the manager puts a configuration there, its machine fetches it and reports, and nobody else sees anything.

Nothing is listed and nothing is redirected. Who asks is known before a byte of a body is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
from aiohttp import web

from machineadm.controllers.runtime.allowance import Allowance
from machineadm.controllers.runtime.logs import about
from machineadm.controllers.runtime.requests import TooLargeError, body_of, key_of
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.port import CONFIGURATIONS, EACH_MINUTE, LARGEST_REPORT, Part
from machineadm.controllers.stores.tokens import FETCH, REPORT, Claims, opened, subject

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a configuration."""

_AT_ONCE: Final = 16
# 4 MiB within it is 1.1 Mbit/s, which a manager always has.
_BODY_TIME: Final = 30.0
# Twice the 10,000 machines that the controllers are made for.
_KNOWN: Final = 20_000
_VERSION: Final = re.compile(r"v?[0-9]+(\.[0-9A-Za-z+-]+){1,5}", re.ASCII)
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}", re.ASCII)

_LOG = logging.getLogger(__name__)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Value = TypeVar("Value")


class Backend(Protocol):
    """What keeps the bytes. All raise `OSError` where it cannot."""

    async def get(self, key: Key, part: Part) -> bytes | None:
        """Read a part; None if it is not there."""

    async def put(self, key: Key, part: Part, data: bytes) -> None:
        """Keep a part, whole or not at all.

        Raises:
            TooLargeError: It takes less.
        """

    async def remove(self, key: Key, part: Part | None = None) -> None:
        """Forget a part, or all of a machine."""


class Identities(msgspec.Struct, frozen=True, kw_only=True):
    """Who may do what: asked at each request, so that what is renewed counts at once."""

    managers: Callable[[], Sequence[bytes]]
    """Bearer tokens of managers."""

    keys: Callable[[], Sequence[bytes]]
    """With which the tokens of machines are signed."""


class RefusedError(Exception):
    """A request is not served; the status and the words are its answer."""

    def __init__(self, status: int, words: str = "", *, later: bool = False) -> None:
        super().__init__(words or str(status))
        self.status = status
        self.words = words
        self.later = later


class StoreServer:
    """The server.

    Args:
        backend: Keeps what is stored.
        identities: Who may do what.
        agents: Directory with the agent's files, each at `<version>/<file>`; None: it serves none.
        now: Seconds since 1970.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        backend: Backend,
        identities: Identities,
        *,
        agents: Path | None = None,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._backend = backend
        self._identities = identities
        # Once: what a request's path resolves to is compared with it.
        self._agents = None if agents is None else agents.resolve()
        self._now = now
        self._allowance = Allowance[Key](EACH_MINUTE, 60.0, known=_KNOWN, clock=clock)
        self._reading = 0

    def app(self) -> web.Application:
        """What is served."""
        app = web.Application()
        one = f"{CONFIGURATIONS}/{{namespace}}/{{name}}"
        routes = (
            ("GET", one, self._fetch),
            ("PUT", one, self._store),
            ("DELETE", one, self._remove),
            ("GET", f"{one}/status", self._show_report),
            ("PUT", f"{one}/status", self._take_report),
            ("DELETE", f"{one}/status", self._forget_report),
            ("GET", "/agent/{version}/{file}", self._agent),
            ("GET", "/healthz", self._alive),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, self._answered(handler))
        return app

    def _answered(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            headers: Mapping[str, str] = {}
            try:
                return await handler(request)
            except RefusedError as error:
                if error.status == 401:
                    headers = {"WWW-Authenticate": "Bearer"}
                if error.later:
                    headers = {"Retry-After": "10"}
                text = f"{error.words}\n" if error.words else None
                return web.Response(status=error.status, text=text, headers=headers)

        return answer

    # The manager's side.

    async def _store(self, request: web.Request) -> web.Response:
        self._of_manager(request)
        key = _key(request)
        data = await self._body(request, LARGEST)
        await self._done(self._backend.put(key, "configuration", data))
        _LOG.info("stored %d bytes", len(data), extra=_named(key))
        return web.Response(status=204)

    async def _remove(self, request: web.Request) -> web.Response:
        self._of_manager(request)
        key = _key(request)
        await self._done(self._backend.remove(key))
        _LOG.info("removed", extra=_named(key))
        return web.Response(status=204)

    async def _forget_report(self, request: web.Request) -> web.Response:
        self._of_manager(request)
        key = _key(request)
        await self._done(self._backend.remove(key, "status"))
        return web.Response(status=204)

    async def _show_report(self, request: web.Request) -> web.Response:
        self._of_manager(request)
        data = await self._kept(_key(request), "status")
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=data, content_type="application/json", headers={"ETag": tag})

    # The machine's side.

    async def _fetch(self, request: web.Request) -> web.Response:
        key = _key(request)
        if self._is_manager(request):
            return _document(await self._kept(key, "configuration"))
        claims = self._of_machine(request, key, FETCH)
        data = await self._kept(key, "configuration")
        if claims.sha256 and claims.sha256 != hashlib.sha256(data).hexdigest():
            # The name belongs to another machine by now, whose secrets are not this one's to read.
            raise RefusedError(404)
        _LOG.info("fetched from %s", request.remote, extra=_named(key))
        return _document(data)

    async def _take_report(self, request: web.Request) -> web.Response:
        key = _key(request)
        self._of_machine(request, key, REPORT)
        if not self._allowance.allows(key):
            raise RefusedError(429, f"at most {EACH_MINUTE} reports a minute", later=True)
        # A report of a machine whose configuration is removed would stay for ever.
        await self._kept(key, "configuration")
        data = await self._body(request, LARGEST_REPORT)
        await self._done(self._backend.put(key, "status", data))
        return web.Response(status=204)

    # Everybody's.

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        # The agent is not a secret, and whoever fetches it compares its digest.
        version, file = request.match_info["version"], request.match_info["file"]
        if self._agents is None or not _VERSION.fullmatch(version) or not _FILE.fullmatch(file):
            raise RefusedError(404)
        path = self._agents / version / file
        # A link may lead to another release, never out of the directory.
        real = await asyncio.to_thread(path.resolve)
        if not real.is_relative_to(self._agents) or not real.is_file():
            raise RefusedError(404)
        return web.FileResponse(real, headers={"Content-Type": "application/octet-stream"})

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    # Who asks.

    def _is_manager(self, request: web.Request) -> bool:
        shown = _bearer(request).encode(errors="surrogateescape")
        # All are compared, so that the time says nothing of which one it was.
        same = [hmac.compare_digest(one, shown) for one in self._identities.managers()]
        return any(same)

    def _of_manager(self, request: web.Request) -> None:
        if not _bearer(request):
            raise RefusedError(401, "a token is needed")
        if not self._is_manager(request):
            raise RefusedError(403)

    def _of_machine(self, request: web.Request, key: Key, what: str) -> Claims:
        shown = _bearer(request)
        if not shown:
            raise RefusedError(401, "a token is needed")
        # Signature first, then whose it is and what for: a claim that is not signed is a stranger's
        # text.
        claims = opened(self._identities.keys(), shown)
        if claims is None or claims.sub != subject(key) or what not in claims.may:
            # In the same words whether there is such a machine or not.
            raise RefusedError(403)
        now = self._now()
        # In words, and only to whoever shows a token of ours: a clock that is wrong can be fixed.
        if now < claims.not_before:
            raise RefusedError(403, "the token is not valid yet: the clocks differ")
        if now >= claims.expires:
            raise RefusedError(403, "the token has expired")
        return claims

    # Bytes.

    async def _body(self, request: web.Request, most: int) -> bytes:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedError(415, "not compressed")
        if (request.content_length or 0) > most:
            raise RefusedError(413, f"larger than {most} bytes")
        if self._reading >= _AT_ONCE:
            raise RefusedError(503, "too many at once", later=True)
        self._reading += 1
        try:
            return await asyncio.wait_for(body_of(request, most), _BODY_TIME)
        except TooLargeError as error:
            raise RefusedError(413, str(error)) from None
        except asyncio.TimeoutError:
            raise RefusedError(408, "it came too slowly") from None
        finally:
            self._reading -= 1

    async def _kept(self, key: Key, part: Part) -> bytes:
        data = await self._done(self._backend.get(key, part))
        if data is None:
            raise RefusedError(404)
        return data

    async def _done(self, call: Awaitable[Value]) -> Value:
        try:
            return await call
        except TooLargeError as error:
            raise RefusedError(413, str(error)) from None
        except OSError as error:
            _LOG.error("the store cannot do it: %s", error.strerror or error)
            # The manager's condition says WriteFailed with this status, and it tries again.
            raise RefusedError(507, "the store cannot keep or read it", later=True) from None


def _key(request: web.Request) -> Key:
    key = key_of(request)
    if key is None:
        raise RefusedError(404)
    return key


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _named(key: Key) -> dict[str, Mapping[str, object]]:
    return about(namespace=key[0], object=key[1])


def _document(data: bytes) -> web.Response:
    # A proxy that keeps it would hand a cluster's keys to the next machine of that name.
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json"}
    return web.Response(body=data, headers=headers)
