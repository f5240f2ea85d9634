"""machineadm-store: keeps configurations until their machines have fetched them."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from machineadm.controllers.runtime.client import Client
from machineadm.controllers.runtime.kubeconfig import KubeconfigError, connected
from machineadm.controllers.runtime.logs import set_up
from machineadm.controllers.runtime.options import add_log_options, address_of
from machineadm.controllers.runtime.serving import AddressError, Certificates, served
from machineadm.controllers.runtime.tasks import cancelled
from machineadm.controllers.stores.disk import Disk, DiskBackend
from machineadm.controllers.stores.secrets import SecretBackend
from machineadm.controllers.stores.server import Backend, Identities, StoreServer
from machineadm.controllers.stores.tokens import key_of

_NAME: Final = "machineadm-store"
_USAGE: Final = 2
# Tokens are compared as they are: one that can be guessed is the whole store.
_SHORTEST: Final = 16

_LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends it.

    Returns:
        0 after SIGTERM or SIGINT, 2 where it cannot be started like this.
    """
    parsed = _parser().parse_args(arguments)
    set_up(parsed.log_format, verbose=parsed.verbose)
    try:
        return asyncio.run(_serve(parsed))
    except AddressError as error:
        print(f"{_NAME}: {error}", file=sys.stderr)
        return _USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_NAME,
        description="Keep the configurations of machines until they have fetched them (HTTPBootstrapStore).",
    )
    add = parser.add_argument
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--directory", metavar="DIRECTORY", help="where they are kept, in files")
    where.add_argument(
        "--secrets-namespace",
        metavar="NAMESPACE",
        help="where they are kept, in Secrets: no disk, and any number of replicas",
    )
    add(
        "--kubeconfig",
        metavar="FILE",
        help="the cluster of those Secrets; default: that of this pod",
    )
    add(
        "--manager-tokens",
        required=True,
        metavar="FILE",
        help="bearer tokens of managers, one a line; spec.credentials.bearerTokenFrom has one of them",
    )
    add(
        "--machine-key",
        required=True,
        action="append",
        metavar="FILE",
        help="key of the tokens of machines, as in spec.fetch.token.keyFrom; may be repeated while one follows another",
    )
    add(
        "--agent-directory",
        default="",
        metavar="DIRECTORY",
        help="serve the agent's files in VERSION/FILE below it at /agent/VERSION/FILE; default: none",
    )
    add(
        "--address",
        type=_address,
        default=(None, 8443),
        metavar="ADDRESS",
        help="where it is served (default: :8443)",
    )
    add("--certificate", default="", metavar="FILE", help="TLS certificate in PEM")
    add("--key", default="", metavar="FILE", help="its key in PEM")
    add(
        "--insecure",
        action="store_true",
        help="serve HTTP, to a proxy that ends TLS",
    )
    add_log_options(parser)
    return parser


def _address(text: str) -> tuple[str | None, int]:
    found = address_of(text)
    if found is None:
        raise argparse.ArgumentTypeError("a store that is served nowhere keeps nothing")
    return found


class _Lines:
    """A file of secrets that somebody renews: what is read last counts on where it cannot be read.

    Args:
        path: Of the file.
        read: Makes values of its bytes. Raises `ValueError` where it cannot.

    Raises:
        AddressError: It cannot be used from the start.
    """

    def __init__(self, path: str, read: Callable[[bytes], list[bytes]]) -> None:
        self._path = Path(path)
        self._read = read
        self._values: list[bytes] = []
        self._time = 0
        try:
            self._load()
        except OSError as error:
            raise AddressError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise AddressError(f"{path}: {error}") from None

    def __call__(self) -> list[bytes]:
        try:
            self._load()
        except (OSError, ValueError) as error:
            _LOG.warning("%s cannot be read, what was read before counts on: %s", self._path, error)
        return self._values

    def _load(self) -> None:
        # At each request: a stat costs microseconds, and a token that is withdrawn must stop to
        # work at once.
        changed = self._path.stat().st_mtime_ns
        if changed != self._time:
            # Only a whole read counts: half a file must not lock everybody out.
            self._values = self._read(self._path.read_bytes())
            self._time = changed


def _tokens(data: bytes) -> list[bytes]:
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    if not lines or any(len(line) < _SHORTEST for line in lines):
        raise ValueError(f"expects tokens of {_SHORTEST} characters or more, one a line")
    return lines


def _key(data: bytes) -> list[bytes]:
    return [key_of(data)]


async def _serve(parsed: argparse.Namespace) -> int:
    tls, kept = _tls(parsed)
    managers = _Lines(parsed.manager_tokens, _tokens)
    keys = [_Lines(one, _key) for one in parsed.machine_key]
    async with AsyncExitStack() as stack:
        backend = await _backend(parsed, stack)
        await _served(parsed, stack, backend, managers, keys, tls, kept)
    return 0


async def _backend(parsed: argparse.Namespace, stack: AsyncExitStack) -> Backend:
    if parsed.directory:
        try:
            return DiskBackend(Disk(Path(parsed.directory)))
        except OSError as error:
            raise AddressError(f"--directory {parsed.directory}: {error.strerror}") from None
    try:
        connection = connected(parsed.kubeconfig)
    except KubeconfigError as error:
        raise AddressError(str(error)) from None
    client = await stack.enter_async_context(Client(connection))
    return SecretBackend(client, parsed.secrets_namespace)


async def _served(
    parsed: argparse.Namespace,
    stack: AsyncExitStack,
    backend: Backend,
    managers: _Lines,
    keys: Sequence[_Lines],
    tls: ssl.SSLContext | None,
    kept: Certificates | None,
) -> None:
    server = StoreServer(
        backend,
        Identities(managers=managers, keys=lambda: [key for one in keys for key in one()]),
        agents=Path(parsed.agent_directory) if parsed.agent_directory else None,
        now=time.time,
        clock=time.monotonic,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    renews = [] if kept is None else [asyncio.ensure_future(kept.keep())]
    stack.push_async_callback(cancelled, *renews)
    port = await stack.enter_async_context(served(server.app(), parsed.address, tls))
    _LOG.info("store at port %d", port)
    # No draining of ours: `served` gives what is begun five seconds, and what is cut off is
    # repeated by manager and machine.
    await stop.wait()
    _LOG.info("ending")


def _tls(parsed: argparse.Namespace) -> tuple[ssl.SSLContext | None, Certificates | None]:
    if parsed.insecure:
        if parsed.certificate or parsed.key:
            raise AddressError("--insecure and --certificate exclude each other")
        return None, None
    if not parsed.certificate or not parsed.key:
        # The tokens of all machines would be read on the way.
        raise AddressError(
            "--certificate and --key are needed, or --insecure behind a proxy that ends TLS"
        )
    kept = Certificates(parsed.certificate, parsed.key)
    return kept.context, kept


if __name__ == "__main__":
    sys.exit(main())
