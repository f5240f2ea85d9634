"""The machine's own addresses, and what others say of names and of the time."""

from __future__ import annotations

from typing import Literal, Protocol

Family = Literal[4, 6]


class Network(Protocol):
    """The machine's own addresses; asking for them sends nothing."""

    def primary(self, family: Family) -> str | None:
        """The address that packets to the default route leave from; None where there is no such route."""

    def address(self, interface: str, family: Family) -> str | None:
        """The first address of an interface, of IPv6 the first global one; None where it has none, or does not exist."""

    def hardware(self, interface: str) -> str | None:
        """The hardware address of an interface in lower case; None where it has none, or does not exist."""

    def resolve(
        self, names: tuple[str, ...], patience: float, servers: tuple[str, ...] = ()
    ) -> tuple[dict[str, bool], dict[str, float]]:
        """Whether each name has an address, by the machine's own means (hosts(5), name servers), and how late it is elsewhere.

        Args:
            names: Asked for at the same time.
            patience: Seconds for all; what has no answer by then is left out.
            servers: `https://HOST:PORT` of servers that are asked for the time, at the same time as well. Nobody verifies who
                answers: no more may follow from it than a warning.

        Returns:
            By name whether it has an address, and by server its clock minus the machine's, in seconds.
        """

    def interfaces(self) -> tuple[str, ...]:
        """Names of all interfaces, sorted."""
