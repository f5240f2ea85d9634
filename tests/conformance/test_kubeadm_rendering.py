"""kubeadm and the components themselves judge what is rendered for them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.steps.kubeadm.render import CONFIG
from tests.judges import judges
from tests.kubeadm_cases import CASES, Case, files_of, rendered

# Each kubeadm takes its own minor version and the one before it.
JUDGED = {
    "v1beta3": (("1.30.4", "v1.29.4"), ("1.30.4", "v1.30.4")),
    "v1beta4": (("1.31.4", "v1.31.4"), ("1.34.4", "v1.33.1"), ("1.34.4", "v1.34.4")),
}
COMPONENT_KINDS = {
    "AdmissionConfiguration",
    "AuthenticationConfiguration",
    "AuthorizationConfiguration",
    "EncryptionConfiguration",
    "Policy",
    "Pod",
}


def laid_out(kubernetes: KubernetesConfig, folder: Path) -> str:
    """kubeadm's configuration, with the files it names beside it."""
    files = rendered(kubernetes, str(folder)).encode(reveal=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files[CONFIG].decode()


def component_documents(kubernetes: KubernetesConfig) -> str:
    """Everything whose kind a component knows, as one stream."""
    found = []
    for file in files_of(kubernetes):
        assert isinstance(file.content, bytes)
        if file.path.endswith(".yaml"):
            found.append(file.content.decode())
    files = rendered(kubernetes)
    config = files.encode(reveal=True)[CONFIG].decode()
    found += [text for text in config.split("---\n") if 'kind: "Kube' in text]
    return "---\n".join(found)


@pytest.mark.requirement("R4", "U6")
@pytest.mark.parametrize(
    ("case", "judge", "version"),
    [(case, *judged) for case in CASES for judged in JUDGED[case.api]],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_kubeadm_accepts_what_is_rendered_for_it(
    case: Case, judge: str, version: str, tmp_path: Path
) -> None:
    kubernetes = replace(case.read(), version=version)

    assert judges.kubeadm_validate(judge, laid_out(kubernetes, tmp_path)) == []


@pytest.mark.requirement("U9", "U11")
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_components_accept_what_is_written_for_them(case: Case) -> None:
    stream = component_documents(case.read())
    if not stream:
        assert case.size == "small" or case.role == "join-worker"
        return

    assert judges.component_validate(stream) == []
