"""An error about a kubelet or a control plane that does not come up carries the cause."""

from __future__ import annotations

import pytest

from machineadm.errors import KubeadmError
from machineadm.host.ports import CommandResult
from machineadm.steps.kubeadm.causes import PODS, with_cause
from machineadm.steps.kubeadm.failures import LONGEST_MESSAGE, diagnose
from tests.fakes.host import Call, FakeHost

KUBELET = "error execution phase kubelet-start: failed while waiting for the kubelet to start"
API_SERVER = (
    "error execution phase wait-control-plane: failed while waiting for the control plane to start:"
    " kube-apiserver check failed at https://10.0.0.1:6443/livez: connection refused"
)
SCHEDULER = API_SERVER.replace("kube-apiserver", "kube-scheduler")
UNKNOWN_FLAG = "Error: unknown flag: --no-such-flag"
JOURNAL = (
    'E1130 10:00:00.1 812 run.go:72] "command failed" err="failed to load kubelet config file"'
)


def logged(component: str, number: int, *lines: str, uid: str = "1") -> tuple[str, str]:
    path = f"{PODS}/kube-system_{component}-m1_{uid}/{component}/{number}.log"
    return path, "".join(f"2026-11-30T10:00:00.1Z stderr F {line}\n" for line in lines)


def machine(*logs: tuple[str, str], journal: str = "") -> FakeHost:
    host = FakeHost()
    for path, content in logs:
        host.put(path, content)

    def tail(call: Call) -> CommandResult:
        return CommandResult(exit_code=0, output=host.text(call.argv[-1]) or "")

    host.commands.on("tail", effect=tail)
    host.commands.on("journalctl", output=journal)
    return host


def told(text: str, host: FakeHost) -> KubeadmError:
    return with_cause(diagnose(f"{text}\n", command=("kubeadm", "init"), exit_code=1), host)


def test_a_kubelet_that_does_not_start_says_why_in_its_journal() -> None:
    error = told(
        KUBELET, machine(journal=f"Starting kubelet\n{JOURNAL}\nkubelet.service: Failed\n")
    )

    assert error.code == "MA4012"
    assert "failed to load kubelet config file" in error.message
    assert "--- kubelet, last lines ---" in error.log_tail
    assert error.log_tail.startswith(KUBELET)


@pytest.mark.parametrize(
    ("text", "component"), [(API_SERVER, "kube-apiserver"), (SCHEDULER, "kube-scheduler")]
)
def test_a_component_that_does_not_come_up_says_why_in_its_own_log(
    text: str, component: str
) -> None:
    error = told(text, machine(logged(component, 3, "Flag deprecated", UNKNOWN_FLAG)))

    assert error.code == "MA4013"
    assert error.message.endswith(f"{component}: {UNKNOWN_FLAG}")
    assert f"--- {component}, last lines ---" in error.log_tail
    assert "stderr F" not in error.log_tail


def test_the_component_that_kubeadm_names_is_heard_first_then_the_one_that_brings_it_down() -> None:
    etcd = logged("etcd", 0, '{"level":"fatal","msg":"discovery failed"}')
    both = machine(logged("kube-apiserver", 0, UNKNOWN_FLAG), etcd)
    quiet = machine(logged("kube-apiserver", 0, "I1130 10:00:00.1 all is well"), etcd)

    assert UNKNOWN_FLAG in told(API_SERVER, both).message
    assert "discovery failed" in told(API_SERVER, quiet).message


def test_a_log_that_has_just_begun_is_read_with_the_one_before_it() -> None:
    host = machine(
        logged("kube-apiserver", 9, "E1130 10:00:00.1 too old"),
        logged("kube-apiserver", 10, UNKNOWN_FLAG),
        logged("kube-apiserver", 11, "I1130 10:00:00.1 starting"),
    )

    error = told(API_SERVER, host)

    assert UNKNOWN_FLAG in error.message
    assert "too old" not in error.log_tail


def test_the_newest_pod_of_a_component_counts() -> None:
    host = machine(logged("etcd", 0, "Error: of yesterday", uid="2"))
    host.clock.elapsed += 10
    host.put(*logged("etcd", 0, "Error: of today", uid="1"))

    assert "of today" in told(API_SERVER, host).message


@pytest.mark.parametrize("text", [KUBELET, API_SERVER])
def test_without_logs_the_error_is_as_it_was(text: str) -> None:
    host = machine()
    host.commands.missing |= {"tail", "journalctl"}

    assert told(text, host).message == diagnose(text, command=(), exit_code=1).message


def test_other_errors_are_left_alone() -> None:
    host = machine(logged("etcd", 0, UNKNOWN_FLAG), journal=JOURNAL)

    assert UNKNOWN_FLAG not in told("error execution phase certs/ca: disk is full", host).message
    assert not host.commands.calls


def test_message_and_tail_stay_bounded() -> None:
    host = machine(*(logged("etcd", n, *["Error: " + "x" * 9000] * 20) for n in range(3)))
    text = "x" * 70_000 + "\n" + API_SERVER + "y" * 5000

    error = told(text, host)

    assert len(error.message) <= LONGEST_MESSAGE
    assert len(error.log_tail.encode()) <= 64 * 1024 + 1
