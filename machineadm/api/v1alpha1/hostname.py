"""The host name."""

from machineadm.api.meta import HostName

MachineName = HostName
"""Name of the machine itself. DNS allows 253 characters, but Linux and so machineadm only 64."""
