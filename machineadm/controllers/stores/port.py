"""What the manager asks of a store, whatever keeps the bytes."""

from __future__ import annotations

from typing import Literal, Protocol

from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.controllers.runtime.store import Key

Reason = Literal[
    "StoreNotFound", "StoreNotReady", "WriteFailed", "CredentialsRejected", "NotSupported"
]
"""As `StoreSynced` says it."""


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

    async def remove(self, key: Key) -> None:
        """Forget a configuration; one that is not there is no error.

        Raises:
            StoreError: It may be there still.
        """

    def reference(self, key: Key, data: bytes, now: float) -> ConfigurationReference:
        """What the machine gets in place of its configuration.

        Args:
            key: Namespace and name of its MachineBootstrap.
            data: The configuration.
            now: Seconds since 1970, from which on it can be fetched.
        """
