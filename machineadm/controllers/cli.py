"""machineadm-bootstrap-controller: the process that serves MachineBootstraps in a management cluster."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from machineadm.api.formats import pem
from machineadm.api.v1alpha1.agent_source import AgentSource
from machineadm.controllers.bootstrap.act import Actor, Limits, ReportTo
from machineadm.controllers.bootstrap.adoption import AGENT_FLAG, AgentError, agent_of
from machineadm.controllers.bootstrap.controller import BootstrapController
from machineadm.controllers.capi.workload import Workloads
from machineadm.controllers.reports.intake import Intake
from machineadm.controllers.reports.polling import INTERVAL, Poller
from machineadm.controllers.runtime.client import Client, Connection
from machineadm.controllers.runtime.events import About, Events
from machineadm.controllers.runtime.kubeconfig import KubeconfigError, connected
from machineadm.controllers.runtime.lease import Election
from machineadm.controllers.runtime.logs import set_up
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.options import add_log_options, address_of
from machineadm.controllers.runtime.process import Controller, Endpoints, Listener, Process
from machineadm.controllers.runtime.resources import (
    KUBEADM_CONFIGS,
    KUBEADM_CONFIGS_V1BETA1,
    LEASES,
    STORES,
)
from machineadm.controllers.runtime.serving import (
    AddressError,
    Certificates,
    Guard,
    self_signed,
)
from machineadm.controllers.runtime.together import Together
from machineadm.controllers.stores.opening import Stores
from machineadm.controllers.stores.status import StoreKeeper

_NAME: Final = "machineadm-bootstrap-controller"
# argparse's own exit code for a wrong option; what a wrong file does is the same to whoever looks
# at the pod.
_USAGE: Final = 2
# As many as a management cluster has machines at most: above that a mistyped number takes memory alone.
_MOST_WORKERS: Final = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal ends it.

    Returns:
        0 after SIGTERM or SIGINT, 1 where the lease was lost or a part ended, 2 where it cannot be started like this.
    """
    parsed = _parser().parse_args(arguments)
    # First, so that everything below is logged in the form that was asked for.
    set_up(parsed.log_format, verbose=parsed.verbose)
    try:
        connection = connected(parsed.kubeconfig)
        reports = _reports(parsed)
        agent = _agent(parsed)
    except (KubeconfigError, AddressError, AgentError) as error:
        print(f"{_NAME}: {error}", file=sys.stderr)
        return _USAGE
    return asyncio.run(_serve(connection, parsed, reports, agent))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_NAME,
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
        type=_count,
        default=100,
        metavar="N",
        help="objects worked on at once (default: 100)",
    )
    add(
        "--health-address",
        type=address_of,
        # Cluster API's providers have these ports (healthAddr, diagnostics-address): a copied
        # manifest fits.
        default=(None, 9440),
        metavar="ADDRESS",
        help="where /healthz and /readyz are served; 0: nowhere (default: :9440)",
    )
    add(
        "--diagnostics-address",
        type=address_of,
        default=(None, 8443),
        metavar="ADDRESS",
        help="where /metrics is served; 0: nowhere (default: :8443)",
    )
    add(
        "--insecure-diagnostics",
        action="store_true",
        help="serve metrics by HTTP to everybody; default: by HTTPS, to whom the management cluster lets get /metrics",
    )
    add(
        "--report-url",
        default="",
        metavar="URL",
        help="https URL by which machines reach this process to report; 0: they do not (default: 0)",
    )
    add(
        "--report-address",
        type=address_of,
        default=(None, 9443),
        metavar="ADDRESS",
        help="where reports are taken in (default: :9443)",
    )
    add(
        "--report-certificate",
        default="",
        metavar="FILE",
        help="TLS certificate for that in PEM; default: by HTTP, to a proxy that ends TLS",
    )
    add("--report-key", default="", metavar="FILE", help="its key in PEM")
    add(
        "--report-interval",
        type=_seconds,
        default=INTERVAL,
        metavar="DURATION",
        help="how often stores are asked for machines' reports (default: 30s)",
    )
    add(
        "--report-ca-bundle",
        default="",
        metavar="FILE",
        help="authorities that machines trust for that beside their own store, in PEM",
    )
    add(
        "--kubeadmconfigs",
        choices=("none", "all"),
        default="none",
        help="serve the KubeadmConfigs of Cluster API's own provider as well, instead of its controller (default: none)",
    )
    add(
        "--kubeadmconfigs-version",
        choices=("v1beta1", "v1beta2"),
        default="v1beta2",
        help="version in which they are read and their status is written (default: v1beta2)",
    )
    add(
        AGENT_FLAG,
        default="",
        metavar="TEXT",
        help="where their machines get the agent from: spec.agent of a MachineBootstrap in YAML or JSON, as {preinstalled: {}};"
        " an annotation of the Cluster wins",
    )
    add_log_options(parser)
    return parser


def _count(text: str) -> int:
    # 0 would be a process that is ready and leads, and does nothing.
    if not text.isdecimal() or not 0 < int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_WORKERS}")
    return int(text)


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 15m")
    return int(number) * units[unit]


def _agent(parsed: argparse.Namespace) -> AgentSource | None:
    """Where machines of KubeadmConfigs get the agent from.

    Raises:
        AgentError: It cannot be used.
    """
    # 0 for the same reason as with reports.
    text = parsed.kubeadmconfig_agent
    return None if text in ("", "0") else agent_of(text, AGENT_FLAG)


