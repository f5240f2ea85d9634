"""Takes reports in, on every replica, and writes the few that are news: a server that believes nobody but a machine about itself."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from machineadm.controllers.capi.keys import Keys
from machineadm.controllers.capi.tokens import REPORT_SEED_ANNOTATION, REPORTS_PATH, report_token
from machineadm.controllers.capi.types import Bootstrap, Cluster, SecretMeta, bootstrap
from machineadm.controllers.reports.reading import (
    ReportError,
    Told,
    is_news,
    is_older,
    read,
    status_of,
)
from machineadm.controllers.runtime.allowance import Allowance
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.events import About, Event, Events
from machineadm.controllers.runtime.logs import about
from machineadm.controllers.runtime.queue import Queue
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.runtime.requests import TooLargeError, body_of, key_of
from machineadm.controllers.runtime.resources import MACHINE_BOOTSTRAPS
from machineadm.controllers.runtime.store import Key, Store
from machineadm.controllers.stores.port import EACH_MINUTE, LARGEST_REPORT

FIELD_MANAGER: Final = "machineadm-report"
"""Beside the controller's own: each applies the whole of what it owns, and keeps away from the other's."""

_AT_ONCE: Final = 16
"""Bodies in memory at once: 32 MiB."""

# As long as the machine waits for an answer: a body that drips holds one of the sixteen slots no
# longer.
_BODY_TIME: Final = 10.0
PATIENCE: Final = 8.0
"""Seconds for a write before the machine, which waits for 10, is told that it is on its way."""

# Few: an apply costs the API server 7 ms of CPU, and reports must not crowd out the work.
_WORKERS: Final = 8
# Twice the 10,000 machines that the controller is made for.
_KNOWN: Final = 20_000
# Exactly what report_token makes. Anything else is refused without a look at any object.
_TOKEN: Final = re.compile(r"Bearer ([A-Za-z0-9_-]{43})", re.ASCII)

_LOG = logging.getLogger(__name__)


class _Held(msgspec.Struct):
    told: Told
    written: asyncio.Future[bool]
    """Whether it was, or need not be."""


class Intake:
    """Reports on their way from machines to statuses.

    Args:
        client: Of the management cluster.
        bootstraps: The MachineBootstraps there are; this one listens to their changes.
        secrets: The data Secrets.
        clusters: The Clusters; while one is paused, nothing is written of its machines.
        now: The time.
        clock: Seconds that never go back.
        events: Told of an end; None: nobody is.
        patience: Seconds that a machine waits for its report to be written.
    """

    def __init__(
        self,
        client: Client,
        *,
        bootstraps: Store[Bootstrap],
        secrets: Store[SecretMeta],
        clusters: Store[Cluster],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        events: Events | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._client = client
        self._bootstraps = bootstraps
        self._secrets = secrets
        self._clusters = clusters
        self._now = now
        self._events = events
        # Of this server alone: the controller reads keys past every cache, and a stranger's
        # questions must not fill anything of its.
        self._keys = Keys(client, clock=clock)
        # Without an interval: what a machine reports is bounded by its allowance, and a failure
        # must be shown at once.
        self._queue = Queue(interval=0.0)
        self._held: dict[Key, _Held] = {}
        self._last = Recent[str, Told](_KNOWN)
        """By uid, the newest report of a machine: an older one that comes late is left out."""
        self._allowance = Allowance[Key](EACH_MINUTE, 60.0, known=_KNOWN, clock=clock)
        self._reading = 0
        bootstraps.on_change(self._changed)
        clusters.on_change(self._cluster_changed)

    def app(self) -> web.Application:
        """The server: one path, one method; nothing is listed, shown or redirected."""
        # aiohttp's own limit of 1 MiB for a body (client_max_size) does not hold for a stream that
        # is read by hand.
        app = web.Application()
        app.router.add_put(f"{REPORTS_PATH}/{{namespace}}/{{name}}", self._put)
        return app

    async def run(self) -> None:
        """Write what was taken in, until cancelled."""
        await asyncio.gather(*(self._worker() for _ in range(_WORKERS)))

    # Taking in. What costs nothing is asked first, and no body is read of who is not a machine of ours.

    async def _put(self, request: web.Request) -> web.Response:
        status, result, words = await self._taken(request)
        self._client.metrics.report_ended(result)
        # The agent's own interval between two reports.
        headers = {"Retry-After": "10"} if status in (429, 503) else {}
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return web.Response(status=status, text=f"{words}\n" if words else None, headers=headers)

    async def _taken(self, request: web.Request) -> tuple[int, str, str]:
        key = key_of(request)
        shown = _TOKEN.fullmatch(request.headers.get("Authorization", ""))
        # Before the name: whoever shows no token learns nothing about names.
        if shown is None:
            return 401, "refused", "a machine's token is needed"
        if key is None:
            return 403, "refused", ""
        try:
            known = await self._is_of(key, shown[1])
        except ApiError:
            # Not 403: it is no word about the machine, which comes again.
            return 503, "failed", "the management cluster does not answer"
        if not known:
            # In the same words whether there is such a machine or not.
            return 403, "refused", ""
        # After the token: a stranger must not use up a machine's reports.
        if not self._allowance.allows(key):
            return 429, "limited", f"at most {EACH_MINUTE} reports a minute"
        # A few bytes of gzip are a gigabyte of report.
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return 415, "malformed", "a report is not compressed"
        if (request.content_length or 0) > LARGEST_REPORT:
            return 413, "malformed", f"larger than {LARGEST_REPORT} bytes"
        # Refused and not queued: whoever waits holds a connection, and the machine sends a newer
        # report anyway.
        if self._reading >= _AT_ONCE:
            return 503, "busy", "too many reports at once"
        self._reading += 1
        try:
            told = read(await asyncio.wait_for(body_of(request, LARGEST_REPORT), _BODY_TIME))
        except TooLargeError as error:
            return 413, "malformed", str(error)
        except ReportError as error:
            return 400, "malformed", str(error)
        except asyncio.TimeoutError:
            return 408, "malformed", "the report came too slowly"
        finally:
            self._reading -= 1
        return await self.take(key, told)

    async def _is_of(self, key: Key, token: str) -> bool:
        """Whether a token is that of this machine."""
        # From caches: a stranger's request costs no call of the API server.
        one = self._bootstraps.get(key)
        secret = None if one is None else self._secrets.get((key[0], one.data_secret or one.name))
        seed = "" if secret is None else secret.annotations.get(REPORT_SEED_ANNOTATION, "")
        if one is None or one.deleted or secret is None or not seed:
            return False
        # The Secret of another object may bear any annotation.
        if not any(own.uid == one.uid for own in secret.owners):
            return False
        cluster_key = await self._keys.of((key[0], secret.cluster))
        if cluster_key is None:
            return False
        return hmac.compare_digest(report_token(cluster_key, seed), token)

    async def take(self, key: Key, told: Told) -> tuple[int, str, str]:
        """Take a report of a machine that is known to be its own.

        Returns:
            HTTP status, what became of it, and words for the machine.
        """
        one = self._bootstraps.get(key)
        if one is None:
            return 403, "refused", ""
        # By uid and not by name: a machine that was replaced under its name counts its attempts
        # from one again.
        last = self._last.get(one.uid)
        if last is not None and is_older(told, last):
            return 204, "stale", ""
        self._last.put(one.uid, told)
        held = self._held.get(key)
        # Also while an older one is held: the newest is what must be written in the end.
        if held is None and not is_news(one, told):
            return 204, "unchanged", ""
        if held is None:
            held = self._held[key] = _Held(told, asyncio.get_running_loop().create_future())
        else:
            held.told = told
        self._queue.add(key)
        try:
            # Shielded: others wait for the same write, and one machine's timeout must not cancel
            # it.
            written = await asyncio.wait_for(asyncio.shield(held.written), self._patience)
        except asyncio.TimeoutError:
            # In memory alone: after a restart the machine's next report takes its place.
            return 202, "held", "kept until it can be written"
        if not written:
            # Told, so that the machine sends it again: it must not take for reported what is lost.
            return 503, "failed", "the report could not be written"
        return 204, "written", ""

    # Writing.

    async def _worker(self) -> None:
        while True:
            key = await self._queue.get()
            failed = True
            try:
                await self._write(key)
                failed = False
            except ApiError as error:
                if error.status == 404:
                    failed = False
                    self._done(key)
                else:
                    named = about(namespace=key[0], object=key[1])
                    _LOG.warning("a report cannot be written yet: %s", error, extra=named)
            except Exception:
                named = about(namespace=key[0], object=key[1])
                _LOG.exception("internal error", extra=named)
                failed = False
                self._done(key, written=False)
            finally:
                self._queue.done(key, failed=failed)

    async def _write(self, key: Key) -> None:
        one, held = self._bootstraps.get(key), self._held.get(key)
        if one is None or held is None or not is_news(one, held.told):
            self._done(key)
            return
        if self._paused(one):
            return  # woken when it goes on
        told = held.told
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        body = status_of(one, told, now)
        # By every replica, without the Lease: whoever got the report writes it, and two that write
        # the same machine are one field manager.
        written = await self._client.apply_status(
            MACHINE_BOOTSTRAPS, *key, body, manager=FIELD_MANAGER
        )
        before: set[tuple[str, str]] = {(c.type, c.status) for c in one.conditions}
        after = bootstrap(written)
        # At once, so that the next report is compared with what was just written, and not with what
        # the watch has yet to tell.
        self._bootstraps.put(after)
        named = about(namespace=key[0], object=key[1], phase=told.phase, code=told.code)
        _LOG.info("the machine reports: %s", told.message or told.phase, extra=named)
        self._tell(after, before, told)
        # A newer one may have come during the call.
        if held.told is told:
            self._done(key)
        else:
            self._queue.add(key)

    def _tell(self, one: Bootstrap, before: set[tuple[str, str]], told: Told) -> None:
        said = next((c for c in one.conditions if c.type == "BootstrapSucceeded"), None)
        if self._events is None or said is None or (said.type, said.status) in before:
            return
        described = About(
            resource=MACHINE_BOOTSTRAPS, namespace=one.namespace, name=one.name, uid=one.uid
        )
        if said.status == "False":
            event = Event(
                type="Warning", reason="BootstrapFailed", action="Report", note=said.message
            )
            self._events.tell(described, event)
        elif said.status == "True":
            note = f"the machine reports success at attempt {told.attempt}"
            event = Event(type="Normal", reason="BootstrapSucceeded", action="Report", note=note)
            self._events.tell(described, event)

    def _done(self, key: Key, *, written: bool = True) -> None:
        held = self._held.pop(key, None)
        if held is not None and not held.written.done():
            held.written.set_result(written)

    def _paused(self, one: Bootstrap) -> bool:
        secret = self._secrets.get((one.namespace, one.data_secret or one.name))
        cluster = None if secret is None else self._clusters.get((one.namespace, secret.cluster))
        return one.paused or (cluster is not None and cluster.paused)

    def _changed(self, old: Bootstrap | None, new: Bootstrap | None) -> None:
        one = new or old
        if one is None or one.key not in self._held:
            return
        if new is None or (old is not None and old.uid != new.uid):
            # Another object of that name is another machine, of which nothing is known yet.
            self._done(one.key)
            self._queue.forget(one.key)
        elif old is not None and old.paused and not new.paused:
            self._queue.add(one.key)

    def _cluster_changed(self, old: Cluster | None, new: Cluster | None) -> None:
        if old is not None and old.paused and new is not None and not new.paused:
            for key in self._held:
                if key[0] == new.namespace:
                    self._queue.add(key)
