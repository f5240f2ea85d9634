"""`check node`: drift is what a run would change; a node that was made must live, too."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from machineadm.agent.request import Request
from machineadm.cli.check.node import show
from machineadm.errors import MachineadmError
from tests.authorities import certificate, text_of
from tests.fakes.containerd import FakeContainerd
from tests.fakes.host import FakeHost, FakeProviders
from tests.unit.agent.stage import Stage

SOCKET = "/run/containerd/containerd.sock"
KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LOG: Any = importlib.import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema


@pytest.fixture
def node(tmp_path: Path) -> Stage:
    """A machine that became a node, and is well."""
    stage = Stage(tmp_path)
    stage.run()
    host = stage.host
    host.files.special(SOCKET)
    host.services.active_units.add("kubelet.service")
    host.services.enabled_units.add("kubelet.service")
    return stage


def checked(
    stage: Stage, capfd: pytest.CaptureFixture[str], *, output: str = "text", is_root: bool = True
) -> tuple[int, str]:
    capfd.readouterr()
    code = show(Request(paths=(str(stage.file),)), stage.machine(is_root=is_root), output=output)
    return code, capfd.readouterr().out


def codes(text: str) -> list[str]:
    return [
        line.split()[1] for line in text.splitlines() if line.startswith(("error: ", "warning: "))
    ]


def test_a_node_that_is_what_it_should_be_is_left_alone_and_told_so(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    before = node.host.mutations()

    code, text = checked(node, capfd)

    assert code == 0
    assert text == "machineadm: this machine is what its configuration says\n"
    assert node.host.mutations() == before


DRIFT: dict[str, tuple[str, Callable[[FakeHost], object]]] = {
    "a file that was edited": ("+hello", lambda host: host.put("/etc/motd", "edited\n")),
    "a file that is gone": ("+hello", lambda host: host.files.remove("/etc/motd")),
    "another mode": ("mode 0600 -> 0644", lambda host: setattr(host.files.nodes["/etc/motd"], "mode", 0o600)),
    "a parameter": ("net.ipv4.ip_forward", lambda host: host.kernel.parameters.update({"net.ipv4.ip_forward": "0"})),
    "a module": ("br_netfilter", lambda host: host.kernel.modules.discard("br_netfilter")),
    "the host name": ("worker-1", lambda host: setattr(host.kernel, "name", "other")),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFT)
def test_what_was_changed_since_is_drift_and_shown_as_a_run_would_undo_it(
    drift: str, node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    shown, change = DRIFT[drift]
    change(node.host)

    code, text = checked(node, capfd)

    assert code == 10
    assert set(codes(text)) == {"MA4601"}
    assert shown in text


def test_a_configuration_that_was_changed_since_is_drift(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    node.file.write_text(node.file.read_text().replace("[post-command]", "[another-command]"))

    code, text = checked(node, capfd)

    assert code == 10
    assert "another-command" in text


AILMENTS: dict[str, tuple[str, int, Callable[[FakeHost], object]]] = {
    "no runtime": ("MA4603", 10, lambda host: host.files.remove(SOCKET)),
    "a runtime that does not answer": ("MA4603", 10, lambda host: host.commands.on("crictl", exit_code=1)),
    "a dead kubelet": ("MA4604", 10, lambda host: host.services.active_units.discard("kubelet.service")),
    "a kubelet of this boot alone": ("MA4605", 0, lambda host: host.services.enabled_units.discard("kubelet.service")),
}  # fmt: skip


@pytest.mark.parametrize("ailment", AILMENTS)
def test_a_node_that_does_not_live_is_told_of(
    ailment: str, node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    code, expected, change = AILMENTS[ailment]
    change(node.host)

    found, text = checked(node, capfd)

    assert codes(text) == [code]
    assert found == expected


@pytest.mark.parametrize(
    "path", [KUBELET, "/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/etcd/server.crt"]
)
@pytest.mark.parametrize(("days", "word"), [(-1, "error"), (29, "warning"), (31, "")])
def test_a_certificate_is_told_of_before_it_ends(
    path: str, days: int, word: str, node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    ends = datetime(2040, 1, 1, tzinfo=timezone.utc)
    node.host.put(path, text_of(certificate("node.example.com", ends=ends)))
    node.host.clock.time = ends.timestamp() - days * 86400

    code, text = checked(node, capfd)

    assert code == (10 if word == "error" else 0)
    assert [line for line in text.splitlines() if "MA4606" in line] == ([
        f"{word}: MA4606 {path} {'expired' if days < 0 else 'expires'} on 2040-01-01"
    ] if word else [])  # fmt: skip


def test_what_is_no_certificate_is_passed_over(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    node.host.put(
        "/etc/kubernetes/pki/strange.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    node.host.files.make_directory("/etc/kubernetes/pki/directory.crt")

    assert checked(node, capfd)[0] == 0


def test_a_machine_that_never_became_a_node_is_not_asked_for_its_kubelet(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, text = checked(Stage(tmp_path), capfd)

    assert code == 10
    assert codes(text)[0] == "MA4602"
    assert set(codes(text)) == {"MA4602", "MA4601"}
    assert "kubeadm join" in text


def test_a_run_that_failed_is_told_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stage = Stage(tmp_path)
    stage.host.commands.on("pre-command", exit_code=1)
    with pytest.raises(MachineadmError):
        stage.run()

    code, text = checked(stage, capfd)

    assert code == 10
    assert "the last run failed: MA" in text


@pytest.mark.parametrize("damaged", [b"{", b'{"phase": "\xff"}', b"[]", b"\x00"])
def test_a_report_that_cannot_be_read_is_none(
    damaged: bytes, node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    for durable in (False, True):
        node.host.state.write("status.json", damaged, durable=durable)

    code, text = checked(node, capfd)

    assert (code, codes(text)) == (10, ["MA4602"])


def test_an_ordinary_user_is_told_that_he_does_not_see_everything(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    node.host.files.remove(SOCKET)

    code, text = checked(node, capfd, is_root=False)

    assert codes(text) == ["MA4607"]
    assert code == 0


REGISTRY = 'containerRuntime: {containerd: {registries: [{host: registry.example.com, auth: {authFrom: {handler: {name: entra, scope: ""}}}}]}}'
PROXY = '"systemProxies": [{targets: [host], httpsProxy: "http://proxy.example.com:3128", credentials: {username: a, authFrom: {handler: {name: entra, scope: ""}}}}]'


@pytest.mark.parametrize("field", [REGISTRY, PROXY])
def test_what_waits_for_a_plugin_is_no_drift_and_other_drift_beside_it_is_seen(
    field: str, node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    plugins = FakeProviders()
    plugins.tokens["entra"] = "t0ken"
    node.host.providers = plugins
    FakeContainerd(node.host, "1.6.20")
    text = node.file.read_text()
    node.file.write_text(text.replace("    files:\n", f"    {field}\n    files:\n"))
    node.run()
    node.host.services.active_units.add("kubelet.service")
    node.host.services.enabled_units.add("kubelet.service")
    plugins.asked.clear()

    code, text = checked(node, capfd)
    assert (code, set(codes(text))) == (0, {"MA4608"})
    assert plugins.asked == []

    node.host.put("/etc/motd", "edited\n")
    code, text = checked(node, capfd)
    assert (code, set(codes(text))) == (10, {"MA4601", "MA4608"})


def test_a_configuration_of_another_cluster_is_refused(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    node.file.write_text(node.file.read_text().replace("10.0.0.1:6443", "10.0.0.9:6443"))

    assert show(Request(paths=(str(node.file),)), node.machine(), output="text") == 3
    assert "MA6005" in capfd.readouterr().err


def test_json_and_sarif_say_the_same_and_no_secret(
    node: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    text = node.file.read_text()
    secret = '{path: /etc/secret, sensitive: true, content: "hunter2"}'
    node.file.write_text(
        text.replace("    commands:\n", f"    - {secret}\n    commands:\n").replace(
            "s3cr3t-value", "an0ther-value"
        )
    )
    node.host.put("/etc/motd", "edited\n")

    code, plain = checked(node, capfd)
    _, document = checked(node, capfd, output="json")
    _, log = checked(node, capfd, output="sarif")

    assert code == 10
    (run,) = LOG.model_validate_json(log).runs
    problems = json.loads(document)["problems"]
    assert [one["code"] for one in problems] == [one.ruleId for one in run.results] == codes(plain)
    assert any("+hello" in one.get("changes", []) for one in problems)
    for said in (plain, document, log):
        assert "hunter2" not in said
        assert "an0ther-value" not in said
