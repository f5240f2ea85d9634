"""The host name."""

from machineadm.api.meta import HostName

MachineName = HostName
"""Name of the machine itself. At most 64 characters, the limit of Linux, although DNS allows 253."""
