"""What kubeadm takes where a configuration says nothing, as far as rules and steps of ours need to know it."""

from __future__ import annotations

from typing import Final

SERVICE_RANGE: Final = "10.96.0.0/12"
"""ServiceSubnet."""

DNS_DOMAIN: Final = "cluster.local"
"""ServiceDNSDomain."""
