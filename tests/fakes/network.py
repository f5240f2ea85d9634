"""Addresses that a test gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from machineadm.errors import HostError
from machineadm.host.ports.metadata import MetadataAnswer
from machineadm.host.ports.network import Family


class FakeNetwork:
    """Interfaces in memory.

    Attributes:
        addresses: By interface and family.
        macs: By interface.
        default: The interface of the default route; None: there is none.
        names: Whether a name has an address; of another one nobody knows.
        clocks: By server, its clock minus the machine's.
    """

    def __init__(self) -> None:
        self.addresses: dict[tuple[str, Family], str] = {("eth0", 4): "192.0.2.10"}
        self.macs: dict[str, str] = {"eth0": "52:54:00:12:34:56"}
        self.default: str | None = "eth0"
        self.names: dict[str, bool] = {"localhost": True}
        self.clocks: dict[str, float] = {}

    def primary(self, family: Family) -> str | None:
        return None if self.default is None else self.addresses.get((self.default, family))

    def address(self, interface: str, family: Family) -> str | None:
        return self.addresses.get((interface, family))

    def hardware(self, interface: str) -> str | None:
        return self.macs.get(interface)

    def resolve(
        self, names: tuple[str, ...], patience: float, servers: tuple[str, ...] = ()
    ) -> tuple[dict[str, bool], dict[str, float]]:
        del patience
        clocks = {server: self.clocks[server] for server in servers if server in self.clocks}
        return {name: self.names[name] for name in names if name in self.names}, clocks

    def interfaces(self) -> tuple[str, ...]:
        return tuple(sorted({*self.macs, *(name for name, _ in self.addresses)}))


Handler = Callable[[str, str, Mapping[str, str], float], MetadataAnswer | None]


class FakeMetadata:
    """A metadata service in memory; where nobody answers, nobody is there.

    Attributes:
        answers: By method and URL.
        asked: Every request.
    """

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], MetadataAnswer] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def on(
        self, url: str, body: str | bytes = b"", *, status: int = 200, method: str = "GET"
    ) -> None:
        """Answer a request."""
        data = body.encode() if isinstance(body, str) else body
        self.answers[(method, url)] = MetadataAnswer(status=status, body=data)

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> MetadataAnswer:
        self.asked.append((method, url, dict(headers or {})))
        answer = self.answers.get((method, url))
        if answer is None:
            raise HostError("MA3521", f"{url}: no whole answer within {timeout:.3g} s")
        return answer
