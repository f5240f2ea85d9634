"""Configurations of a first control plane machine, drawn around what Kubernetes takes: near misses and chance, by kind and seed.

Each is a specification of fields by path below `spec`, as `tests.configurations` takes it. A kind is one generator; a case of it is a
function of its seed, so a case that fails can be had again.
"""

from __future__ import annotations

import base64
import random
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.defaulting import realise
from machineadm.config.validation import check
from machineadm.documents.decoding import decode, read_values
from machineadm.documents.secrets import secret_hook
from machineadm.errors import ConfigError
from tests.configurations import document
from tests.judges.judges import Machine
from tests.kubeadm_cases import files_of, rendered
from tests.rulecases import CERTIFICATE, POLICY

BASE: Final[dict[str, Any]] = {
    "kubernetes.node.name": "n1",
    "kubernetes.controlPlane.localAPIEndpoint.advertiseAddress": "10.0.0.1",
}
"""What a judge would ask its own machine for."""

CP: Final = "kubernetes.controlPlane"
Spec = dict[str, Any]
Draw = Callable[[random.Random], Spec]


def _nearly(rng: random.Random, text: str, alphabet: str) -> str:
    """A text with up to two characters more, less or other than they were."""
    letters = list(text)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        at = rng.randrange(len(letters) + 1)
        match rng.randrange(3):
            case 0:
                letters.insert(at, rng.choice(alphabet))
            case 1 if letters:
                del letters[min(at, len(letters) - 1)]
            case _ if letters:
                letters[min(at, len(letters) - 1)] = rng.choice(alphabet)
            case _:
                pass
    return "".join(letters)


_PLACES: Final = (
    "/a", "/b", "/a/b", "/etc/ssl/certs", "/etc/kubernetes/pki", "/etc/kubernetes/machineadm", "/var/log/k", "/run/k", "/srv",
    "/etc/kubernetes/controller-manager.conf", "/etc/kubernetes/scheduler.conf", "/etc/etcd", "/proc", "/proc/a", "/var/lib/etcd",
    "/usr/libexec/kubernetes/kubelet-plugins/volume/exec", "/opt/volumes", "/etc/kubernetes/pki/etcd", "/etc",
)  # fmt: skip
_VOLUMES: Final = (
    "a", "b", "c", "k8s-certs", "ca-certs", "kubeconfig", "flexvolume-dir", "etcd-certs-0", "machineadm", "machineadm-audit-log",
    "machineadm-kms-0", "etcd-data",
)  # fmt: skip
_FILE_ARGUMENTS: Final = ("token-auth-file", "tracing-config-file", "egress-selector-config-file")


def mounts(rng: random.Random) -> Spec:
    """Volumes, and all that has a directory mounted beside them."""
    spec: Spec = {}
    for component in ("apiServer", "controllerManager", "scheduler"):
        count = rng.choice((0, 1, 1, 2, 3))
        spec[f"{CP}.{component}.extraVolumes"] = [
            {"name": rng.choice(_VOLUMES), "hostPath": rng.choice(_PLACES), "mountPath": rng.choice(_PLACES)}
            for _ in range(count)
        ]  # fmt: skip
    if rng.random() < 0.4:
        spec[f"{CP}.auditPolicy"] = {"policy": POLICY, "log": {"path": _file_in(rng)}}
    if rng.random() < 0.4:
        spec[f"{CP}.encryptionAtRest.providers"] = [
            {"kms": {"name": f"a{index}", "endpoint": f"unix://{_file_in(rng)}"}}
            for index in range(rng.choice((1, 2)))
        ]
    if rng.random() < 0.3:
        spec["kubernetes.cluster.certificates.directory"] = rng.choice(_PLACES)
    if rng.random() < 0.3:
        spec[f"{CP}.controllerManager.extraArgs"] = [
            {"name": "flex-volume-plugin-dir", "value": rng.choice(_PLACES)}
        ]
    if rng.random() < 0.3:
        # All that may not be below a mount, but nothing that the API server would have to read in earnest.
        spec[f"{CP}.scheduler.extraArgs"] = [{"name": "config", "value": _file_in(rng)}]
    match rng.randrange(4):
        case 0:
            spec["kubernetes.cluster.etcd.local.dataDir"] = rng.choice(_PLACES)
        case 1:
            files = {name: _file_in(rng) for name in ("caFile", "certFile", "keyFile")}
            spec["kubernetes.cluster.etcd.external"] = {"endpoints": ["https://e:2379"], **files}
        case _:
            pass
    return spec


