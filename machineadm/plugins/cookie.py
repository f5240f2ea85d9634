"""The cookies of the kinds of plugins, for hosts and authors."""

from __future__ import annotations

from typing import Final

from machineadm.plugins.wire.handshake import Cookie

# Not a secret: it only keeps a person from starting a plugin by hand, and waiting for it.
COOKIE: Final = Cookie("MACHINEADM_PLUGIN", "8d4a5a0e-52a7-4c5e-9f5d-2f0c3a6f4b71")
"""Of machineadm's own kinds."""

# As in scafctl's source: a character more, and none of its plugins would start.
PROVIDER: Final = Cookie("SCAFCTL_PLUGIN", "scafctl_provider_plugin")
AUTH_HANDLER: Final = Cookie("SCAFCTL_AUTH_PLUGIN", "scafctl_auth_handler_plugin")
"""Of scafctl's kinds."""
