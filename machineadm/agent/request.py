"""What the command line asks of the agent."""

from __future__ import annotations

import msgspec

from machineadm.config.model import Mode
from machineadm.sources.passphrases import GivenPassphrases


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    paths: tuple[str, ...]
    """Inputs, in order."""

    merge: bool = False
    """All inputs are fragments, not those of directories alone."""

    signature_keys: tuple[str, ...] = ()
    """Files with public keys: each demands a signature of every input."""

    mode: Mode = "provisioning"

    # Not the whole command line: the input of a resumed run is a copy, and what was meant for one
    # run only must not be repeated.
    options: tuple[str, ...] = ()
    """`--mode`, `--deadline` and what is allowed, as a resumed run must be given them."""

    deadline: float | None = None
    """Seconds for the run; None: as the configuration says."""

    passphrases: GivenPassphrases = msgspec.field(default_factory=GivenPassphrases)
    """For what is encrypted."""

    allow_unauthenticated: bool = False
    """See `Opener`."""

    allow_unknown_version: bool = False
    """Take a Kubernetes that is newer than this release knows."""

    profile: str = ""
    """Of a plan: a compliance profile that is added to the configuration."""

    instance_data: str | None = None
    """File with values of instance data, which come before all others."""
