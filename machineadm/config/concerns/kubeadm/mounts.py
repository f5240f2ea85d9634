"""The mounts of the control plane's pods: kubeadm's own, ours, and those of the configuration.

kubeadm keeps the volumes of a component by name (cmd/kubeadm/app/phases/controlplane/volumes.go): its own first, then the
others, and a later one replaces an earlier one. The kubelet refuses a pod with two mounts at the same path
(k8s.io/kubernetes/pkg/apis/core/validation), and says so only in its log: the API server never starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from machineadm.config.machine_paths import (
    KUBERNETES,
    OWN,
    audit_log_directory,
    certificates_directory,
    socket_directories,
)
from machineadm.config.rules.model import finding, warning
from machineadm.semver import Semver

if TYPE_CHECKING:
    from machineadm.api.finding import Finding
    from machineadm.api.v1alpha1.cluster import Argument, ClusterConfig
    from machineadm.api.v1alpha1.control_plane import ApiServer, Component, ControlPlaneConfig
    from machineadm.api.v1alpha1.kubernetes import KubernetesConfig

COMPONENTS: Final = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}
"""Fields of ControlPlaneConfig, and the pods that they are about."""

# kubeadm's caCertsVolumePath; the other directories of certificates come only where the machine has
# them.
_CA_CERTIFICATES: Final = "/etc/ssl/certs"
_FLEXVOLUMES: Final = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"
_WHERE_THERE: Final = (
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)
"""kubeadm mounts those that the machine has, each by its path with hyphens for slashes."""

# By the ending, since no table of Kubernetes says which flags are paths of files to be read.
_READ: Final = (
    "-file",
    "-config",
    "kubeconfig",
    "-cafile",
    "-certfile",
    "-keyfile",
    "-client-certificate",
    "-client-key",
    "-certificate-authority",
)
_WRITTEN: Final = frozenset({"log-file", "lock-file"})
"""Arguments whose value is a path, and which of them are not read."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """One mount of a pod."""

    name: str
    path: str
    """In the container."""

    field: str = ""
    """Field of KubernetesConfig that asks for it; empty for kubeadm's own."""

    what: str = ""
    """What is there, in words."""

    needed: bool = False
    """Its pod does not start without it at this path."""


def mounts_fit(kubernetes: KubernetesConfig) -> Iterator[Finding]:
    """Yield findings about the mounts of all components, relative to KubernetesConfig."""
    yield from _etcd_apart(kubernetes)
    # kubeadm mounts certificatesDir into two pods: one field, one problem.
    told = set()
    for component in COMPONENTS:
        for found in _component_fits(kubernetes, component):
            # Report a problem that several components share only once.
            if found.path not in told or "extraVolumes" in found.path:
                yield found
            told.add(found.path)


