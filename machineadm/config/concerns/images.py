"""Rules for images that are loaded before kubeadm starts, and the one form of an image's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.images import Image, ImageArchive
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfigurationSpec
from machineadm.config.machine_paths import is_windows_path
from machineadm.config.rules.model import Context, Rules, finding

# The CRI plugin of containerd keeps its images here and looks nowhere else.
KUBELETS: Final = "k8s.io"
"""containerd's namespace of the kubelet."""


def full_name(reference: str) -> str:
    """A reference as containerd has it: Docker's short names get their registry, and what has neither tag nor digest gets `latest`."""
    name, at, digest = reference.partition("@")
    first, slash, _ = name.partition("/")
    if not slash:
        # Docker's rule, which containerd's clients share: without a slash it is an official image.
        name = f"docker.io/library/{name}"
    # Only a dot, a port or `localhost` makes the first part a registry (distribution/reference,
    # splitDockerDomain).
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    # Only behind the last slash: a colon before it belongs to the registry's port.
    if not at and ":" not in name.rpartition("/")[2]:
        name = f"{name}:latest"
    return f"{name}{at}{digest}"


def _is_named_once(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str | None], int] = {}
    for index, image in enumerate(machine.images):
        archive = image.archive
        # An archive has no reference until it is imported, so the place that it comes from stands
        # for it.
        name = (
            full_name(image.reference)
            if image.reference is not None
            else (archive.path or archive.url or "" if archive is not None else "")
        )
        # Each namespace has images of its own, and a manifest list one image for each platform.
        key = (name, image.namespace, image.platform)
        if key in seen:
            yield finding("MA1306", f"images[{index}]", f"images[{seen[key]}] is the same")
        seen.setdefault(key, index)


def _kubernetes_is_there(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    if spec.machine.kubernetes_images and spec.kubernetes is None:
        yield finding(
            "MA1304",
            "machine.kubernetesImages",
            "is only allowed with spec.kubernetes, whose version says which",
        )


def _policy_is_of_a_pull(image: Image, _context: Context) -> Iterator[Finding]:
    # The policy asks whether a registry is asked; an archive is imported by its digest.
    if image.archive is not None and image.pull_policy != "IfNotPresent":
        yield finding("MA1323", "pullPolicy", "has no effect on an archive")


def _archive_is_pinned(archive: ImageArchive, _context: Context) -> Iterator[Finding]:
    # A local archive is as trustworthy as the machine that holds it.
    if archive.url is not None and archive.sha256 is None:
        yield finding("MA1309", "sha256", "is required with url: what is imported must be known")
    if archive.path is not None and archive.auth_from is not None:
        yield finding("MA1304", "authFrom", "is only allowed with url")
    if archive.path is not None and is_windows_path(archive.path):
        yield finding("MA1304", "path", "is a path of Windows, and this is a Linux machine")


RULES: Final[Rules] = {
    MachineConfigurationSpec: (_kubernetes_is_there,),
    MachineConfig: (_is_named_once,),
    Image: (_policy_is_of_a_pull,),
    ImageArchive: (_archive_is_pinned,),
}
