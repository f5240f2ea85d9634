"""Proxies: who gets them, who is restarted for them, and who may read them."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.api.v1alpha1.containerd import Containerd, ContainerRuntime
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.proxy import ProxyCredentials, ProxySettings, SystemProxyConfig
from machineadm.plan.model import Plan
from machineadm.redaction import Secret
from machineadm.steps.proxy import plan_proxy
from tests.applying import carry_out
from tests.fakes.host import FakeHost

URL = "http://proxy.example.com:3128"
DIRECTLY = "corp.example.com,localhost,127.0.0.0/8,::1,169.254.169.254,fd00:ec2::254,192.0.2.10"
LOGIN = ProxyCredentials(username="user", password=Secret("hunter2"))
UNITS = {"containerRuntime": "containerd.service", "kubelet": "kubelet.service"}
MANAGER = "/etc/systemd/system.conf.d/90-machineadm-proxy.conf"
OF_SERVICES = "/etc/systemd/system/service.d/90-machineadm-proxy.conf"
PROFILE = "/etc/profile.d/90-machineadm-proxy.sh"


def run(
    host: FakeHost, *targets: Any, runtime: ContainerRuntime | None = None, **fields: Any
) -> bool:
    given = {"https_proxy": URL, "no_proxy": ("corp.example.com",), **fields}
    entries = (SystemProxyConfig(targets=targets, **given),) if targets else ()
    machine = MachineConfig(system_proxies=entries, container_runtime=runtime)
    return carry_out(Plan(steps=plan_proxy(machine, None)), host).complete


def drop_in(unit: str) -> str:
    return f"/etc/systemd/system/{unit}.d/90-machineadm-proxy.conf"


@pytest.mark.parametrize("target", UNITS)
def test_a_service_reads_its_variables_from_a_file_and_is_restarted_if_it_runs(target: str) -> None:
    host, unit = FakeHost(), UNITS[target]
    host.services.active_units.add(unit)

    assert run(host, target)
    assert run(host, target)

    file = f"/etc/machineadm/proxy/{unit}.env"
    assert host.text(file) == (
        f"HTTPS_PROXY={URL}\nhttps_proxy={URL}\nNO_PROXY={DIRECTLY}\nno_proxy={DIRECTLY}\n"
    )
    assert host.text(drop_in(unit)) == f"[Service]\nEnvironmentFile={file}\n"
    assert host.services.actions == [("reload",), ("restart", unit)]


@pytest.mark.parametrize("target", UNITS)
def test_a_service_that_does_not_run_is_not_started(target: str) -> None:
    host = FakeHost()

    run(host, target)

    assert host.services.actions == [("reload",)]


def test_shells_and_whatever_systemd_starts_have_the_proxy_of_the_host() -> None:
    host = FakeHost()

    assert run(host, "host", http_proxy=URL)

    assert ". /etc/machineadm/proxy/host.env" in (host.text(PROFILE) or "")
    assert host.text(MANAGER) == (
        f'[Manager]\nDefaultEnvironment="HTTP_PROXY={URL}" "http_proxy={URL}" "HTTPS_PROXY={URL}" "https_proxy={URL}"'
        f' "NO_PROXY={DIRECTLY}" "no_proxy={DIRECTLY}"\n'
    )
    assert host.text(OF_SERVICES) is None


@pytest.mark.parametrize("target", ["host", *UNITS])
def test_credentials_are_in_one_file_that_only_root_reads(target: str) -> None:
    host = FakeHost()

    assert run(host, target, credentials=LOGIN)

    holding = {path for path, node in host.files.nodes.items() if b"hunter2" in node.content}
    assert holding == {f"/etc/machineadm/proxy/{UNITS.get(target, 'host')}.env"}
    assert all(host.files.nodes[path].mode == 0o600 for path in holding)
    assert "user:hunter2@proxy.example.com" in (host.text(holding.pop()) or "")
    if target == "host":
        assert host.text(OF_SERVICES) == "[Service]\nEnvironmentFile=/etc/machineadm/proxy/host.env\n"  # fmt: skip
        assert host.text(MANAGER) is None


def test_credentials_that_come_leave_nothing_where_everybody_reads_and_what_goes_is_taken_back() -> (
    None
):
    host = FakeHost()
    run(host, "host", "kubelet")

    run(host, "host", credentials=LOGIN)
    assert host.text(MANAGER) is None
    assert host.text(drop_in("kubelet.service")) is None

    run(host)
    left = [path for path, node in host.files.nodes.items() if "proxy" in path and node.content]
    assert not left


@pytest.mark.parametrize("auto", [True, False])
def test_addresses_of_the_machine_are_added_unless_the_list_is_to_stay_as_it_is(auto: bool) -> None:
    host = FakeHost()
    host.network.addresses[("cni0", 4)] = "10.244.0.1"

    run(host, "kubelet", no_proxy_auto=auto)

    text = host.text("/etc/machineadm/proxy/kubelet.service.env") or ""
    assert f"no_proxy={DIRECTLY if auto else 'corp.example.com'}\n" in text


def test_interfaces_of_pods_that_come_change_nothing() -> None:
    host = FakeHost()
    run(host, "containerRuntime")
    before = len(host.mutations())

    host.network.addresses[("cni0", 4)] = "10.244.0.1"
    host.services.active_units.add("containerd.service")
    run(host, "containerRuntime")

    assert len(host.mutations()) == before


def test_a_proxy_of_containerd_s_own_comes_before_the_system_s() -> None:
    host, own = FakeHost(), ProxySettings(http_proxy="http://own.example.com:1")

    run(
        host,
        "kubelet",
        "containerRuntime",
        runtime=ContainerRuntime(containerd=Containerd(proxy=own)),
    )

    runtime = host.text("/etc/machineadm/proxy/containerd.service.env") or ""
    assert "HTTP_PROXY=http://own.example.com:1\n" in runtime
    assert URL not in runtime
    assert URL in (host.text("/etc/machineadm/proxy/kubelet.service.env") or "")