def _component_fits(kubernetes: KubernetesConfig, component: str) -> Iterator[Finding]:
    own = {mount.name: mount for mount in kubeadm_mounts(kubernetes, component)}
    ours = list(our_mounts(kubernetes)) if component == "apiServer" else []
    reserved = {mount.name: mount.what for mount in ours}
    replacing = {mount.name for mount in given_mounts(kubernetes, component)}
    # Whatever the field is called, the kubelet refuses the pod as a whole.
    there = [mount for mount in own.values() if mount.name not in replacing]
    for mount in (*there, *ours[1:]):  # the first of ours is at a place of our own
        problem = _misplaced(mount.path)
        if not problem and mount in ours and f"{mount.path}/".startswith(f"{OWN}/"):
            problem = f"{OWN} is machineadm's own"
        if problem and mount.field:
            yield finding("MA1430", mount.field, problem)
    given: dict[str, Mount] = {}
    for mount in given_mounts(kubernetes, component):
        volume = mount.field.removesuffix(".mountPath")
        # Unlike kubeadm's own, which people replace on purpose: these hold what our fields have
        # written.
        if mount.name in reserved:
            yield finding(
                "MA1430",
                f"{volume}.name",
                f"{mount.name} is a volume that machineadm adds for {reserved[mount.name]}",
                "take another name",
            )
            continue
        if mount.name in given:
            message = f"{mount.name} occurs again: the last one counts"
            yield warning("MA1306", f"{volume}.name", message)
        # kubeadm keeps volumes in a map by name.
        given[mount.name] = mount
    for mount in given.values():
        volume = mount.field.removesuffix(".mountPath")
        replaced = own.get(mount.name)
        # At the same path it is the same mount with other options, which is what people want of it.
        if replaced is not None and replaced.needed and replaced.path != mount.path:
            yield finding(
                "MA1430",
                f"{volume}.name",
                f"takes the place of kubeadm's own {mount.name}, without which {COMPONENTS[component]} does not start",
                f"take another name, or mountPath {replaced.path}",
            )
        if problem := _misplaced(mount.path):
            yield finding("MA1430", mount.field, problem)
        # The scheduler gets no certificates of the system. A warning, because whether the machine
        # has it is not known here.
        elif component != "scheduler" and mount.path in set(_WHERE_THERE) - {_path_of(mount.name)}:
            yield warning(
                "MA1430",
                mount.field,
                f"kubeadm mounts {mount.path} itself if the machine has it, and the kubelet refuses two mounts",
                f"leave the volume out, or name it {_name_of(mount.path)}",
            )
    # What the configuration replaces is not there to clash.
    left = {name: mount for name, mount in own.items() if name not in given}
    yield from _apart([*left.values(), *ours, *given.values()], COMPONENTS[component])


def _name_of(path: str) -> str:
    """Return kubeadm's name of a volume that it adds if the machine has the directory."""
    return path.replace("/", "-")[1:]


def _path_of(name: str) -> str | None:
    return next((path for path in _WHERE_THERE if _name_of(path) == name), None)


def _apart(mounts: Iterable[Mount], pod: str) -> Iterator[Finding]:
    first: dict[str, Mount] = {}
    for mount in mounts:
        # The first one keeps the place: the later one is what somebody added.
        other = first.setdefault(mount.path, mount)
        if other is not mount and not _misplaced(mount.path):
            yield finding(
                "MA1430",
                mount.field,
                f"{mount.path} is mounted into {pod} already, by {_owner(other)}",
                "the kubelet refuses a pod with two mounts at one place",
            )


def _owner(mount: Mount) -> str:
    return mount.what if mount.what else mount.field.removesuffix(".mountPath") or "kubeadm"


def _misplaced(path: str) -> str:
    if path == "/":
        return "its directory is /, at which nothing can be mounted"
    # runc refuses a mount in /proc (checkProcMount) but for a few files of lxcfs.
    if path == "/proc" or path.startswith("/proc/"):
        return "no runtime mounts anything in /proc"
    return ""


def _etcd_apart(kubernetes: KubernetesConfig) -> Iterator[Finding]:
    """Check etcd's pod, which mounts its data and its certificates."""
    cluster = kubernetes.cluster
    local = cluster.etcd.local if cluster is not None and cluster.etcd is not None else None
    if local is None or local.data_dir is None:
        return
    if problem := _misplaced(local.data_dir):
        yield finding("MA1430", "cluster.etcd.local.dataDir", problem)
    # kubeadm would mount both at this path, and etcd would write its data among the keys.
    if local.data_dir == f"{certificates_directory(kubernetes)}/etcd":
        yield finding(
            "MA1430",
            "cluster.etcd.local.dataDir",
            f"{local.data_dir} has etcd's certificates, and is mounted into its pod already",
        )


_NO_FLEXVOLUMES_MINOR: Final = 36
"""The first minor version whose kubeadm mounts no directory for them."""


