"""Every leaf of what is converted is spoken of, and nothing is dropped silently."""

from __future__ import annotations

import pytest
import yaml

from machineadm.conversion.account import OUTCOMES
from tests.unit.conversion.converting import CONFIG, config, control_plane, converted, outcome


@pytest.mark.parametrize(
    "spec",
    [
        "filez: [{path: /etc/motd}]",
        "files: [{path: /etc/motd, content: a, mode: '0600'}]",
        "files: {path: /etc/motd}",
        "users: [{name: a, uid: 5}]",
        "joinConfiguration: {nodeRegistration: {kubeletExtraArg: {v: '2'}}}",
        "joinConfiguration: {nodeRegistration: {taints: [{key: a, effects: NoSchedule}]}}",
        "preKubeadmCommands: [[a]]",
        "verbosity: loud",
        "ntp: {enabled: perhaps}",
    ],
)
def test_a_field_that_is_not_known_or_of_another_type_needs_a_decision(spec: str) -> None:
    found = config(spec)

    assert found.undecided
    assert all(len(leaf.ways) >= 2 for leaf in found.result.decisions)


def test_each_leaf_is_in_the_account_once_with_its_place() -> None:
    found = config("files:\n- path: /etc/motd\n  content: a\nverbosity: 2\n")

    assert [(leaf.path, leaf.line, leaf.column) for leaf in found.result.leaves] == [
        ("apiVersion", 1, 13),
        ("kind", 2, 7),
        ("metadata.name", 3, 18),
        ("spec.files[0].path", 6, 11),
        ("spec.files[0].content", 7, 14),
        ("spec.verbosity", 8, 14),
    ]
    assert {leaf.outcome for leaf in found.result.leaves} == {"converted"}


def test_what_is_empty_or_null_is_the_same_by_default() -> None:
    found = config(
        "files: []\nclusterConfiguration: {}\nntp: null\njoinConfiguration: {discovery: {}, nodeRegistration: {}}\n"
    )

    assert found.undecided == {}
    assert {leaf.outcome for leaf in found.result.leaves if leaf.path.startswith("spec")} == {
        "same by default"
    }


@pytest.mark.parametrize("kind", ["CoreDNS", '""'])
def test_the_dns_server_that_older_versions_name_is_the_only_one(kind: str) -> None:
    found = config(f"clusterConfiguration: {{dns: {{type: {kind}}}}}")

    assert found.leaf("dns.type").outcome == "same by default"


def test_a_choice_that_may_be_empty_is_told_so() -> None:
    found = config(
        "joinConfiguration: {nodeRegistration: {kubeletExtraArgs: [{name: cloud-provider, value: aws}]}}"
    )

    assert "must be external or empty" in found.leaf("kubeletExtraArgs[0].value").note


def test_what_a_control_plane_does_with_its_machines_has_no_meaning() -> None:
    found = control_plane("verbosity: 1\n")

    assert found.leaf("verbosity").outcome == "converted"
    assert found.leaf("spec.version").to == "kubernetes.version"
    with_replicas = converted(
        "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nmetadata: {name: cp}\n"
        "spec: {replicas: 3, version: v1.34.1, machineTemplate: {infrastructureRef: {name: a}}, kubeadmConfigSpec: {verbosity: 1}}\n"
    )
    assert with_replicas.leaf("replicas").outcome == "has no meaning here"
    assert with_replicas.leaf("infrastructureRef.name").outcome == "has no meaning here"


def test_what_older_versions_of_cluster_api_have_beside() -> None:
    found = converted(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfig\nmetadata: {name: a, creationTimestamp: null, uid: b}\n"
        "spec: {useExperimentalRetryJoin: true, joinConfiguration: {apiVersion: kubeadm.k8s.io/v1beta2, kind: JoinConfiguration, "
        "discovery: {timeout: 7m0s}}}\nstatus: {ready: true}\n"
    )

    assert found.undecided == {}
    assert found.spec["kubernetes"]["timeouts"] == {"tlsBootstrap": "7m0s"}
    assert found.leaf("useExperimentalRetryJoin").outcome == "has no meaning here"


def test_a_key_that_comes_twice_is_refused() -> None:
    found = outcome(CONFIG + "spec: {verbosity: 1, verbosity: 2}\n")

    assert [(one.code, one.path) for one in found.problems] == [("MA1205", "spec.verbosity")]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("bootstrap.cluster.x-k8s.io/v1beta7", "KubeadmConfig"),
        ("controlplane.cluster.x-k8s.io/v2", "KubeadmControlPlane"),
        ("kubeadm.k8s.io/v1beta9", "InitConfiguration"),
    ],
)
def test_a_version_that_is_not_known_is_refused_with_its_place(version: str, kind: str) -> None:
    found = outcome(f"apiVersion: {version}\nkind: {kind}\nspec: {{}}\n")

    assert [(one.code, one.line) for one in found.problems] == [("MA2101", 1)]


