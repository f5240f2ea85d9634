"""The examples are what they claim to be."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.paths import is_set, structs_in
from machineadm.config.rules.pem import CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, pem_problem
from machineadm.config.validation import check
from tests.configurations import EXAMPLES, example

ALL = sorted(EXAMPLES.rglob("*.yaml"))
PATHS = [path for path in ALL if path.parent.name != "rendering"]

HIDDEN_STRUCTS = (
    "ValueSource.secret",
    "ValueSource.configMap",
    "ValueSource.provider",
    "ProviderRef.",
    "KeyReference.",
    "OptionalKeyReference.",
    "FileKeyReference.",
    "KubeconfigAuthProvider.",
)
"""References that a machine cannot use or this release does not ask, and what goes with fields below."""

AT_THEIR_DEFAULT = {"KubeconfigExec.apiVersion", "AuditLog.path"}
"""Shown with the value that they have anyway."""

NOT_SHOWN = {
    # Weaker than what is shown.
    "TokenDiscovery.unsafeSkipCAVerification",
    "Kubeconfig.insecureSkipTLSVerify",
    "KubeconfigUser.authProvider",
    # Refused by the kubelet in static pods.
    "ContainerVariableSource.configMapKeyRef",
    "ContainerVariableSource.secretKeyRef",
    "ContainerVariableSource.fileKeyRef",
    # Left to plugins.
    "TokenDiscovery.tokenFrom",
    "AuditWebhook.kubeconfigFrom",
    "AuthenticationWebhook.kubeconfigFrom",
    "AuthorizationWebhook.kubeconfigFrom",
    "StaticPod.manifestFrom",
    "CertificatePair.certificateFrom",
    "CertificatePair.keyFrom",
    "ServiceAccountKeys.publicKeyFrom",
    "ServiceAccountKeys.privateKeyFrom",
    "EncryptionKey.secretFrom",
    # Instead of what is shown, and nothing but a word.
    "Dns.disabled",
    "ProxyAddon.disabled",
    "FileDiscovery.path",
    "KubernetesConfig.patchesDirectory",
    "KubernetesConfig.allowUnknownVersion",  # no example is of a version that is not known
    "ExternalEtcd.httpEndpoints",  # of a later version than the example's
    "JoinControlPlane.tlsBootstrapToken",
    "JoinControlPlane.caCertPath",
    "JoinWorker.tlsBootstrapToken",
}


def fields_below(kind: type[msgspec.Struct], *, deep: bool) -> set[str]:
    """`Struct.wireName` of every field of a Struct and, with `deep`, of all that it is made of."""
    found: set[str] = set()
    _fields(inspect.type_info(kind), found, deep=deep)
    return found


def _fields(type_: inspect.Type, found: set[str], *, deep: bool) -> None:
    for attribute in ("type", "item_type", "value_type"):
        if isinstance(below := getattr(type_, attribute, None), inspect.Type):
            _fields(below, found, deep=deep)
    if isinstance(type_, inspect.UnionType):
        for each in type_.types:
            _fields(each, found, deep=deep)
    if isinstance(type_, inspect.StructType):
        names = {f"{type_.cls.__name__}.{field.encode_name}" for field in type_.fields}
        if names and not names <= found:
            found |= names
            for field in type_.fields if deep else ():
                _fields(field.type, found, deep=deep)


def shown() -> set[str]:
    """The fields that some example sets."""
    return {
        f"{type(value).__name__}.{name}"
        for path in PATHS
        for value, _ in structs_in(example(str(path)).spec, "spec")
        for name in value.__struct_encode_fields__
        if is_set(value, name)
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_examples_have_no_finding(path: Path) -> None:
    assert check(example(str(path))) == []


def test_the_examples_show_every_field_of_kubernetes() -> None:
    missing = fields_below(KubernetesConfig, deep=True) - shown()

    assert {name for name in missing if not name.startswith(HIDDEN_STRUCTS)} == (
        NOT_SHOWN | AT_THEIR_DEFAULT
    )


def test_the_examples_show_what_this_release_builds_of_the_machine() -> None:
    built = {"MachineConfig.files", "MachineConfig.commands", "MachineConfig.sentinel",
             "LinuxConfiguration.hostname", "LinuxConfiguration.sysctls", "LinuxConfiguration.kernelModules"}  # fmt: skip

    assert built <= fields_below(MachineConfig, deep=False) | fields_below(
        LinuxConfiguration, deep=False
    )
    assert built <= shown()


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_block_of_pem_is_whole(path: Path) -> None:
    text = re.sub("^ +", "", path.read_text(), flags=re.MULTILINE)
    for block in re.findall("-----BEGIN [^-]+-----.*?-----END [^-]+-----", text, flags=re.DOTALL):
        labels = CERTIFICATE | PRIVATE_KEY | PUBLIC_KEY
        assert pem_problem(block, labels, what="PEM", single=True) == ""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_example_begins_with_what_it_is_for(path: Path) -> None:
    assert path.read_text().startswith("# ")