class _Reports(NamedTuple):
    to: ReportTo
    at: tuple[str | None, int] | None
    certificates: Certificates | None


def _reports(parsed: argparse.Namespace) -> _Reports | None:
    """What was said about reports.

    Raises:
        AddressError: It cannot be used.
    """
    # 0 is for those who fill in a variable: clusterctl takes an empty default for none.
    if parsed.report_url in ("", "0"):
        return None
    url = parsed.report_url.rstrip("/")
    # The token in each report would be read on the way.
    if not re.fullmatch(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", url):
        raise AddressError("--report-url is not a URL such as https://reports.example.com")
    # One alone would serve HTTP to machines that were told https, and every report would fail.
    if bool(parsed.report_certificate) != bool(parsed.report_key):
        raise AddressError("--report-certificate and --report-key need each other")
    bundle = _bundle(parsed.report_ca_bundle) if parsed.report_ca_bundle else None
    certificates = None
    if parsed.report_certificate:
        certificates = Certificates(parsed.report_certificate, parsed.report_key)
    return _Reports(ReportTo(url=url, ca_bundle=bundle), parsed.report_address, certificates)


def _bundle(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise AddressError(f"--report-ca-bundle {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        # What is empty would be taken as: no bundle, trust what the system trusts.
        ssl.create_default_context(cadata=pem(text) or "empty")
    except (ssl.SSLError, ValueError):
        raise AddressError(f"--report-ca-bundle {file}: not certificates in PEM") from None
    return text


async def _serve(
    connection: Connection,
    parsed: argparse.Namespace,
    reports: _Reports | None,
    agent: AgentSource | None,
) -> int:
    def now() -> datetime:
        return datetime.now(timezone.utc)

    metrics = Metrics()
    metrics.of_process()
    # As client-go's: the host's name for people, and random for a process that is started again on
    # the same host.
    identity = f"{socket.gethostname()}_{os.getpid()}_{os.urandom(4).hex()}"
    async with Client(connection, metrics=metrics) as client:
        workloads = Workloads(client)
        stores = Stores(client, namespace=parsed.namespace)
        events = Events(client, controller=_NAME, instance=identity, now=now, metrics=metrics)
        limits = Limits(
            token_ttl=parsed.bootstrap_token_ttl, token_max_age=parsed.bootstrap_token_max_age
        )
        actor = Actor(
            client,
            workloads,
            stores,
            now=now,
            limits=limits,
            report_to=reports.to if reports else None,
            agent=agent,
        )
        controller_of = partial(
            BootstrapController,
            client,
            actor,
            namespace=parsed.namespace,
            watch_filter=parsed.watch_filter,
            workers=parsed.concurrency,
            now=now,
            events=events,
        )
        controller = controller_of()
        served: Controller = controller
        if parsed.kubeadmconfigs == "all":
            old = parsed.kubeadmconfigs_version == "v1beta1"
            adopts = controller_of(
                serves=KUBEADM_CONFIGS_V1BETA1 if old else KUBEADM_CONFIGS,
                shares=controller,
            )
            served = Together((controller, adopts))
        namespace = parsed.leader_elect_namespace or connection.namespace or "default"
        election = None
        if parsed.leader_elect:
            election = Election(client, namespace, _NAME, identity)
        # Without an address to serve at as well: reports that stores keep come in by it.
        intake = Intake(
            client,
            bootstraps=controller.bootstraps,
            secrets=controller.secrets,
            clusters=controller.clusters,
            now=now,
            clock=time.monotonic,
            events=events,
        )
        poller = Poller(
            stores,
            controller.bootstraps,
            intake,
            metrics=metrics,
            # Asked each time: the lead comes and goes while this runs.
            works=lambda: controller.works,
            interval=parsed.report_interval,
        )
        keepers = [
            StoreKeeper(
                client,
                stores,
                controller.bootstraps,
                now=now,
                works=lambda: controller.works,
                resource=each,
            )
            for each in STORES
        ]
        beside: list[Callable[[], Coroutine[Any, Any, None]]] = [
            intake.run,
            poller.run,
            *(each.run for each in keepers),
        ]
        more: tuple[Listener, ...] = ()
        if reports is not None and reports.at is not None:
            kept = reports.certificates
            if kept is not None:
                beside.append(kept.keep)
            tls = kept.context if kept else None
            more = (Listener(name="reports", app=intake.app(), at=reports.at, tls=tls),)
        process = Process(
            served,
            beside=beside,
            election=election,
            lease=About(resource=LEASES, namespace=namespace, name=_NAME),
            events=events,
            metrics=metrics,
            silent=workloads.silent,
        )
        open_to_all = parsed.insecure_diagnostics
        endpoints = Endpoints(
            probes=parsed.health_address,
            diagnostics=parsed.diagnostics_address,
            guard=None if open_to_all else Guard(client),
            tls=None if open_to_all else self_signed(now()),
            more=more,
        )
        try:
            return await process.run(endpoints)
        except AddressError as error:
            print(f"{_NAME}: {error}", file=sys.stderr)
            return _USAGE
        finally:
            # After the process: what is drained still calls workload clusters and stores.
            await workloads.close()
            await stores.close()


if __name__ == "__main__":
    sys.exit(main())