def _has_flexvolumes(kubernetes: KubernetesConfig) -> bool:
    try:
        return not Semver.parse(str(kubernetes.version)).has(_NO_FLEXVOLUMES_MINOR)
    # A version that cannot be read is told elsewhere; older is the safe guess, since it has one
    # mount more.
    except ValueError:
        return True


def kubeadm_mounts(kubernetes: KubernetesConfig, component: str) -> Iterator[Mount]:
    """Yield kubeadm's own mounts of a component, except those that depend on the machine.

    Args:
        kubernetes: May lack a role.
        component: One of `COMPONENTS`.
    """
    if component == "scheduler":
        yield _own("kubeconfig", f"{KUBERNETES}/scheduler.conf", needed=True)
        return
    yield _own("ca-certs", _CA_CERTIFICATES)
    yield _own(
        "k8s-certs",
        certificates_directory(kubernetes),
        field="cluster.certificates.directory",
        needed=True,
    )
    if component == "controllerManager":
        yield _own("kubeconfig", f"{KUBERNETES}/controller-manager.conf", needed=True)
        if not _has_flexvolumes(kubernetes):
            return
        path, field = _FLEXVOLUMES, ""
        for index, argument in enumerate(arguments_of(kubernetes, component)):
            # A value that the machine itself supplies is not known here.
            if argument.name == "flex-volume-plugin-dir" and argument.value is not None:
                path, field = argument.value, f"controlPlane.{component}.extraArgs[{index}].value"
        # Not `needed`: the controller manager starts without it, and only flexvolumes are missed.
        yield _own("flexvolume-dir", path, field=field)
    else:
        yield from _etcd_certificates(kubernetes.cluster, certificates_directory(kubernetes))


def _own(name: str, path: str, *, field: str = "", needed: bool = False) -> Mount:
    return Mount(name=name, path=path, field=field, what=f"kubeadm ({name})", needed=needed)


def _etcd_certificates(cluster: ClusterConfig | None, certificates: str) -> Iterator[Mount]:
    """Do what kubeadm's getEtcdCertVolumes does: mount the directories of an external etcd's files, only outermost ones."""
    external = cluster.etcd.external if cluster is not None and cluster.etcd is not None else None
    if external is None:
        return
    # getEtcdCertVolumes keeps a set and drops what is below a directory that it has.
    chosen: set[str] = set()
    for path in (external.ca_file, external.cert_file, external.key_file):
        directory = (path or "").rpartition("/")[0] or ("/" if path else "")
        # kubeadm compares text prefixes, not paths (/etc/pki2 is "below" /etc/pki), so this does too.
        if not directory or directory.startswith((*_WHERE_THERE, _CA_CERTIFICATES, certificates)):
            continue
        around = any(directory.startswith(one) for one in chosen)
        chosen = {one for one in chosen if not one.startswith(directory)} if not around else chosen
        if not around:
            chosen.add(directory)
    # Sorted like kubeadm's, so that the numbers in the names are the same.
    for number, directory in enumerate(sorted(chosen)):
        yield Mount(
            name=f"etcd-certs-{number}",
            path=directory,
            field="cluster.etcd.external",
            what="kubeadm, for the certificates of cluster.etcd.external",
            needed=True,
        )


def our_mounts(kubernetes: KubernetesConfig) -> Iterator[Mount]:
    """Yield the mounts of the API server that machineadm adds (see `steps.control_plane_files`)."""
    config = kubernetes.control_plane
    if config is None:
        return
    # One mount for all of its files: a directory, so that a file that is replaced is seen.
    if (what := _has_files(config)) is not None:
        yield Mount(name="machineadm", path=OWN, field=what, what=what)
    found: set[str] = set()
    if (directory := audit_log_directory(config)) is not None:
        what = "controlPlane.auditPolicy.log"
        yield Mount(name="machineadm-audit-log", path=directory, field=f"{what}.path", what=what)
        # The log and a socket may share a directory, and one mount is enough.
        found.add(directory)
    for number, (directory, index) in enumerate(socket_directories(config).items()):
        if directory not in found:
            what = f"controlPlane.encryptionAtRest.providers[{index}].kms"
            name = f"machineadm-kms-{number}"
            yield Mount(name=name, path=directory, field=f"{what}.endpoint", what=what)


