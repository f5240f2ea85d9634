"""kubeadm's words become codes. The texts are kubeadm's own, of releases 1.29 to 1.34."""

from __future__ import annotations

import re

import msgspec
import pytest

from machineadm.api.v1alpha1.discovery import FileDiscovery, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinControlPlane
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.codes.kubeadm import TABLE
from machineadm.steps.kubeadm import failures as module
from machineadm.steps.kubeadm.failures import LONGEST_MESSAGE, REFUSED, diagnose, phase_of

STACK = "To see the stack trace of this error execute with --v=5 or higher\n"


def preflight(*lines: str) -> str:
    """As kubeadm 1.29 to 1.31 print it: the whole list is one error."""
    return (
        "[preflight] Running pre-flight checks\n"
        "error execution phase preflight: [preflight] Some fatal errors occurred:\n"
        + "".join(f"\t{line}\n" for line in lines)
        + "[preflight] If you know what you are doing, you can make a check non-fatal with"
        " `--ignore-preflight-errors=...`\n" + STACK
    )


def preflight_now(*lines: str) -> str:
    """As kubeadm 1.34 prints it: the list, then an error without it."""
    return (
        "[preflight] Running pre-flight checks\n[preflight] Some fatal errors occurred:\n"
        + "".join(f"\t{line}\n" for line in lines)
        + "[preflight] If you know what you are doing, you can make a check non-fatal with"
        " `--ignore-preflight-errors=...`\n"
        "error: error execution phase preflight: preflight checks failed\n" + STACK
    )


CHECKS = {
    "[ERROR Port-6443]: Port 6443 is in use": "MA4003",
    "[ERROR Swap]: running with swap on is not supported. Please disable swap": "MA4004",
    "[ERROR CRI]: container runtime is not running: output: connection refused": "MA4005",
    "[ERROR ImagePull]: failed to pull image registry.k8s.io/pause:3.10: output": "MA4010",
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:0: rpc error: code = NotFound desc = failed to resolve": "MA4034",
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:0: unexpected status code 404 Not Found": "MA4034",
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:0: name unknown: repository not known": "MA4034",
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:404: dial tcp 10.0.0.1:443: i/o timeout": "MA4010",
    # Wherever a certificate is checked, the clock is to blame.
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:0: tls: failed to verify certificate: x509: certificate has"
    " expired or is not yet valid: current time 1970-01-01T00:01:00Z is before 2026-11-30T10:00:00Z": "MA4032",
    "[ERROR ImagePull]: failed to pull image r.example.com/etcd:0: tls: failed to verify certificate: x509: certificate has"
    " expired or is not yet valid: current time 2046-01-01T00:00:00Z is after 2036-11-28T10:00:00Z": "MA4033",
    '[ERROR ExternalEtcdVersion]: Get "https://192.0.2.1:2379/version": tls: failed to verify certificate: x509: certificate has'
    " expired or is not yet valid: current time 1970-01-01T00:01:00Z is before 2026-11-30T10:00:00Z": "MA4032",
    '[ERROR HTTPProxy]: Head "https://192.0.2.10:6443": x509: certificate has expired or is not yet valid: current time'
    " 1970-01-01T00:01:00Z is before 2026-11-30T10:00:00Z": "MA4032",
    "[ERROR FileContent--proc-sys-net-ipv4-ip_forward]: /proc/sys/net/ipv4/ip_forward contents are not set to 1": "MA4011",
    "[ERROR FileAvailable--etc-kubernetes-kubelet.conf]: /etc/kubernetes/kubelet.conf already exists": "MA4018",
    "[ERROR DirAvailable--var-lib-etcd]: /var/lib/etcd is not empty": "MA4018",
    "[ERROR FileExisting-conntrack]: conntrack not found in system path": "MA4022",
    "[ERROR IsPrivilegedUser]: user is not running as root": "MA4023",
    "[ERROR NumCPU]: the number of available CPUs 1 is less than the required 2": "MA4024",
    "[ERROR Mem]: the system RAM (900 MB) is less than the minimum 1700 MB": "MA4024",
    "[ERROR KubeletVersion]: the kubelet version is higher than the control plane version.": "MA4026",
    "[ERROR ExternalEtcdVersion]: Get https://10.0.0.1:2379/version: connection refused": "MA4029",
    "[ERROR SystemVerification]: missing required cgroups: memory": "MA4030",
    "[ERROR Brandnew]: a check of a later release": "MA4002",
}

