"""containerd: in the version that it reads, over what was there, restarted once, and put back where it does not serve."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.api.meta import AuthSource, HandlerRef
from machineadm.api.v1alpha1.containerd import (
    Containerd,
    ContainerdRuntime,
    ContainerRuntime,
    Registry,
    RegistryAuth,
    RegistryMirror,
    RegistryTls,
)
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.rules.toml import read_toml
from machineadm.errors import StepError
from machineadm.execution.looking import look
from machineadm.plan.model import Plan
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor, Secret
from machineadm.steps.containerd import plan_containerd
from machineadm.steps.containerd.tables import leaves, merged
from tests.applying import carry_out, context_of
from tests.fakes.containerd import CONFIG, FakeContainerd
from tests.fakes.host import FakeHost, offline_host
from tests.rulecases import CERTIFICATE, PRIVATE

BASE = "/etc/containerd/machineadm-base.toml"
CRI = "io.containerd.grpc.v1.cri"
IMAGES = "io.containerd.cri.v1.images"
RUNTIME = "io.containerd.cri.v1.runtime"
DEBIAN = """\
version = 2

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/etc/cni/net.d"
"""
LISTED = "W1130 warning\nregistry.k8s.io/kube-apiserver:v1.34.4\nregistry.k8s.io/pause:3.10.1\n"


def machine(
    version: str = "1.6.20~ds1", base: str | None = DEBIAN
) -> tuple[FakeHost, FakeContainerd]:
    host = FakeHost()
    containerd = FakeContainerd(host, version)
    if base is not None:
        host.put(CONFIG, base)
    host.commands.on("kubeadm", "config", "images", "list", output=LISTED)
    return host, containerd


def run(host: FakeHost, headers: dict[str, Secret] | None = None, **fields: Any) -> bool:
    runtime = ContainerRuntime(containerd=Containerd(**fields))
    steps = plan_containerd(runtime, KubernetesConfig(version="v1.34.4"), headers or {})
    return carry_out(Plan(steps=steps), host).complete


def tables(host: FakeHost) -> dict[str, Any]:
    return read_toml(host.text(CONFIG) or "")


def refused(host: FakeHost, **fields: Any) -> StepError:
    before = host.text(CONFIG)
    with pytest.raises(StepError) as caught:
        run(host, **fields)
    assert host.text(CONFIG) == before
    return caught.value


def test_containerd_1_gets_version_2_over_what_the_distribution_has() -> None:
    host, containerd = machine()

    assert run(host)
    assert run(host)

    cri = tables(host)["plugins"][CRI]
    assert tables(host)["version"] == 2
    assert cri["cni"] == {"bin_dir": "/usr/lib/cni", "conf_dir": "/etc/cni/net.d"}
    assert cri["sandbox_image"] == "registry.k8s.io/pause:3.10.1"
    assert cri["containerd"]["runtimes"]["runc"] == {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"SystemdCgroup": True},
    }
    assert containerd.restarts == 1


@pytest.mark.parametrize("version", ["2.0.0", "v2.3.1", "2.4.2-rc.0"])
def test_containerd_2_gets_version_3_over_what_it_makes_of_version_2(version: str) -> None:
    host, containerd = machine(version)

    assert run(host, snapshotter="native", max_concurrent_downloads=5)
    assert run(host, snapshotter="native", max_concurrent_downloads=5)

    found = tables(host)
    assert found["version"] == 3
    assert CRI not in found["plugins"]
    assert found["plugins"][RUNTIME]["cni"]["bin_dir"] == "/usr/lib/cni"
    assert found["plugins"][IMAGES] == {
        "snapshotter": "native",
        "max_concurrent_downloads": 5,
        "pinned_images": {"sandbox": "registry.k8s.io/pause:3.10.1"},
    }
    assert containerd.restarts == 1


def test_what_is_no_longer_said_is_what_the_distribution_had_again() -> None:
    host, _ = machine(base=DEBIAN.replace("[plugins", 'oom_score = 1\nroot = "/a"\n[plugins', 1))
    run(host, root="/data", max_concurrent_downloads=9, extra_config="oom_score = -999")
    assert tables(host)["root"] == "/data"

    run(host)

    found = tables(host)
    assert (found["root"], found["oom_score"]) == ("/a", 1)
    assert "max_concurrent_downloads" not in found["plugins"][CRI]


def test_a_configuration_that_goes_gives_the_distribution_s_file_back() -> None:
    host, containerd = machine()
    run(host)

    carry_out(Plan(steps=()), host)

    assert host.text(CONFIG) == DEBIAN
    assert host.text(BASE) is None
    assert containerd.restarts == 2


def test_a_file_that_somebody_put_there_since_is_the_new_base() -> None:
    host, _ = machine()
    run(host)
    host.put(CONFIG, "version = 2\noom_score = 7\n")

    run(host)

    assert tables(host)["oom_score"] == 7
    assert "cni" not in tables(host)["plugins"][CRI]


def test_without_a_file_there_is_no_base() -> None:
    host, _ = machine(base=None)

    assert run(host)

    assert host.text(BASE) is None
    assert run(host)


def test_docker_s_package_gets_the_interface_that_it_disables() -> None:
    host, _ = machine(base='disabled_plugins = ["cri", "aufs"]\n')

    run(host)

    assert tables(host)["disabled_plugins"] == ["aufs"]


@pytest.mark.parametrize(
    ("version", "base"),
    [("1.6.20", '[plugins.cri]\nsandbox_image = "a"\n'), ("1.7.2", f'version = 3\n[plugins."{IMAGES}"]\na = 1\n'), ("2.0.0", "version = \n")],
)  # fmt: skip
def test_a_base_that_cannot_be_kept_ends_the_run_before_anything_is_written(
    version: str, base: str
) -> None:
    host, _ = machine(version, base)

    assert refused(host).code == "MA3575"


def test_runtimes_have_the_shim_s_own_options_and_only_runc_s_the_cgroup_driver() -> None:
    host, _ = machine()
    runtimes = {
        "crun": ContainerdRuntime(options={"BinaryName": "/usr/bin/crun"}, default=True),
        "runsc": ContainerdRuntime(type="io.containerd.runsc.v1"),
        "nvidia": ContainerdRuntime(options={"SystemdCgroup": False}),
    }

    run(host, runtimes=runtimes, cgroup_driver="systemd")

    found = tables(host)["plugins"][CRI]["containerd"]
    assert found["default_runtime_name"] == "crun"
    assert found["runtimes"]["crun"]["options"] == {"BinaryName": "/usr/bin/crun", "SystemdCgroup": True}  # fmt: skip
    assert found["runtimes"]["runsc"] == {"runtime_type": "io.containerd.runsc.v1"}
    assert found["runtimes"]["nvidia"]["options"] == {"SystemdCgroup": False}
    assert set(found["runtimes"]) == {"runc", "crun", "runsc", "nvidia"}


@pytest.mark.parametrize(
    ("version", "extra", "written"),
    [
        ("1.6.20", "version = 2\noom_score = 1", 2),
        ("2.0.0", "version = 3\noom_score = 1", 3),
        ("2.3.0", "version = 4\noom_score = 1", 4),
        ("2.3.0", '[plugins."io.containerd.server.v1.grpc"]\naddress = "/a"\n', 4),
        ("1.6.20", "version = 3", None),
        ("2.0.0", "version = 2", None),
        ("2.2.9", "version = 4", None),
        ("2.2.9", '[plugins."io.containerd.server.v1.grpc"]\naddress = "/a"\n', None),
    ],
)
def test_extra_config_is_merged_where_it_is_of_the_version_that_is_written(
    version: str, extra: str, written: int | None
) -> None:
    host, _ = machine(version, None)

    if written is None:
        assert refused(host, extra_config=extra).code == "MA3576"
        return
    assert run(host, extra_config=extra)
    assert tables(host)["version"] == written
    assert set(leaves(read_toml(extra))) <= set(leaves(tables(host)))


def test_a_key_that_containerd_does_not_know_is_named_and_not_written() -> None:
    host, containerd = machine()
    containerd.unknown = {"sandbox_imgae"}
    extra = f'[plugins."{CRI}"]\nsandbox_imgae = "x"\n'

    error = refused(host, extra_config=extra)

    assert error.code == "MA3574"
    assert "sandbox_imgae" in error.message
    assert containerd.restarts == 0


@pytest.mark.parametrize("wrong", ["missing", "another version", "inline registries"])
def test_what_does_not_go_with_the_machine_ends_the_run_before_anything_is_written(
    wrong: str,
) -> None:
    host, _ = machine()
    fields: dict[str, Any] = {}
    if wrong == "missing":
        host.commands.missing.add("containerd")
        code = "MA3571"
    elif wrong == "another version":
        fields, code = {"version": "v1.7.0"}, "MA3572"
    else:
        host.put(CONFIG, f'version = 2\n[plugins."{CRI}".registry.mirrors.x]\nendpoint = ["https://a"]\n')  # fmt: skip
        fields, code = {"registries": (Registry(host="a.example.com"),)}, "MA3577"

    assert refused(host, **fields).code == code


@pytest.mark.parametrize("fault", ["does not start", "runs and serves nobody"])
def test_a_runtime_that_does_not_serve_gets_its_old_configuration_back(fault: str) -> None:
    host, containerd = machine()

    def is_new(found: dict[str, Any]) -> bool:
        return found.get("oom_score") == 5

    if fault == "does not start":
        containerd.refuses = is_new
    else:
        containerd.breaks = is_new

    with pytest.raises(StepError) as caught:
        run(host, extra_config="oom_score = 5")

    assert caught.value.code == "MA3411"
    assert host.text(CONFIG) == DEBIAN
    assert "containerd.service" in containerd.active_units
    assert containerd.loaded == read_toml(DEBIAN)


def test_a_runtime_that_does_not_run_is_started_and_enabled() -> None:
    host, containerd = machine()
    run(host)
    containerd.active_units.clear()
    containerd.enabled_units.clear()
    host.files.nodes.pop("/run/containerd/containerd.sock")

    assert run(host)

    assert "containerd.service" in containerd.active_units & containerd.enabled_units


LOGIN = RegistryAuth(username="user", password=Secret("hunter2"))
PINNED = RegistryTls(ca=CERTIFICATE, cert=CERTIFICATE, key=Secret(PRIVATE))
REGISTRIES = (
    Registry(host="docker.io", mirrors=(RegistryMirror(url="https://mirror.example.com:5000"),)),
    Registry(host="mirror.example.com:5000", tls=PINNED, auth=LOGIN),
    Registry(host="_default", mirrors=(RegistryMirror(url="http://other.example.com/v2/x", override_path=True),)),
)  # fmt: skip


def test_registries_are_reached_by_their_mirrors_with_the_mirror_s_own_certificates() -> None:
    host, containerd = machine()

    assert run(host, registries=REGISTRIES)

    def hosts(name: str) -> dict[str, Any]:
        return read_toml(host.text(f"/etc/containerd/certs.d/{name}/hosts.toml") or "")

    directory = "/etc/containerd/certs.d/mirror.example.com:5000"
    trust = {"ca": [f"{directory}/ca.crt"], "client": [[f"{directory}/client.cert", f"{directory}/client.key"]]}  # fmt: skip
    assert hosts("docker.io") == {
        "server": "https://registry-1.docker.io",
        "host": {"https://mirror.example.com:5000": {"capabilities": ["pull", "resolve"], **trust}},
    }
    assert hosts("mirror.example.com:5000") == {
        "server": "https://mirror.example.com:5000",
        **trust,
        # Without this table containerd 1.6 reads nothing of the file.
        "host": {},
    }
    assert hosts("_default") == {
        "host": {"http://other.example.com/v2/x": {"capabilities": ["pull", "resolve"], "override_path": True}}
    }  # fmt: skip
    registry = tables(host)["plugins"][CRI]["registry"]
    assert registry["config_path"] == "/etc/containerd/certs.d"
    assert registry["configs"] == {
        "mirror.example.com:5000": {"auth": {"username": "user", "password": "hunter2"}}
    }
    assert host.files.nodes[CONFIG].mode == 0o600
    assert host.files.nodes[f"{directory}/client.key"].mode == 0o600
    restarts = containerd.restarts

    run(host, registries=(*REGISTRIES, Registry(host="more.example.com")))
    assert containerd.restarts == restarts


def test_a_token_goes_to_its_registry_alone_and_another_one_restarts_nothing() -> None:
    host, containerd = machine()
    vouched = RegistryAuth(auth_from=AuthSource(handler=HandlerRef(name="entra")))
    registries = (
        Registry(host="docker.io", mirrors=(RegistryMirror(url="https://own.example.com"), RegistryMirror(url="http://own.example.com/v2"), RegistryMirror(url="https://other.example.com"))),
        Registry(host="own.example.com", auth=vouched),
    )  # fmt: skip

    assert run(host, {"own.example.com": Secret("Bearer t0ken")}, registries=registries)

    def hosts(name: str) -> dict[str, Any]:
        return read_toml(host.text(f"/etc/containerd/certs.d/{name}/hosts.toml") or "")

    sent = {"header": {"Authorization": "Bearer t0ken"}}
    assert hosts("own.example.com") == {"server": "https://own.example.com", **sent, "host": {}}
    assert [
        url
        for url, one in hosts("docker.io")["host"].items()
        if one.get("header") == sent["header"]
    ] == ["https://own.example.com"]
    assert "t0ken" not in (host.text(CONFIG) or "")
    for name in ("docker.io", "own.example.com"):
        assert host.files.nodes[f"/etc/containerd/certs.d/{name}/hosts.toml"].mode == 0o600
    restarts = containerd.restarts

    run(host, {"own.example.com": Secret("Bearer t1ken")}, registries=registries)
    assert hosts("own.example.com")["header"] == {"Authorization": "Bearer t1ken"}
    assert containerd.restarts == restarts


def test_below_another_root_the_configuration_waits_for_the_containerd_that_will_read_it() -> None:
    host = offline_host()
    runtime = ContainerRuntime(containerd=Containerd(registries=REGISTRIES))

    ending = carry_out(Plan(steps=plan_containerd(runtime, None, {})), host)

    assert not ending.complete
    assert host.text(CONFIG) is None
    assert host.text("/etc/containerd/certs.d/docker.io/hosts.toml")


def test_tables_are_merged_key_by_key_and_lists_are_replaced() -> None:
    base = {"a": {"b": 1, "c": [1]}, "d": 1}

    assert merged(base, {"a": {"c": [2]}, "d": {"e": 1}}) == {"a": {"b": 1, "c": [2]}, "d": {"e": 1}}  # fmt: skip
    assert base == {"a": {"b": 1, "c": [1]}, "d": 1}


AUTH = f'[plugins."{CRI}".registry.configs."a.example.com".auth]\npassword = "hunter2"\n'


@pytest.mark.parametrize("whose", ["the distribution's", "extraConfig's", "a private file's"])
def test_a_login_that_is_not_of_a_field_is_read_by_root_alone_and_never_shown(whose: str) -> None:
    host, _ = machine()
    extra = AUTH if whose == "extraConfig's" else "oom_score = 1"
    if whose == "the distribution's":
        host.put(CONFIG, DEBIAN + AUTH)
    if whose == "a private file's":
        host.put(CONFIG, 'version = 2\n[proxy_plugins.a]\naddress = "hunter2"\n', mode=0o600)
    steps = plan_containerd(ContainerRuntime(containerd=Containerd(extra_config=extra)), None, {})
    shown = "".join(render_text(look(context_of(Plan(steps=steps), host)), Redactor()))

    assert run(host, extra_config=extra)

    assert "hunter2" not in shown
    assert "hunter2" in (host.text(CONFIG) or "")
    assert host.files.nodes[CONFIG].mode == 0o600
    if whose != "extraConfig's":
        assert host.files.nodes[BASE].mode == 0o600
