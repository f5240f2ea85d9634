"""What a machine shows of its components: arguments in their manifests, the kubelet's configuration, files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from machineadm.config.catalogues import text_of
from machineadm.errors import HostError
from machineadm.host.ports import FileKind, FileStat, Host

_MANIFESTS: Final = "/etc/kubernetes/manifests"
_COMPONENTS: Final = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "etcd": "etcd",
}
_KUBELET: Final = "/var/lib/kubelet/config.yaml"
_KUBELET_FLAGS: Final = (
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
)
"""Where kubeadm and its packages have arguments of the kubelet; a later one wins."""

_ETCD_DATA: Final = "/var/lib/etcd"
_MOST: Final = 20_000
"""Files below a directory that are looked at."""


class Machine:
    """A machine, each file of which is read once.

    Args:
        host: Only queried.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._flags: dict[str, dict[str, str]] = {}
        self._documents: dict[str, dict[str, Any] | HostError] = {}

    def has(self, part: str) -> bool:
        """Whether the machine has a control plane, an etcd of its own, a kubelet that kubeadm has set up, or that and no control plane."""
        if part == "worker":
            return self.has("node") and not self.has("controlPlane")
        path = {
            "controlPlane": self.manifest("apiServer"),
            "etcd": self.manifest("etcd"),
            "node": _KUBELET,
        }[part]
        return self.host.files.stat(path) is not None

    def manifest(self, component: str) -> str:
        """The path of a component's static pod."""
        return f"{_MANIFESTS}/{_COMPONENTS[component]}.yaml"

    def flags(self, component: str) -> dict[str, str]:
        """The arguments of a component, without dashes; `--flag` alone is `true`."""
        if component not in self._flags:
            pod = self._yaml(self.manifest(component))
            self._flags[component] = dict(_pairs(_words(pod)))
        return self._flags[component]

    def kubelet(self, name: str) -> tuple[str | None, str]:
        """A setting of the kubelet, and where it is; None where nobody has set it.

        Args:
            name: `FIELD|FLAG`; either may be empty. A flag wins over the configuration.
        """
        field, _, flag = name.partition("|")
        flags = self._kubelet_flags()
        if flag and flag in flags:
            return flags[flag], f"--{flag} of the kubelet"
        value: Any = self._yaml(_KUBELET)
        for part in field.split(".") if field else ():
            value = value.get(part) if isinstance(value, dict) else None
        where = f"{field} in {_KUBELET}" if field else f"--{flag} of the kubelet"
        return (None if not field or value is None else text_of(value)), where

    def document(self, path: str) -> dict[str, Any]:
        """A file in YAML; empty where there is none, or it holds something else."""
        return self._yaml(path)

    def paths(self, name: str) -> list[str]:
        """The paths that a name of a catalogue stands for: `/a/*.crt` in a directory, `/a/**` all below it, `@etcdData` by the component."""
        if name.startswith("@etcdData"):
            name = self.flags("etcd").get("data-dir", _ETCD_DATA) + name.removeprefix("@etcdData")
        if name == "@kubeletCA":
            value, _ = self.kubelet("authentication.x509.clientCAFile|client-ca-file")
            return [value] if value else []
        directory, _, last = name.rpartition("/")
        if last == "**":
            return list(self._below(directory))
        if last.startswith("*"):
            suffix = last[1:]
            return [
                f"{directory}/{one}"
                for one in self.host.files.list(directory)
                if one.endswith(suffix)
            ]
        return [name]

    def stat(self, path: str) -> FileStat | None:
        """What is at a path; of a link what it leads to is not looked at."""
        return self.host.files.stat(path)

    def _below(self, directory: str) -> Iterator[str]:
        left, seen = [directory], 0
        while left and seen < _MOST:
            above = left.pop()
            for name in self.host.files.list(above):
                seen += 1
                path = f"{above}/{name}"
                stat = self.host.files.stat(path)
                if stat is not None and stat.kind is FileKind.DIRECTORY:
                    left.append(path)
                yield path

    def _kubelet_flags(self) -> dict[str, str]:
        if "kubelet" not in self._flags:
            import shlex

            found: dict[str, str] = {}
            for path in _KUBELET_FLAGS:
                for line in (
                    (self.host.files.read(path) or b"").decode(errors="replace").splitlines()
                ):
                    name, equals, value = line.strip().partition("=")
                    if equals and name in ("KUBELET_KUBEADM_ARGS", "KUBELET_EXTRA_ARGS"):
                        try:
                            quoted = shlex.split(value)
                        except ValueError as error:
                            raise _unreadable(path, "a list of arguments") from error
                        words = [part for word in quoted for part in word.split()]
                        found.update(_pairs(words))
            self._flags["kubelet"] = found
        return self._flags["kubelet"]

    def _yaml(self, path: str) -> dict[str, Any]:
        """A file in YAML, read once, also where it cannot be read: many controls ask for it."""
        if path not in self._documents:
            try:
                self._documents[path] = self._parsed(path)
            except HostError as error:
                self._documents[path] = error
        found = self._documents[path]
        if isinstance(found, HostError):
            raise found
        return found

    def _parsed(self, path: str) -> dict[str, Any]:
        import yaml

        content = self.host.files.read(path)
        if content is None:
            return {}
        try:
            found = yaml.safe_load(content)
        except (
            yaml.YAMLError,
            ValueError,
            RecursionError,
        ) as error:  # a date of no calendar, or a file too deep
            raise _unreadable(path, "YAML") from error
        return found if isinstance(found, dict) else {}


def _unreadable(path: str, what: str) -> HostError:
    return HostError(
        "MA4633",
        f"{path} is not {what}",
        hint="nothing can be said of a component whose file its reader would refuse",
    )


def _words(pod: dict[str, Any]) -> list[str]:
    spec = pod.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    first = containers[0] if isinstance(containers, list) and containers else None
    if not isinstance(first, dict):
        return []
    return [str(word) for key in ("command", "args") for word in first.get(key) or ()]


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    for number, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        after = words[number + 1] if number + 1 < len(words) else "--"
        yield name, value if equals else "true" if after.startswith("-") else after