ERRORS = {
    # A wrong or expired token; a wrong secret in it.
    "error execution phase preflight: couldn't validate the identity of the API Server: could not find a JWS signature in the"
    ' cluster-info ConfigMap for token ID "abcdef"': ("MA4007", False),
    'error execution phase preflight: couldn\'t validate the identity of the API Server: token id "abcdef" is invalid for this'
    ' cluster or it has expired. Use "kubeadm token create" on the control-plane node': (
        "MA4007",
        False,
    ),
    "error: error execution phase preflight: couldn't validate the identity of the API Server: failed to verify JWS signature of"
    " received cluster info object, can't trust this API Server": ("MA4007", False),
    "error execution phase preflight: unable to fetch the kubeadm-config ConfigMap: failed to get config map: Unauthorized": (
        "MA4007",
        False,
    ),
    "error execution phase preflight: couldn't validate the identity of the API Server: cluster CA found in cluster-info"
    ' ConfigMap is invalid: none of the public keys "sha256:01" are pinned': ("MA4008", False),
    "error execution phase preflight: couldn't validate the identity of the API Server: Abort reading the cluster-info ConfigMap"
    " after timeout of 5m0s: Get https://a:6443/api: tls: failed to verify certificate: x509: certificate signed by unknown"
    " authority": ("MA4008", False),
    "error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info"
    ' ConfigMap: Get "https://a:6443/api": dial tcp 10.0.0.1:6443: connect: connection refused': (
        "MA4009",
        True,
    ),
    "error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info"
    ' ConfigMap: Get "https://a:6443/api": dial tcp: lookup a: no such host': ("MA4009", True),
    "error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info"
    ' ConfigMap: Get "https://a:6443/api": context deadline exceeded': ("MA4009", True),
    "error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info"
    " ConfigMap: client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline": (
        "MA4031",
        True,
    ),
    "found multiple CRI endpoints on the host. Please define which one do you wish to use by setting the 'criSocket' field in the"
    " kubeadm configuration file: unix:///var/run/containerd/containerd.sock, unix:///var/run/crio/crio.sock": (
        "MA4006",
        False,
    ),
    "error execution phase kubelet-start: failed while waiting for the kubelet to start: The HTTP call equal to 'curl -sSL"
    " http://127.0.0.1:10248/healthz' returned error: connection refused": ("MA4012", False),
    "error execution phase wait-control-plane: failed while waiting for the control plane to start: kube-apiserver check failed"
    " at https://10.0.0.1:6443/livez: connection refused": ("MA4013", False),
    "error execution phase wait-control-plane: couldn't initialize a Kubernetes cluster": (
        "MA4013",
        False,
    ),
    "error execution phase kubelet-start: failed while waiting for TLS bootstrap: context deadline exceeded": (
        "MA4014",
        True,
    ),
    "error execution phase kubelet-start: timed out waiting for the condition": ("MA4014", True),
    "error execution phase check-etcd: etcd cluster is not healthy: failed to dial endpoint": (
        "MA4015",
        True,
    ),
    "error execution phase etcd-join: error creating local etcd static pod manifest file: etcdserver: can only promote a learner"
    " member which is in sync with leader": ("MA4015", True),
    "error execution phase control-plane-prepare/download-certs: error downloading certs: error downloading the secret: Secret"
    ' "kubeadm-certs" was not found in the "kube-system" Namespace.': ("MA4016", False),
    "error execution phase control-plane-prepare/download-certs: error downloading certs: error decoding secret data with"
    " provided key: cipher: message authentication failed": ("MA4017", False),
    'error execution phase kubelet-start: a Node with name "a" and status "Ready" already exists in the cluster. You must delete'
    " the existing Node or change the name of this new joining Node": ("MA4019", False),
    "this version of kubeadm only supports deploying clusters with the control plane version >= 1.33.0. Current version: v1.31.0": (
        "MA4020",
        False,
    ),
    'networking.podSubnet: Invalid value: "10.0.0.0/33": couldn\'t parse subnet': ("MA4021", False),
    'error unmarshaling configuration schema.GroupVersionKind{Group:"kubeadm.k8s.io"}: strict decoding error: unknown field "x"': (
        "MA4021",
        False,
    ),
    "error execution phase preflight: \nOne or more conditions for hosting a new control plane instance is not satisfied.\n\nunable"
    " to add a new control plane instance to a cluster that doesn't have a stable controlPlaneEndpoint address": (
        "MA4025",
        False,
    ),
    'error execution phase addon/kube-proxy: error when creating kube-proxy service account: Post "https://a:6443/api": net/http:'
    " request canceled": ("MA4027", True),
    # The clock: behind may pass, ahead does not; said by kubeadm of a file, and by Go of what a server shows.
    "error execution phase certs/front-proxy-ca: failure loading front-proxy-ca certificate: failed to load certificate: the"
    " certificate is not valid yet: NotBefore: 2026-11-30 10:00:00 +0000 UTC, NotAfter: 2036-11-28 10:00:00 +0000 UTC": (
        "MA4032",
        True,
    ),
    "error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info"
    ' ConfigMap: Get "https://a:6443/api": tls: failed to verify certificate: x509: certificate has expired or is not yet valid:'
    " current time 1970-01-01T00:01:00Z is before 2026-11-30T10:00:00Z": ("MA4032", True),
    "error execution phase check-etcd: etcd cluster is not healthy: x509: certificate has expired or is not yet valid: current"
    " time 2026-11-29T10:00:00+01:00 is before 2026-11-30T10:00:00Z": ("MA4032", True),
    "error execution phase preflight: unable to fetch the kubeadm-config ConfigMap: x509: certificate has expired or is not yet"
    " valid: current time 2046-01-01T00:00:00Z is after 2036-11-28T10:00:00Z": ("MA4033", False),
    "error execution phase certs/etcd-ca: failed to load certificate: the certificate has expired: NotBefore: 2016-11-30, NotAfter:"
    " 2026-11-28": ("MA4033", False),
    # A registry that answers, and has no such image.
    "failed to pull image registry.example.com/pause:0: rpc error: code = NotFound desc = failed to pull and unpack image": (
        "MA4034",
        True,
    ),
    "failed to pull image registry.example.com/pause:0: reading manifest 0 in registry.example.com/pause: manifest unknown": (
        "MA4034",
        True,
    ),
    "failed to pull image registry.example.com/pause:0: dial tcp: lookup registry.example.com: no such host": (
        "MA4010",
        True,
    ),
    "something that nobody has heard of": ("MA4001", False),
}


