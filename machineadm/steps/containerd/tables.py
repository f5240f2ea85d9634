"""The tables of containerd's configuration: ours over those that were there, in the version that this containerd reads."""

from __future__ import annotations

from typing import Any, Final

from machineadm.api.v1alpha1.containerd import Containerd, ContainerdRuntime
from machineadm.config.concerns.containerd import DRIVER
from machineadm.config.machine_paths import CERTS_D
from machineadm.redaction import Secret
from machineadm.semver import Semver

Tables = dict[str, Any]

_CRI: Final = "io.containerd.grpc.v1.cri"
_IMAGES: Final = "io.containerd.cri.v1.images"
_RUNTIME: Final = "io.containerd.cri.v1.runtime"
_RUNC: Final = "io.containerd.runc.v2"
"""The shim of runc and of whatever has its command line: crun, nvidia's. Of all shims, it has SystemdCgroup."""

HEADER: Final = "# Written by machineadm"


def version_of(containerd: Semver) -> int:
    """The version of the configuration that is written for a containerd."""
    # Not 4, though containerd 2.3 reads it: images of one fleet are updated one by one, and 3 is
    # read by every 2.x.
    return 2 if containerd.major < 2 else 3


def ours(
    settings: Containerd, containerd: Semver, *, address: str | None, sandbox: str | None
) -> Tables:
    """What the configuration says, as tables of containerd.

    Args:
        settings: Free of findings.
        containerd: The version that is installed.
        address: Path of the socket; None: containerd's own default.
        sandbox: Image of the pause container; None: containerd's own default.
    """
    top: Tables = {"version": version_of(containerd)}
    if settings.root is not None:
        top["root"] = settings.root
    if settings.state is not None:
        top["state"] = settings.state
    if address is not None:
        top["grpc"] = {"address": address}
    runtimes = _runtimes(settings)
    images: Tables = {}
    runtime: Tables = {"containerd": {"runtimes": runtimes}}
    defaults = [name for name, one in settings.runtimes.items() if one.default]
    # Said even where it is the default: the distribution's file, over which this is laid, may
    # name another runtime.
    runtime["containerd"]["default_runtime_name"] = defaults[0] if defaults else "runc"
    if settings.snapshotter is not None:
        # containerd 2 moved it, because images are unpacked by the half of the plugin that no
        # longer runs containers.
        place = runtime["containerd"] if containerd.major < 2 else images
        place["snapshotter"] = settings.snapshotter
    if settings.max_concurrent_downloads is not None:
        images["max_concurrent_downloads"] = settings.max_concurrent_downloads
    if settings.cdi is not None and (containerd.major, containerd.minor) >= (1, 7):
        runtime["enable_cdi"] = settings.cdi
    if sandbox is not None and containerd.major < 2:
        images["sandbox_image"] = sandbox
    elif sandbox is not None:
        # Its name since 2.0, where the sandbox is one of several images that the kubelet must not
        # collect.
        images["pinned_images"] = {"sandbox": sandbox}
    if settings.registries:
        images["registry"] = _registry(settings)
    if containerd.major < 2:
        top["plugins"] = {_CRI: merged(images, runtime)}
    else:
        top["plugins"] = {_IMAGES: images, _RUNTIME: runtime} if images else {_RUNTIME: runtime}
    return top


def _runtimes(settings: Containerd) -> Tables:
    systemd = (settings.cgroup_driver or DRIVER) == "systemd"
    found: Tables = {}
    for name, one in {"runc": ContainerdRuntime(), **settings.runtimes}.items():
        options: Tables = dict(one.options)
        if one.type == _RUNC:
            # Not over what is written by hand. Left out it is false, and kubelet and runtime
            # would make cgroups in two trees.
            options.setdefault("SystemdCgroup", systemd)
        found[name] = {"runtime_type": one.type}
        if options:
            found[name]["options"] = options
    return found


def _registry(settings: Containerd) -> Tables:
    registry: Tables = {"config_path": CERTS_D}
    # Not as a header of hosts.toml: a registry that gives tokens is asked for one with these, and does not take them itself.
    logins = {
        one.host: {"auth": {"username": one.auth.username, "password": one.auth.password.reveal()}}
        for one in settings.registries
        if one.auth is not None
        and one.auth.username is not None
        and isinstance(one.auth.password, Secret)
    }
    if logins:
        registry["configs"] = logins
    return registry


def merged(base: Tables, over: Tables) -> Tables:
    """Tables laid over others, key by key; whatever is not a table is replaced."""
    result = dict(base)
    # Lists are replaced and not joined: to take one entry out of a list is otherwise impossible
    # to say.
    for key, value in over.items():
        there = result.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            result[key] = merged(there, value)
        else:
            result[key] = value
    return result


def leaves(tables: Tables, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value that is not a table, by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in tables.items():
        place = (*path, key)
        # An empty table is a value, too: it says that the table is there.
        if isinstance(value, dict) and value:
            found.update(leaves(value, place))
        else:
            found[place] = value
    return found
