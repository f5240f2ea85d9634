"""A further control plane that lacks what the cluster's API server reads is stopped before etcd knows of it."""

from __future__ import annotations

import json

import msgspec
import pytest

from machineadm.errors import KubeadmError
from machineadm.steps.kubeadm.mounts import FIELDS, missing_paths
from tests.fakes.kubeadm import MANIFESTS, NAME
from tests.kubeadm_machine import Machine, finished

DIRECTORY = "/etc/kubernetes/machineadm"


def manifest(*arguments: str, **volumes: tuple[str, str, str]) -> dict[str, object]:
    """A Pod; volumes are (path on the machine, path in the container, type)."""
    return {
        "spec": {
            "containers": [
                {
                    "command": ["kube-apiserver", *arguments],
                    "volumeMounts": [
                        {"name": name, "mountPath": inside}
                        for name, (_, inside, _) in volumes.items()
                    ],
                }
            ],
            "volumes": [
                {"name": name, "hostPath": {"path": path, **({"type": kind} if kind else {})}}
                for name, (path, _, kind) in volumes.items()
            ],
        }
    }


SHARED = {"shared": (DIRECTORY, DIRECTORY, "Directory")}
AUDIT = f"--audit-policy-file={DIRECTORY}/audit-policy.yaml"


@pytest.mark.parametrize(
    ("pod", "there", "missing"),
    [
        (manifest(AUDIT, **SHARED), {DIRECTORY, f"{DIRECTORY}/audit-policy.yaml"}, []),
        (manifest(AUDIT, **SHARED), {DIRECTORY}, [f"{DIRECTORY}/audit-policy.yaml"]),
        (manifest(AUDIT, **SHARED), set(), [DIRECTORY, f"{DIRECTORY}/audit-policy.yaml"]),
        # Mounted elsewhere, and by itself; without a type the runtime makes a directory of it.
        (
            manifest("--oidc-ca-file=/in/ca.crt", a=("/out/ca.crt", "/in/ca.crt", "File")),
            set(),
            ["/out/ca.crt"],
        ),
        (
            manifest("--oidc-ca-file=/in/ca.crt", a=("/out/ca.crt", "/in/ca.crt", "")),
            set(),
            ["/out/ca.crt"],
        ),
        (
            manifest(
                "--encryption-provider-config=/in/sub/enc", a=("/out", "/in", "DirectoryOrCreate")
            ),
            set(),
            ["/out/sub/enc"],
        ),
        # The mount that lies deepest counts.
        (
            manifest(
                "--authorization-config=/in/x/a", a=("/out", "/in", ""), b=("/other", "/in/x", "")
            ),
            {"/out/x/a"},
            ["/other/a"],
        ),
        # What the API server writes, what it makes, and what is in the image.
        (
            manifest(
                "--audit-log-path=/var/log/a/audit.log",
                a=("/var/log/a", "/var/log/a", "DirectoryOrCreate"),
            ),
            set(),
            [],
        ),
        (manifest("--authorization-mode=Node,RBAC", "--v=2"), set(), []),
        (manifest("--audit-policy-file=/in/the/image"), set(), []),
        (manifest(s=("/run/kms.sock", "/run/kms.sock", "Socket")), set(), ["/run/kms.sock"]),
        (None, set(), []),
        ({"spec": {"containers": "nonsense", "volumes": [None]}}, set(), []),
    ],
)
def test_what_an_api_server_reads_must_be_on_the_machine(
    pod: object, there: set[str], missing: list[str]
) -> None:
    assert [lack.path for lack in missing_paths(pod, there.__contains__)] == missing


def test_the_message_names_file_argument_and_field() -> None:
    (lack,) = missing_paths(manifest(AUDIT, **SHARED), {DIRECTORY}.__contains__)

    assert str(lack) == (
        f"{DIRECTORY}/audit-policy.yaml (--audit-policy-file, controlPlane.auditPolicy)"
    )


def test_every_field_that_is_named_exists() -> None:
    from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig

    fields = {field.encode_name for field in msgspec.structs.fields(ControlPlaneConfig)}
    named = {field.removeprefix("controlPlane.") for field in FIELDS.values() if field}
    assert named <= fields


def joining_without_the_audit_policy() -> Machine:
    machine = Machine("join-control-plane")
    pod = json.dumps(manifest(AUDIT, **SHARED))
    machine.kubeadm.contents[f"{MANIFESTS}/kube-apiserver.yaml"] = pod
    return machine


def test_kubeadm_is_stopped_before_etcd_knows_of_a_machine_that_lacks_a_file() -> None:
    machine = joining_without_the_audit_policy()

    with pytest.raises(KubeadmError) as stopped:
        machine.run()

    assert (stopped.value.code, stopped.value.passing) == ("MA4035", False)
    assert "controlPlane.auditPolicy" in stopped.value.message
    assert stopped.value.hint()
    assert NAME not in machine.cluster.members
    assert machine.host.files.stat(f"{MANIFESTS}/etcd.yaml") is None


def test_with_the_file_in_place_the_next_run_ends_well() -> None:
    machine = joining_without_the_audit_policy()
    with pytest.raises(KubeadmError):
        machine.run()
    machine.kubeadm.contents.clear()

    machine.run()

    assert machine.kubeadm.runs == ["join", "reset", "join"]
    assert machine.as_it_is() == finished("join-control-plane", local_mode=True)
