"""Kind encryption-provider: who knows the passphrase of an EncryptedData."""

from __future__ import annotations

from typing import Final

from machineadm.errors import ConfigError, PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failed
from machineadm.plugins.proto import encryption_provider_pb2 as pb
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.redaction import Secret

KIND: Final = "encryption-provider"
CALL: Final = 60.0
"""Seconds that a provider has: it may have to ask over a network."""

_METHODS: Final = methods(pb.DESCRIPTOR.services_by_name["EncryptionProvider"])


def fetch_passphrase(plugin: Plugin, provider: str) -> Secret:
    """Ask a plugin for the passphrase of a provider.

    Args:
        plugin: Who is asked.
        provider: As in EncryptedData.spec.provider.

    Raises:
        PluginError: It does not give it, or gives what is none.
    """
    from machineadm.documents.encryption import passphrase_of

    request = pb.FetchPassphraseRequest(provider=provider)
    what = f"the passphrase of provider {provider!r}"
    try:
        reply = plugin.call(_METHODS["FetchPassphrase"], request, timeout=CALL)
    except RpcError as error:
        refusal: PluginError = failed(plugin, KIND, what, error)
        raise refusal from error
    try:
        return passphrase_of(reply.passphrase, name=f"plugin {plugin.name}")
    except ConfigError as error:
        raise PluginError(
            "MA7224",
            f"plugin {plugin.name} returned an invalid passphrase: {error.message}",
            hint="look at what the provider keeps under that name",
        ) from error