def codes(output: str, exit_code: int = 1) -> tuple[str, bool]:
    error = diagnose(output, command=("kubeadm", "join"), exit_code=exit_code)
    assert error.hint()
    return error.code, error.passing


@pytest.mark.requirement("U12")
@pytest.mark.parametrize("line", CHECKS)
def test_a_preflight_check_has_its_code_in_old_and_new_releases(line: str) -> None:
    for output in (preflight(line), preflight_now(line)):
        assert codes(output)[0] == CHECKS[line]


@pytest.mark.requirement("U12")
@pytest.mark.parametrize("text", ERRORS)
def test_an_error_has_its_code_and_says_whether_it_may_pass(text: str) -> None:
    earlier = (
        "W0101 retrying: dial tcp 10.0.0.1:6443: connect: no route to host\n[preflight] Running\n"
    )

    assert codes(f"{earlier}{text}\n{STACK}") == ERRORS[text]
    assert codes(f"{earlier}error: {text}\n{STACK}") == ERRORS[text]


def test_all_failed_checks_are_listed_and_all_hints_given() -> None:
    error = diagnose(preflight_now(*list(CHECKS)[:3]), command=("kubeadm", "init"), exit_code=1)

    assert error.code == "MA4002"
    for words in ("Port-6443", "Swap", "container runtime is not running"):
        assert words in error.message
    for words in ("ss -ltnp", "swapoff", "systemctl status containerd"):
        assert words in error.hint()
    assert not error.passing


