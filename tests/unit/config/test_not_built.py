"""A configuration that this release cannot carry out is refused, field by field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from machineadm.api.meta import ApiStruct
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.validation import check
from tests.configurations import configuration
from tests.typewalk import structs

LINUX = "machine.linuxConfiguration"
BUILT = {
    "machine.files",
    "machine.commands",
    "machine.instanceData",
    "machine.reboot",
    "machine.sentinel",
    "machine.linuxConfiguration",
    "machine.plugins",
    "machine.images",
    "machine.kubernetesImages",
    "machine.containerRuntime",
    "machine.systemProxies",
    "machine.systemTrustCertificateAuthorities",
    "machine.attestationPlugin",
    # Of the manager's, and without effect on a machine.
    "machine.bootstrapperTemplateConfigMapName",
    "machine.bootstrapperTemplateSecretName",
    f"{LINUX}.hostname",
    f"{LINUX}.hostnameFrom",
    f"{LINUX}.sysctls",
    f"{LINUX}.kernelModules",
    f"{LINUX}.swap",
    f"{LINUX}.systemdUnits",
    f"{LINUX}.ntp",
    f"{LINUX}.selinux",
    f"{LINUX}.resolver",
    f"{LINUX}.users",
    f"{LINUX}.groups",
    f"{LINUX}.storage",
    f"{LINUX}.kernelArguments",
    f"{LINUX}.packageRepositories",
    f"{LINUX}.packages",
    f"{LINUX}.archives",
    f"{LINUX}.complianceProfiles",
    f"{LINUX}.domainJoin",
}
UNBUILT: dict[str, Any] = {
    "machine.windowsConfiguration": {},
}


@pytest.mark.parametrize("path", UNBUILT)
def test_what_is_not_built_is_refused_by_name(path: str) -> None:
    findings = check(configuration({path: UNBUILT[path]}))

    assert [(finding.code, finding.path) for finding in findings] == [("MA1401", f"spec.{path}")]


def test_every_field_is_built_or_refused() -> None:
    fields = {f"machine.{name}" for name in MachineConfig.__struct_encode_fields__}
    fields |= {f"{LINUX}.{name}" for name in LinuxConfiguration.__struct_encode_fields__}

    assert fields == BUILT | set(UNBUILT)


def test_whatever_is_refused_says_how_to_do_without_it() -> None:
    for type_ in structs():
        assert issubclass(type_, ApiStruct)
        assert type_.not_built.keys() <= set(type_.__struct_encode_fields__)
        for instead in type_.not_built.values():
            assert len(instead) > 20


@pytest.mark.parametrize(
    "spec",
    [
        {"machine.attestationPlugin": ""},
        {LINUX: {"complianceProfiles": []}},
        {"machine.bootstrapperTemplateSecretName": "a"},
    ],
)
def test_what_has_no_effect_is_let_pass(spec: dict[str, Any]) -> None:
    assert check(configuration(spec)) == []


def test_the_readme_names_whatever_is_refused() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (paragraph,) = (part for part in readme.split("\n\n") if "(MA1401)" in part)

    fields = {field for type_ in (MachineConfig, LinuxConfiguration) for field in type_.not_built}
    assert set(re.findall(r"`(\w+)`", paragraph)) == fields


def test_each_refusal_hints_at_how_to_do_it_meanwhile() -> None:
    findings = check(configuration(dict(UNBUILT)))

    hints = [finding.hint for finding in findings if finding.code == "MA1401"]
    assert len(hints) == len(UNBUILT)
    assert all(hints)