def test_documents_about_other_things_are_named_and_left() -> None:
    found = outcome(CONFIG + "spec: {verbosity: 1}\n---\napiVersion: v1\nkind: Service\n")

    assert len(found.results) == 1
    assert [(one.document, one.kind) for one in found.skipped] == [(2, "Service")]


def test_a_stream_without_anything_to_convert_is_refused() -> None:
    assert [one.code for one in outcome("apiVersion: v1\nkind: Service\n").problems] == ["MA2104"]
    assert [one.code for one in outcome("# nothing\n").problems] == ["MA1001"]
    assert [one.code for one in outcome(CONFIG).problems] == ["MA2102"]


def test_the_version_comes_from_who_refers_to_the_configuration() -> None:
    text = (
        CONFIG.replace("KubeadmConfig", "KubeadmConfigTemplate")
        + "spec: {template: {spec: {verbosity: 1}}}\n---\n"
        + "apiVersion: cluster.x-k8s.io/v1beta2\nkind: MachineDeployment\nspec:\n  template:\n    spec:\n      version: v1.33.2\n"
        + "      bootstrap: {configRef: {kind: KubeadmConfigTemplate, name: node}}\n"
    )
    found = converted(text)

    assert found.spec["kubernetes"]["version"] == "v1.33.2"
    assert found.result.notes == ()


def test_a_version_that_nobody_says_is_a_placeholder_and_is_told() -> None:
    found = config("verbosity: 1")

    assert found.spec["kubernetes"]["version"] == "${KUBERNETES_VERSION}"
    assert "--kubernetes-version" in found.result.notes[0]
    assert config("verbosity: 1", version="v1.34.1").spec["kubernetes"]["version"] == "v1.34.1"


def test_what_the_agent_would_refuse_is_a_decision_with_its_code() -> None:
    found = config("users: [{name: a, sshAuthorizedKeys: [nonsense]}]")
    old = control_plane("verbosity: 1").result.text.replace("v1.34.1", "v1.20.1")

    assert found.undecided["spec.users[0].sshAuthorizedKeys[0]"].startswith("MA1323: ")
    assert "# decide: MA1323" in found.result.text
    assert "v1.20.1" in old


def test_a_version_of_kubernetes_that_is_too_old_is_a_decision() -> None:
    text = (
        "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nmetadata: {name: cp}\n"
        "spec: {version: v1.20.1, kubeadmConfigSpec: {verbosity: 1}}\n"
    )

    assert list(converted(text).undecided) == ["spec.version"]
    assert converted(text, version="v1.34.1").undecided == {}


def test_what_is_ours_already_stays_as_it_is() -> None:
    first = config("verbosity: 3\nfiles: [{path: /a, content: b}]").result.text
    again = outcome(first)

    assert [result.text for result in again.results] == [first]


LIST = """
apiVersion: v1
kind: List
items:
- apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
  kind: KubeadmConfig
  metadata: {name: a, uid: b}
  spec: {verbosity: 1, files: [{path: /a, contentFrom: {secret: {name: c, key: d}}}]}
- {apiVersion: v1, kind: Secret, metadata: {name: c}, stringData: {d: e}}
- 7
"""


@pytest.mark.parametrize("kind", ["List", "KubeadmConfigList"])
def test_the_documents_of_a_list_are_converted_each(kind: str) -> None:
    found = outcome(
        LIST.replace("kind: List", f"kind: {kind}"), to="MachineConfiguration", role="JoinWorker"
    )
    (result,) = found.results

    assert found.problems == ()
    assert (result.kind, result.name) == ("KubeadmConfig", "a")
    # The Secret beside it is found, as in a stream.
    assert yaml.safe_load(result.text)["spec"]["machine"]["files"][0]["content"] == "e"
    assert {leaf.path: leaf.line for leaf in result.leaves}["spec.verbosity"] == 8
    assert [one.kind for one in found.skipped] == ["Secret", "a document without a kind"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (LIST.replace("v1beta2", "v1beta9"), "MA2101", 5),
        ("apiVersion: v1\nkind: List\nitems: []\n", "MA2104", 1),
        ("apiVersion: v1\nkind: List\n", "MA2104", 1),
        ("apiVersion: v1\nkind: List\nitems: {}\n", "MA2104", 1),
    ],
)
def test_a_list_with_nothing_to_convert_is_refused(text: str, code: str, line: int) -> None:
    (problem,) = outcome(text).problems

    assert (problem.code, problem.line) == (code, line)


def test_the_outcomes_are_four() -> None:
    assert len(OUTCOMES) == 4
