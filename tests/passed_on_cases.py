"""Documents that a configuration passes on, right ones and each with one fault: what is said of them, and where.

The same cases go to the machine's own rules (tests/unit) and to Kubernetes' code (tests/conformance).
"""

from __future__ import annotations

import copy
import re
from typing import Any, Final, NamedTuple

DROP: Final = object()
"""The field is left out."""


class Case(NamedTuple):
    """A document and what is wrong with it."""

    kind: str
    name: str
    document: dict[str, Any]
    place: str
    """The path of the fault in the document; empty where there is none."""

    known_to_judge: bool
    """`component_validate` of tests/judges says so, too."""


POLICY: Final[dict[str, Any]] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "metadata": {"name": "default"},
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:kube-proxy"], "nonResourceURLs": ["/healthz*"]},
        {
            "level": "RequestResponse",
            "verbs": ["create"],
            "resources": [{"group": "apps", "resources": ["deployments"]}],
            "namespaces": ["default"],
        },
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "pods/log"]}]},
    ],
}

AUTHENTICATION: Final[dict[str, Any]] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": True, "conditions": [{"path": "/livez"}]},
    "jwt": [
        {
            "issuer": {
                "url": "https://login.example.org",
                "audiences": ["cluster", "tools"],
                "audienceMatchPolicy": "MatchAny",
            },
            "claimValidationRules": [{"claim": "hd", "requiredValue": "example.org"}],
            "claimMappings": {
                "username": {"claim": "sub", "prefix": "oidc:"},
                "groups": {"claim": "groups", "prefix": ""},
                "uid": {"claim": "sub"},
                "extra": [{"key": "example.org/team", "valueExpression": "claims.team"}],
            },
            "userValidationRules": [{"expression": "user.username != ''"}],
        }
    ],
}

AUTHORIZATION: Final[dict[str, Any]] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthorizationConfiguration",
    "authorizers": [
        {"type": "Node", "name": "node"},
        {"type": "RBAC", "name": "rbac"},
        {
            "type": "Webhook",
            "name": "policy.example.org",
            "webhook": {
                "timeout": "3s",
                "authorizedTTL": "30s",
                "unauthorizedTTL": "30s",
                "subjectAccessReviewVersion": "v1",
                "matchConditionSubjectAccessReviewVersion": "v1",
                "failurePolicy": "Deny",
                "connectionInfo": {"type": "InClusterConfig"},
                "matchConditions": [{"expression": "request.user != 'admin'"}],
            },
        },
    ],
}

ADMISSION: Final[dict[str, Any]] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AdmissionConfiguration",
    "plugins": [
        {
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {
                    "enforce": "baseline",
                    "enforce-version": "latest",
                    "audit": "restricted",
                    "audit-version": "v1.30",
                },
                "exemptions": {"usernames": ["admin"], "namespaces": ["kube-system"]},
            },
        },
        {
            "name": "EventRateLimit",
            "configuration": {
                "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
                "kind": "Configuration",
                "limits": [{"type": "Server", "qps": 50, "burst": 100}],
            },
        },
    ],
}

POD: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "proxy", "namespace": "kube-system", "labels": {"app": "proxy"}},
    "spec": {
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
        "initContainers": [{"name": "first", "image": "registry.example.com/init:1"}],
        "containers": [
            {
                "name": "proxy",
                "image": "registry.example.com/proxy:1",
                "args": ["--listen", ":8443"],
                "env": [
                    {"name": "MODE", "value": "strict"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
                ],
                "ports": [{"name": "https", "containerPort": 8443, "hostPort": 8443}],
                "livenessProbe": {"httpGet": {"path": "/", "port": 8443}, "periodSeconds": 5},
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
                "volumeMounts": [{"name": "run", "mountPath": "/run/proxy"}],
                "securityContext": {"runAsUser": 1000, "readOnlyRootFilesystem": True},
            }
        ],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/proxy", "type": "DirectoryOrCreate"}},
            {"name": "tmp", "emptyDir": {"medium": "Memory"}},
        ],
    },
}

KUBELET: Final[dict[str, Any]] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "maxPods": 200,
    "featureGates": {"NodeLogQuery": True},
    "enableSystemLogQuery": True,
    "enableSystemLogHandler": True,
    "cgroupDriver": "systemd",
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
    "podPidsLimit": 4096,
    "kubeReserved": {"cpu": "100m", "memory": "256Mi"},
    "evictionHard": {"memory.available": "200Mi"},
    "imageGCHighThresholdPercent": 75,
    "imageGCLowThresholdPercent": 70,
    "shutdownGracePeriod": "30s",
    "shutdownGracePeriodCriticalPods": "10s",
    "registerWithTaints": [{"key": "example.com/gpu", "effect": "NoSchedule"}],
    "memorySwap": {"swapBehavior": "LimitedSwap"},
    "logging": {"format": "text", "verbosity": 2},
    "tracing": {"endpoint": "localhost:4317", "samplingRatePerMillion": 100},
    "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"],
}

