"""Documents of others that people give us: what to do with each. Loaded only where a kind is not known."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Final

_FIELDS: Final = "docs/kubeadmconfig.md lists our field for each of its fields"
_KUBELET: Final = (
    "put its fields into spec.kubernetes.node.kubelet.config for this node, "
    "or into spec.kubernetes.cluster.kubelet for every node"
)

# By the group without the version: advice for a KubeadmConfig is the same for v1alpha3 as for
# v1beta2.
_WAYS: Final = (
    (
        "bootstrap.cluster.x-k8s.io/",
        "KubeadmConfig",
        f"machineadm convert writes it as a MachineBootstrap; {_FIELDS}",
    ),
    (
        "bootstrap.cluster.x-k8s.io/",
        "KubeadmConfigTemplate",
        f"machineadm convert writes it as a MachineBootstrapTemplate; {_FIELDS}",
    ),
    (
        "controlplane.cluster.x-k8s.io/",
        "KubeadmControlPlane",
        f"machineadm convert writes its kubeadmConfigSpec as a MachineBootstrapTemplate; {_FIELDS}",
    ),
    (
        "kubeadm.k8s.io/",
        "ClusterConfiguration",
        f"machineadm convert writes it as a MachineConfiguration; {_FIELDS}",
    ),
    (
        "kubeadm.k8s.io/",
        "InitConfiguration",
        f"machineadm convert writes it as a MachineConfiguration with role Initialize; {_FIELDS}",
    ),
    (
        "kubeadm.k8s.io/",
        "JoinConfiguration",
        f"machineadm convert writes it as a MachineConfiguration with role JoinWorker or JoinControlPlane; {_FIELDS}",
    ),
    ("kubelet.config.k8s.io/", "KubeletConfiguration", _KUBELET),
    (
        "kubeproxy.config.k8s.io/",
        "KubeProxyConfiguration",
        "put its fields into spec.kubernetes.cluster.proxyAddon.config",
    ),
    (
        "audit.k8s.io/",
        "Policy",
        "put it into spec.kubernetes.controlPlane.auditPolicy.policy",
    ),
    (
        "apiserver.config.k8s.io/",
        "EncryptionConfiguration",
        "write its providers as spec.kubernetes.controlPlane.encryptionAtRest.providers",
    ),
    (
        "apiserver.config.k8s.io/",
        "AuthenticationConfiguration",
        "put it into spec.kubernetes.controlPlane.authentication.structured",
    ),
    (
        "apiserver.config.k8s.io/",
        "AuthorizationConfiguration",
        "put it into spec.kubernetes.controlPlane.authorization.structured",
    ),
    (
        "apiserver.config.k8s.io/",
        "AdmissionConfiguration",
        "put it into spec.kubernetes.controlPlane.admission.config",
    ),
    (
        "v1",
        "Secret",
        "`machineadm render` reads it beside a MachineBootstrap that refers to it; a MachineConfiguration has the values themselves",
    ),
    (
        "v1",
        "ConfigMap",
        "`machineadm render` reads it beside a MachineBootstrap that refers to it; a MachineConfiguration has the values themselves",
    ),
    (
        "v1",
        "Config",
        "it is a kubeconfig: to join by it, put it into spec.kubernetes.role.discovery of type File",
    ),
    ("v1", "List", "write its items as documents of their own, with a line `---` between them"),
    # The core group's apiVersion has no slash, so this one is compared as a whole.
    ("v1", "Pod", "put it into spec.kubernetes.controlPlane.staticPods[].manifest"),
    (
        "node.eks.aws/",
        "NodeConfig",
        "write a MachineConfiguration: kubelet settings are spec.kubernetes.node.kubelet, "
        "the cluster is spec.kubernetes.role.discovery",
    ),
    (
        "bootstrap.cluster.x-k8s.io/",
        # Ours, and still not for a machine: people hand the agent the manifest that they applied to
        # the cluster.
        "MachineBootstrap",
        "it belongs in the management cluster; `machineadm render --path FILE --template bare` makes "
        "a MachineConfiguration from it",
    ),
    (
        "bootstrap.cluster.x-k8s.io/",
        "MachineBootstrapTemplate",
        "it belongs in the management cluster; `machineadm render --path FILE --template bare` makes "
        "a MachineConfiguration from it",
    ),
    (
        "bootstrap.cluster.x-k8s.io/",
        "MachineConfiguration",
        "it is already rendered. To render it for a machine, change kind to MachineBootstrap: spec is the same, "
        "except that spec.agent there says how the machine gets the agent",
    ),
)
"""The beginning of apiVersion, the kind, and what to do."""

# By keys, since the line `#cloud-config` is a comment to YAML and gone before a kind is looked for.
_BY_KEYS: Final = (
    (
        frozenset({"write_files", "runcmd", "bootcmd", "packages", "cloud_init_modules"}),
        "a cloud-config",
        "write a MachineConfiguration, with write_files as spec.machine.files and runcmd as spec.machine.commands",
    ),
    (
        frozenset({"ignition", "ignitionVersion"}),
        "an Ignition configuration",
        "write a MachineConfiguration, with storage.files as spec.machine.files and systemd.units as "
        "spec.machine.linuxConfiguration.systemdUnits",
    ),
    (
        frozenset({"variant"}),
        "a Butane configuration",
        "write a MachineConfiguration, with storage.files as spec.machine.files and systemd.units as "
        "spec.machine.linuxConfiguration.systemdUnits",
    ),
)
"""Keys that only one kind of document has, what it is, and what to do. These have neither apiVersion nor kind."""

_SCRIPT: Final = (
    "write a MachineConfiguration, with the script as spec.machine.commands.preKubeadm[].script"
)
_USER_DATA: Final = "give the MachineConfiguration itself; user data is what `machineadm render` makes of a MachineBootstrap"
_BY_BEGINNING: Final = (
    ("#!", "a script", _SCRIPT),
    ("#cloud-config-archive", "a cloud-config archive", _USER_DATA),
    ("#cloud-config", "a cloud-config", _BY_KEYS[0][2]),
    ("## template: jinja", "a cloud-config", _BY_KEYS[0][2]),
    ("#include", "an include file of cloud-init", _USER_DATA),
    ("content-type: multipart/", "a MIME message", _USER_DATA),
    ("mime-version:", "a MIME message", _USER_DATA),
    (
        "<",
        "an HTML or XML page",
        "a server may answer with a page instead of the file: check the address, and what it needs to log in",
    ),
)
"""How a text begins that is not a configuration, what it is, and what to do."""


def known_by_beginning(text: str) -> tuple[str, str] | None:
    """What a text that is not a configuration is, and what to do with it; None if its beginning does not tell.

    Args:
        text: All of it.
    """
    head = text[:64].lstrip().lower()
    return next(
        ((what, hint) for begin, what, hint in _BY_BEGINNING if head.startswith(begin)), None
    )


def known_by_keys(names: AbstractSet[str]) -> tuple[str, str] | None:
    """What a document without apiVersion and kind is, and what to do with it; None where nobody knows it.

    Args:
        names: The keys of its outermost map.
    """
    return next(((what, hint) for keys, what, hint in _BY_KEYS if keys & names), None)


def way_out(api_version: str, kind: str, read: AbstractSet[str]) -> str:
    """What to do with a document that is not read here.

    Args:
        api_version: As written.
        kind: As written.
        read: The kinds that are read.

    Returns:
        A hint; empty where nobody knows the document, or where its kind is read.
    """
    # Then its apiVersion is what is wrong, and "did you mean" says more than a way to another kind.
    if kind in read:
        return ""
    for version, each, hint in _WAYS:
        exact = not version.endswith("/")
        if each == kind and (api_version == version if exact else api_version.startswith(version)):
            return hint
    return ""
