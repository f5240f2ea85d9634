"""A KubeadmConfig as a MachineBootstrap, and our status as one of its own. Pure.

It is converted as `machineadm convert` does it, for the one role that its machine has. What cannot be said in our types is an
error that names the field: a machine that lacks something silently is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from machineadm.api.meta import KeyReference, ValueSource
from machineadm.api.v1alpha1.agent_source import AgentSource
from machineadm.api.v1alpha1.certificates import CertificatePair, ControlPlaneCertificates
from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap
from machineadm.controllers.bootstrap.conditions import Said, summary
from machineadm.controllers.bootstrap.decide import RoleName
from machineadm.controllers.bootstrap.rendering import UnfitError
from machineadm.controllers.capi.types import AGENT_ANNOTATION, Bootstrap, Cluster, Machine
from machineadm.controllers.runtime.resources import (
    KUBEADM_CONFIGS_V1BETA1,
    MACHINE_BOOTSTRAPS,
)
from machineadm.documents.decoding import decode_kinds
from machineadm.rendering.objects import KINDS

AGENT_FLAG: Final = "--kubeadmconfig-agent"

_KEPT: Final = ("initialization", "dataSecretName", "observedGeneration", "conditions")
"""Fields of our status that a KubeadmConfig has, too."""

# Where a KubeadmConfigSpec can refer to a Secret: of a file, and of a user.
_SOURCES: Final = ("contentFrom", "passwdFrom")


class AgentError(ValueError):
    """Where the agent comes from is not said, or not in a form that can be used."""


# The spec stays as bytes until it is converted: its two versions differ, and conversion knows both.
class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    api_version: str
    spec: msgspec.Raw = msgspec.Raw(b"{}")


def agent_of(text: str, source: str) -> AgentSource:
    """Read `spec.agent` of a MachineBootstrap from what a flag or an annotation says.

    Args:
        text: YAML or JSON.
        source: Which flag or annotation, for the message.

    Raises:
        AgentError: It is not that.
    """
    # As a part of a document, so that every rule of the field holds. Indented: a text that ends the mapping is not a part of it.
    lines = [f"    {line}" for line in text.splitlines()]
    head = (
        f"apiVersion: {MACHINE_BOOTSTRAPS.api_version}\nkind: MachineBootstrap\nspec:\n  agent:\n"
    )
    documents = decode_kinds((head + "\n".join(lines) + "\n").encode(), file=source, kinds=KINDS)
    problems = [problem for one in documents for problem in one.problems]
    if problems:
        found = [(one.code, one.path.removeprefix("spec."), one.message) for one in problems]
        raise AgentError(f"{source}: {summary(found)}")
    value = documents[0].value if len(documents) == 1 else None
    agent = value.spec.agent if isinstance(value, MachineBootstrap) else None
    # CEL says the same of a MachineBootstrap; nobody asks the API server about an annotation.
    if agent is None or (agent.preinstalled is None) == (agent.download is None):
        raise AgentError(
            f"{source}: must be one of preinstalled and download, as spec.agent of a MachineBootstrap"
        )
    return agent


def converted(
    bootstrap: Bootstrap,
    role: RoleName,
    machine: Machine,
    cluster: Cluster,
    agent: AgentSource | None,
) -> MachineBootstrap:
    """Make a MachineBootstrap of a KubeadmConfig.

    Args:
        bootstrap: The KubeadmConfig.
        role: What its machine becomes.
        machine: Its owner.
        cluster: Its cluster; an annotation there wins over `agent`.
        agent: Where the agent comes from; None: nobody has said so.

    Raises:
        UnfitError: It cannot be converted whole.
    """
    # Here and not above: who adopts nothing need not load it.
    from machineadm.conversion.whole import Request, convert

    if cluster.agent:
        source = f"annotation {AGENT_ANNOTATION} of Cluster {cluster.name}"
        try:
            agent = agent_of(cluster.agent, source)
        except AgentError as error:
            raise UnfitError(_said("InvalidConfiguration", str(error))) from None
    if agent is None:
        message = (
            f"a KubeadmConfig does not say where its machine gets the agent from: set annotation {AGENT_ANNOTATION} of Cluster"
            f" {cluster.name}, or {AGENT_FLAG} of the controller"
        )
        raise UnfitError(_said("AgentNotConfigured", message))
    # Refused and not ignored: whoever names a store wants the keys kept out of user data.
    if machine.store is not None:
        message = f"{machine.kind} {machine.name}: spec.bootstrap.infrastructureRef: configurations of KubeadmConfigs are not kept in stores"
        raise UnfitError(_said("NotSupported", message))
    # kubeadm's configuration depends on the version, and a KubeadmConfig does not have one.
    if not machine.kubernetes_version:
        path = "spec.template.spec.version" if machine.pool else "spec.version"
        raise UnfitError(
            _said("InvalidConfiguration", f"{machine.kind} {machine.name}: {path} is missing")
        )
    try:
        given = msgspec.json.decode(bootstrap.raw, type=_Object)
    except (ValueError, RecursionError) as error:
        raise UnfitError(
            _said("InvalidConfiguration", f"the object cannot be read: {error}")
        ) from None
    # Without what the API server adds: it says nothing about the machine, and managedFields are longer than many a spec.
    document = {
        "apiVersion": given.api_version,
        "kind": bootstrap.resource.kind,
        "metadata": {"name": bootstrap.name, "namespace": bootstrap.namespace},
        "spec": given.spec,
    }
    # filled_in: it comes from a cluster, where `${NAME}` is text that nothing fills in any more.
    request = Request(
        to="MachineBootstrap", role=role, version=machine.kubernetes_version, filled_in=True
    )
    conversion = convert([(bootstrap.name, msgspec.json.encode(document))], request)
    wrong = [(one.code, one.path, one.message) for one in conversion.problems]
    if wrong or len(conversion.results) != 1:
        raise UnfitError(
            _said("InvalidConfiguration", summary(wrong) or "the object is not a KubeadmConfig")
        )
    (result,) = conversion.results
    # What `machineadm convert` asks a person about: here nobody is there to answer, and a guess
    # would be a machine that differs silently.
    open_ = [("", one.path, one.note or "cannot be expressed") for one in result.decisions]
    open_ += _partial(given.spec, role)
    if open_:
        raise UnfitError(_said("NotSupported", summary(open_)))
    # Through our own decoder, so that a field that conversion writes and our types refuse is found
    # here and not on the machine.
    (read,) = decode_kinds(result.text.encode(), file=bootstrap.name, kinds=KINDS)
    if read.problems or not isinstance(read.value, MachineBootstrap):
        found = [(one.code, one.path, one.message) for one in read.problems]
        raise UnfitError(
            _said("InvalidConfiguration", summary(found) or "the conversion is not readable")
        )
    value = replace(read.value, spec=replace(read.value.spec, agent=agent))
    return _with_external_etcd(value, role, cluster)


def references_in(raw: bytes) -> list[tuple[str, str]]:
    """Kind and name of the Secrets that a KubeadmConfig refers to, whatever else it says."""
    try:
        spec = msgspec.json.decode(msgspec.json.decode(raw, type=_Object).spec)
    except (ValueError, RecursionError):
        return []
    # Of an object that cannot be converted as well: it must be woken when what it lacks appears.
    return sorted({("Secret", name) for name in _referred(spec)})


def status_of(bootstrap: Bootstrap, status: Mapping[str, Any]) -> dict[str, Any]:
    """Our status as its version of a KubeadmConfig has it.

    Args:
        bootstrap: The KubeadmConfig.
        status: As of a MachineBootstrap.
    """
    kept = {name: status[name] for name in _KEPT if name in status}
    if bootstrap.resource != KUBEADM_CONFIGS_V1BETA1:
        return kept
    # Contract v1beta1: `ready` instead of `initialization`, and conditions in Cluster API's old form.
    old: dict[str, Any] = {
        name: kept[name] for name in ("dataSecretName", "observedGeneration") if name in kept
    }
    if kept.get("initialization"):
        old["ready"] = True
    # Cluster API has its condition Paused in the list of v1beta2 alone.
    old["conditions"] = [_old(one) for one in kept["conditions"] if one["type"] != "Paused"]
    old["v1beta2"] = {"conditions": kept["conditions"]}
    return old


def there(bootstrap: Bootstrap, owned: Mapping[str, Any], types: tuple[str, ...]) -> dict[str, Any]:
    """The part of its status that is there that this controller owns, in the form of `status_of`.

    Args:
        bootstrap: The KubeadmConfig.
        owned: That part as of a MachineBootstrap.
        types: The conditions that this controller owns.
    """
    status = bootstrap.status
    if bootstrap.resource != KUBEADM_CONFIGS_V1BETA1:
        return {name: owned[name] for name in _KEPT if name in owned}
    names = ("dataSecretName", "observedGeneration", "ready")
    found = {name: status[name] for name in names if status.get(name)}
    # All of them, whoever wrote them: the old list is atomic, so an apply of ours owns it whole.
    found["conditions"] = list(status.get("conditions") or ())
    newer = (status.get("v1beta2") or {}).get("conditions") or ()
    # The new list is merged by type, so here only ours count.
    by_type = {one["type"]: one for one in newer}
    found["v1beta2"] = {"conditions": [by_type[one] for one in types if one in by_type]}
    return found


def _old(condition: Mapping[str, Any]) -> dict[str, Any]:
    # A True condition of v1beta1 has no severity (Cluster API's proposal on conditions), and
    # nothing to explain.
    names = ("type", "status", "lastTransitionTime")
    found = {name: condition[name] for name in names}
    if condition["status"] == "True":
        return found
    # What waits is no error: clusterctl shows errors in red.
    waits = condition["status"] == "Unknown" or condition["reason"].startswith("Waiting")
    found["severity"] = "Info" if waits else "Error"
    return found | {name: condition[name] for name in ("reason", "message") if condition[name]}


def _said(reason: str, message: str) -> Said:
    return Said(status="False", reason=reason, message=message)


def _partial(spec: msgspec.Raw, role: RoleName) -> list[tuple[str, str, str]]:
    """What a discovery by token says that the conversion leaves to the manager, which would say it otherwise."""
    if role == "Initialize":
        return []
    read: Any = msgspec.json.decode(spec)
    path = "spec.joinConfiguration.discovery.bootstrapToken"
    for name in path.split(".")[1:]:
        read = read.get(name) if isinstance(read, dict) else None
    # With the endpoint it is a whole discovery, and is taken as it stands.
    if not isinstance(read, dict) or read.get("apiServerEndpoint"):
        return []
    note = "is only taken together with apiServerEndpoint; leave bootstrapToken out, and all of it is filled in"
    return [("", f"{path}.{name}", note) for name, value in sorted(read.items()) if value]


def _referred(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            secret = below.get("secret") if isinstance(below, dict) else None
            named = secret.get("name") if isinstance(secret, dict) else None
            if name in _SOURCES and isinstance(named, str):
                yield named
            else:
                yield from _referred(below)
    elif isinstance(value, list):
        for below in value:
            yield from _referred(below)


def _with_external_etcd(
    value: MachineBootstrap, role: RoleName, cluster: Cluster
) -> MachineBootstrap:
    """Have a control plane machine get its certificates of an external etcd, as Cluster API's own provider writes them."""
    kubernetes = value.spec.kubernetes
    if kubernetes is None or kubernetes.cluster is None or role == "JoinWorker":
        return value
    etcd = kubernetes.cluster.etcd
    if etcd is None or etcd.external is None or etcd.external.cert_file is None:
        return value
    # The user makes this Secret; its authority comes from <cluster>-etcd, as every other of the cluster.
    name = f"{cluster.name}-apiserver-etcd-client"
    pair = CertificatePair(
        certificate_from=ValueSource(secret=KeyReference(name=name, key="tls.crt")),
        key_from=ValueSource(secret=KeyReference(name=name, key="tls.key")),
    )
    control_plane = kubernetes.control_plane or ControlPlaneConfig()
    certificates = control_plane.certificates or ControlPlaneCertificates()
    control_plane = replace(
        control_plane, certificates=replace(certificates, apiserver_etcd_client=pair)
    )
    kubernetes = replace(kubernetes, control_plane=control_plane)
    return replace(value, spec=replace(value.spec, kubernetes=kubernetes))
