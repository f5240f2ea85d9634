"""What plan_kubeadm plans, refuses, and lays out."""

from __future__ import annotations

import msgspec
import pytest

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.api.formats import instant
from machineadm.api.v1alpha1.kubeadm import BootstrapToken, Initialize, Patch
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.node import NodeConfig, NodeKubelet
from machineadm.errors import ConfigError, HostError, KubeadmError, MachineadmError
from machineadm.host.effects import KeepState
from machineadm.host.facts import Facts
from machineadm.plan.model import Change, Phase
from machineadm.redaction import Secret
from machineadm.steps.kubeadm import plan_kubeadm
from machineadm.steps.kubeadm.config import LayOutFiles
from machineadm.steps.kubeadm.pieces import node_registration
from machineadm.steps.kubeadm.run import RunKubeadm
from machineadm.steps.kubeadm.versions import misfit
from tests.applying import apply
from tests.fakes.host import FakeHost, offline_host
from tests.fakes.kubeadm import Cluster, FakeKubeadm
from tests.kubeadm_cases import GOLDEN, RUN_DIRECTORY, kubernetes_of
from tests.kubeadm_machine import Machine

FACTS = Facts(machine_id="m1", kubeadm_version="v1.34.4")
CONFIG = f"{RUN_DIRECTORY}/kubeadm/config.yaml"


def small(role: str = "init") -> KubernetesConfig:
    return kubernetes_of(GOLDEN / "small" / f"{role}.yaml")


def planned(
    kubernetes: KubernetesConfig, facts: Facts = FACTS, *, may_be_installed: bool = True
) -> tuple[LayOutFiles, RunKubeadm]:
    files, run = plan_kubeadm(
        kubernetes, facts, ControlPlaneExtras(), RUN_DIRECTORY, may_be_installed=may_be_installed
    )
    assert isinstance(files, LayOutFiles)
    assert isinstance(run, RunKubeadm)
    return files, run


@pytest.mark.parametrize(
    ("kubeadm", "kubernetes", "worker", "fits"),
    [
        ("v1.34.4", "v1.34.1", False, True),
        ("v1.34.0", "v1.34.9", False, True),
        ("v1.34.4", "v1.33.1", False, True),
        ("v1.34.4", "v1.32.1", False, False),
        ("v1.33.4", "v1.34.1", False, False),
        ("v1.34.4", "v1.31.1", True, True),
        ("v1.34.4", "v1.30.1", True, False),
        ("v1.33.4", "v1.34.1", True, False),
        ("v1.35.0-rc.1", "v1.35.0-rc.1", False, True),
        ("v1.35.0-alpha.1.12+0123456789abcd", "v1.34.0", False, True),
        ("nonsense", "v1.34.0", False, False),
        ("", "v1.34.0", False, False),
        ("v2.34.0", "v1.34.0", False, False),
    ],
)
def test_kubeadm_fits_by_its_own_policy(
    kubeadm: str, kubernetes: str, worker: bool, fits: bool
) -> None:
    assert (misfit(kubeadm, kubernetes, worker=worker) is None) is fits


def test_a_kubeadm_that_does_not_fit_is_refused_before_anything_is_planned() -> None:
    with pytest.raises(ConfigError) as refused:
        planned(small(), Facts(kubeadm_version="v1.32.0"))

    assert refused.value.code == "MA4102"
    assert refused.value.hint()


def test_a_missing_kubeadm_is_refused_where_nothing_can_bring_it() -> None:
    with pytest.raises(HostError) as refused:
        planned(small(), Facts(kubeadm_version=None), may_be_installed=False)

    assert (refused.value.code, refused.value.exit_code) == ("MA4101", 5)
    planned(small(), Facts(kubeadm_version=None), may_be_installed=True)


def test_a_tree_is_not_asked_for_its_kubeadm() -> None:
    planned(small(), Facts(kubeadm_version=None, offline=True), may_be_installed=False)


def test_the_version_is_looked_at_again_just_before_kubeadm_runs() -> None:
    host = FakeHost()
    kubeadm = FakeKubeadm(host, Cluster())
    kubeadm.version = "v1.32.1"
    files, run = planned(small())
    apply(files, host)

    with pytest.raises(KubeadmError) as refused:
        apply(run, host)

    assert refused.value.code == "MA4102"
    assert kubeadm.runs == []


def test_a_kubeadm_that_no_command_installed_is_missed_just_before_it_runs() -> None:
    host = FakeHost()
    host.commands.missing.add("kubeadm")
    _, run = planned(small())

    with pytest.raises(KubeadmError) as refused:
        apply(run, host)

    assert refused.value.code == "MA4101"


def test_the_first_control_plane_uploads_certificates_only_when_it_has_a_key() -> None:
    _, plain = planned(small())
    role = Initialize(certificate_key=Secret("ab" * 32))
    _, keyed = planned(msgspec.structs.replace(small(), role=role))

    assert "--upload-certs" not in plain.arguments
    assert "--upload-certs" in keyed.arguments
    assert plain.arguments[0] == f"--config={CONFIG}"
    # A token or key that kubeadm makes up is known to nobody who could mask it.
    assert {"--skip-token-print", "--skip-certificate-key-print"} <= set(plain.arguments)


def test_both_steps_belong_to_kubeadms_phase_and_only_one_needs_the_running_system() -> None:
    files, run = planned(small())

    assert (files.name, run.name) == ("kubeadm/config", "kubeadm/init")
    assert {files.phase, run.phase} == {Phase.KUBEADM}
    assert (files.live, run.live, files.once, run.once) == (False, True, False, True)