KUBE_PROXY: Final[dict[str, Any]] = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "iptables",
    "bindAddress": "10.0.0.1",
    "metricsBindAddress": "127.0.0.1:10249",
    "healthzBindAddress": "[::]:10256",
    "clusterCIDR": "10.244.0.0/16",
    "nodePortAddresses": ["10.0.0.0/8"],
    "iptables": {"masqueradeBit": 14, "syncPeriod": "30s", "minSyncPeriod": "1s"},
    "ipvs": {"excludeCIDRs": ["10.1.0.0/16"]},
    "conntrack": {"maxPerCore": 32768, "tcpEstablishedTimeout": "24h"},
    "oomScoreAdj": -998,
    "detectLocalMode": "ClusterCIDR",
}

RIGHT: Final = {
    "Policy": POLICY,
    "AuthenticationConfiguration": AUTHENTICATION,
    "AuthorizationConfiguration": AUTHORIZATION,
    "AdmissionConfiguration": ADMISSION,
    "Pod": POD,
    "KubeletConfiguration": KUBELET,
    "KubeProxyConfiguration": KUBE_PROXY,
}

_JWT: Final = "jwt[0]"
_WEBHOOK: Final = "authorizers[2].webhook"
_PS: Final = "plugins[0].configuration"
_ERL: Final = "plugins[1].configuration"
_C: Final = "spec.containers[0]"

