"""Proxies: the variables that programs read, in files, and what has the host, the container runtime and the kubelet read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.proxy import SystemProxyConfig
from machineadm.config.concerns.proxy import direct, entries, variables
from machineadm.config.machine_paths import PROXY_MANAGER, PROXY_PROFILE, proxy_files, proxy_unit
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work

_PROFILE = """\
# Written by machineadm: the proxies, for users who may read them.
if [ -r {0} ]; then
  set -a
  . {0}
  set +a
fi
"""


class ConfigureProxy(msgspec.Struct, frozen=True, kw_only=True):
    """Give one target its proxies."""

    target: str
    settings: SystemProxyConfig
    beside: tuple[str, ...]
    """Reached directly, beside what the settings name."""
    completes: bool
    """The machine's own addresses are reached directly, too."""
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return self._inner(None).digest()

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return self._inner(None).owned()

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        return self._inner(host).check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(host).apply(host, work)

    def _inner(self, host: Host | None) -> WriteFiles:
        secret = self.settings.credentials is not None
        pairs = variables(self.settings, (*self.beside, *self._addresses(host)))
        # The variables in one file and a file for each reader: a unit file can be read by
        # everybody, a password must not.
        environment, *readers = proxy_files(self.target, secret=secret)
        files = [
            PlannedFile(
                path=environment,
                content="".join(f"{name}={value}\n" for name, value in pairs).encode(),
                mode=0o600 if secret else 0o644,
                sensitive=secret,
            )
        ]
        files += [
            PlannedFile(path=path, content=_reading(path, environment, pairs)) for path in readers
        ]
        # A drop-in that systemd has not read does not count, not even for the restart behind it.
        follow = [FollowUp(kind="daemon-reload")]
        unit = proxy_unit(self.target)
        # One that does not run reads them when it starts.
        if unit and host is not None and host.services is not None and host.services.active(unit):
            follow.append(FollowUp(kind="restart", target=unit))
        return WriteFiles(
            name=self.name, phase=self.phase, files=tuple(files), follow=tuple(follow)
        )

    def _addresses(self, host: Host | None) -> list[str]:
        # Those of the default route alone: the interfaces of pods come and go, and each would restart the runtime.
        if not self.completes or host is None or host.network is None:
            return []
        # What is on this machine is reached directly: a proxy elsewhere may have no way back to
        # it.
        found = (host.network.primary(4), host.network.primary(6))
        return [address for address in found if address is not None]


def plan_proxy(machine: MachineConfig, kubernetes: KubernetesConfig | None) -> tuple[Step, ...]:
    """A step for each target; none for an entry whose credentials are not known yet.

    Args:
        machine: Free of findings.
        kubernetes: What must be reached directly depends on it.
    """
    beside = direct(kubernetes)
    return tuple(
        ConfigureProxy(
            target=target,
            settings=entry,
            beside=beside if entry.no_proxy_auto else (),
            completes=entry.no_proxy_auto,
            name=f"proxy/{target}",
        )
        for _, entry in entries(machine)
        if _is_known(entry)
        for target in entry.targets
    )


def _is_known(entry: SystemProxyConfig) -> bool:
    given = entry.credentials
    return given is None or (
        given.username_from is None and given.password_from is None and given.auth_from is None
    )


def _reading(path: str, environment: str, pairs: Sequence[tuple[str, str]]) -> bytes:
    """The content of a file that has a program read the variables."""
    if path == PROXY_PROFILE:
        return _PROFILE.format(environment).encode()
    if path == PROXY_MANAGER:
        # Specifiers of systemd are doubled; no value has quotes, blanks or a backslash.
        values = " ".join(f'"{name}={value}"' for name, value in pairs).replace("%", "%%")
        return f"[Manager]\nDefaultEnvironment={values}\n".encode()
    return f"[Service]\nEnvironmentFile={environment}\n".encode()
