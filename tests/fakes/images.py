"""The images of a fake machine's containerd: what ctr and crictl are told to load, and what they list."""

from __future__ import annotations

import threading

from machineadm.host.ports import CommandResult
from tests.fakes.host import Call, FakeHost

DIGEST = "sha256:" + "d" * 64


class FakeImages:
    """An image store.

    Attributes:
        stored: Digest by namespace and name.
        labels: Of each name.
        remote: Digest by name, of what registries have; None: they do not have it.
        archives: Names by the path of an archive.
        faults: What a registry says instead of an image, one for each attempt, by name.
        at_once: How many loads went on at the same time, at most.
    """

    def __init__(self, host: FakeHost, *, crictl: bool = False) -> None:
        self.host = host
        self.stored: dict[tuple[str, str], str] = {}
        self.labels: dict[str, str] = {}
        self.remote: dict[str, str] = {}
        self.archives: dict[str, list[str]] = {}
        self.faults: dict[str, list[str]] = {}
        self.at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._together = threading.Event()
        if not crictl:
            host.commands.missing.add("crictl")
        host.commands.on("ctr", "--address", effect=self._ctr)
        host.commands.on("crictl", effect=self._crictl)

    def _ctr(self, call: Call) -> CommandResult | None:
        if call.argv[3] == "plugins":
            return CommandResult(exit_code=0, output="io.containerd.grpc.v1 cri linux/amd64 ok\n")
        if call.argv[3] != "--namespace":
            return None
        namespace, _, verb, *rest = call.argv[4:]
        if verb == "ls":
            return self._list(namespace, rest)
        if verb == "label":
            self.labels[rest[0]] = rest[1]
            return None
        with self._lock:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        self._together.wait(0.02)
        try:
            return self._load(namespace, verb, rest[-1])
        finally:
            with self._lock:
                self._now -= 1

    def _crictl(self, call: Call) -> CommandResult:
        return self._load("k8s.io", "pull", call.argv[-1])

    def _load(self, namespace: str, verb: str, name: str) -> CommandResult:
        if verb == "import":
            if self.host.files.read(name) is None:
                return CommandResult(exit_code=1, output=f"open {name}: no such file\n")
            names = next((v for k, v in self.archives.items() if name.startswith(k)), [])
            for one in names:
                self.stored[namespace, one] = DIGEST
            lines = "".join(f"unpacking {one} ({DIGEST})...done\n" for one in names)
            return CommandResult(exit_code=0, output=lines)
        if left := self.faults.get(name):
            return CommandResult(exit_code=1, output=f"ctr: {left.pop(0)}\n")
        digest = self.remote.get(name)
        if digest is None:
            return CommandResult(exit_code=1, output=f"ctr: {name}: not found\n")
        self.stored[namespace, name] = digest
        return CommandResult(exit_code=0, output="done\n")

    def _list(self, namespace: str, filters: list[str]) -> CommandResult:
        wanted = {one.removeprefix("name==") for one in filters}
        lines = ["REF TYPE DIGEST SIZE PLATFORMS LABELS"]
        for (where, name), digest in self.stored.items():
            if where == namespace and (not wanted or name in wanted):
                label = self.labels.get(name, "-")
                lines.append(f"{name} application/vnd.oci.image.manifest.v1+json {digest} 2.0 MiB linux/amd64 {label} ")  # fmt: skip
        return CommandResult(exit_code=0, output="\n".join(lines) + "\n")
