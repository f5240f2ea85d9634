"""What a machine gets in place of its configuration, whichever store has that. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from machineadm.api.meta import ProviderRef
from machineadm.api.v1alpha1.reference import ConfigurationReference, ConfigurationReferenceSpec
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin
from machineadm.controllers.stores.port import StoreError
from machineadm.redaction import Secret


def referred(
    sha256: str,
    *,
    url: str = "",
    headers: Mapping[str, Secret] | None = None,
    ca_bundle: str | None = None,
    plugin: ProviderRef | None = None,
    location: str = "",
) -> ConfigurationReference:
    """Make a reference.

    Args:
        sha256: Of the configuration.
        url: Where it is fetched; not with `plugin`.
        headers: Of that request.
        ca_bundle: What the machine trusts for it beside its own, in PEM.
        plugin: Fetches it instead, with the machine's own identity.
        location: Where, in the plugin's terms.
    """
    if plugin is None:
        spec = ConfigurationReferenceSpec(
            url=url, headers=dict(headers or {}), ca_bundle=ca_bundle, sha256=sha256
        )
    else:
        by = InfrastructurePlugin(name=plugin.name, location=location)
        spec = ConfigurationReferenceSpec(plugin=by, sha256=sha256)
    return ConfigurationReference(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
        kind="ConfigurationReference",
        spec=spec,
    )


def require_bare(plugin: ProviderRef | None, path: str) -> None:
    """See that a plugin is named and no more: what it is configured with is the machine's, and no part of a reference.

    Args:
        plugin: Of kind infrastructure; None: none is used.
        path: Of the field, for the message.

    Raises:
        StoreError: It has inputs.
    """
    if plugin is not None and (plugin.inputs or plugin.secret_inputs or plugin.output):
        message = f"{path}: name alone is allowed; settings of the plugin are in /etc/machineadm/plugins.yaml on the machine"
        raise StoreError("NotSupported", message)
