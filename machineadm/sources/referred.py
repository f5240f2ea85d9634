"""What a ConfigurationReference names: fetched by URL or by a plugin, and compared with its digest."""

from __future__ import annotations

from collections.abc import Callable

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.reference import ConfigurationReferenceSpec
from machineadm.errors import VerificationError
from machineadm.sources.configuration import read
from machineadm.sources.plugins import PluginSource
from machineadm.sources.shown import shown


class Referred:
    """The port `documents.opening.References`.

    Args:
        plugins: Asked for what a plugin has.
        sleep: As of `configuration.read`.
    """

    def __init__(
        self, plugins: PluginSource, *, sleep: Callable[[float], None] | None = None
    ) -> None:
        self._plugins = plugins
        self._sleep = sleep

    def unfit(self, spec: ConfigurationReferenceSpec) -> tuple[Finding, ...]:
        """See the port."""
        from machineadm.config.rules.plugins import reference_findings

        return tuple(reference_findings(spec))

    def fetch(self, spec: ConfigurationReferenceSpec) -> bytes:
        """See the port.

        Raises:
            MachineadmError: It cannot be had.
            VerificationError: MA2001: It is not what it must be.
        """
        import hashlib

        # One of the two is there: unfit() is asked first.
        if spec.plugin is not None:
            data = self._plugins.fetch(spec.plugin.name, spec.plugin.location)
            place = f"plugin://{spec.plugin.name}/{spec.plugin.location}"
        else:
            place = spec.url or ""
            data = read(
                place, ca_bundle=spec.ca_bundle or "", headers=spec.headers, sleep=self._sleep
            )
        # Of the bytes as they came, before anything reads them: what is not verified is never
        # parsed.
        found = hashlib.sha256(data).hexdigest()
        if found != spec.sha256:
            raise VerificationError(
                "MA2001",
                f"the configuration at {shown(place)} is not what it must be: sha256 is {found}, not {spec.sha256}",
                hint="the content has changed, or the digest is of something else",
            )
        return data
