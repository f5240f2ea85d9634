"""What the engine is told to create: a container without capabilities that shares one directory with its host."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Any, Final

from machineadm.errors import PluginError
from machineadm.plugins.launch.containers.engine import EngineRefusalError
from machineadm.plugins.launch.model import INSIDE, Container
from machineadm.plugins.wire import handshake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from machineadm.plugins.launch.containers.engine import Engine

_ACL: Final = "system.posix_acl_default"
_ROOT: Final = ("", "0", "root")


def require_image(name: str, engine: Engine, container: Container) -> str:
    """Check the image's id; nothing is pulled.

    Args:
        name: The plugin's.
        engine: That has it.
        container: What it must be.

    Returns:
        The image as the container's creation takes it: by its id where one is demanded.

    Raises:
        PluginError: MA7233: It is not there. MA7234: It has another id.
    """
    wanted = container.reference
    try:
        found = engine.ask("GET", "/images/json", {"filters": {"reference": [wanted]}}) or []
    except EngineRefusalError as error:
        refusal: PluginError = refused(name, f"look for image {wanted}", error)
        raise refusal from error
    ids = {str(one.get("Id", "")).removeprefix("sha256:") for one in found}
    if not ids:
        absence: PluginError = missing(name, wanted)
        raise absence
    # The id is of the image's configuration, the same in every engine; a registry's digest is
    # another number.
    if container.sha256 and container.sha256 not in ids:
        raise PluginError(
            "MA7234",
            f"plugin {name}: image {wanted} has the id {', '.join(sorted(ids))}, not {container.sha256}",
            hint="bring the image that was meant; if it was updated, update container.sha256 too",
        )
    # By its id: the name may get another image between this and its creation.
    return f"sha256:{container.sha256}" if container.sha256 else wanted


def missing(name: str, image: str) -> PluginError:
    """Build the error for an image that the engine does not have."""
    return PluginError(
        "MA7233",
        f"plugin {name}: the container engine has no image {image}",
        hint="nothing is pulled: let the machine's image bring it (`podman load`, `docker load`), or pull it before the run",
    )


def refused(name: str, what: str, error: EngineRefusalError) -> PluginError:
    """Build the error for what the engine does not do."""
    return PluginError(
        "MA7232",
        f"plugin {name}: the container engine does not {what}: {error.message}",
        hint="the text after the colon is the engine's own; compare the fields of `container` with what it has",
    )


def body_of(
    container: Container,
    image: str,
    directory: str,
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    *,
    override: bool,
) -> dict[str, Any]:
    """Build the request for a container's creation.

    Args:
        container: What is wanted.
        image: As `require_image` gives it.
        directory: The host's, that both share.
        environment: Of the protocol; it comes before what the configuration gives.
        labels: Of this host; they come before what the configuration gives.
        override: Whether the container may write into the directory whatever its user is.
    """
    # The other way round than plugincontainer: cookie and versions cannot be replaced by the
    # configuration.
    variables = {**container.env, **environment, handshake.SOCKET_DIRECTORY: INSIDE}
    host: dict[str, Any] = {
        # Its state is looked at after a failure, so the engine must not remove it by itself.
        "AutoRemove": False,
        # A plugin that ends is never started again behind its host's back: its handshake would go
        # to nobody.
        "RestartPolicy": {"Name": "no"},
        # As plugincontainer does.
        "CapDrop": ["ALL"],
        "Mounts": [
            {
                "Type": "bind",
                "Source": directory,
                "Target": INSIDE,
                "ReadOnly": False,
                # private: what the container mounts there does not appear on the host.
                "BindOptions": {"Propagation": "private", "NonRecursive": True},
            }
        ],
    }
    # The API takes numbers as texts.
    if container.group is not None:
        host["GroupAdd"] = [str(container.group)]
    if override:
        # A container's root in a user namespace may not write into a directory of another number
        # without it.
        host["CapAdd"] = ["DAC_OVERRIDE"]
    if container.runtime:
        host["Runtime"] = container.runtime
    if container.cgroup_parent:
        host["CgroupParent"] = container.cgroup_parent
    if container.nano_cpus:
        host["NanoCpus"] = container.nano_cpus
    if container.memory:
        host["Memory"] = container.memory
    if container.disable_network:
        # podman looks at this one alone.
        host["NetworkMode"] = "none"
    body: dict[str, Any] = {
        "Image": image,
        "Env": [f"{key}={value}" for key, value in variables.items()],
        # Docker looks at this one.
        "NetworkDisabled": container.disable_network,
        "Labels": {**container.labels, **labels},
        "HostConfig": host,
    }
    if container.entrypoint:
        body["Entrypoint"] = list(container.entrypoint)
    if container.args:
        body["Cmd"] = list(container.args)
    if container.endpoints:
        body["NetworkingConfig"] = {"EndpointsConfig": container.endpoints}
    return body


def is_rootless(engine: Engine) -> bool:
    """Whether the engine runs as an ordinary user, in a namespace of that user's.

    Raises:
        EngineRefusalError: It does not say.
        PluginError: MA7235: It does not answer.
    """
    answer = engine.ask("GET", "/info") or {}
    # podman 4 has a field of its own.
    return answer.get("Rootless") is True or any(
        "rootless" in str(one) for one in answer.get("SecurityOptions") or ()
    )


def user_of(engine: Engine, image: str) -> str:
    """The user that an image names; empty if it runs as root.

    Raises:
        EngineRefusalError: It does not say.
        PluginError: MA7235: It does not answer.
    """
    answer = engine.ask("GET", f"/images/{image}/json") or {}
    user = str((answer.get("Config") or {}).get("User") or "")
    # The user comes first: "USER:GROUP".
    return "" if user.partition(":")[0] in _ROOT else user


def share_with_all_users_of_a_namespace(directory: str) -> None:
    """Let this user use sockets that another user of its own namespace makes in a directory, by a default ACL.

    A file system without such lists is let pass: whether the plugin can be reached shows when it is.

    Raises:
        OSError: It cannot be set.
    """
    # As acl(5) and linux/posix_acl_xattr.h have it: version 2, then tag, permissions, id for the owner, one user, the group, the mask
    # and all others; -1 where a tag needs no id.
    own = os.geteuid()
    entries = ((1, 6, -1), (2, 6, own), (4, 6, -1), (16, 6, -1), (32, 0, -1))
    value = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, permissions, number & 0xFFFFFFFF)
        for tag, permissions, number in entries
    )
    try:
        os.setxattr(directory, _ACL, value)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENOSYS):
            raise
