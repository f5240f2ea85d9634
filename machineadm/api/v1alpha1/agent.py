"""Which agent a configuration was made for."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Sha256


class AgentPin(ApiStruct, frozen=True, kw_only=True):
    """Requirements for the agent that reads the configuration; it checks itself."""

    version: (
        Annotated[
            str,
            Meta(
                min_length=5,
                max_length=64,
                extra={
                    "oneLine": True,
                    "pattern": r"^v?[0-9]+\.[0-9]+\.[0-9]+([-.+]?[0-9A-Za-z.+-]+)?$",
                },
            ),
        ]
        | None
    ) = None
    """Version of the agent, with or without a leading `v`."""

    sha256: Sha256 | None = None
    """SHA-256 of the agent's one file."""
