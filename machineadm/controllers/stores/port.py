"""What the manager asks of a store, whatever keeps the bytes."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, Protocol

import msgspec

from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.controllers.runtime.resources import INFRASTRUCTURE_GROUP
from machineadm.controllers.runtime.store import Key

Reason = Literal[
    "StoreNotFound",
    "StoreNotReady",
    "WriteFailed",
    "CredentialsRejected",
    "NotSupported",
    "WaitingForLocation",
    "URLExpiresTooSoon",
]
"""As `StoreSynced` says it."""


CONFIGURATIONS: Final = "/v1/configurations"
"""Below which each machine has a path of its own in a store of ours: `<namespace>/<name>`."""

NEVER: Final = 253_402_300_799
"""The end of the year 9999: what is good until then needs no renewal."""

LARGEST_REPORT: Final = 2 * 1024 * 1024
"""Bytes of a report: evidence of a machine's identity takes 1.5 MB of it, the log of a failure 64 KiB."""

# It is kept for each machine, and sent back.
_LONGEST_TAG: Final = 256

EACH_MINUTE: Final = 10
"""Reports of one machine. The agent sends one every 10 s at most, and one more at its end."""

# On the MachineBootstrap and not on the data Secret: that one is deleted with its owner by the
# garbage collector, which waits for nobody.
STORE_FINALIZER: Final = "machineadm.infrastructure.cluster.x-k8s.io/store"
"""On a MachineBootstrap for as long as a store may keep its configuration."""

STORE_ANNOTATION: Final = "machineadm.x-k8s.io/store"
"""On the MachineBootstrap: that store, as `named` writes it. Its spec may be edited meanwhile."""

# One text and not three annotations: it is compared and written whole, with the data that it speaks
# of.
STORED_ANNOTATION: Final = "machineadm.x-k8s.io/stored"
"""On the data Secret: see `Stored`."""

STORED_UNTIL_ANNOTATION: Final = "machineadm.x-k8s.io/stored-until"
"""On the MachineBootstrap, once its machine has joined: when the store forgets the configuration."""


def named(group: str, kind: str, name: str) -> str:
    """How a store is named in one text: `HTTPBootstrapStore/edge`, with its group where that is not ours."""
    # Kinds and groups have no slash, names have no slash either, and a kind has no dot: the text is
    # read back without doubt.
    return f"{kind}/{name}" if group == INFRASTRUCTURE_GROUP else f"{kind}.{group}/{name}"


def parts_of(text: str) -> tuple[str, str, str]:
    """Group, kind and name of a store that `named` wrote; the name is empty where the text is another."""
    kind, _, name = text.partition("/")
    kind, _, group = kind.partition(".")
    return group or INFRASTRUCTURE_GROUP, kind, name


def tag_of(given: str, data: bytes) -> str:
    """The tag by which an answer is known again.

    Args:
        given: As the server has it; empty: it has none.
        data: The answer.
    """
    # Some servers tag nothing, and some what cannot be sent back in a header: then the same bytes
    # are no news.
    if given.isascii() and given.isprintable() and 0 < len(given) <= _LONGEST_TAG:
        return given
    return hashlib.sha256(data).hexdigest()


Part = Literal["configuration", "status"]
"""What a store keeps of a machine: what it is given, and what it reported last."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a data Secret says of the reference in it, so that this can be renewed; kept as one annotation."""

    sha256: str
    """Of the configuration in the store."""

    expires: int
    """Seconds since 1970."""

    generation: int
    """Of the spec of which it was made: user data of another would be another machine's."""

    def __str__(self) -> str:
        return f"{self.sha256}/{self.expires}/{self.generation}"

    @classmethod
    def read(cls, text: str) -> Stored | None:
        """Read such an annotation; None where it is none."""
        sha256, _, rest = text.partition("/")
        expires, _, generation = rest.partition("/")
        if len(sha256) != 64 or not expires.isdecimal() or not generation.isdecimal():
            return None
        return cls(sha256=sha256, expires=int(expires), generation=int(generation))


class StoreError(Exception):
    """A store cannot be used, or does not do what it is asked.

    Args:
        reason: For the condition.
        message: For people. Never holds what was to be stored, nor a credential.
        again_after: Seconds after which to try again; None: an event will say so.
    """

    def __init__(self, reason: Reason, message: str, *, again_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.again_after = again_after

    def at(self, place: str) -> StoreError:
        """The same error, with where it is about in front of its message."""
        return StoreError(self.reason, f"{place}: {self.message}", again_after=self.again_after)


class Opened(Protocol):
    """A store that can be used."""

    @property
    def retention(self) -> StoreRetention:
        """How long configurations are kept."""

    async def put(self, key: Key, data: bytes) -> None:
        """Keep the configuration of a machine, in place of what is there.

        Raises:
            StoreError: It is not kept.
        """

    async def probe(self, namespace: str) -> None:
        """Ask for something that is never there, with the manager's credentials.

        Args:
            namespace: In which to ask.

        Raises:
            StoreError: It does not answer, or refuses the manager.
        """

    async def remove(self, key: Key) -> None:
        """Forget a configuration; one that is not there is not an error.

        Raises:
            StoreError: It may be there still.
        """

    def reporting(self, key: Key, now: float) -> Reporting | None:
        """Where the machine reports; None: not to this store.

        Args:
            key: Namespace and name of its MachineBootstrap.
            now: Seconds since 1970, from which on it can.
        """

    async def report(self, key: Key, known: str) -> tuple[bytes, str] | None:
        """Read what a machine reported last.

        Args:
            key: Namespace and name of its MachineBootstrap.
            known: The tag of what was read before; empty: nothing was.

        Returns:
            The report and its tag; None where there is none, or none but the known one.

        Raises:
            StoreError: The store does not answer, or with something too large to be one.
        """

    def located(self, key: Key, sha256: str) -> None:
        """See whether what was put can be referred to.

        Args:
            key: Namespace and name of its MachineBootstrap.
            sha256: Of the configuration.

        Raises:
            StoreError: Not yet; an event will say so.
        """

    def expires(self, key: Key, now: float) -> int:
        """Until when a reference that is made now is good, in seconds since 1970.

        Args:
            key: Namespace and name of its MachineBootstrap.
            now: Seconds since 1970.
        """

    def renew_in(self, key: Key, expires: int, now: float) -> float | None:
        """Seconds after which a reference is to be made anew; 0 or less: now. None: an event will say so.

        Args:
            key: Namespace and name of its MachineBootstrap.
            expires: Until when the reference that is there is good.
            now: Seconds since 1970.

        Raises:
            StoreError: It is good no more, and there is no other.
        """

    def reference(self, key: Key, sha256: str, now: float) -> ConfigurationReference:
        """What the machine gets in place of its configuration.

        Args:
            key: Namespace and name of its MachineBootstrap.
            sha256: Of the configuration.
            now: Seconds since 1970, from which on it can be fetched.

        Raises:
            StoreError: What it was referred with is gone.
        """