def test_checks_of_one_kind_keep_their_own_code() -> None:
    ports = [f"[ERROR Port-{port}]: Port {port} is in use" for port in (6443, 10250)]

    assert codes(preflight_now(*ports)) == ("MA4003", False)


def test_checks_that_may_all_pass_may_pass_together() -> None:
    runtime, image = list(CHECKS)[2:4]
    assert "[ERROR CRI]" in runtime

    assert codes(preflight_now(runtime, image)) == ("MA4002", True)


def test_an_unhealthy_kubelet_on_a_machine_with_swap_is_about_swap() -> None:
    warned = "\t[WARNING Swap]: swap is supported for cgroup v2 only.\n"
    text = "error execution phase kubelet-start: failed while waiting for the kubelet to start"

    assert codes(warned + text)[0] == "MA4004"


def test_a_kill_without_words_is_a_kill() -> None:
    assert codes("[certs] Generating\n", exit_code=-9) == ("MA4028", True)


def test_the_error_carries_kubeadms_own_words_phase_command_and_exit_code() -> None:
    output = "[certs] x\nerror execution phase certs/ca: disk is full\n" + STACK

    error = diagnose(output, command=("kubeadm", "init"), exit_code=1)

    assert error.message.endswith("disk is full")
    assert error.phase == "certs/ca"
    assert (error.command, error.process_exit_code) == (("kubeadm", "init"), 1)
    assert error.log_tail == output


@pytest.mark.parametrize("output", ["", "\n", "error: ", "[preflight]", "[ERROR ]: ", "x" * 70_000])
def test_any_output_makes_an_error_of_bounded_length(output: str) -> None:
    error = diagnose(output, command=("kubeadm",), exit_code=1)

    assert error.code == "MA4001"
    assert len(error.message) <= LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("output", "phase"),
    [
        ("[init] Using Kubernetes version: v1.34.4\n[preflight] Running\n", "preflight"),
        ("[certs] a\n[kubeconfig] b\n[etcd] c\n[control-plane] d\n", "control-plane"),
        ("[kubelet-start] a\n[kubelet-check] b\n", "kubelet-start"),
        ("[wait-control-plane] a\n[control-plane-check] b\n", "wait-control-plane"),
        ("[addons] Applied essential addon: CoreDNS\n", "addon"),
        ("I1121 10:00:00.1 1 a.go:1] [preflight] in a log line\n", ""),
        ("nothing\n", ""),
    ],
)
def test_the_phase_is_read_from_the_markers(output: str, phase: str) -> None:
    assert phase_of(output) == phase


def exists(path: str) -> bool:
    """Whether a field of `spec.kubernetes` has this path; what is passed on untyped has all."""
    first, _, rest = path.partition(".")
    if first == "discovery":
        return any(below(type_, rest) for type_ in (TokenDiscovery, FileDiscovery))
    if first == "role":
        return any(below(type_, rest) for type_ in (Initialize, JoinControlPlane))
    return below(KubernetesConfig, path)


def below(type_: object, path: str) -> bool:
    if not path:
        return True
    name, _, rest = path.partition(".")
    info = msgspec.inspect.type_info(type_)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    for kind in kinds:
        if isinstance(kind, msgspec.inspect.StructType):
            for field in kind.fields:
                if field.encode_name == name:
                    return not rest or below_info(field.type, rest)
    return False


def below_info(info: msgspec.inspect.Type, path: str) -> bool:
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return any(
        below(kind.cls, path) for kind in kinds if isinstance(kind, msgspec.inspect.StructType)
    )


NO_SOCKET = (
    "failed to create new CRI runtime service: validate service connection: validate CRI v1 runtime API for endpoint"
    ' "unix:///run/containerd/containerd.sock": rpc error: code = Unavailable desc = connection error: desc = "transport:'
    ' Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused"'
)


