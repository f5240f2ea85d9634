"""The components of the control plane that kubeadm starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.control_plane import ApiServer
from machineadm.config.rules.model import Context, Rules
from machineadm.config.rules.names import names_fit


def _certificate_names(server: ApiServer, _context: Context) -> Iterator[Finding]:
    yield from names_fit(server.cert_sans, "certSANs")


RULES: Final[Rules] = {ApiServer: (_certificate_names,)}