# name, the field that is changed, its value, the place of the fault where it is another one, and what else is changed
_FAULTS: Final[dict[str, tuple[tuple[Any, ...], ...]]] = {
    "Policy": (
        ("unknown field at the top", "omitStage", []),
        ("unknown field of a rule", "rules[0].levels", "None"),
        ("unknown field of resources", "rules[1].resources[0].groups", ["apps"]),
        ("unknown field of metadata", "metadata.nam", "x"),
        ("no such level", "rules[1].level", "Body"),
        ("level in lower case", "rules[1].level", "metadata"),
        ("level that is a number", "rules[1].level", 1),
        ("no level", "rules[1].level", DROP),
        ("no such stage", "omitStages[0]", "Received"),
        ("no such stage of a rule", "rules[0].omitStages", ["Sent"], "rules[0].omitStages[0]"),
        ("users that are a string", "rules[0].users", "admin"),
        ("a user that is a number", "rules[0].users[0]", 7),
        ("group with a version", "rules[1].resources[0].group", "apps/v1"),
        ("group in upper case", "rules[1].resources[0].group", "Apps"),
        ("paths and resources", "rules[1].nonResourceURLs", ["/metrics"]),
        ("paths and namespaces", "rules[0].namespaces", ["a"], "rules[0].nonResourceURLs"),
        ("star within a path", "rules[0].nonResourceURLs[0]", "/a*/b"),
        ("path without a slash", "rules[0].nonResourceURLs[0]", "healthz"),
        ("switch that is a string", "omitManagedFields", "true"),
        (
            "names without resources",
            "rules[1].resources[0]",
            {"resourceNames": ["a"]},
            "rules[1].resources[0].resourceNames",
        ),
        ("every group", "rules[1].resources[0].group", "*"),
        ("group with an underscore", "rules[1].resources[0].group", "my_apps"),
    ),
    "AuthenticationConfiguration": (
        ("unknown field", "anonymous.enable", True),
        ("unknown field of an issuer", f"{_JWT}.issuer.uri", "https://a.example"),
        ("unknown field of a mapping", f"{_JWT}.claimMapping", {}),
        ("conditions while off", "anonymous.enabled", False, "anonymous.conditions"),
        ("switch that is a string", "anonymous.enabled", "yes"),
        ("no issuer", f"{_JWT}.issuer.url", DROP),
        ("issuer by http", f"{_JWT}.issuer.url", "http://login.example.org"),
        ("issuer with a fragment", f"{_JWT}.issuer.url", "https://login.example.org#x"),
        ("issuer with a query", f"{_JWT}.issuer.url", "https://login.example.org?x=1"),
        ("issuer with a user", f"{_JWT}.issuer.url", "https://me:pw@login.example.org"),
        ("no audiences", f"{_JWT}.issuer.audiences", DROP),
        ("empty audience", f"{_JWT}.issuer.audiences[0]", ""),
        ("audience twice", f"{_JWT}.issuer.audiences[1]", "cluster"),
        ("two audiences without a policy", f"{_JWT}.issuer.audienceMatchPolicy", DROP),
        ("no such policy", f"{_JWT}.issuer.audienceMatchPolicy", "MatchAll"),
        ("discovery at the issuer", f"{_JWT}.issuer.discoveryURL", "https://login.example.org/"),
        ("discovery by http", f"{_JWT}.issuer.discoveryURL", "http://other.example.org"),
        ("authority that is not PEM", f"{_JWT}.issuer.certificateAuthority", "nothing"),
        ("claim without a prefix", f"{_JWT}.claimMappings.username.prefix", DROP),
        ("groups without a prefix", f"{_JWT}.claimMappings.groups.prefix", DROP),
        (
            "claim and expression",
            f"{_JWT}.claimMappings.username.expression",
            "claims.sub",
            f"{_JWT}.claimMappings.username",
        ),
        (
            "uid twice",
            f"{_JWT}.claimMappings.uid.expression",
            "claims.sub",
            f"{_JWT}.claimMappings.uid",
        ),
        ("no user name", f"{_JWT}.claimMappings.username", DROP),
        ("key without a domain", f"{_JWT}.claimMappings.extra[0].key", "team"),
        ("key in upper case", f"{_JWT}.claimMappings.extra[0].key", "example.org/Team"),
        ("key of Kubernetes", f"{_JWT}.claimMappings.extra[0].key", "authn.k8s.io/team"),
        ("no value of a key", f"{_JWT}.claimMappings.extra[0].valueExpression", DROP),
        ("empty rule", f"{_JWT}.claimValidationRules[0]", {}),
        ("message without an expression", f"{_JWT}.claimValidationRules[0].message", "no"),
        (
            "no expression of a user rule",
            f"{_JWT}.userValidationRules[0]",
            {"message": "x"},
            f"{_JWT}.userValidationRules[0].expression",
        ),
        (
            "authority of other bytes",
            f"{_JWT}.issuer.certificateAuthority",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        ("issuer with a word for a port", f"{_JWT}.issuer.url", "https://login.example.org:https"),
        ("issuer with a blank in its host", f"{_JWT}.issuer.url", "https://login example.org"),
        ("discovery with a damaged escape", f"{_JWT}.issuer.discoveryURL", "https://a.example/%zz"),
        (
            "key with a blank in its path",
            f"{_JWT}.claimMappings.extra[0].key",
            "example.org/my team",
        ),
    ),
    "AuthorizationConfiguration": (
        ("nobody decides", "authorizers", []),
        ("no authorizers", "authorizers", DROP),
        ("unknown field", "authorizers[0].foo", 1),
        ("mistyped field", "authorizerss", []),
        ("type in lower case", "authorizers[1].type", "rbac"),
        ("no such type", "authorizers[1].type", "OPA"),
        ("type twice", "authorizers[1]", {"type": "Node", "name": "node"}, "authorizers[1].type"),
        ("name twice", "authorizers[2].name", "node"),
        ("no name", "authorizers[2].name", DROP),
        ("name in upper case", "authorizers[2].name", "Policy"),
        ("webhook of another type", "authorizers[0].webhook", {"timeout": "3s"}),
        ("no webhook", "authorizers[2].webhook", DROP),
        ("timeout too long", f"{_WEBHOOK}.timeout", "31s"),
        ("no timeout", f"{_WEBHOOK}.timeout", DROP),
        ("timeout that is a number", f"{_WEBHOOK}.timeout", 3),
        ("timeout without a unit", f"{_WEBHOOK}.timeout", "3"),
        ("no such review", f"{_WEBHOOK}.subjectAccessReviewVersion", "v2"),
        ("no review", f"{_WEBHOOK}.subjectAccessReviewVersion", DROP),
        ("no failure policy", f"{_WEBHOOK}.failurePolicy", DROP),
        ("no such failure policy", f"{_WEBHOOK}.failurePolicy", "Allow"),
        ("no connection", f"{_WEBHOOK}.connectionInfo", {}, f"{_WEBHOOK}.connectionInfo.type"),
        (
            "relative file",
            f"{_WEBHOOK}.connectionInfo",
            {"type": "KubeConfigFile", "kubeConfigFile": "w.conf"},
            f"{_WEBHOOK}.connectionInfo.kubeConfigFile",
        ),
        ("file of another type", f"{_WEBHOOK}.connectionInfo.kubeConfigFile", "/etc/w.conf"),
        (
            "conditions without a review",
            f"{_WEBHOOK}.matchConditionSubjectAccessReviewVersion",
            DROP,
        ),
        ("empty condition", f"{_WEBHOOK}.matchConditions[0].expression", " "),
    ),
    "AdmissionConfiguration": (
        ("unknown field", "plugin", []),
        ("unknown field of a plugin", "plugins[0].config", {}),
        ("no name", "plugins[0].name", ""),
        ("plugin twice", "plugins[1]", {"name": "PodSecurity"}, "plugins[1].name"),
        ("configuration that is a string", "plugins[0].configuration", "x"),
        ("configuration of no kind", f"{_PS}.kind", DROP, _PS),
        ("unknown field of PodSecurity", f"{_PS}.default", {}),
        ("no such level", f"{_PS}.defaults.enforce", "strict"),
        ("version without a v", f"{_PS}.defaults.enforce-version", "1.30"),
        ("namespace in upper case", f"{_PS}.exemptions.namespaces[0]", "Kube"),
        (
            "namespace twice",
            f"{_PS}.exemptions.namespaces",
            ["a", "a"],
            f"{_PS}.exemptions.namespaces[1]",
        ),
        ("empty user", f"{_PS}.exemptions.usernames[0]", ""),
        ("no limits", f"{_ERL}.limits", []),
        ("no such limit", f"{_ERL}.limits[0].type", "Name"),
        ("no burst", f"{_ERL}.limits[0].burst", DROP),
        ("negative rate", f"{_ERL}.limits[0].qps", -1),
    ),
    "Pod": (
        ("no image", f"{_C}.image", DROP),
        ("image with a blank", f"{_C}.image", " x"),
        ("no name of a container", f"{_C}.name", DROP),
        ("name of a container in upper case", f"{_C}.name", "Proxy"),
        ("container twice", "spec.initContainers[0].name", "proxy", "spec.initContainers[0].name"),
        ("no containers", "spec.containers", []),
        ("no name", "metadata.name", DROP),
        ("unknown field of the spec", "spec.hostNetworks", True),
        ("unknown field of a container", f"{_C}.arg", []),
        ("unknown field of metadata", "metadata.namespaces", "a"),
        ("mount of no volume", f"{_C}.volumeMounts[0].name", "var"),
        (
            "mount twice",
            f"{_C}.volumeMounts",
            [{"name": "run", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/a"}],
            f"{_C}.volumeMounts[1].mountPath",
        ),
        ("mount of nowhere", f"{_C}.volumeMounts[0].mountPath", DROP),
        ("mount above its volume", f"{_C}.volumeMounts[0].subPath", "../a"),
        ("no such type of a path", "spec.volumes[0].hostPath.type", "Dir"),
        ("path with dots", "spec.volumes[0].hostPath.path", "/run/../etc"),
        ("no path", "spec.volumes[0].hostPath.path", DROP),
        ("volume twice", "spec.volumes[1].name", "run"),
        ("volume with an underscore", "spec.volumes[1].name", "tmp_files"),
        ("volume of two sources", "spec.volumes[1].hostPath", {"path": "/tmp"}),
        ("no such DNS policy", "spec.dnsPolicy", "Cluster"),
        ("no such pull policy", f"{_C}.imagePullPolicy", "Sometimes"),
        ("restart policy in lower case", "spec.restartPolicy", "always"),
        ("port too large", f"{_C}.ports[0].containerPort", 70000),
        ("port that is a string", f"{_C}.ports[0].containerPort", "8443"),
        ("another port of the host", f"{_C}.ports[0].hostPort", 443),
        ("name of a port too long", f"{_C}.ports[0].name", "a-name-that-is-long"),
        ("no such protocol", f"{_C}.ports[0].protocol", "http"),
        ("amount that is none", f"{_C}.resources.limits.memory", "1 Gi"),
        ("amount of letters", f"{_C}.resources.requests.cpu", "one"),
        ("more than the limit", f"{_C}.resources.requests.cpu", "2"),
        ("probe of nothing", f"{_C}.livenessProbe", {"periodSeconds": 5}),
        ("probe of two", f"{_C}.livenessProbe.tcpSocket", {"port": 1}),
        ("negative period", f"{_C}.livenessProbe.periodSeconds", -1),
        ("probe of port 0", f"{_C}.livenessProbe.httpGet.port", 0),
        ("namespace in upper case", "metadata.namespace", "Kube"),
        ("name in upper case", "metadata.name", "Proxy"),
        ("label with a blank", "metadata.labels", {"a b": "c"}, 'metadata.labels["a b"]'),
        ("value of a label with a blank", "metadata.labels.app", "a b"),
        ("variable without a name", f"{_C}.env[0].name", DROP),
        ("variable with an equals sign", f"{_C}.env[0].name", "A=B"),
        ("variable that is a number", f"{_C}.env[0].value", 1),
        ("variable of two sources", f"{_C}.env[1].value", "x", f"{_C}.env[1].valueFrom"),
        (
            "privileged without escalation",
            f"{_C}.securityContext",
            {"privileged": True, "allowPrivilegeEscalation": False},
            f"{_C}.securityContext.allowPrivilegeEscalation",
        ),
        ("negative user", f"{_C}.securityContext.runAsUser", -1),
        ("no such operator", "spec.tolerations[0].operator", "Exist"),
        ("toleration of all by Equal", "spec.tolerations[0].operator", "Equal"),
        (
            "seconds of another effect",
            "spec.tolerations[0]",
            {"operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3},
            "spec.tolerations[0].tolerationSeconds",
        ),
        ("service account", "spec.serviceAccountName", "proxy"),
        (
            "variable of a config map",
            f"{_C}.env[0]",
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
            f"{_C}.env[0].valueFrom.configMapKeyRef",
        ),
        (
            "variables of a secret",
            f"{_C}.envFrom",
            [{"secretRef": {"name": "a"}}],
            f"{_C}.envFrom[0].secretRef",
        ),
        (
            "volume of a config map",
            "spec.volumes[1]",
            {"name": "tmp", "configMap": {"name": "a"}},
            "spec.volumes[1].configMap",
        ),
        (
            "claim",
            "spec.volumes[1]",
            {"name": "tmp", "persistentVolumeClaim": {"claimName": "a"}},
            "spec.volumes[1].persistentVolumeClaim",
        ),
        (
            "host alias of no address",
            "spec.hostAliases",
            [{"ip": "a.example", "hostnames": ["b"]}],
            "spec.hostAliases[0].ip",
        ),
        (
            "profile without a type",
            f"{_C}.securityContext.seccompProfile",
            {},
            f"{_C}.securityContext.seccompProfile.type",
        ),
        (
            "label of a node selector",
            "spec.nodeSelector",
            {"disk": "a b"},
            "spec.nodeSelector.disk",
        ),
        (
            "capability that escalates",
            f"{_C}.securityContext",
            {"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"]}},
            f"{_C}.securityContext.allowPrivilegeEscalation",
        ),
        (
            "profile above its directory",
            f"{_C}.securityContext.seccompProfile",
            {"type": "Localhost", "localhostProfile": "../a"},
            f"{_C}.securityContext.seccompProfile.localhostProfile",
        ),
        (
            "user that Windows cannot have",
            f"{_C}.securityContext.windowsOptions",
            {"runAsUserName": "a=b"},
            f"{_C}.securityContext.windowsOptions.runAsUserName",
        ),
        ("mounts that come back out", f"{_C}.volumeMounts[0].mountPropagation", "Bidirectional"),
        ("recursive without read-only", f"{_C}.volumeMounts[0].recursiveReadOnly", "Enabled"),
        (
            "device that is a directory",
            f"{_C}.volumeDevices",
            [{"name": "tmp", "devicePath": "/dev/a"}],
            f"{_C}.volumeDevices[0].name",
        ),
        ("field of no pod", f"{_C}.env[1].valueFrom.fieldRef.fieldPath", "status.phase"),
        (
            "resource of no container",
            f"{_C}.env[1].valueFrom",
            {"resourceFieldRef": {"resource": "limits.gpu"}},
            f"{_C}.env[1].valueFrom.resourceFieldRef.resource",
        ),
        (
            "unit of another resource",
            f"{_C}.env[1].valueFrom",
            {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1Mi"}},
            f"{_C}.env[1].valueFrom.resourceFieldRef.divisor",
        ),
        (
            "resource that is none",
            f"{_C}.resources.limits",
            {"cpus": "1"},
            f"{_C}.resources.limits.cpus",
        ),
        (
            "half a device",
            f"{_C}.resources.limits",
            {"cpu": "1", "example.com/gpu": "500m"},
            f'{_C}.resources.limits["example.com/gpu"]',
        ),
        (
            "device without a limit",
            f"{_C}.resources.requests",
            {"example.com/gpu": "1"},
            f'{_C}.resources.requests["example.com/gpu"]',
        ),
        (
            "part of a page",
            f"{_C}.resources.limits",
            {"cpu": "1", "hugepages-2Mi": "3Mi"},
            f"{_C}.resources.limits.hugepages-2Mi",
        ),
        ("pages alone", f"{_C}.resources", {"limits": {"hugepages-2Mi": "4Mi"}}),
        (
            "claim of no pod",
            f"{_C}.resources.claims",
            [{"name": "a"}],
            f"{_C}.resources.claims[0].name",
        ),
        (
            "header with a blank",
            f"{_C}.livenessProbe.httpGet.httpHeaders",
            [{"name": "X A", "value": "b"}],
            f"{_C}.livenessProbe.httpGet.httpHeaders[0].name",
        ),
        (
            "sleep longer than the pod",
            f"{_C}.lifecycle",
            {"preStop": {"sleep": {"seconds": 60}}},
            f"{_C}.lifecycle.preStop.sleep.seconds",
        ),
        (
            "signal of no system",
            f"{_C}.lifecycle",
            {"stopSignal": "SIGTERM"},
            f"{_C}.lifecycle.stopSignal",
        ),
        (
            "resizing of a disk",
            f"{_C}.resizePolicy",
            [{"resourceName": "disk", "restartPolicy": "NotRequired"}],
            f"{_C}.resizePolicy[0].resourceName",
        ),
        ("restarts of one container", f"{_C}.restartPolicy", "Always"),
        ("restarts of an init container", "spec.initContainers[0].restartPolicy", "Never"),
        ("memory below zero", "spec.volumes[1].emptyDir.sizeLimit", "-1Gi"),
        (
            "export without a server",
            "spec.volumes[1]",
            {"name": "tmp", "nfs": {"path": "/a"}},
            "spec.volumes[1].nfs.server",
        ),
        (
            "export by a relative path",
            "spec.volumes[1]",
            {"name": "tmp", "nfs": {"server": "a", "path": "b"}},
            "spec.volumes[1].nfs.path",
        ),
        (
            "target of another form",
            "spec.volumes[1]",
            {"name": "tmp", "iscsi": {"targetPortal": "a", "iqn": "iqn.x", "lun": 0}},
            "spec.volumes[1].iscsi.iqn",
        ),
        (
            "file of no field",
            "spec.volumes[1]",
            {"name": "tmp", "downwardAPI": {"items": [{"path": "a"}]}},
            "spec.volumes[1].downwardAPI.items[0]",
        ),
        (
            "file above its volume",
            "spec.volumes[1]",
            {
                "name": "tmp",
                "downwardAPI": {
                    "items": [{"path": "../a", "fieldRef": {"fieldPath": "metadata.name"}}]
                },
            },
            "spec.volumes[1].downwardAPI.items[0].path",
        ),
        (
            "mode beyond its bits",
            "spec.volumes[1]",
            {"name": "tmp", "downwardAPI": {"defaultMode": 1000}},
            "spec.volumes[1].downwardAPI.defaultMode",
        ),
        (
            "projection of nothing",
            "spec.volumes[1]",
            {"name": "tmp", "projected": {"sources": [{}]}},
            "spec.volumes[1].projected.sources[0]",
        ),
        (
            "four name servers",
            "spec.dnsConfig",
            {"nameservers": ["10.0.0.1"] * 4},
            "spec.dnsConfig.nameservers",
        ),
        (
            "search domain in upper case",
            "spec.dnsConfig",
            {"searches": ["Example.org"]},
            "spec.dnsConfig.searches[0]",
        ),
        (
            "option without a name",
            "spec.dnsConfig",
            {"options": [{"value": "2"}]},
            "spec.dnsConfig.options[0].name",
        ),
        (
            "alias in upper case",
            "spec.hostAliases",
            [{"ip": "10.0.0.1", "hostnames": ["B"]}],
            "spec.hostAliases[0].hostnames[0]",
        ),
        (
            "processes of host and pod",
            "spec.shareProcessNamespace",
            True,
            "spec.shareProcessNamespace",
            {"spec.hostPID": True},
        ),
        ("users beside the host's network", "spec.hostUsers", False, "spec.hostNetwork"),
        (
            "parameter of the host's network",
            "spec.securityContext",
            {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]},
            "spec.securityContext.sysctls[0].name",
        ),
        (
            "parameter with a blank",
            "spec.securityContext",
            {"sysctls": [{"name": "kernel shm", "value": "1"}]},
            "spec.securityContext.sysctls[0].name",
        ),
        (
            "group below zero",
            "spec.securityContext",
            {"supplementalGroups": [-1]},
            "spec.securityContext.supplementalGroups[0]",
        ),
        ("class in upper case", "spec.priorityClassName", "System"),
        ("runtime with an underscore", "spec.runtimeClassName", "my_runtime"),
        ("system without a name", "spec.os", {}, "spec.os.name"),
        (
            "affinity without terms",
            "spec.affinity",
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
                }
            },
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
        ),
        (
            "expression without values",
            "spec.affinity",
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "a", "operator": "In"}]}
                        ]
                    }
                }
            },
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values",
        ),
        (
            "weight above 100",
            "spec.affinity",
            {
                "podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 101, "podAffinityTerm": {"topologyKey": "a"}}
                    ]
                }
            },
            "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight",
        ),
        (
            "no key of a topology",
            "spec.affinity",
            {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}},
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
        ),
        (
            "spread of nothing",
            "spec.topologySpreadConstraints",
            [{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}],
            "spec.topologySpreadConstraints[0].maxSkew",
        ),
        (
            "key of an annotation with a blank",
            "metadata.annotations",
            {"a b": "c"},
            'metadata.annotations["a b"]',
        ),
        (
            "profile of no container",
            "metadata.annotations",
            {"container.apparmor.security.beta.kubernetes.io/web": "runtime/default"},
            'metadata.annotations["container.apparmor.security.beta.kubernetes.io/web"]',
        ),
        (
            "cost that is none",
            "metadata.annotations",
            {"controller.kubernetes.io/pod-deletion-cost": "much"},
            'metadata.annotations["controller.kubernetes.io/pod-deletion-cost"]',
        ),
        ("finalizer of nobody", "metadata.finalizers", ["later"], "metadata.finalizers[0]"),
        (
            "owner without a name",
            "metadata.ownerReferences",
            [{"apiVersion": "v1", "kind": "Node", "uid": "1"}],
            "metadata.ownerReferences[0].name",
        ),
    ),
    "KubeletConfiguration": (
        ("unknown field", "maxPod", 1),
        (
            "unknown field of authentication",
            "authentication",
            {"anonymous": {"enable": False}},
            "authentication.anonymous.enable",
        ),
        ("number that is a string", "maxPods", "110"),
        ("length without a unit", "syncFrequency", "60"),
        ("negative pods", "maxPods", -1),
        ("low threshold above the high one", "imageGCLowThresholdPercent", 80),
        ("threshold above 100", "imageGCHighThresholdPercent", 101),
        ("no such hairpin mode", "hairpinMode", "veth"),
        ("no such topology", "topologyManagerPolicy", "numa"),
        ("no such scope", "topologyManagerScope", "node"),
        ("nothing to enforce", "enforceNodeAllocatable", ["pod"], "enforceNodeAllocatable[0]"),
        (
            "enforcing without a cgroup",
            "enforceNodeAllocatable",
            ["system-reserved"],
            "enforceNodeAllocatable[0]",
        ),
        ("port too large", "port", 70000),
        ("negative health port", "healthzPort", -1),
        ("half a second of shutdown", "shutdownGracePeriodCriticalPods", "500ms"),
        (
            "shutdown twice",
            "shutdownGracePeriodByPodPriority",
            [{"priority": 1, "shutdownGracePeriodSeconds": 5}],
        ),
        ("critical pods longer than all", "shutdownGracePeriodCriticalPods", "40s"),
        ("no such swap", "memorySwap.swapBehavior", "Unlimited"),
        ("one log file", "containerLogMaxFiles", 1),
        ("logs too often", "containerLogMonitorInterval", "1s"),
        ("negative events", "eventRecordQPS", -1),
        ("negative pulls", "registryPullQPS", -1),
        ("negative burst", "eventBurst", -1),
        ("no such effect", "registerWithTaints[0].effect", "Never"),
        ("taint with a time", "registerWithTaints[0].timeAdded", "2026-01-01T00:00:00Z"),
        ("no such log format", "logging.format", "xml"),
        ("negative verbosity", "logging.verbosity", -1),
        ("too many traces", "tracing.samplingRatePerMillion", 2000000),
        ("traces by http", "tracing.endpoint", "http://localhost:4317"),
        (
            "restarts without the gate",
            "crashLoopBackOff",
            {"maxContainerRestartPeriod": "30s"},
            "crashLoopBackOff.maxContainerRestartPeriod",
        ),
        ("negative age", "imageMaximumGCAge", "-1m"),
        ("age below the least", "imageMaximumGCAge", "1m"),
        ("few user ids", "userNamespaces", {"idsPerPod": 100}, "userNamespaces.idsPerPod"),
        ("throttling above 1", "memoryThrottlingFactor", 1.5),
        ("score out of range", "oomScoreAdj", -2000),
        ("run once", "runOnce", True),
        ("pull policy without the gate", "imagePullCredentialsVerificationPolicy", "AlwaysVerify"),
        ("quota without the gate", "cpuCFSQuotaPeriod", "10ms"),
        ("queries without the gate", "featureGates", {}, "enableSystemLogQuery"),
        (
            "memory twice",
            "reservedMemory",
            [
                {"numaNode": 0, "limits": {"memory": "1Gi"}},
                {"numaNode": 0, "limits": {"memory": "2Gi"}},
            ],
            "reservedMemory[1].limits.memory",
        ),
        ("CPUs that are none", "reservedSystemCPUs", "x"),
        ("CPUs backwards", "reservedSystemCPUs", "3-1"),
        ("old hidden metrics", "showHiddenMetricsForVersion", "1.20"),
        (
            "amount that is none",
            "reservedMemory",
            [{"numaNode": 0, "limits": {"memory": "x"}}],
            "reservedMemory[0].limits.memory",
        ),
        ("pulls of none", "maxParallelImagePulls", 0),
        ("bit out of range", "iptablesMasqueradeBit", 32),
        ("system cgroup without a root", "systemCgroups", "/system"),
        ("no such cipher", "tlsCipherSuites[0]", "TLS_NOPE"),
        ("no such version of TLS", "tlsMinVersion", "TLS1.2"),
        ("reserve of devices", "kubeReserved", {"gpu": "1"}, "kubeReserved.gpu"),
        ("reserve below zero", "systemReserved", {"cpu": "-1"}, "systemReserved.cpu"),
        (
            "signal that is none",
            "evictionHard",
            {"memory.free": "1Gi"},
            'evictionHard["memory.free"]',
        ),
        (
            "share above all",
            "evictionHard",
            {"nodefs.available": "110%"},
            'evictionHard["nodefs.available"]',
        ),
        (
            "eviction without a grace",
            "evictionSoft",
            {"memory.available": "1Gi"},
            'evictionSoft["memory.available"]',
        ),
        ("logs of no size", "containerLogMaxSize", "10 MB"),
        ("pods alone without cgroups", "cgroupsPerQOS", False),
        ("no log file", "containerLogMaxFiles", 0),
        ("logs all the time", "containerLogMonitorInterval", "0s"),
        ("quota of nothing", "cpuCFSQuotaPeriod", "0s"),
        (
            "pulls in a row and at once",
            "serializeImagePulls",
            True,
            "maxParallelImagePulls",
            {"maxParallelImagePulls": 5},
        ),
        ("logs at a relative path", "podLogsDir", "var/log/pods"),
        ("logs at a path with dots", "podLogsDir", "/var/log/../pods"),
        ("logs at a path with a last slash", "podLogsDir", "/var/log/pods/"),
        (
            "no memory of a node",
            "reservedMemory",
            [{"numaNode": 0, "limits": {"memory": "0"}}],
            "reservedMemory[0].limits.memory",
        ),
        (
            "too many user ids",
            "userNamespaces",
            {"idsPerPod": 4294967296},
            "userNamespaces.idsPerPod",
        ),
        ("traces by HTTP in capital letters", "tracing.endpoint", "HTTP://localhost:4317"),
        ("traces at a word for a port", "tracing.endpoint", "localhost:otlp"),
        ("traces without a scheme", "tracing.endpoint", "//localhost:4317"),
        (
            "split logs without the gate",
            "logging.options",
            {"text": {"splitStream": True}},
            "logging.options.text.splitStream",
        ),
        (
            "buffered logs without the gate",
            "logging.options",
            {"json": {"infoBufferSize": "1Mi"}},
            "logging.options.json.infoBufferSize",
        ),
        (
            "module without a pattern",
            "logging.vmodule",
            [{"verbosity": 3}],
            "logging.vmodule[0].filePattern",
        ),
        ("taint with a blank", "registerWithTaints[0].key", "a b"),
    ),
    "KubeProxyConfiguration": (
        ("unknown field", "modes", "iptables"),
        ("unknown field of ipvs", "ipvs.schedule", "rr"),
        ("no such mode", "mode", "userspace"),
        ("address that is none", "bindAddress", "localhost"),
        ("metrics at no port", "metricsBindAddress", "127.0.0.1:0"),
        ("metrics at a name", "metricsBindAddress", "localhost:10249"),
        ("bit out of range", "iptables.masqueradeBit", 40),
        ("number that is a string", "conntrack.maxPerCore", "1000"),
        ("negative tracking", "conntrack.maxPerCore", -1),
        ("no such detection", "detectLocalMode", "Cluster"),
        ("ports on no range", "nodePortAddresses[0]", "eth0"),
        ("score out of range", "oomScoreAdj", -2000),
        ("least period above the period", "iptables.minSyncPeriod", "40s"),
        ("negative period", "iptables.syncPeriod", "-1s"),
        ("cluster on no range", "clusterCIDR", "10.244.0.0"),
        ("no such log format", "logging", {"format": "xml"}, "logging.format"),
        ("negative time of tracking", "conntrack.udpTimeout", "-1s"),
        ("range with a mask of its own", "nodePortAddresses[0]", "10.0.0.0/255.0.0.0"),
        ("range of an interface", "nodePortAddresses[0]", "fe80::1%eth0/64"),
        (
            "primary beside others",
            "nodePortAddresses",
            ["10.0.0.0/8", "primary"],
            "nodePortAddresses[1]",
        ),
        ("two ranges with a blank", "clusterCIDR", "10.244.0.0/16, fd00::/48"),
        ("two ranges of one family", "clusterCIDR", "10.244.0.0/16,10.245.0.0/16"),
        (
            "bridge without a name",
            "detectLocalMode",
            "BridgeInterface",
            "detectLocal.bridgeInterface",
        ),
        ("health at brackets alone", "healthzBindAddress", "[::]"),
        (
            "split logs without the gate",
            "logging",
            {"options": {"json": {"splitStream": True}}},
            "logging.options.json.splitStream",
        ),
    ),
}