def test_a_runtime_that_is_dead_at_init_has_its_code_though_no_check_is_named() -> None:
    output = (
        "[preflight] Running pre-flight checks\n"
        "W1130 10:00:00.1 812 checks.go:1046] [preflight] WARNING: Couldn't create the interface used for talking to the"
        f" container runtime: {NO_SOCKET}\n"
        "[preflight] Pulling images required for setting up a Kubernetes cluster\n"
        f"[preflight] Some fatal errors occurred:\n{NO_SOCKET}[preflight] If you know what you are doing, you can make a check"
        " non-fatal with `--ignore-preflight-errors=...`\n"
        "error: error execution phase preflight: preflight checks failed\n" + STACK
    )

    error = diagnose(output, command=("kubeadm", "init"), exit_code=1)

    assert (error.code, error.passing, error.phase) == ("MA4005", True, "preflight")
    assert "connection refused" in error.message


@pytest.mark.parametrize(
    "last",
    [
        "error execution phase kubelet-start: failed while waiting for the kubelet to start: context deadline exceeded",
        "error execution phase kubelet-start: failed while waiting for TLS bootstrap: context deadline exceeded",
        "error execution phase wait-control-plane: failed while waiting for the control plane to start",
    ],
)
def test_a_runtime_that_is_dead_at_join_is_the_cause_of_the_kubelets_silence(last: str) -> None:
    warned = (
        "W1130 10:00:00.1 812 checks.go:1046] [preflight] WARNING: Couldn't create the interface used for talking to the"
        f" container runtime: {NO_SOCKET}\n[preflight] Reading configuration from the cluster...\n"
    )

    assert codes(f"{warned}{last}\n{STACK}") == ("MA4005", True)
    assert codes(f"{last}\n{STACK}")[0] != "MA4005"


def test_an_error_about_the_clock_says_what_the_clock_says() -> None:
    output = "error execution phase certs/ca: failed to load certificate: the certificate is not valid yet\n"

    error = diagnose(output, command=(), exit_code=1, clock="1970-01-01T00:01:00Z")

    assert "clock" in error.message
    assert error.message.endswith("this machine's clock says 1970-01-01T00:01:00Z")


def test_what_is_said_of_a_failure_stands_with_its_code_alone() -> None:
    failures = [value for value in vars(module).values() if isinstance(value, module.Failure)]

    assert len(failures) >= 31
    for failure in failures:
        assert failure.message == TABLE[failure.code].title
        assert TABLE[failure.code].remedy.lower().startswith(failure.hint.lower())


@pytest.mark.parametrize("code", [code for code in TABLE if code.startswith("MA40")])
def test_no_remedy_advises_a_field_that_there_is_not(code: str) -> None:
    """`node.kubelet.failSwapOn` is one; `node.kubelet.config` would be refused for what has its own field."""
    text = f"{TABLE[code].meaning} {TABLE[code].remedy}"
    for path in re.findall(
        r"\b(?:node|cluster|controlPlane|role|discovery|timeouts)\.[A-Za-z.]+\w", text
    ):
        assert exists(path), path


@pytest.mark.parametrize(
    ("verb", "said", "field"),
    [
        ("init", "networking.podSubnet: Invalid value: x", "spec.kubernetes.cluster.network.podCIDRs"),
        ("init", "[apiServer.certSANs: Invalid value: x, y]", "spec.kubernetes.controlPlane.apiServer.certSANs"),
        ("init", "bootstrapTokens[1].token: Invalid value: x", "spec.kubernetes.role.bootstrapTokens[].token"),
        ("join", "nodeRegistration.taints[0].key: Required value", "spec.kubernetes.node.taints[].key"),
        ("join", "discovery.tlsBootstrapToken: Invalid value: x", "spec.kubernetes.role.tlsBootstrapToken"),
    ],
)  # fmt: skip
def test_a_field_that_kubeadm_refuses_is_named_as_the_configuration_has_it(
    verb: str, said: str, field: str
) -> None:
    error = diagnose(f"error: {said}", command=("kubeadm", verb), exit_code=3)

    assert error.code == "MA4021"
    assert error.hint().startswith(f"fix {field}, which kubeadm calls ")


@pytest.mark.parametrize("said", ["a.b: Invalid value: x", "invalid configuration"])
def test_a_field_that_no_type_of_ours_has_leaves_the_words_of_the_code(said: str) -> None:
    error = diagnose(f"error: {said}", command=("kubeadm", "join"), exit_code=3)

    assert (error.code, error.hint()) == ("MA4021", REFUSED.hint)
