"""What a machine can do, as small ports, one file each. A port that the platform lacks is None.

Steps see the machine only through these. Paths are absolute, as the configuration names them. An adapter that works on
another root puts them below it and never outside, whatever symbolic links say. No adapter is here. May import api and redaction.
"""

from machineadm.host.ports.accounts import Accounts
from machineadm.host.ports.clock import Clock
from machineadm.host.ports.commands import CommandResult, Commands
from machineadm.host.ports.disks import Disks, Space
from machineadm.host.ports.distribution import Distribution, TrustStore
from machineadm.host.ports.fetch import Fetch
from machineadm.host.ports.files import (
    LARGEST_READ,
    FileContent,
    FileKind,
    Files,
    FileStat,
    FileWrite,
    is_hollow,
)
from machineadm.host.ports.host import Host, Waiting
from machineadm.host.ports.kernel import Kernel
from machineadm.host.ports.metadata import Metadata, MetadataAnswer
from machineadm.host.ports.network import Network
from machineadm.host.ports.providers import Ask, Evidence, Providers
from machineadm.host.ports.queries import Queries
from machineadm.host.ports.services import Services
from machineadm.host.ports.state import State

__all__ = [
    "LARGEST_READ",
    "Accounts",
    "Ask",
    "Clock",
    "CommandResult",
    "Commands",
    "Disks",
    "Distribution",
    "Evidence",
    "Fetch",
    "FileContent",
    "FileKind",
    "FileStat",
    "FileWrite",
    "Files",
    "Host",
    "Kernel",
    "Metadata",
    "MetadataAnswer",
    "Network",
    "Providers",
    "Queries",
    "Services",
    "Space",
    "State",
    "TrustStore",
    "Waiting",
    "is_hollow",
]
