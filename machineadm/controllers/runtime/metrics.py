"""What Prometheus is told of a process. Names are stable: dashboards and alerts are written with them.

What happens is counted where it happens. What merely is (queues, caches, who leads) is looked at when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.core import Metric

from machineadm.version import VERSION

# When each counter began: as many series again, and `rate` does not need them.
disable_created_metrics()  # type: ignore[no-untyped-call]

# DefBuckets of Prometheus' client for Go, which end at the 10 s that a call may take.
_FAST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A machine waits for infrastructure and for its turn: minutes are normal, and above an hour
# somebody looks anyway.
_SLOW: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        # Not the library's global one: tests run many controllers in one process, and it refuses a
        # second metric of the same name.
        self.registry = CollectorRegistry()
        build = Gauge(
            "machineadm_build_info",
            "Always 1; the label says which version runs.",
            ["version"],
            registry=self.registry,
        )
        build.labels(VERSION).set(1)
        self._calls = Counter(
            "machineadm_api_calls_total",
            "Calls of API servers by the HTTP status of their answer; code 0: no answer.",
            ["cluster", "method", "code"],
            registry=self.registry,
        )
        self._call_seconds = Histogram(
            "machineadm_api_call_duration_seconds",
            "How long calls of API servers took, watches apart.",
            ["cluster", "method"],
            buckets=_FAST,
            registry=self.registry,
        )
        self._looks = Counter(
            "machineadm_reconciles_total",
            "Looks at objects by how they ended: done, failed (tried again), internal_error (a fault of ours).",
            ["result"],
            registry=self.registry,
        )
        self._look_seconds = Histogram(
            "machineadm_reconcile_duration_seconds",
            "How long a look at one object took.",
            buckets=_FAST,
            registry=self.registry,
        )
        self._wait_seconds = Histogram(
            "machineadm_queue_wait_seconds",
            "How long a key waited for a free worker.",
            buckets=_FAST,
            registry=self.registry,
        )
        self._data_seconds = Histogram(
            "machineadm_data_made_seconds",
            "From the creation of a MachineBootstrap to its data Secret.",
            buckets=_SLOW,
            registry=self.registry,
        )
        self._events = Counter(
            "machineadm_events_total",
            "Events by what became of them: sent, limited (too many of one object), dropped (refused, or too many at once).",
            ["result"],
            registry=self.registry,
        )

        self._reports = Counter(
            "machineadm_reports_total",
            "Reports of machines by what became of them: written, unchanged, stale, held (kept until it can be written), refused (no"
            " machine's token), limited, busy, malformed, failed.",
            ["result"],
            registry=self.registry,
        )

    def call_ended(self, cluster: str, method: str, code: int, seconds: float | None) -> None:
        """Count a call.

        Args:
            cluster: `management` or `workload`.
            method: HTTP method, or `WATCH`.
            code: HTTP status; 0 if there was no answer.
            seconds: How long it took; None for what lasts as long as it is wanted.
        """
        # No label has an object's name, a namespace or a path: each would be a time series of its
        # own, and machines come and go.
        self._calls.labels(cluster, method, str(code)).inc()
        if seconds is not None:
            self._call_seconds.labels(cluster, method).observe(seconds)

    def look_ended(self, result: str, seconds: float) -> None:
        """Count a look at one object: `done`, `failed` or `internal_error`."""
        self._looks.labels(result).inc()
        self._look_seconds.observe(seconds)

    def waited(self, seconds: float) -> None:
        """Note how long a key waited for a worker."""
        self._wait_seconds.observe(seconds)

    def data_made(self, seconds: float) -> None:
        """Note how old an object was when its data was made."""
        self._data_seconds.observe(seconds)

    def event_ended(self, result: str) -> None:
        """Count an Event: `sent`, `limited` or `dropped`."""
        self._events.labels(result).inc()

    def report_ended(self, result: str) -> None:
        """Count a machine's report: `written`, `refused` and so on."""
        self._reports.labels(result).inc()

    def of_process(self) -> None:
        """Have the process's CPU, memory and open files shown as well."""
        ProcessCollector(registry=self.registry)

    def at_scrape(self, look: Callable[[], Iterable[Metric]]) -> None:
        """Have `look` called whenever somebody asks, for what need not be counted."""
        self.registry.register(_Looks(look))

    def shown(self, accept: str = "") -> tuple[bytes, str]:
        """Everything, in the form that is asked for.

        Args:
            accept: The request's header of that name.

        Returns:
            The text, and its content type.
        """
        encode, content_type = exposition.choose_encoder(accept)
        text: bytes = encode(self.registry)
        return text, content_type


class _Looks:
    def __init__(self, look: Callable[[], Iterable[Metric]]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        # Without it the registry would look at what is not there yet.
        return []

    def collect(self) -> Iterable[Metric]:
        return self._look()
