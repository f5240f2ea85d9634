"""The container runtime."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again."

TABLE: dict[str, Code] = {
    "MA1327": Code(
        "container runtime and kubelet have different cgroup drivers",
        "containerd would put containers into one tree of cgroups, and the kubelet pods into another. Pods start, and "
        "the node becomes unstable under "
        "load.",
        "Give both the same: `systemd`, which is kubeadm's default for the kubelet, unless the machine has another init system.",
    ),
    "MA1328": Code(
        "extraConfig of containerd is not right",
        "The text is not TOML, says a version that no containerd reads, or has registries that containerd refuses "
        "together with its directory of registries.",
        "Line and column in the message are those of the text itself. Registries go into containerRuntime.containerd.registries.",
    ),
    "MA3571": Code(
        "containerd is not installed",
        "The configuration has settings for containerd, but there is no program of that name, or it does not say its "
        "version. Nothing was changed.",
        f"Install it in the image or in commands.boot, or leave containerRuntime.containerd out. {_RERUN}",
    ),
    "MA3572": Code(
        "another version of containerd is installed",
        "containerRuntime.containerd.version names a version, and another one is installed. machineadm does not install "
        "containerd. Nothing was changed.",
        f"Install that version in the image, or leave `version` out. {_RERUN}",
    ),
    "MA3573": Code(
        "containerd cannot read its new configuration",
        "containerd was asked to read the configuration before it was written, and refused. What was there is still there.",
        "Look at extraConfig, and at /etc/containerd/config.toml as it was. `containerd --config FILE config dump` says more.",
    ),
    "MA3574": Code(
        "containerd does not know a key",
        "containerd read the configuration before it was written, and left keys out: it ignores what it does not know. "
        "What was there is still there.",
        "Correct the key in extraConfig, or in the file that was there. Keys and names of plugins differ between containerd 1 and 2.",
    ),
    "MA3575": Code(
        "the configuration of containerd that is there cannot be kept",
        "/etc/containerd/config.toml is not TOML, or of a version that cannot be laid under the one that is written here.",
        "`containerd config migrate` writes it in the newest version. If nothing in it is needed, remove it. "
        + _RERUN,
    ),
    "MA3576": Code(
        "extraConfig is for another containerd",
        "extraConfig is of another version of the configuration than the one that the installed containerd gets: 2 with "
        "containerd 1, 3 with containerd 2. "
        "Version 4, and io.containerd.server.v1, need containerd 2.3 or later.",
        "Write extraConfig for the containerd that is installed.",
    ),
    "MA3577": Code(
        "registries in two places",
        "The existing configuration of containerd contains registries. containerd refuses them together with its "
        "directory of registries.",
        "Remove them from the file, and say them in containerRuntime.containerd.registries.",
    ),
}
