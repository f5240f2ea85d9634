"""Whether a machine can become the node that a configuration asks for."""

from __future__ import annotations

from machineadm.codes.model import Code

_IGNORE = "To skip this check, add its code to node.ignorePreflightErrors."

TABLE: dict[str, Code] = {
    "MA4501": Code(
        "cgroup v1 (machine)",
        "A kubelet from 1.35 on does not start where /sys/fs/cgroup is version 1, unless failCgroupV1 is false. kubeadm refuses "
        "such a machine even then, unless its check SystemVerification is ignored. Only a warning where the former may be set "
        "elsewhere and the latter is ignored.",
        "Boot with the unified hierarchy; every distribution with systemd 247 or later has it. Or set failCgroupV1: false for the "
        f"kubelet and name SystemVerification in node.ignorePreflightErrors. {_IGNORE}",
    ),
    "MA4502": Code(
        "containerd 1.x (machine)",
        "Kubernetes 1.36 and 1.37 warn about containerd before 2.0; later versions do not work with it.",
        f"Install containerd 2. {_IGNORE}",
    ),
    "MA4503": Code(
        "swap (machine)",
        "The kubelet does not start while swap is on, unless failSwapOn is false; only a warning where that may be set "
        "elsewhere (by an argument, a patch, the cluster that it joins). With cgroup v1, pods could not use swap anyway "
        "(a warning).",
        f"Set machine.linuxConfiguration.swap.enabled: false, or `swapoff -a` and take it out of /etc/fstab. {_IGNORE}",
    ),
    "MA4504": Code(
        "a port is in use (machine)",
        "A process listens on a port that the kubelet, the control plane or etcd needs.",
        f"`ss -ltnp` shows which. {_IGNORE} Names such as Port-6443 ignore one port.",
    ),
    "MA4505": Code(
        "no container runtime (machine)",
        "The socket that node.criSocket names does not exist, or none of those that kubeadm looks for.",
        f"Install and start a container runtime, or fix node.criSocket. {_IGNORE}",
    ),
    "MA4506": Code(
        "a program is missing (machine)",
        "kubeadm, the kubelet, or a program that they call is not on PATH.",
        f"Install it. {_IGNORE}",
    ),
    "MA4507": Code(
        "packets are not forwarded (machine)",
        "net.ipv4.ip_forward is 0, so pods reach nothing outside their machine.",
        f"Set it in spec.machine.linuxConfiguration.sysctls. {_IGNORE}",
    ),
    "MA4508": Code(
        "too little memory (machine)",
        "A control plane machine needs 1700 MiB.",
        f"Use a larger machine. {_IGNORE}",
    ),
    "MA4509": Code(
        "too few CPUs (machine)",
        "A control plane machine needs two.",
        f"Use a larger machine. {_IGNORE}",
    ),
    "MA4510": Code(
        "little disk space (machine, a warning)",
        "The file system of the kubelet or of images is nearly full: a kubelet evicts pods, and images do not fit.",
        f"Free some space, or use a separate file system. {_IGNORE}",
    ),
    "MA4511": Code(
        "a kubelet of another version (machine)",
        "The kubelet must not be newer than the control plane, and at most three minor versions older.",
        f"Install the kubelet of the version that the configuration asks for. {_IGNORE}",
    ),
    "MA4512": Code(
        "already a node (machine, a warning)",
        "There is a kubelet.conf, or the manifest of an API server.",
        f"`machineadm reset` removes it. {_IGNORE}",
    ),
    "MA4513": Code(
        "the host name does not resolve (machine, a warning)",
        "Neither /etc/hosts nor a name server knows the machine's own name.",
        f"Add it to one of the two. {_IGNORE}",
    ),
    "MA4514": Code(
        "the endpoint does not resolve (machine, a warning)",
        "The name of the API server that the machine will talk to is not known here.",
        f"Add it to DNS or /etc/hosts, or fix the field that the message names. {_IGNORE}",
    ),
    "MA4515": Code(
        "no machine-id of its own (machine, a warning)",
        "/etc/machine-id is missing, empty or malformed, or older than the first boot of the instance that cloud-init tells of: then it came with "
        "the image or disk, and other machines may have the same.",
        f"`rm /etc/machine-id && systemd-machine-id-setup`, and a reboot; an image is shipped with an empty one, which the first boot fills in. {_IGNORE}",
    ),
    "MA4516": Code(
        "SELinux without a policy for containers (machine, a warning)",
        "SELinux is enforcing, but has no file contexts for a container runtime: containers would be denied what they need.",
        f"Install container-selinux. {_IGNORE}",
    ),
    "MA4517": Code(
        "the clock is off (machine, a warning)",
        "The machine's clock differs by more than a minute from that of a server that it will talk to.",
        f"Set the clock, by ntp in spec.machine.linuxConfiguration for example. {_IGNORE}",
    ),
}