def _has_files(config: ControlPlaneConfig) -> str | None:
    """Return the first field for which machineadm writes a file for the API server; None without any."""
    authentication, authorization = config.authentication, config.authorization
    # oidc is arguments only, but for its CA, which is a file.
    webhooks = (authentication.webhook, authentication.structured) if authentication else ()
    oidc = authentication.oidc if authentication is not None else None
    asking = {
        "auditPolicy": (config.audit_policy,),
        "encryptionAtRest": (config.encryption_at_rest,),
        "authentication": (*webhooks, oidc.certificate_authority if oidc is not None else None),
        "authorization": (authorization.webhook, authorization.structured)
        if authorization is not None
        else (),
        "admission": (config.admission.config,) if config.admission is not None else (),
    }
    for name, values in asking.items():
        if any(value is not None for value in values):
            return f"controlPlane.{name}"
    return None


def given_mounts(kubernetes: KubernetesConfig, component: str) -> Iterator[Mount]:
    """Yield the mounts of a component that the configuration asks for, in order."""
    settings = _settings(kubernetes.control_plane, component)
    for index, volume in enumerate(settings.extra_volumes if settings is not None else ()):
        field = f"controlPlane.{component}.extraVolumes[{index}].mountPath"
        yield Mount(name=volume.name, path=volume.mount_path, field=field)


def arguments_of(kubernetes: KubernetesConfig, component: str) -> tuple[Argument, ...]:
    """Return the arguments of a component from the configuration."""
    settings = _settings(kubernetes.control_plane, component)
    return settings.extra_args if settings is not None else ()


def _settings(
    control_plane: ControlPlaneConfig | None, component: str
) -> ApiServer | Component | None:
    if control_plane is None:
        return None
    settings: ApiServer | Component | None = {
        "apiServer": control_plane.api_server,
        "controllerManager": control_plane.controller_manager,
        "scheduler": control_plane.scheduler,
    }[component]
    return settings


def files_are_seen(kubernetes: KubernetesConfig) -> Iterator[Finding]:
    """A file that an argument names must be below some mount; otherwise the component does not find it, and exits.

    A patch may mount it as well, so with patches nothing is reported.
    """
    # Its files are on the machine, and unknown here.
    if kubernetes.patches_directory is not None:
        return
    # A patch may add a mount, and it is tried elsewhere (patches.py).
    patched = {patch.target for patch in kubernetes.patches}
    for component, pod in COMPONENTS.items():
        if pod in patched:
            continue
        for index, argument in enumerate(arguments_of(kubernetes, component)):
            # A relative path is resolved in the container's working directory, which nobody relies
            # on.
            path = argument.value or ""
            read = argument.name.endswith(_READ) or argument.name == "config"
            if not read or argument.name in _WRITTEN or path[:1] != "/":
                continue
            if not _is_seen(path, kubernetes, component):
                yield finding(
                    "MA1430",
                    f"controlPlane.{component}.extraArgs[{index}].value",
                    f"{path} is below none of the mounts of {pod}, so it does not see that file",
                    f"add its directory to controlPlane.{component}.extraVolumes",
                )


def _is_seen(path: str, kubernetes: KubernetesConfig, component: str) -> bool:
    mounts = [*kubeadm_mounts(kubernetes, component), *given_mounts(kubernetes, component)]
    if component == "apiServer":
        mounts += our_mounts(kubernetes)
    # Of a name the last one counts.
    tops = [*{mount.name: mount.path for mount in mounts}.values(), *_WHERE_THERE]
    return any(path == top or path.startswith(f"{top.rstrip('/')}/") for top in tops)
