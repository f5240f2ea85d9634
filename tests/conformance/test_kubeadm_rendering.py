"""kubeadm and the components themselves judge what is rendered for them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from msgspec.structs import replace

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.steps.kubeadm.render import CONFIG
from tests.judges import judges
from tests.kubeadm_cases import CASES, ROLES, Case, files_of, kubernetes_of, rendered
from tests.strategies.kubernetes import Role, configurations, minor_of

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


def laid_out(kubernetes: KubernetesConfig, directory: Path) -> str:
    """kubeadm's configuration, with the files it names beside it."""
    files = rendered(kubernetes, str(directory)).encode(reveal=True)
    for name, content in files.items():
        path = directory / name
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
    texts = [content.decode() for content in files.encode(reveal=True).values()]
    documents = [text for content in texts for text in content.split("---\n")]
    found += [text for text in documents if 'kind: "Kube' in text]
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


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kubeadm_and_the_components_accept_every_example(example: Path, tmp_path: Path) -> None:
    kubernetes = kubernetes_of(example)
    judge = {29: "1.30.4", 30: "1.30.4", 31: "1.31.4", 33: "1.34.4", 34: "1.34.4"}[
        minor_of(kubernetes.version)
    ]

    assert judges.kubeadm_validate(judge, laid_out(kubernetes, tmp_path)) == []
    stream = component_documents(kubernetes)
    assert not stream or judges.component_validate(stream) == []


def test_the_older_api_has_an_example_of_its_own_for_each_role() -> None:
    assert {case.role for case in CASES if case.api == "v1beta3"} == set(ROLES)


@pytest.mark.parametrize("trap", ["1e3", "012", "on", "y"])
def test_a_string_without_its_quotes_would_be_refused(trap: str, tmp_path: Path) -> None:
    """Planted fault: what a writer that trusts to luck would leave bare."""
    text = laid_out(Case("maximal", "init", "v1beta3").read(), tmp_path)
    assert judges.kubeadm_validate("1.30.4", text) == []
    planted = text.replace('hostPath: "/var/y"', f"hostPath: {trap}")

    assert planted != text
    assert judges.kubeadm_validate("1.30.4", planted) != []


DRAWN = [
    ("1.30.4", "v1.29.4"),
    ("1.30.4", "v1.30.4"),
    ("1.31.4", "v1.31.4"),
    ("1.34.4", "v1.33.1"),
    ("1.34.4", "v1.34.4"),
]


@pytest.mark.requirement("R4", "U6")
@pytest.mark.parametrize("role", ["Initialize", "JoinControlPlane", "JoinWorker"])
@pytest.mark.parametrize(("judge", "version"), DRAWN)
def test_kubeadm_accepts_whatever_the_rules_let_pass(
    judge: str, version: str, role: Role, tmp_path: Path
) -> None:
    @settings(
        max_examples=14,
        phases=[Phase.generate],  # each question takes a tenth of a second: nothing is shrunk
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(configurations(version, role))
    def judged(kubernetes: KubernetesConfig) -> None:
        assert judges.kubeadm_validate(judge, laid_out(kubernetes, tmp_path)) == []

    judged()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_components_accept_whatever_the_rules_let_pass() -> None:
    """All at once: the judge takes a stream."""
    streams: list[str] = []

    @settings(
        max_examples=200,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(configurations("v1.34.4", "Initialize"))
    def gather(kubernetes: KubernetesConfig) -> None:
        streams.extend(filter(None, [component_documents(kubernetes)]))

    gather()

    assert len(streams) > 20
    problems = judges.component_validate("---\n".join(streams))
    assert [problem.message for problem in problems] == []
