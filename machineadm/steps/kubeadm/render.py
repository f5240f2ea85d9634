"""Everything that kubeadm reads, rendered from the configuration. Pure. The only place where kubeadm's secrets are revealed.

Names are relative to the run directory, where the files are written 0600:

- `kubeadm/config.yaml`: for `kubeadm init` InitConfiguration and ClusterConfiguration, and what the cluster hands to every
  kubelet and kube-proxy; for `kubeadm join` only JoinConfiguration (kubeadm ignores component documents beside it).
- `kubeadm/discovery.conf`: the kubeconfig of file discovery, if the configuration gives its parts.
- `kubeadm/patches/`: the patches. kubeadm applies them in the order of their file names, so they are numbered. Number 000 is
  the node's own kubelet settings, so that an explicit patch wins. If the image has a directory of patches and
  the node has kubelet settings, that directory is copied here (kubeadm takes only one) and the settings come last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.api.v1alpha1.kubeadm import Initialize
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.versions import kubeadm_api
from machineadm.documents.encoding import encode_yaml, encode_yaml_stream
from machineadm.errors import InternalError
from machineadm.steps.kubeadm.pieces import Document, Paths, component_document, present

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.discovery import Kubeconfig, KubeconfigUser
    from machineadm.api.v1alpha1.node import NodeKubelet

CONFIG = "kubeadm/config.yaml"
DISCOVERY = "kubeadm/discovery.conf"
PATCHES = "kubeadm/patches/"

_KUBELET_API = "kubelet.config.k8s.io/v1beta1"
_PROXY_API = "kubeproxy.config.k8s.io/v1alpha1"
_KUBELET_PATCH = "kubeletconfiguration000+merge.yaml"
# kubeadm applies patches in the order of their names: this one sorts after any that has a digit, a plus or a dot behind the target.
_LAST_KUBELET_PATCH = "kubeletconfigurationzzz+merge.yaml"


class KubeadmFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What kubeadm reads, not yet encoded."""

    documents: tuple[Document, ...]
    discovery: Document | None = None
    patches: tuple[tuple[str, bytes], ...] = ()
    """File name and content, in the order in which kubeadm applies them."""

    def encode(self, *, reveal: bool) -> dict[str, bytes]:
        """Content by name.

        Args:
            reveal: With the secrets; otherwise `***` in their place.
        """
        files = {CONFIG: encode_yaml_stream(self.documents, reveal=reveal)}
        if self.discovery is not None:
            files[DISCOVERY] = encode_yaml(self.discovery, reveal=reveal)
        files.update((PATCHES + name, content) for name, content in self.patches)
        return files


def render(
    kubernetes: KubernetesConfig,
    extras: ControlPlaneExtras,
    *,
    run_directory: str,
    now: float,
) -> KubeadmFiles:
    """Render for the kubeadm API version that the Kubernetes version uses.

    Args:
        kubernetes: Realised and free of findings.
        extras: What the API server's files need.
        run_directory: Absolute path of the directory that names are relative to.
        now: Seconds since 1970: a token's `expires` becomes a TTL.

    Raises:
        ConfigError: The version's kubeadm API cannot express it.
        InternalError: The configuration has no role.
    """
    copied = copies_patches(kubernetes)
    paths = Paths(run_directory, None if copied else kubernetes.patches_directory)
    if kubeadm_api(kubernetes.version) == "v1beta4":
        from machineadm.steps.kubeadm import v1beta4 as api
    else:
        from machineadm.steps.kubeadm import v1beta3 as api  # type: ignore[no-redef]
    role = kubernetes.role
    documents: tuple[Document, ...]
    if isinstance(role, Initialize):
        documents = (
            api.init(kubernetes, role, paths, now=now),
            api.cluster(kubernetes, extras),
            *_components(kubernetes),
        )
        return KubeadmFiles(documents=documents, patches=_patches(kubernetes, last=copied))
    if role is None:
        raise InternalError(
            "MA9001",
            "a configuration without a role reached the rendering of kubeadm's configuration",
        )
    from machineadm.api.v1alpha1.discovery import FileDiscovery

    given = role.discovery
    parts = given.kubeconfig if isinstance(given, FileDiscovery) else None
    return KubeadmFiles(
        documents=(api.join(kubernetes, role, paths),),
        discovery=_kubeconfig(parts) if parts is not None else None,
        patches=_patches(kubernetes, last=copied),
    )


