"""How an API server is reached: from a kubeconfig, or from within a pod."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from machineadm.api.formats import pem
from machineadm.controllers.runtime.client import Connection

_POD: Final = "/var/run/secrets/kubernetes.io/serviceaccount"


# One type for all that is wrong: whoever reads a cluster's Secret and whoever starts the program
# each say in their own way where it came from.
class KubeconfigError(Exception):
    """A kubeconfig cannot be used; the message never holds its credentials."""


class _ClusterData(msgspec.Struct, rename="kebab"):
    # The kubeconfig of a workload cluster is a tenant's input: a file:// or unix:// here would be
    # ours to open.
    server: Annotated[str, msgspec.Meta(pattern="^https?://")]
    certificate_authority_data: str = ""
    certificate_authority: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


class _UserData(msgspec.Struct, rename="kebab"):
    client_certificate_data: str = ""
    client_certificate: str = ""
    client_key_data: str = ""
    client_key: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    # Read only to be refused (ADR 0040): it names a program to run, and such a Secret may come from
    # whoever owns the workload cluster.
    exec: dict[str, Any] | None = None


class _ContextData(msgspec.Struct):
    cluster: str
    user: str
    namespace: str = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _ClusterData


class _NamedUser(msgspec.Struct):
    name: str
    user: _UserData


class _NamedContext(msgspec.Struct):
    name: str
    context: _ContextData


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    clusters: list[_NamedCluster]
    users: list[_NamedUser]
    contexts: list[_NamedContext]
    current_context: str


def from_kubeconfig(data: bytes, *, files: bool = False) -> Connection:
    """Read the current context of a kubeconfig.

    Args:
        data: The kubeconfig, YAML or JSON.
        files: Files that it names may be read. Never for one that comes out of a Secret: it would read the controller's own.

    Raises:
        KubeconfigError: It cannot be read or used.
    """
    try:
        read = msgspec.yaml.decode(data, type=_Kubeconfig)
        # client-go ignores all other contexts as well, so a kubeconfig with ten clusters is as good
        # as one.
        context = next(one.context for one in read.contexts if one.name == read.current_context)
        cluster = next(one.cluster for one in read.clusters if one.name == context.cluster)
        user = next(one.user for one in read.users if one.name == context.user)
    except StopIteration:
        raise KubeconfigError("its current context names what is not there") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # A parser's message may quote the line that it fails at.
        # A ValidationError names types and paths alone; a YAML error shows the text around it,
        # which may be a token.
        said = str(error) if isinstance(error, msgspec.ValidationError) else "it is not YAML"
        raise KubeconfigError(said) from None
    if user.exec is not None:
        raise KubeconfigError(
            "credential plugins (exec) are not supported; use a token or a client certificate"
        )
    named = (
        user.token_file,
        user.client_certificate,
        user.client_key,
        cluster.certificate_authority,
    )
    if any(named) and not files:
        raise KubeconfigError("it names files; give the data itself")
    return Connection(
        server=cluster.server.rstrip("/"),
        # In the clear only where the kubeconfig says http, as kubectl does.
        tls=_tls(cluster, user) if cluster.server.startswith("https:") else None,
        tls_name=cluster.tls_server_name,
        headers=_bearer(user.token, user.token_file),
        namespace=context.namespace,
    )


def from_pod(environment: Mapping[str, str], directory: str = _POD) -> Connection:
    """Reach the API server of the cluster in which this process runs as a pod.

    Args:
        environment: The process's own.
        directory: Where the service account is mounted.

    Raises:
        KubeconfigError: This is not a pod.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise KubeconfigError("this is not a pod; give --kubeconfig FILE")
    try:
        # Where the Lease goes, if no flag says otherwise. A pod cannot ask the API server which
        # namespace it is in.
        namespace = Path(directory, "namespace").read_text(encoding="utf-8").strip()
        tls = ssl.create_default_context(cafile=f"{directory}/ca.crt")
    except OSError as error:
        raise KubeconfigError(f"the service account cannot be read: {error}") from None
    named = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{named}:{port}",
        tls=tls,
        headers=_bearer("", f"{directory}/token"),
        namespace=namespace,
    )


def _bearer(token: str, file: str) -> Any:
    if file:
        # Read before each call: the kubelet renews it, and the page cache makes that cheap.
        return lambda: {"Authorization": f"Bearer {Path(file).read_text(encoding='utf-8').strip()}"}
    return lambda: {"Authorization": f"Bearer {token}"} if token else {}


def _tls(cluster: _ClusterData, user: _UserData) -> ssl.SSLContext:
    authority = _decoded(cluster.certificate_authority_data, cluster.certificate_authority)
    try:
        context = ssl.create_default_context(cadata=pem(authority.decode()) or None)
        certificate = _decoded(user.client_certificate_data, user.client_certificate)
        if certificate:
            load_pair(context, certificate, _decoded(user.client_key_data, user.client_key))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"its certificates cannot be used: {error}") from None
    # Allowed, since its author wrote it in so many words; check_hostname first, or the ssl module
    # refuses CERT_NONE.
    if cluster.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connected(kubeconfig: str | None) -> Connection:
    """The connection that a program was told to use.

    Args:
        kubeconfig: Path of a kubeconfig of whoever started it; None: that of this pod.

    Raises:
        KubeconfigError: It cannot be used.
    """
    if kubeconfig is None:
        return from_pod(os.environ)
    try:
        data = Path(kubeconfig).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{kubeconfig}: {error.strerror}") from None
    return from_kubeconfig(data, files=True)


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Have a context use a certificate and its key, both in PEM.

    Raises:
        ssl.SSLError: They are not that, or do not belong together.
    """
    # OpenSSL's binding takes paths alone. A file in memory keeps the key off every disk.
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate + b"\n" + key)
        # Without a callback OpenSSL would ask the terminal for the passphrase of an encrypted key,
        # and everything would wait for somebody to type.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: "")
    finally:
        os.close(descriptor)


def _decoded(data: str, file: str) -> bytes:
    try:
        return (
            base64.b64decode(data, validate=True)
            if data
            else Path(file).read_bytes()
            if file
            else b""
        )
    except (ValueError, OSError) as error:
        raise KubeconfigError(f"its certificates cannot be read: {error}") from None
