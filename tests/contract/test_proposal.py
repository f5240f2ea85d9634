"""docs/proposal.md against the proposal's own words: every field of its types is in ours, or the page says why not."""

import re
from pathlib import Path

import msgspec
import pytest

from machineadm.api.v1alpha1.encrypted_data import EncryptedData, EncryptedDataSpec
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrapSpec

PAGE = (Path(__file__).parents[2] / "docs/proposal.md").read_text()

# The proposal's structs, field by field: Go name, Go type ("" where it gives none), JSON name ("" where it gives none),
# whether it is required there.
MACHINE_CONFIG = (
    ("BootstrapperTemplateConfigMapName", "", "", True),
    ("Files", "[]FileConfig", "files", False),
    ("Images", "[]Image", "images", False),
    ("LinuxConfiguration", "*LinuxConfiguration", "linuxConfiguration", False),
    ("WindowsConfiguration", "*WindowsConfiguration", "windowsConfiguration", False),
    ("Commands", "Commands", "", True),
    ("AttestationPlugin", "string", "attestationPlugin", True),
    ("ContainerRuntime", "ContainerRuntime", "containerRuntime", True),
    ("SystemTrustCertificateAuthorities", "[]string", "", True),
    ("SystemProxies", "[]SystemProxyConfig", "", True),
)
ENCRYPTED_DATA = (
    ("TypeMeta", "metav1.TypeMeta", "", True),
    ("ObjectMeta", "metav1.ObjectMeta", "metadata", False),
    ("Spec", "EncryptedDataSpec", "spec", False),
)
ENCRYPTED_DATA_SPEC = (
    ("Provider", "string", "provider", True),
    ("Ciphertext", "string", "ciphertext", True),
    ("Salt", "string", "salt", True),
    ("IV", "string", "iv", True),
    ("CipherAlgorithm", "string", "cipherAlgorithm", True),
    ("DigestAlgorithm", "string", "digestAlgorithm", True),
    ("Iterations", "string", "iterations", True),
    ("KeyDerivationAlgorithm", "string", "keyDerivationAlgorithm", True),
)
BOOTSTRAP = (("InfrastructureRef", "*corev1.ObjectReference", "infrastructureRef", False),)
EVERY = [
    (type_, *field)
    for type_, fields in (
        (MachineConfig, MACHINE_CONFIG),
        (EncryptedData, ENCRYPTED_DATA),
        (EncryptedDataSpec, ENCRYPTED_DATA_SPEC),
        (MachineBootstrapSpec, BOOTSTRAP),
    )
    for field in fields
]
WORDS = (
    "--bootstrap --path", "machineadm_config.yaml", "machine_config", "base64", "gzip", "0644", "base64}}.", "64-bytes",
    "54-bytes", "AES-256-CBC", "50,000", "Webhook", "core plugins", "infrastructure controller", "MachineConfig", "nodeadm",
    "Talos",
)  # fmt: skip


def json_name(go_name: str) -> str:
    return go_name.lower() if go_name.isupper() else go_name[0].lower() + go_name[1:]


def is_told(word: str) -> bool:
    """Whether a row of the page names it, in the proposal's spelling or in JSON's."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    pattern = re.compile(rf"`[^`]*\b({word}|{json_name(word)})\b[^`]*`")
    return any(pattern.search(row) for row in rows)


def departs(
    type_: type[msgspec.Struct], go: str, go_type: str, json: str, *, required: bool
) -> bool:
    """Whether our field is another one than the proposal's."""
    ours = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    field = ours.get(json or json_name(go))
    if field is None or not json or not go_type:
        return True
    listed, single = go_type.startswith("[]"), go_type == "string"
    text = str(field.type)
    return (
        field.required != required
        or (single and "str" not in text and "Literal" not in text)
        or (single and "int" in text)
        or (listed and "tuple" not in text)
        or "corev1." in go_type
    )


@pytest.mark.parametrize(
    ("type_", "go", "go_type", "json", "required"),
    EVERY,
    ids=[f"{f[0].__name__}.{f[1]}" for f in EVERY],
)
def test_a_field_of_the_proposal_is_ours_as_it_stands_or_the_page_says_why_not(
    type_: type[msgspec.Struct], go: str, go_type: str, json: str, required: bool
) -> None:
    if go == "TypeMeta":  # inlined: apiVersion and kind
        assert {"apiVersion", "kind"} <= {f.encode_name for f in msgspec.structs.fields(type_)}
        return
    if go == "ObjectMeta":
        go = "metadata"
    assert not departs(type_, go, go_type, json, required=required) or is_told(go)


def test_a_field_that_was_lost_would_be_found() -> None:
    assert departs(MachineConfig, "Lost", "string", "lost", required=False)
    assert not is_told("Lost")
    assert departs(
        MachineConfig, "SystemTrustCertificateAuthorities", "[]string", "", required=True
    )
    assert not departs(MachineConfig, "Files", "[]FileConfig", "files", required=False)


@pytest.mark.parametrize("word", WORDS)
def test_what_the_text_says_beside_the_types_is_told_too(word: str) -> None:
    assert word in PAGE


@pytest.mark.parametrize(
    "type_",
    ["FileConfig", "Image", "LinuxConfiguration", "WindowsConfiguration", "Commands", "ContainerRuntime", "SystemProxyConfig"],
)  # fmt: skip
def test_a_type_that_the_proposal_only_names_is_defined(type_: str) -> None:
    assert f"`{type_}`" in PAGE
    assert type_ in {
        name
        for field in msgspec.structs.fields(MachineConfig)
        for name in re.findall(r"\w+", str(field.type))
    }
