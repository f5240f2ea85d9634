"""Kind encryption-provider: who knows the passphrase of an EncryptedData."""

from __future__ import annotations

from typing import Any, Final

from machineadm.errors import ConfigError, PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failing
from machineadm.plugins.proto import encryption_provider_pb2 as pb
from machineadm.plugins.wire.rpc import methods
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
    # Imported here: whoever reads a plain configuration needs no cryptography.
    from machineadm.documents.encryption import passphrase_of

    request = pb.FetchPassphraseRequest(provider=provider)
    what = f"the passphrase of provider {provider!r}"
    reply = _call(plugin, "FetchPassphrase", request, what)
    try:
        # By the rules of a passphrase from anywhere else: a plugin gets no way around them.
        return passphrase_of(reply.passphrase, name=f"plugin {plugin.name}")
    except ConfigError as error:
        raise PluginError(
            "MA7224",
            f"plugin {plugin.name} returned an invalid passphrase: {error.message}",
            hint="look at what the provider keeps under that name",
        ) from error


def store_passphrase(plugin: Plugin, provider: str, passphrase: Secret) -> None:
    """Have a plugin keep the passphrase of a provider; the manager's side.

    Args:
        plugin: Who keeps it.
        provider: As in EncryptedData.spec.provider.
        passphrase: What documents are encrypted with.

    Raises:
        PluginError: It does not keep it; MA7223 if it only reads.
    """
    # The only place where it is revealed: a message cannot hold a Secret.
    request = pb.StorePassphraseRequest(provider=provider, passphrase=passphrase.reveal().encode())
    _call(plugin, "StorePassphrase", request, f"a place for the passphrase of {provider!r}")


def delete_passphrase(plugin: Plugin, provider: str) -> None:
    """Have a plugin forget the passphrase of a provider; the manager's side.

    Args:
        plugin: Who forgets it.
        provider: As in EncryptedData.spec.provider.

    Raises:
        PluginError: It does not; MA7223 if it only reads.
    """
    request = pb.DeletePassphraseRequest(provider=provider)
    _call(plugin, "DeletePassphrase", request, f"the end of the passphrase of {provider!r}")


def _call(plugin: Plugin, method: str, request: Any, what: str) -> Any:
    with failing(plugin, KIND, what):
        return plugin.call(_METHODS[method], request, timeout=CALL)