def _file_in(rng: random.Random) -> str:
    return rng.choice(("", *_PLACES)) + "/f"


_NAMES: Final = "ABZaz019_-. /=$é"
_FIELD_PATHS: Final = (
    "metadata.name", "metadata.uid", "metadata.labels['a']", "metadata.annotations['A.b/c']", "metadata.labels", "spec.nodeName",
    "spec.host", "status.podIP", "status.podIPs", "status.phase", "spec.serviceAccountName",
)  # fmt: skip
_RESOURCES: Final = (
    "limits.cpu",
    "requests.memory",
    "limits.ephemeral-storage",
    "requests.hugepages-2Mi",
)
_DIVISORS: Final = (
    "0",
    "1",
    "1m",
    "1000m",
    "1k",
    "1000",
    "1Mi",
    "1024Ki",
    "2",
    "1e3",
    "0.001",
    "1E",
    "1Ei",
    "10Gi",
)


def variables(rng: random.Random) -> Spec:
    """Environment variables of components."""
    spec: Spec = {}
    for place in (f"{CP}.apiServer", f"{CP}.scheduler", "kubernetes.cluster.etcd.local"):
        spec[f"{place}.extraEnv"] = [_variable(rng) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
    return spec


def _variable(rng: random.Random) -> dict[str, Any]:
    name = _nearly(rng, rng.choice(("A", "HTTP_PROXY", ".a", "a-b.c", "_")), _NAMES)
    if rng.random() < 0.4:
        return {"name": name, "value": rng.choice(("", "b", "$(A)", "a\nb"))}
    match rng.randrange(8):
        case 0:
            source: dict[str, Any] = {"secretKeyRef": {"name": "a", "key": "b"}}
        case 1:
            source = {"configMapKeyRef": {"name": "a", "key": "b", "optional": True}}
        case 2 | 3 | 4:
            path = rng.choice(_FIELD_PATHS)
            source = {"fieldRef": {"fieldPath": _nearly(rng, path, "abP.'[]/") or "a"}}
            if rng.random() < 0.2:
                source["fieldRef"]["apiVersion"] = rng.choice(("v1", "v2", "apps/v1"))
        case _:
            resource = _nearly(rng, rng.choice(_RESOURCES), "abcu.-") or "a"
            source = {"resourceFieldRef": {"resource": resource}}
            if rng.random() < 0.8:
                source["resourceFieldRef"]["divisor"] = rng.choice(_DIVISORS)
    return {"name": name, "valueFrom": source}


_ENCRYPTED: Final = (
    "secrets", "secrets.", "configmaps", "*.", "*.*", "*", "*.apps", "deployments.apps", "events", "events.events.k8s.io", "*.extensions",
    "pods.*", "widgets.example.com", "apiserveripinfo", "serviceipallocations", "Secrets", "secrets..", "*.events.k8s.io",
)  # fmt: skip


def encryption(rng: random.Random) -> Spec:
    """Resources, keys and key services of encryption at rest."""
    resources = [
        _nearly(rng, rng.choice(_ENCRYPTED), "a.*S") or "a" for _ in range(rng.choice((1, 1, 2, 3)))
    ]
    providers = [_provider(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    return {f"{CP}.encryptionAtRest": {"resources": resources, "providers": providers}}


def _provider(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("aescbc", "aesgcm", "secretbox", "kms", "kms", "identity"))
    if kind == "identity":
        return {"identity": {}}
    if kind == "kms":
        endpoint = _nearly(
            rng, rng.choice(("/run/k/a.sock", "/@kms", "/run/../k/s", "/a.sock")), "/.%?#@a"
        )
        timeout = rng.choice((None, "0s", "1ns", "3s", "0h0m", "2562048h", "100000000h"))
        return {"kms": {"name": rng.choice(("a", "b", "a:b")), "endpoint": f"unix://{endpoint}",
                        **({} if timeout is None else {"timeout": timeout})}}  # fmt: skip
    return {kind: {"keys": [
        {"name": rng.choice(("a", "b")),
         "secret": base64.b64encode(b"k" * rng.choice((15, 16, 24, 31, 32, 32, 33))).decode()}
        for _ in range(rng.choice((1, 1, 2)))]}}  # fmt: skip


_ISSUERS: Final = (
    "https://a",
    "https://a.example.com:8443/path",
    "https://[fd00::1]/x",
    "https://a/b?c=d",
    "https://u@a/b#c",
)
_DER: Final = ssl.PEM_cert_to_DER_cert(CERTIFICATE)


def oidc(rng: random.Random) -> Spec:
    """One issuer by arguments."""
    given: dict[str, Any] = {
        "issuerURL": _nearly(rng, rng.choice(_ISSUERS), "?#@%:/a2[") or "a",
        "clientID": rng.choice(("k", "a,b", " ")),
        "requiredClaims": {
            _nearly(rng, rng.choice(("a", "hd", "a.b/c")), "=, a") or "a": rng.choice(("b", "c=d", " e", "f,g"))
            for _ in range(rng.choice((0, 1, 1, 2)))
        },
    }  # fmt: skip
    if rng.random() < 0.5:
        given["usernameClaim"] = rng.choice(("sub", "email", "a b"))
    if rng.random() < 0.5:
        given["usernamePrefix"] = rng.choice(("-", "", "oidc:"))
    if rng.random() < 0.5:
        given["groupsClaim"] = rng.choice(("groups", "a=b"))
    if rng.random() < 0.5:
        given["groupsPrefix"] = rng.choice(("", "oidc:"))
    if rng.random() < 0.5:
        given["signingAlgorithms"] = rng.sample(("RS256", "ES512", "PS384"), rng.choice((0, 1, 2)))
    if rng.random() < 0.6:
        given["certificateAuthority"] = "".join(
            _certificate(rng) for _ in range(rng.choice((1, 1, 2)))
        )
    return {f"{CP}.authentication.oidc": given}


def _certificate(rng: random.Random) -> str:
    der = bytearray(_DER)
    match rng.randrange(6):
        case 0:
            # Within the outer structure alone: what a byte deeper inside means, only a parser of certificates knows.
            der[rng.choice((0, 1, 2, 3, 4, 5))] ^= 1 << rng.randrange(8)
        case 1:
            del der[rng.randrange(len(der)) :]
        case 2:
            der = bytearray(rng.choice((b"\0\0\0", b"\x30\x00", b"\x30\x03\x02\x01\x00", b"")))
        case _:
            pass
    return ssl.DER_cert_to_PEM_cert(bytes(der))


_MODES: Final = ("Node", "RBAC", "ABAC", "AlwaysAllow", "AlwaysDeny")


def authorization(rng: random.Random) -> Spec:
    """Authorizers and the file that one of them needs."""
    arguments = []
    spec: Spec = {}
    if rng.random() < 0.6:
        spec[f"{CP}.authorization.modes"] = rng.sample(_MODES, rng.choice((1, 2, 3)))
    elif rng.random() < 0.6:
        modes = ",".join(rng.sample(_MODES, rng.choice((1, 2, 3))))
        arguments.append({"name": "authorization-mode", "value": modes})
    if rng.random() < 0.5:
        path = rng.choice(("/etc/kubernetes/pki/abac", "/etc/abac", ""))
        arguments.append({"name": "authorization-policy-file", "value": path})
    return {**spec, f"{CP}.apiServer.extraArgs": arguments}


_PLUGINS: Final = (
    "NodeRestriction",
    "PodSecurity",
    "AlwaysPullImages",
    "EventRateLimit",
    "ServiceAccount",
)


def admission(rng: random.Random) -> Spec:
    """Plugins that are turned on and off."""
    return {f"{CP}.admission.plugins": {
        "enabled": rng.sample(_PLUGINS, rng.choice((0, 0, 1, 2))),
        "disabled": rng.sample(_PLUGINS, rng.choice((0, 1, 1, 2)))}}  # fmt: skip


def tokens(rng: random.Random) -> Spec:
    """Tokens with which others join."""
    return {"kubernetes.role": {"type": "Initialize", "bootstrapTokens": [
        _token(rng) for _ in range(rng.choice((1, 1, 2)))]}}  # fmt: skip


def _token(rng: random.Random) -> dict[str, Any]:
    token: dict[str, Any] = {"token": _nearly(rng, "abcdef.0123456789abcdef", "a0.Z-")}
    if rng.random() < 0.6:
        token["usages"] = rng.sample(("signing", "authentication"), rng.choice((0, 1, 2)))
    if rng.random() < 0.5:
        token["groups"] = [
            _nearly(rng, rng.choice(("system:bootstrappers:a", "system:bootstrappers:a-b:c")), "a:-A.")
            or "a"
        ]  # fmt: skip
    if rng.random() < 0.5:
        token["ttl"] = rng.choice(("0s", "1ms", "1s", "24h0m0s", "999999999h", "1.5h", "8760h"))
    if rng.random() < 0.3:
        token["description"] = rng.choice(("", "for people", "a: b"))
    return token


_PATCHED: Final = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeletconfiguration",
    "corednsdeployment",
    "kubeproxydaemonset",
)
_FRAGMENTS: Final = (
    "metadata: {labels: {a: b}}", "metadata: {name: null}", "spec: {containers: []}", "spec: {containers: null}", "spec: []",
    "spec: {containers: [{name: a}]}", "spec: {containers: [{name: a, image: b}]}", "spec: {containers: [{image: b}]}",
    "spec: {containers: [{name: kube-scheduler, resources: {limits: {cpu: '1'}}}]}",
    "spec: {containers: [{name: kube-scheduler, volumeMounts: [{name: a, mountPath: /a}]}]}",
    "spec: {containers: [{name: kube-scheduler, volumeMounts: [{name: kubeconfig, mountPath: /a}]}]}",
    "spec: {volumes: [{name: a, emptyDir: {}}]}", "spec: {volumes: [{name: a, secret: {secretName: b}}]}",
    "spec: {serviceAccountName: a}", "spec: {volumes: [{name: kubeconfig, $patch: delete}]}", "spec: {hostNetwork: false}",
    "spec: {containers: [{name: kube-scheduler, env: [{name: 1a, value: b}]}]}", "$patch: nope", "$patch: replace", "[a]", "a", "{", "",
    "maxPods: 50", "maxPods: null", "kind: Deployment", "apiVersion: v2", "spec: {containers: [{name: kube-scheduler, command: null}]}",
)  # fmt: skip
_POINTERS: Final = (
    "/spec/containers/0/command/-", "/spec/containers/0/command/1", "/spec/containers/1/image", "/spec/containers/0/image", "/spec/nope/a",
    "/metadata/labels/a", "/metadata/annotations", "/spec/hostNetwork", "/spec/containers/0/volumeMounts/0/mountPath", "spec", "", "/",
    "/spec/containers/-1/name", "/spec/volumes/a", "/spec/priority", "/spec/containers/0/env", "/metadata/name", "/kind",
)  # fmt: skip
_VALUES: Final = (
    '"a"',
    "[]",
    "{}",
    "null",
    "false",
    '"/a"',
    '[{"name": "A", "value": "b"}]',
    '{"a": "b"}',
)


def patches(rng: random.Random) -> Spec:
    """Inline patches of every type for every target."""
    return {"kubernetes.patches": [_patch(rng) for _ in range(rng.choice((1, 1, 1, 2)))]}


def _patch(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(("strategic", "merge", "json", "json"))
    if kind == "json" and rng.random() < 0.9:
        operations = ", ".join(_operation(rng) for _ in range(rng.choice((1, 1, 2))))
        text = f"[{operations}]"
    else:
        text = "\n---\n".join(rng.choice(_FRAGMENTS) for _ in range(rng.choice((1, 1, 1, 2))))
    return {"target": rng.choice(_PATCHED), "type": kind, "patch": text or "{}"}


def _operation(rng: random.Random) -> str:
    op = _nearly(rng, rng.choice(("add", "remove", "replace", "move", "copy")), "a") if rng.random() < 0.2 else rng.choice(
        ("add", "add", "remove", "replace", "move", "copy"))  # fmt: skip
    pointer, source = rng.choice(_POINTERS), rng.choice(_POINTERS)
    given = f'"value": {rng.choice(_VALUES)}, "from": "{source}"'
    return f'{{"op": "{op}", "path": "{pointer}", {given}}}'


KINDS: Final[dict[str, Draw]] = {
    "mounts": mounts,
    "variables": variables,
    "encryption": encryption,
    "oidc": oidc,
    "authorization": authorization,
    "admission": admission,
    "tokens": tokens,
    "patches": patches,
}
"""Every kind of case, by its name."""


def drawn(kind: str, count: int, seed: int = 0) -> Iterator[Spec]:
    """Cases of a kind, the same for the same seed.

    Args:
        kind: One of `KINDS`.
        count: How many.
        seed: Another one draws others.
    """
    for number in range(count):
        rng = random.Random(f"{kind}/{seed}/{number}")  # noqa: S311 # nothing is kept secret by it
        yield {**BASE, **KINDS[kind](rng)}


class Verdict(msgspec.Struct, frozen=True):
    """What we say of a case, and what its judges are given."""

    spec: Spec
    refusals: tuple[tuple[str, str], ...]
    """Code and text of each error of ours; warnings refuse nothing."""

    machine: Machine | None
    """None where nothing can be rendered of it."""


def ours(spec: Spec) -> Verdict:
    """Judge a case as `validate` does, and render it whatever the verdict is."""
    data = msgspec.json.encode(document(spec))
    (read,) = decode(data, file="case.yaml")
    problems: list[Finding] = [
        Finding(code=one.code, path=one.path, message=one.message) for one in read.problems
    ]
    if isinstance(read.value, MachineConfiguration):
        problems += check(read.value, read=read_values)
    refusals = tuple(
        (one.code, f"{one.path}: {one.message}") for one in problems if one.severity == "error"
    )
    return Verdict(spec=spec, refusals=refusals, machine=_rendered(data))


def _rendered(data: bytes) -> Machine | None:
    try:
        value = msgspec.json.decode(data, type=MachineConfiguration, dec_hook=secret_hook)
    except msgspec.ValidationError:  # too long, too few: not even the shape is right
        return None
    kubernetes = realise(value).kubernetes
    assert kubernetes is not None
    try:
        written = rendered(kubernetes).encode(reveal=True)
    except ConfigError:  # kubeadm's API of that version has no words for it
        return None
    files = {name: content.decode() for name, content in written.items()}
    return Machine(
        config=files["kubeadm/config.yaml"],
        files={
            file.path: file.content.decode()
            for file in files_of(kubernetes)
            if isinstance(file.content, bytes)
        },
        patches={
            name.removeprefix("kubeadm/patches/"): text
            for name, text in files.items()
            if name.startswith("kubeadm/patches/")
        },
    )
