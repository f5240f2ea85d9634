"""Files of the API server, as kubeadm and the API server find them."""

from __future__ import annotations

import pytest

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.api.v1alpha1.cluster import Argument
from machineadm.api.v1alpha1.control_plane import ApiServer, ControlPlaneConfig
from machineadm.api.v1alpha1.control_plane_files import (
    Admission,
    AdmissionPlugins,
    Authentication,
    Authorization,
    Oidc,
)
from machineadm.api.v1alpha1.kubeadm import Initialize
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import OWN
from machineadm.errors import ConfigError
from machineadm.plan.model import Change
from machineadm.steps.certificates import plan_certificates
from machineadm.steps.control_plane_files import plan_control_plane_files
from machineadm.steps.static_pods import plan_static_pods
from tests.applying import apply
from tests.fakes.host import FakeHost
from tests.kubeadm_cases import GOLDEN, files_of, kubernetes_of, rendered


def maximal(role: str = "init") -> KubernetesConfig:
    return kubernetes_of(GOLDEN / "maximal" / f"{role}.yaml")


def with_plane(plane: ControlPlaneConfig, version: str = "v1.34.4") -> KubernetesConfig:
    return KubernetesConfig(version=version, role=Initialize(), control_plane=plane)


def extras_of(kubernetes: KubernetesConfig) -> ControlPlaneExtras:
    return plan_control_plane_files(kubernetes)[1]


def test_without_a_control_plane_there_is_nothing_to_write() -> None:
    worker = maximal("join-worker")

    assert plan_control_plane_files(worker) == ((), ControlPlaneExtras())


@pytest.mark.requirement("U4", "U9")
def test_nobody_but_root_reads_what_the_api_server_reads() -> None:
    files = {file.path: file for file in files_of(maximal())}

    for path, file in files.items():
        if path.startswith((OWN, "/etc/kubernetes/manifests")) or path.endswith(".key"):
            assert file.mode == 0o600, path
        else:
            assert file.mode == 0o640, path
    secret = [path for path, file in files.items() if file.hidden]
    assert f"{OWN}/encryption.yaml" in secret
    assert "/etc/kubernetes/certificates/ca.key" in secret


@pytest.mark.requirement("U9", "U11")
def test_every_file_an_argument_names_is_written_and_mounted() -> None:
    kubernetes = maximal()
    extras = extras_of(kubernetes)
    written = {file.path for file in files_of(kubernetes)}

    named = {value for _, value in extras.api_server_args if value.startswith(OWN)}

    assert named
    assert named <= written
    assert OWN in {volume.path for volume in extras.api_server_volumes}


def test_the_directory_is_mounted_and_not_the_file_which_a_replacement_would_detach() -> None:
    assert not any(v.path_type == "File" for v in extras_of(maximal()).api_server_volumes)


def test_the_steps_put_the_files_in_place_once() -> None:
    host = FakeHost()
    kubernetes = maximal()
    steps = (
        *plan_control_plane_files(kubernetes)[0],
        *plan_certificates(kubernetes),
        *plan_static_pods(kubernetes),
    )

    assert [apply(step, host).change for step in steps] == [Change.CHANGED] * 3
    assert [step.check(host).change for step in steps] == [Change.ALREADY_IN_PLACE] * 3


@pytest.mark.parametrize(
    ("version", "authentication", "authorization"),
    [
        ("v1.30.4", "v1beta1", "v1beta1"),
        ("v1.31.4", "v1beta1", "v1beta1"),
        ("v1.32.0", "v1beta1", "v1"),
        ("v1.33.9", "v1beta1", "v1"),
        ("v1.34.0", "v1", "v1"),
        ("v1.36.1", "v1", "v1"),
    ],
)
def test_structured_files_have_the_version_that_this_kubernetes_knows(
    version: str, authentication: str, authorization: str
) -> None:
    plane = ControlPlaneConfig(
        authentication=Authentication(structured={"jwt": []}),
        authorization=Authorization(structured={"authorizers": []}),
    )
    files = {file.path: file.content for file in files_of(with_plane(plane, version))}

    first, second = files[f"{OWN}/authentication.yaml"], files[f"{OWN}/authorization.yaml"]
    assert f'"apiserver.config.k8s.io/{authentication}"'.encode() in first  # type: ignore[operator]
    assert f'"apiserver.config.k8s.io/{authorization}"'.encode() in second  # type: ignore[operator]


def test_a_version_that_the_document_names_itself_stays() -> None:
    given = {"apiVersion": "apiserver.config.k8s.io/v1alpha1", "jwt": []}
    plane = ControlPlaneConfig(authentication=Authentication(structured=given))

    (file,) = files_of(with_plane(plane))

    assert b"v1alpha1" in file.content  # type: ignore[operator]


def test_kubeadms_own_admission_plugin_stays_on() -> None:
    def enabled(*names: str, disabled: tuple[str, ...] = ()) -> str | None:
        plugins = AdmissionPlugins(enabled=names, disabled=disabled)
        plane = ControlPlaneConfig(admission=Admission(plugins=plugins))
        return dict(extras_of(with_plane(plane)).api_server_args).get("enable-admission-plugins")

    assert enabled("PodSecurity") == "NodeRestriction,PodSecurity"
    assert enabled("PodSecurity", "NodeRestriction") == "NodeRestriction,PodSecurity"
    assert enabled("PodSecurity", disabled=("NodeRestriction",)) == "PodSecurity"
    assert enabled() is None


def test_kubeadms_own_admission_plugin_can_be_turned_off_alone() -> None:
    """kubeadm's own argument turns it on, and the API server takes no plugin that is on and off: ours is empty instead."""
    plugins = AdmissionPlugins(disabled=("NodeRestriction",))
    arguments = extras_of(with_plane(ControlPlaneConfig(admission=Admission(plugins=plugins))))

    assert dict(arguments.api_server_args) == {
        "enable-admission-plugins": "",
        "disable-admission-plugins": "NodeRestriction",
    }


def test_an_argument_of_the_configuration_wins_over_one_of_ours() -> None:
    plane = ControlPlaneConfig(
        admission=Admission(plugins=AdmissionPlugins(enabled=("PodSecurity",))),
        api_server=ApiServer(
            extra_args=(Argument(name="enable-admission-plugins", value="AlwaysPullImages"),)
        ),
    )

    config = rendered(with_plane(plane)).encode(reveal=True)["kubeadm/config.yaml"]

    assert b"AlwaysPullImages" in config
    assert b"PodSecurity" not in config


def claims(*names: str) -> ControlPlaneConfig:
    oidc = Oidc(
        issuer_url="https://issuer.example.com",
        client_id="kubernetes",
        required_claims=dict.fromkeys(names, "y"),
    )
    return ControlPlaneConfig(authentication=Authentication(oidc=oidc))


def test_each_required_claim_is_an_argument_of_its_own() -> None:
    arguments = extras_of(with_plane(claims("a", "b"))).api_server_args

    assert [value for name, value in arguments if name == "oidc-required-claim"] == ["a=y", "b=y"]


def test_two_required_claims_are_refused_where_an_argument_comes_once() -> None:
    with pytest.raises(ConfigError) as refused:
        rendered(with_plane(claims("a", "b"), "v1.30.4"))

    assert refused.value.code == "MA4103"
    rendered(with_plane(claims("a"), "v1.30.4"))