def test_the_files_are_laid_out_once_and_in_the_run_directory_alone() -> None:
    host = FakeHost()
    files, _ = planned(small())

    assert files.check(host).change is Change.CHANGED
    assert apply(files, host).change is Change.CHANGED
    assert files.check(host).change is Change.ALREADY_IN_PLACE
    assert host.mutations() == []
    assert host.state.state_files == {}


def test_below_another_root_the_files_are_laid_out_too() -> None:
    host = offline_host()
    files, _ = planned(small(), Facts(offline=True))

    apply(files, host)

    assert "kubeadm/config.yaml" in host.state.run_files


def kept(files: LayOutFiles, host: FakeHost) -> list[KeepState]:
    """What a plan shows."""
    effects = files.check(host).effects
    return [effect for effect in effects if isinstance(effect, KeepState) and effect.path]


def test_a_plan_shows_the_configuration_without_its_secrets() -> None:
    files, _ = planned(small("join-worker"))

    (change,) = kept(files, FakeHost())

    assert change.path == CONFIG
    assert change.before is None
    assert not change.sensitive
    assert b"cluster.example.com:6443" in (change.shown or b"")
    assert b'token: "***"' in (change.shown or b"")
    assert b"0123456789abcdef" not in (change.shown or b"")


def test_files_that_are_there_already_are_not_shown() -> None:
    host = FakeHost()
    host.state.write("kubeadm/config.yaml", b"token: of-an-earlier-configuration", durable=False)
    files, _ = planned(small("join-worker"))

    (change,) = kept(files, host)

    assert change.sensitive


def test_a_patch_that_is_no_longer_wanted_goes() -> None:
    host = FakeHost()
    patch = Patch(target="etcd", patch="metadata: {}")
    with_patch, _ = planned(msgspec.structs.replace(small(), patches=(patch,)))
    apply(with_patch, host)
    without, _ = planned(small())

    assert without.check(host).change is Change.CHANGED
    apply(without, host)

    assert [name for name in host.state.run_files if "patches" in name] == []


def with_directory_and_kubelet() -> KubernetesConfig:
    return msgspec.structs.replace(
        small("join-worker"),
        patches_directory="/opt/patches",
        node=NodeConfig(kubelet=NodeKubelet(max_pods=20)),
    )


def test_an_images_patches_are_copied_where_the_kubelets_settings_must_fit_beside_them() -> None:
    host = FakeHost()
    host.put("/opt/patches/kubeletconfiguration9+merge.yaml", "maxPods: 10")
    host.put("/opt/patches/README", "not for kubeadm")
    files, _ = planned(with_directory_and_kubelet())

    apply(files, host)

    names = [name for name in sorted(host.state.run_files) if name.startswith("kubeadm/patches/")]
    assert [name.rpartition("/")[2] for name in names] == [
        "kubeletconfiguration9+merge.yaml",
        "kubeletconfigurationzzz+merge.yaml",
    ]
    assert b"maxPods: 20" in host.state.run_files[names[1]]
    assert b"/run/machineadm/kubeadm/patches" in host.state.run_files["kubeadm/config.yaml"]


def test_an_images_patches_stay_where_they_are_otherwise() -> None:
    host = FakeHost()
    kubernetes = msgspec.structs.replace(small("join-worker"), patches_directory="/opt/patches")
    files, _ = planned(kubernetes)

    apply(files, host)

    assert b'directory: "/opt/patches"' in host.state.run_files["kubeadm/config.yaml"]
    assert not any("patches/" in name for name in host.state.run_files)


@pytest.mark.requirement("U6")
def test_what_the_older_api_cannot_say_is_refused_and_not_dropped() -> None:
    older = msgspec.structs.replace(
        small(), version="v1.30.4", node=NodeConfig(image_pull_serial=False)
    )

    with pytest.raises(ConfigError) as refused:
        planned(older, Facts(kubeadm_version="v1.30.4"))

    assert refused.value.code == "MA4103"
    assert "imagePullSerial" in refused.value.message


def test_a_token_that_has_expired_is_refused() -> None:
    maximal = kubernetes_of(GOLDEN / "maximal" / "init.yaml")
    host = FakeHost()
    host.clock.time = 4_000_000_000.0
    files, _ = planned(maximal)

    with pytest.raises(MachineadmError) as refused:
        files.check(host)

    assert refused.value.code == "MA4104"


def test_a_token_expires_when_it_is_told_to_however_long_kubeadm_takes() -> None:
    machine = Machine("init")
    token = BootstrapToken(token=Secret("abcdef.0123456789abcdef"), expires="2027-01-15T10:00:00Z")
    role = Initialize(bootstrap_tokens=(token,))
    machine.kubernetes = msgspec.structs.replace(machine.kubernetes, role=role)
    began = machine.host.clock.now()

    machine.run()

    assert machine.host.clock.now() - began > 10
    assert abs(machine.cluster.token_expires - instant("2027-01-15T10:00:00Z")) <= 1
    assert machine.kubeadm.runs == ["init"]


def test_tokens_without_an_expiry_are_made_once() -> None:
    machine = Machine("init")
    machine.run()

    assert not [argv for argv in machine.host.commands.argvs() if "phase" in argv]


def test_codes_of_our_own_checks_are_not_given_to_kubeadm() -> None:
    node = NodeConfig(ignore_preflight_errors=("Swap", "MA4503", "ma4504", "all-of-them"))

    document = node_registration(node, worker=False, arguments=list)

    assert document["ignorePreflightErrors"] == ("Swap", "all-of-them")
