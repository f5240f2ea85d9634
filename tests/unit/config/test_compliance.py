"""Profiles: what they fill, what they leave as the configuration says it, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.catalogues import EDITIONS, Control, Setting, catalogue, compared, text_of
from machineadm.config.defaulting import realise
from machineadm.config.hardening import harden, modes_of, with_profile
from machineadm.config.validation import check
from machineadm.documents.decoding import read_values
from tests.configurations import TOKEN, configuration, example
from tests.rulecases import CLUSTER, CP, FILE, HTTPS, NODE, POLICY, Case, judging

LINUX = "machine.linuxConfiguration"
PROFILES = f"{LINUX}.complianceProfiles"
P = f"spec.{PROFILES}[0]"
CIS: dict[str, Any] = {PROFILES: [{"name": "cis"}]}
KUBELET = f"{NODE}.kubelet"
ROLES: dict[str, dict[str, Any]] = {
    "Initialize": {"type": "Initialize"},
    "JoinControlPlane": {
        "type": "JoinControlPlane",
        "discovery": TOKEN,
        "certificateKey": "a" * 64,
    },
    "JoinWorker": {"type": "JoinWorker", "discovery": TOKEN},
}
ARGUMENTS = {
    "apiServer": f"{CP}.apiServer.extraArgs",
    "controllerManager": f"{CP}.controllerManager.extraArgs",
    "scheduler": f"{CP}.scheduler.extraArgs",
    "etcd": f"{CLUSTER}.etcd.local.extraArgs",
}
STIG: dict[str, Any] = {PROFILES: [{"name": "stig", "level": 2}]}
FULL = {"rules": [{"level": "RequestResponse"}]}
TYPED = ("podPidsLimit", "tlsCipherSuites", "protectKernelDefaults", "eventRecordQPS")


def excepting(*ids: str, **more: Any) -> dict[str, Any]:
    return {PROFILES: [{"name": "cis", "exceptions": [f"{id_}=reviewed" for id_ in ids]}], **more}


def arguments(place: str, **values: str) -> dict[str, Any]:
    listed = [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]
    return {place: listed}


CASES = [
    Case("an exception has a reason", {PROFILES: [{"name": "cis", "exceptions": ["1.1.12", "1.2.1=", "1.2.5= "]}]},
         [("MA1451", f"{P}.exceptions[{number}]") for number in range(3)], excepting("1.1.12", "1.2.1", "1.2.5")),
    Case("an exception is a control of its catalogue", excepting("9.9.9", "1.1"),
         [("MA1451", f"{P}.exceptions[0]"), ("MA1451", f"{P}.exceptions[1]")], excepting("4.2.13")),
    Case("an exception is said once", {PROFILES: [{"name": "cis", "exceptions": ["1.1.12=a", "1.1.12=b"]}]},
         [("MA1306", f"{P}.exceptions[1]")], excepting("1.1.12", "1.1.11")),
    Case("an exception is a control of the profile's own catalogue", {PROFILES: [{"name": "stig", "exceptions": ["1.1.12=a"]}]},
         [("MA1451", f"{P}.exceptions[0]")], {PROFILES: [{"name": "stig", "exceptions": ["V-242390=a"]}]}),
    Case("a category has its controls and those that are graver", {PROFILES: [{"name": "stig", "level": 2}], **arguments(f"{CP}.scheduler.extraArgs", tls_min_version="VersionTLS11")},
         [("MA1450", f"spec.{CP}.scheduler.extraArgs[0].value")],
         {PROFILES: [{"name": "stig", "level": 1}], **arguments(f"{CP}.scheduler.extraArgs", tls_min_version="VersionTLS11")}),
    Case("a policy that leaves requests out", {**STIG, f"{CP}.auditPolicy": {"policy": POLICY, "log": {"maxAge": 31}}},
         [("MA1450", f"spec.{CP}.auditPolicy.policy")], {**STIG, f"{CP}.auditPolicy": {"policy": POLICY | FULL, "log": {"maxAge": 31}}}),
    Case("a kernel parameter that the kubelet wants otherwise", {**STIG, f"{LINUX}.sysctls": {"kernel.panic": "0"}},
         [("MA1450", f"spec.{LINUX}.sysctls[\"kernel.panic\"]")], {**STIG, f"{LINUX}.sysctls": {"kernel.panic": "10"}}),
    Case("a connection that ends too early", {**STIG, f"{KUBELET}.config.streamingConnectionIdleTimeout": "4m"},
         [("MA1450", f"spec.{KUBELET}.config.streamingConnectionIdleTimeout")], {**STIG, f"{KUBELET}.config.streamingConnectionIdleTimeout": "4h0m0s"}),
    Case("ciphers that lack one", {**STIG, **arguments(f"{CP}.apiServer.extraArgs", tls_cipher_suites="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")},
         [("MA1450", f"spec.{CP}.apiServer.extraArgs[0].value")],
         {PROFILES: [{"name": "stig", "level": 2, "exceptions": ["V-242418=old clients"]}], **arguments(f"{CP}.apiServer.extraArgs", tls_cipher_suites="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")}),
    Case("a level exists", {PROFILES: [{"name": "cis", "level": 3}]}, [("MA1323", f"{P}.level")],
         {PROFILES: [{"name": "cis", "level": 2}]}),
    Case("modes of authorization", {**CIS, f"{CP}.authorization.modes": ["RBAC", "AlwaysAllow"]},
         [("MA1450", f"spec.{CP}.authorization.modes")] * 2, excepting("1.2.6", "1.2.7", **{f"{CP}.authorization.modes": ["RBAC", "AlwaysAllow"]})),
    Case("a plugin that must not be on", {**CIS, f"{CP}.admission.plugins.enabled": ["AlwaysAdmit"]},
         [("MA1450", f"spec.{CP}.admission.plugins.enabled")], {**CIS, f"{CP}.admission.plugins.enabled": ["PodNodeSelector"]}),
    Case("a plugin that must not be off", {**CIS, f"{CP}.admission.plugins.disabled": ["ServiceAccount", "DenyServiceExternalIPs"]},
         [("MA1450", f"spec.{CP}.admission.plugins.disabled")] * 2, {**CIS, f"{CP}.admission.plugins.disabled": ["PodNodeSelector"]}),
    Case("plugins by an argument that lacks one", {**CIS, **arguments(f"{CP}.apiServer.extraArgs", enable_admission_plugins="NodeRestriction")},
         [("MA1450", f"spec.{CP}.apiServer.extraArgs[0].value")],
         {**CIS, **arguments(f"{CP}.apiServer.extraArgs", enable_admission_plugins="NodeRestriction,DenyServiceExternalIPs")}),
    Case("plugins by an argument that drops kubeadm's", {**CIS, **arguments(f"{CP}.apiServer.extraArgs", enable_admission_plugins="DenyServiceExternalIPs")},
         [("MA1450", f"spec.{CP}.apiServer.extraArgs[0].value")],
         excepting("1.2.14", **arguments(f"{CP}.apiServer.extraArgs", enable_admission_plugins="DenyServiceExternalIPs"))),
    Case("an audit log that is thrown away early", {**CIS, f"{CP}.auditPolicy": {"policy": POLICY, "log": {"maxAge": 29, "maxBackups": 9, "maxSize": 99}}},
         [("MA1450", f"spec.{CP}.auditPolicy.log.{name}") for name in ("maxAge", "maxBackups", "maxSize")],
         {**CIS, f"{CP}.auditPolicy": {"policy": POLICY, "log": {"maxAge": 31}}}),
    Case("a flag of the kubelet", {**CIS, **arguments(f"{NODE}.extraArgs", read_only_port="10255")},
         [("MA1450", f"spec.{NODE}.extraArgs[0].value")], {**CIS, **arguments(f"{NODE}.extraArgs", read_only_port="0")}),
    Case("the kubelet's configuration of all nodes", {**CIS, f"{CLUSTER}.kubelet": {"seccompDefault": False}},
         [("MA1450", f"spec.{CLUSTER}.kubelet.seccompDefault")], {**CIS, f"{CLUSTER}.kubelet": {"seccompDefault": True}}),
    Case("a gate", {**CIS, f"{KUBELET}.featureGates": {"RotateKubeletServerCertificate": False}},
         [("MA1450", f"spec.{KUBELET}.featureGates.RotateKubeletServerCertificate")],
         {**CIS, f"{KUBELET}.featureGates": {"RotateKubeletServerCertificate": True}}),
    Case("the mode of a file", {**CIS, "machine.files": [{"path": "/etc/systemd/system/kubelet.service", "content": "a", "permissions": "0644"}]},
         [("MA1450", f"{FILE}.permissions")],
         {**CIS, "machine.files": [{"path": "/etc/systemd/system/kubelet.service", "content": "a", "permissions": "0400"}]}),
    Case("a unit that is written", {**CIS, f"{LINUX}.systemdUnits": [{"name": "kubelet.service", "contents": "[Service]\nExecStart=/usr/bin/kubelet\n"}]},
         [("MA1450", f"spec.{LINUX}.systemdUnits[0]")],
         {**CIS, f"{LINUX}.systemdUnits": [{"name": "kubelet.service", "dropIns": [{"name": "20-x.conf", "contents": "[Service]\nNice=1\n"}]}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)


def filled(spec: dict[str, Any]) -> dict[str, str]:
    return {one.path: one.value for one in harden(configuration(spec).spec).filled}


SETS = [
    pytest.param(name, control, setting, id=f"{name}-{control.id}-{setting.name or setting.of}")
    for name in EDITIONS
    for control in catalogue(name).controls
    for setting in control.sets
]


@pytest.mark.parametrize(("name", "control", "setting"), SETS)
def test_what_a_profile_sets_is_what_its_control_asks_for(
    name: str, control: Control, setting: Setting
) -> None:
    assert name in EDITIONS
    if control.test is None or setting.of in ("auditPolicy", "sysctl"):
        return
    if control.test.of == "files":
        assert setting.name in control.test.names
        assert not int(setting.value, 8) & ~int(control.test.value, 8)
    else:
        assert compared(text_of(setting.value), control.test.must, control.test.value)


@pytest.mark.parametrize("name", EDITIONS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("version", ["v1.29.15", "v1.31.0", "v1.34.4", "v1.37.2"])
def test_what_is_filled_is_a_configuration_without_a_finding(
    name: str, role: str, version: str
) -> None:
    profile = {"name": name, "level": 2}
    given = configuration(
        {PROFILES: [profile], "kubernetes.role": ROLES[role], "kubernetes.version": version}
    )

    hardened = harden(given.spec)

    assert hardened.conflicts == ()
    assert check(given, read=read_values) == []
    assert check(replace(given, spec=hardened.spec), read=read_values) == []
    # Filled once, there is nothing left to fill.
    assert harden(hardened.spec).spec == hardened.spec


def test_a_machine_that_joins_gets_what_is_its_own_and_no_arguments() -> None:
    paths = {role: set(filled({**CIS, "kubernetes.role": ROLES[role]})) for role in ROLES}

    assert paths["JoinWorker"] < paths["JoinControlPlane"] < paths["Initialize"]
    assert {path.partition(".node.")[0] for path in paths["JoinWorker"]} == {"kubernetes"}
    own = paths["JoinControlPlane"] - paths["JoinWorker"]
    assert {path.split(".")[2] for path in own} == {"auditPolicy"}


def test_without_a_cluster_and_without_a_profile_nothing_is_filled() -> None:
    alone = configuration({**CIS, "kubernetes": None})
    assert harden(alone.spec).filled == ()
    for plain in (configuration(), example("maximal.yaml")):
        if (linux := plain.spec.machine.linux_configuration) and linux.compliance_profiles:
            continue
        assert harden(plain.spec).spec == plain.spec


def test_an_etcd_of_somebody_else_and_audit_by_arguments_are_left_alone() -> None:
    given = {
        **CIS, f"{CLUSTER}.etcd.external.endpoints": HTTPS,
        **arguments(f"{CP}.apiServer.extraArgs", audit_log_path="/var/log/a", audit_log_maxage="90"),
    }  # fmt: skip
    found = filled(given)
    kubernetes = harden(configuration(given).spec).spec.kubernetes

    assert kubernetes is not None
    control_plane = kubernetes.control_plane
    assert control_plane is not None
    assert control_plane.audit_policy is None
    assert control_plane.api_server is not None
    values = {one.name: one.value for one in control_plane.api_server.extra_args}
    assert values["audit-log-maxage"] == "90"
    assert values["audit-log-maxbackup"] == "10"
    assert not any("etcd" in path for path in found)


# Another value than the profile's that its control accepts, and one that it does not.
OTHERS: dict[str, tuple[Any, Any]] = {
    "profiling": ("FALSE", "true"),
    "tls-cipher-suites": ("TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    "service-account-extend-token-expiration": ("False", "true"),
    "terminated-pod-gc-threshold": ("10", None),
    "streamingConnectionIdleTimeout": ("1h", "0"),
    "tlsCipherSuites": (["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"], ["TLS_RSA_WITH_RC4_128_SHA"]),
    "podPidsLimit": (100, -1),
    "seccompDefault": (True, False),
}
CIS_SETTINGS = [
    pytest.param(control, setting, id=f"{control.id}-{setting.name}")
    for control in catalogue("cis").controls
    for setting in control.sets
    if setting.of in (*ARGUMENTS, "kubelet")
]


def written(setting: Setting, value: Any) -> list[dict[str, Any]]:
    """The ways in which a configuration can set what a profile sets."""
    if setting.of != "kubelet":
        return [{ARGUMENTS[setting.of]: [{"name": setting.name, "value": value}]}]
    field, _, _ = setting.name.partition("|")
    own = KUBELET if field in TYPED else f"{KUBELET}.config"
    return [{f"{own}.{field}": value}, {f"{CLUSTER}.kubelet": {field: value}}]


@pytest.mark.parametrize(("control", "setting"), CIS_SETTINGS)
def test_what_the_configuration_sets_stays_and_a_contradiction_is_an_error_or_an_exception(
    control: Control, setting: Setting
) -> None:
    fits, contradicts = OTHERS[setting.name.partition("|")[0]]
    for spec in written(setting, fits):
        given = configuration({**CIS, **spec})
        assert harden(given.spec).conflicts == ()
        assert kept(given, spec)
        assert control.id not in [id_ for one in harden(given.spec).filled for id_ in one.controls]
    for spec in written(setting, contradicts) if contradicts is not None else ():
        (conflict,) = harden(configuration({**CIS, **spec}).spec).conflicts
        assert conflict.code == "MA1450"
        assert f"control {control.id} " in conflict.message
        assert text_of(contradicts) in conflict.message
        excepted = configuration(excepting(control.id, **spec))
        assert harden(excepted.spec).conflicts == ()
        assert kept(excepted, spec)


def kept(given: MachineConfiguration, spec: dict[str, Any]) -> bool:
    """Whether what was written is in the realised configuration as it was."""
    realised = realise(given).kubernetes
    ((path, value),) = spec.items()
    at: Any = realised
    for name in path.split(".")[1:]:
        if isinstance(at, dict):
            at = at[name]
        else:
            names = dict(zip(at.__struct_encode_fields__, at.__struct_fields__, strict=True))
            at = getattr(at, names[name])
    if path.endswith("extraArgs"):
        listed = [one for one in at if one.name == value[0]["name"]]
        return [one.value for one in listed] == [value[0]["value"]]
    return bool((list(at) if isinstance(at, tuple) else at) == value)


def test_a_category_sets_its_own_controls_and_those_that_are_graver() -> None:
    by_level = {
        level: filled({PROFILES: [{"name": "stig", "level": level}]}) for level in (1, 2, 3)
    }

    category = {one.id: one.category for one in catalogue("stig").controls}
    spec = configuration({PROFILES: [{"name": "stig", "level": 1}]}).spec
    assert {category[id_] for one in harden(spec).filled for id_ in one.controls} == {1}
    assert set(by_level[1]) == {
        f"{KUBELET}.protectKernelDefaults", f"{KUBELET}.config.readOnlyPort",
        *(path for path in by_level[2] if "sysctls" in path),
    }  # fmt: skip
    assert len([path for path in by_level[1] if "sysctls" in path]) == 6
    assert set(by_level[1]) < set(by_level[2]) == set(by_level[3])


@pytest.mark.parametrize("order", [("cis", "stig"), ("stig", "cis")])
def test_two_profiles_of_two_minds_are_an_error_until_one_is_an_exception(
    order: tuple[str, str],
) -> None:
    """CIS wants no contents of Secrets in the log, the STIG those of everything."""

    def conflicts(**exceptions: list[str]) -> list[str]:
        profiles = [
            {"name": name, "level": 2, "exceptions": exceptions.get(name, [])} for name in order
        ]
        return [one.message for one in harden(configuration({PROFILES: profiles}).spec).conflicts]

    told = conflicts()
    assert told
    for one in told:
        assert "audit" in one
        assert all(f"profile {name}" in one for name in order)
    assert conflicts(cis=["3.2.1=the STIG's"]) == []
    assert conflicts(stig=["V-242403=no Secrets in logs", "V-242461=the benchmark's"]) == []


@pytest.mark.parametrize(
    ("exceptions", "level"),
    [([], "RequestResponse"), (["V-242403=a"], "Metadata"), (["V-242403=a", "V-242461=b"], None)],
)
def test_of_two_policies_of_one_profile_the_stricter_is_set(
    exceptions: list[str], level: str | None
) -> None:
    given = configuration({PROFILES: [{"name": "stig", "level": 2, "exceptions": exceptions}]})
    kubernetes = harden(given.spec).spec.kubernetes

    assert kubernetes is not None
    assert kubernetes.control_plane is not None
    policy = kubernetes.control_plane.audit_policy
    assert (policy.policy["rules"][-1]["level"] if policy else None) == level


def test_an_excepted_control_is_not_set() -> None:
    everything = filled(CIS)

    for control in catalogue("cis").controls:
        left = filled(excepting(control.id))
        gone = {path for path in everything if path not in left}
        assert (
            bool(gone)
            == any(
                one.of not in ("mode",) and (one.of, one.name) != ("auditLog", "path")
                for one in control.sets
            )
            or control.id == "1.2.16"
        ), control.id


def test_a_file_of_the_configuration_gets_the_mode_unless_it_has_one() -> None:
    path = "/etc/systemd/system/kubelet.service"
    modes = [
        realise(configuration({**CIS, "machine.files": [{"path": path, **more}]})).machine.files
        for more in ({}, {"permissions": "0400"})
    ]

    assert [file.permissions for (file,) in modes] == ["0600", "0400"]
    profiles = configuration(CIS).spec.machine.linux_configuration
    assert profiles is not None
    assert modes_of(profiles.compliance_profiles)[path] == 0o600


def test_a_profile_of_the_command_line_is_that_of_a_configuration() -> None:
    bare, named = configuration(), configuration(CIS)

    assert realise(with_profile(bare, "cis")).digest == realise(named).digest
    assert with_profile(named, "cis") is named
    assert realise(bare).digest != realise(named).digest