NOT_ASKED: Final = frozenset(
    {
        ("Pod", "privileged without escalation"),  # the judge forbids privileged pods altogether
        ("KubeletConfiguration", "old hidden metrics"),  # the judge is of no version
        ("KubeletConfiguration", "unknown field"),
        # The kubelet's validation passes over these; it ends at them a moment later.
        *(
            ("KubeletConfiguration", name)
            for name in (
                "no such cipher",
                "no such version of TLS",
                "reserve of devices",
                "reserve below zero",
                "signal that is none",
                "share above all",
                "eviction without a grace",
                "logs of no size",
            )
        ),
    }
)


def _steps(path: str) -> list[str | int]:
    return [
        int(index) if index else name
        for name, index in re.findall(r"([A-Za-z-]+)|\[([0-9]+)\]", path)
    ]


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a document with another value at a path."""
    made = copy.deepcopy(document)
    *before, last = _steps(path)
    place: Any = made
    for step in before:
        place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
    if value is DROP:
        del place[last]
    else:
        place[last] = value
    return made


def cases() -> list[Case]:
    """Every document with a fault."""
    found = []
    for kind, faults in _FAULTS.items():
        for name, path, value, *rest in faults:
            place = rest[0] if rest else path
            more = rest[1] if len(rest) > 1 else {}
            document = changed(RIGHT[kind], path, value)
            for beside, other in more.items():
                document = changed(document, beside, other)
            asked = (kind, name) not in NOT_ASKED
            found.append(Case(kind, name, document, place, asked))
    return found
