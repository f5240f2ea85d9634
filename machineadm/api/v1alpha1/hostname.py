"""The host name."""

from machineadm.api.meta import HostName

MachineName = HostName
"""Name of the machine itself. DNS takes 253 characters; the rules refuse more than the 64 that Linux takes."""
