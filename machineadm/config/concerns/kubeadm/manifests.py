"""The manifests that kubeadm will write, as far as they are known in advance: patches are tried on them.

What depends on the machine (addresses, some directories) is `Unknown`, and lists that may get longer there are `Open`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from machineadm.api.v1alpha1.cluster import Argument, ContainerVariable
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.concerns.kubeadm.mounts import (
    COMPONENTS,
    arguments_of,
    given_mounts,
    kubeadm_mounts,
    our_mounts,
)
from machineadm.config.kubeadm_defaults import DNS_DOMAIN
from machineadm.config.machine_paths import certificates_directory
from machineadm.config.rules.patching import Open, Unknown

PODS: Final = {pod: component for component, pod in COMPONENTS.items()}
"""Targets of patches that are pods of ours, and the fields that shape them; etcd is another one."""

# More of them depend on version and configuration; too few leaves room in an `Open` list, too many
# would allow an index that is not there.
_ARGUMENTS: Final = {"etcd": 15, "apiServer": 24, "controllerManager": 13, "scheduler": 5}
"""How many arguments kubeadm gives at least (cmd/kubeadm/app/phases/controlplane/manifests.go)."""


def manifest(target: str, kubernetes: KubernetesConfig, minor: int | None) -> dict[str, Any] | None:
    """The object that a patch is applied to; None where there is none.

    Args:
        target: As of a patch.
        kubernetes: As configured.
        minor: The minor version of Kubernetes 1; None where it is newer than the tables.
    """
    # kubeadm writes these whatever the configuration says, so there is always something to patch.
    if target in PODS:
        component = PODS[target]
        mounts = {mount.name: mount.path for mount in kubeadm_mounts(kubernetes, component)}
        if component == "apiServer":
            mounts |= {mount.name: mount.path for mount in our_mounts(kubernetes)}
        # Last: kubeadm keeps volumes by name, and one of the configuration replaces its own.
        mounts |= {mount.name: mount.path for mount in given_mounts(kubernetes, component)}
        plane = kubernetes.control_plane
        settings = {
            "apiServer": plane.api_server if plane is not None else None,
            "controllerManager": plane.controller_manager if plane is not None else None,
            "scheduler": plane.scheduler if plane is not None else None,
        }[component]
        variables = settings.extra_env if settings is not None else ()
        return _pod(target, component, mounts, arguments_of(kubernetes, component), variables)
    cluster = kubernetes.cluster
    etcd = cluster.etcd if cluster is not None else None
    # With an external etcd there is no pod, and a patch for it is never applied.
    if target == "etcd" and (etcd is None or etcd.external is None):
        local = etcd.local if etcd is not None else None
        data = (local.data_dir if local is not None else None) or "/var/lib/etcd"
        mounts = {"etcd-data": data, "etcd-certs": f"{certificates_directory(kubernetes)}/etcd"}
        arguments = local.extra_args if local is not None else ()
        variables = local.extra_env if local is not None else ()
        return _pod("etcd", "etcd", mounts, arguments, variables)
    # What kubeadm itself fills in may be patched too, so it has to be here.
    if target == "kubeletconfiguration":
        given = cluster.kubelet if cluster is not None else None
        own = _KUBELET if minor is None else _of_version(_KUBELET, _KUBELET_TYPE, minor)
        return {**own, **(given or {})}
    return {"corednsdeployment": _DNS, "kubeproxydaemonset": _PROXY}.get(target)


_KUBELET_TYPE: Final = "kubelet.KubeletConfiguration"


def _of_version(value: dict[str, Any], type_: str, minor: int) -> dict[str, Any]:
    """Leave out the fields that a version does not have: its kubeadm does not write them."""
    from machineadm.config import upstream

    fields = upstream.fields()["types"][type_]
    found: dict[str, Any] = {}
    for name, item in value.items():
        kind = upstream.at(fields[name], minor)
        if kind is not None:
            deeper = isinstance(item, dict) and kind in upstream.fields()["types"]
            found[name] = _of_version(item, kind, minor) if deeper else item
    return found


def _pod(
    name: str,
    component: str,
    mounts: dict[str, str],
    arguments: tuple[Argument, ...],
    variables: tuple[ContainerVariable, ...],
) -> dict[str, Any]:
    port = {"apiServer": 6443, "controllerManager": 10257, "scheduler": 10259, "etcd": 2381}[
        component
    ]
    # Only their number counts: a JSON patch that inserts at an index needs it, and their values
    # depend on the machine.
    command = [name, *(Unknown("--") for _ in range(_ARGUMENTS[component]))]
    command += [f"--{one.name}={one.value}" for one in arguments if one.value is not None]
    probe = {"httpGet": {"host": Unknown("127.0.0.1"), "path": "/livez", "port": "probe-port", "scheme": "HTTPS"},
             "initialDelaySeconds": 10, "periodSeconds": 10, "timeoutSeconds": 15, "failureThreshold": 8}  # fmt: skip
    container: dict[str, Any] = {
        "command": Open(command),
        "image": Unknown(f"registry.k8s.io/{name}"),
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": probe,
        "name": name,
        "ports": [{"containerPort": port, "name": "probe-port", "protocol": "TCP"}],
        "resources": {"requests": {"cpu": Unknown("100m")}},
        "startupProbe": dict(probe),
        "volumeMounts": Open({"mountPath": mounts[one], "name": one} for one in sorted(mounts)),
    }
    # kubeadm gives the controller manager none: it serves no /readyz.
    if component != "controllerManager":
        container["readinessProbe"] = dict(probe)
    if variables:
        named = {one.name: _variable(one) for one in variables}
        # By name, as kubeadm sorts them (MergeKubeadmEnvVars); a proxy's variables of the machine
        # come between.
        container["env"] = Open(named[one] for one in sorted(named))
    # The advertised address and etcd's client URL, which other control planes read to find this
    # one.
    annotated = component in ("apiServer", "etcd")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **(
                {"annotations": {"kubeadm.kubernetes.io/endpoint": Unknown("")}}
                if annotated
                else {}
            ),
            "labels": {"component": name, "tier": "control-plane"},
            "name": name,
            "namespace": "kube-system",
        },
        "spec": {
            "containers": [container],
            "hostNetwork": True,
            "priority": 2000001000,
            "priorityClassName": "system-node-critical",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": Open(
                {"hostPath": {"path": mounts[one], "type": Unknown("")}, "name": one}
                for one in sorted(mounts)
            ),
        },
        "status": {},
    }


def _variable(variable: ContainerVariable) -> dict[str, Any]:
    found: dict[str, Any] = {"name": variable.name}
    # A patch may look at its name; what it holds must not be in a message.
    if variable.value is not None:
        found["value"] = Unknown("")  # it may be a secret
    if variable.value_from is not None:
        found["valueFrom"] = msgspec.to_builtins(variable.value_from)
    return found


# metav1.Duration has no omitempty: kubeadm writes 0s, and the kubelet replaces it by its default.
_DURATIONS: Final = (
    "cpuManagerReconcilePeriod", "evictionPressureTransitionPeriod", "fileCheckFrequency", "httpCheckFrequency", "imageMaximumGCAge",
    "imageMinimumGCAge", "nodeStatusReportFrequency", "nodeStatusUpdateFrequency", "runtimeRequestTimeout", "shutdownGracePeriod",
    "shutdownGracePeriodCriticalPods", "streamingConnectionIdleTimeout", "syncFrequency", "volumeStatsAggPeriod",
)  # fmt: skip
_KUBELET: Final[dict[str, Any]] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "authentication": {"anonymous": {"enabled": False}, "webhook": {"cacheTTL": "0s", "enabled": True}, "x509": {"clientCAFile": Unknown("")}},
    "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "0s", "cacheUnauthorizedTTL": "0s"}},
    "cgroupDriver": Unknown("systemd"),
    "clusterDNS": Open([Unknown("10.96.0.10")]),
    "clusterDomain": Unknown(DNS_DOMAIN),
    "containerRuntimeEndpoint": "",
    "crashLoopBackOff": {},
    "healthzBindAddress": "127.0.0.1",
    "healthzPort": 10248,
    "kind": "KubeletConfiguration",
    "logging": {"flushFrequency": 0, "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}}, "verbosity": 0},
    "memorySwap": {},
    "resolvConf": Unknown(""),
    "rotateCertificates": True,
    "staticPodPath": "/etc/kubernetes/manifests",
    **dict.fromkeys(_DURATIONS, "0s"),
}  # fmt: skip
"""What kubeadm writes of a KubeletConfiguration where nobody says otherwise (cmd/kubeadm/app/componentconfigs)."""

_DNS: Final[dict[str, Any]] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"labels": {"k8s-app": "kube-dns"}, "name": "coredns", "namespace": "kube-system"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
        "strategy": {"rollingUpdate": {"maxUnavailable": 1}, "type": "RollingUpdate"},
        "template": {
            "metadata": {"labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "affinity": {"podAntiAffinity": {}},
                "containers": [{
                    "args": ["-conf", "/etc/coredns/Corefile"],
                    "image": Unknown(""),
                    "imagePullPolicy": "IfNotPresent",
                    "livenessProbe": {"failureThreshold": 5, "httpGet": {}, "initialDelaySeconds": 60, "timeoutSeconds": 5},
                    "name": "coredns",
                    "ports": [{"containerPort": port, "name": name, "protocol": protocol} for port, name, protocol in (
                        (53, "dns", "UDP"), (53, "dns-tcp", "TCP"), (9153, "metrics", "TCP"), (8080, "liveness-probe", "TCP"),
                        (8181, "readiness-probe", "TCP"))],
                    "readinessProbe": {"httpGet": {}},
                    "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
                                        "readOnlyRootFilesystem": True},
                    "volumeMounts": [{"mountPath": "/etc/coredns", "name": "config-volume", "readOnly": True}],
                }],
                "dnsPolicy": "Default",
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "priorityClassName": "system-cluster-critical",
                "serviceAccountName": "coredns",
                "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}, {"effect": "NoSchedule", "key": Unknown("")}],
                "volumes": [{"configMap": {"items": [{"key": "Corefile", "path": "Corefile"}], "name": "coredns"}, "name": "config-volume"}],
            },
        },
    },
}  # fmt: skip
"""CoreDNS' Deployment (cmd/kubeadm/app/phases/addons/dns/manifests.go)."""