def copies_patches(kubernetes: KubernetesConfig) -> bool:
    """Whether the image's directory of patches must be copied, to add the kubelet's settings to it."""
    node = kubernetes.node
    return (
        # Only then: otherwise kubeadm reads the image's directory itself, and sees what a command
        # changes there at the last moment.
        kubernetes.patches_directory is not None and node is not None and node.kubelet is not None
    )


def _components(kubernetes: KubernetesConfig) -> tuple[Document, ...]:
    """The configurations that the cluster hands on."""
    cluster = kubernetes.cluster
    if cluster is None:
        return ()
    documents = []
    if cluster.kubelet is not None:
        # For the first control plane alone: kubeadm stores it in the cluster, and those that join
        # get it from there.
        documents.append(component_document("KubeletConfiguration", _KUBELET_API, cluster.kubelet))
    proxy = cluster.proxy_addon
    if proxy is not None and (proxy.mode is not None or proxy.config is not None):
        given = {**(proxy.config or {}), **present(mode=proxy.mode)}
        documents.append(component_document("KubeProxyConfiguration", _PROXY_API, given))
    return tuple(documents)


def _patches(kubernetes: KubernetesConfig, *, last: bool) -> tuple[tuple[str, bytes], ...]:
    node = kubernetes.node
    kubelet = node.kubelet if node is not None else None
    settings: tuple[tuple[str, bytes], ...] = ()
    if kubelet is not None:
        name = _LAST_KUBELET_PATCH if last else _KUBELET_PATCH
        settings = ((name, encode_yaml(kubelet_patch(kubelet))),)
    return settings + tuple(
        # Numbered with three digits: kubeadm sorts names as text, where 10 comes before 2.
        (f"{patch.target}{number:03d}+{patch.type}.yaml", patch.patch.encode())
        for number, patch in enumerate(kubernetes.patches, start=1)
    )


def kubelet_patch(kubelet: NodeKubelet) -> Document:
    """A node's own KubeletConfiguration, as a JSON merge patch: the typed fields have its names already."""
    typed = msgspec.to_builtins(kubelet)
    config = typed.pop("config", {})
    typed.pop("nodeIP", None)  # an argument: KubeletConfiguration has no such field
    # The typed fields win over the same names in free-form config, as in every check that asks
    # for one of them.
    return component_document("KubeletConfiguration", _KUBELET_API, {**config, **typed})


def _kubeconfig(parts: Kubeconfig) -> Document:
    """A kubeconfig with one cluster, one user and one context.

    The user is there even without credentials: kubeadm refuses a context without one.
    """
    import base64

    authority = parts.certificate_authority
    cluster = present(
        **{
            "server": parts.server,
            "certificate-authority-data": authority
            and base64.b64encode(authority.encode()).decode(),
            "tls-server-name": parts.tls_server_name,
            "insecure-skip-tls-verify": parts.insecure_skip_tls_verify or None,
            "proxy-url": parts.proxy_url,
        }
    )
    name = "default"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": _user(parts.user)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def _user(user: KubeconfigUser | None) -> Document:
    if user is not None and (plugin := user.exec) is not None:
        return {
            "exec": {
                "apiVersion": plugin.api_version,
                "command": plugin.command,
                # Nobody is at a terminal: a plugin that asks for a password must fail, not wait.
                "interactiveMode": "Never",
                **present(
                    args=plugin.args,
                    env=plugin.env,
                    provideClusterInfo=plugin.provide_cluster_info or None,
                ),
            }
        }
    if user is not None and (provider := user.auth_provider) is not None:
        return {"auth-provider": present(name=provider.name, config=provider.config)}
    return {}
