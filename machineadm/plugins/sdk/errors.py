"""How a plugin says that a call failed."""

from __future__ import annotations

from grpclib.const import Status

from machineadm.plugins.wire.rpc import RpcError


class CallError(RpcError):
    """A call fails for a reason that the operator can read: write it without any secret.

    Args:
        text: Why.
    """

    def __init__(self, text: str) -> None:
        # A status that no gRPC library generates itself, so it is always the plugin that has
        # spoken.
        super().__init__(Status.FAILED_PRECONDITION, text)