_PROXY: Final[dict[str, Any]] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"labels": {"k8s-app": "kube-proxy"}, "name": "kube-proxy", "namespace": "kube-system"},
    "spec": {
        "selector": {"matchLabels": {"k8s-app": "kube-proxy"}},
        "template": {
            "metadata": {"labels": {"k8s-app": "kube-proxy"}},
            "spec": {
                "containers": [{
                    "command": ["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf", "--hostname-override=$(NODE_NAME)"],
                    "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    "image": Unknown(""),
                    "imagePullPolicy": "IfNotPresent",
                    "name": "kube-proxy",
                    "resources": {},
                    "securityContext": {"privileged": True},
                    "volumeMounts": [
                        {"mountPath": "/var/lib/kube-proxy", "name": "kube-proxy"},
                        {"mountPath": "/run/xtables.lock", "name": "xtables-lock"},
                        {"mountPath": "/lib/modules", "name": "lib-modules", "readOnly": True},
                    ],
                }],
                "hostNetwork": True,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "priorityClassName": "system-node-critical",
                "serviceAccountName": "kube-proxy",
                "tolerations": [{"operator": "Exists"}],
                "volumes": [
                    {"configMap": {"name": "kube-proxy"}, "name": "kube-proxy"},
                    {"hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}, "name": "xtables-lock"},
                    {"hostPath": {"path": "/lib/modules", "type": ""}, "name": "lib-modules"},
                ],
            },
        },
        "updateStrategy": {"type": "RollingUpdate"},
    },
    "status": {"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0},
}  # fmt: skip
"""kube-proxy's DaemonSet (cmd/kubeadm/app/phases/addons/proxy/manifests.go), which a patch reaches from 1.37 on."""
