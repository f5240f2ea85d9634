"""machineadm-bootstrap-controller: the process that serves MachineBootstraps in a management cluster."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from machineadm.controllers.bootstrap.act import Actor, Limits
from machineadm.controllers.bootstrap.controller import BootstrapController
from machineadm.controllers.capi.workload import Workloads
from machineadm.controllers.runtime.client import Client, Connection
from machineadm.controllers.runtime.kubeconfig import (
    KubeconfigError,
    from_kubeconfig,
    from_pod,
)
from machineadm.controllers.runtime.lease import Election

_LEASE: Final = "machineadm-bootstrap-controller"
_USAGE: Final = 2
_LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends it.

    Returns:
        0 after SIGTERM or SIGINT, 1 where the lease was lost or a part ended, 2 where it cannot be started like this.
    """
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if parsed.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        connection = _connection(parsed.kubeconfig)
    except KubeconfigError as error:
        print(f"machineadm-bootstrap-controller: {error}", file=sys.stderr)
        return _USAGE
    return asyncio.run(_serve(connection, parsed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="machineadm-bootstrap-controller",
        description="Make the bootstrap data of MachineBootstraps in a management cluster of Cluster API.",
    )
    add = parser.add_argument
    add("--kubeconfig", metavar="FILE", help="the management cluster; default: that of this pod")
    add("--namespace", default="", help="serve only this namespace; default: all")
    add(
        "--watch-filter",
        default="",
        metavar="VALUE",
        help="serve only objects whose label cluster.x-k8s.io/watch-filter has this value",
    )
    add("--leader-elect", action="store_true", help="act only while holding a Lease")
    add(
        "--leader-elect-namespace",
        default="",
        metavar="NAMESPACE",
        help="of the Lease; default: that of the pod or the kubeconfig's context",
    )
    add(
        "--bootstrap-token-ttl",
        type=_seconds,
        default=900.0,
        metavar="DURATION",
        help="how long a token lives without being extended (default: 15m)",
    )
    add(
        "--bootstrap-token-max-age",
        type=_seconds,
        default=86400.0,
        metavar="DURATION",
        help="age after which the token of a machine that has not joined is no longer extended (default: 24h)",
    )
    add(
        "--concurrency",
        type=int,
        default=100,
        metavar="N",
        help="objects worked on at once (default: 100)",
    )
    add("--verbose", action="store_true", help="log more")
    return parser


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdigit() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 15m")
    return int(number) * units[unit]


def _connection(kubeconfig: str | None) -> Connection:
    if kubeconfig is None:
        return from_pod(os.environ)
    try:
        data = Path(kubeconfig).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{kubeconfig}: {error.strerror}") from None
    return from_kubeconfig(data, files=True)


async def _serve(connection: Connection, parsed: argparse.Namespace) -> int:
    def now() -> datetime:
        return datetime.now(timezone.utc)

    async with Client(connection) as client:
        workloads = Workloads(client)
        limits = Limits(
            token_ttl=parsed.bootstrap_token_ttl, token_max_age=parsed.bootstrap_token_max_age
        )
        controller = BootstrapController(
            client,
            Actor(client, workloads, now=now, limits=limits),
            namespace=parsed.namespace,
            watch_filter=parsed.watch_filter,
            workers=parsed.concurrency,
            now=now,
        )
        election = None
        if parsed.leader_elect:
            namespace = parsed.leader_elect_namespace or connection.namespace or "default"
            identity = f"{socket.gethostname()}_{os.getpid()}_{os.urandom(4).hex()}"
            election = Election(client, namespace, _LEASE, identity)
        try:
            return await _until_signalled(controller, election)
        finally:
            await workloads.close()


async def _until_signalled(controller: BootstrapController, election: Election | None) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    parts: list[Coroutine[Any, Any, Any]] = [stop.wait(), controller.mirror()]
    parts.append(controller.work() if election is None else _lead(controller, election))
    tasks = [asyncio.ensure_future(part) for part in parts]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    # Work ends before the lease is given back: no two processes act at once.
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    if election is not None:
        await election.release()
    for task in done:
        if not stop.is_set():
            error = task.exception()
            _LOG.error("ended: %s", error or "the lease was lost")
            return 1
    return 0


async def _lead(controller: BootstrapController, election: Election) -> None:
    """Work while the lease is held; return when it is lost."""
    await election.acquire()
    work = asyncio.ensure_future(controller.work())
    keep = asyncio.ensure_future(election.keep())
    try:
        await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, keep):
            task.cancel()
        await asyncio.gather(work, keep, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
