"""The machine's own addresses."""

from __future__ import annotations

from typing import Literal, Protocol

Family = Literal[4, 6]


class Network(Protocol):
    """The machine's own addresses; asking sends nothing."""

    def primary(self, family: Family) -> str | None:
        """The address that packets to the default route leave from; None where there is no such route."""

    def address(self, interface: str, family: Family) -> str | None:
        """The first address of an interface, of IPv6 the first global one; None where it has none, or does not exist."""

    def hardware(self, interface: str) -> str | None:
        """The hardware address of an interface in lower case; None where it has none, or does not exist."""

    def resolve(self, names: tuple[str, ...], patience: float) -> dict[str, bool]:
        """Whether each name has an address, by the machine's own means (hosts(5), name servers).

        Args:
            names: Asked for at the same time.
            patience: Seconds for all; what has no answer by then is left out.
        """

    def interfaces(self) -> tuple[str, ...]:
        """Names of all interfaces, sorted."""
