"""containerd on a fake machine: it reads its configuration, forgets what it does not know, and comes up, or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import tomli_w

from machineadm.config.rules.toml import read_toml
from machineadm.errors import HostError
from machineadm.host.ports import CommandResult
from tests.fakes.host import Call, FakeHost, FakeServices

CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
UNIT = "containerd.service"


class FakeContainerd(FakeServices):
    """containerd, and the systemd that starts it.

    Attributes:
        unknown: Keys that it does not know.
        refuses: Whether a configuration keeps it from coming up.
        breaks: Whether a configuration keeps its interface for Kubernetes from loading, while it runs.
        loaded: The configuration that it came up with.
    """

    def __init__(self, host: FakeHost, version: str = "1.6.20~ds1") -> None:
        super().__init__()
        self.host = host
        self.unknown: set[str] = set()
        self.refuses: Callable[[dict[str, Any]], bool] = lambda _: False
        self.breaks: Callable[[dict[str, Any]], bool] = lambda _: False
        self.loaded: dict[str, Any] = {}
        self.asked: list[str] = []
        host.services = self
        host.commands.missing |= {"crictl"}
        said = f"containerd github.com/containerd/containerd {version} {version}-1\n"
        host.commands.on("containerd", "--version", output=said)
        host.commands.on("containerd", "--config", effect=self._config)
        host.commands.on("ctr", "--address", effect=self._plugins)
        self.active_units.add(UNIT)
        self.enabled_units.add(UNIT)
        host.files.special(SOCKET)

    def restart(self, unit: str) -> None:
        super().restart(unit)
        if unit != UNIT:
            return
        self.loaded = read_toml(self.host.text(CONFIG) or "")
        if self.refuses(self.loaded):
            self.active_units.discard(unit)
            raise HostError("MA3401", f"systemctl restart {unit} failed: it does not start")
        self.host.files.special(SOCKET)

    @property
    def restarts(self) -> int:
        return self.actions.count(("restart", UNIT))

    def _config(self, call: Call) -> CommandResult:
        path, verb = call.argv[2], call.argv[4]
        self.asked.append(verb)
        name = path.removeprefix(f"{self.host.state.run_directory}/")
        text = self.host.state.read(name, durable=False) or self.host.files.read(path) or b""
        tables = read_toml(text.decode())
        if verb == "migrate":
            plugins = tables.get("plugins", {})
            old = plugins.pop("io.containerd.grpc.v1.cri", {})
            if "cni" in old:
                plugins["io.containerd.cri.v1.runtime"] = {"cni": old["cni"]}
            tables["version"] = 4
        dumped = _without(tables, self.unknown)
        return CommandResult(
            exit_code=0, output=f'time="now" level=warning\n{tomli_w.dumps(dumped)}'
        )

    def _plugins(self, _call: Call) -> CommandResult:
        state = "error" if self.breaks(self.loaded) else "ok"
        lines = ["TYPE ID PLATFORMS STATUS", f"io.containerd.grpc.v1 cri linux/amd64 {state}"]
        return CommandResult(exit_code=0, output="\n".join(lines))


def _without(tables: dict[str, Any], unknown: set[str]) -> dict[str, Any]:
    found = copy.deepcopy(tables)
    for key, value in list(found.items()):
        if key in unknown:
            del found[key]
        elif isinstance(value, dict):
            found[key] = _without(value, unknown)
    return found
