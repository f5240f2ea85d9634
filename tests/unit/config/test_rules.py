"""All rules together: each has a case, none tells a secret, and what every type declares is judged."""

from __future__ import annotations

import base64
import importlib
from typing import Any

import pytest

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.concerns import CONCERNS
from machineadm.config.paths import structs_in
from machineadm.config.rules.model import Context, Rule
from machineadm.config.validation import check, tables
from machineadm.documents.decoding import read_values
from tests.configurations import configuration
from tests.rulecases import (
    BOOT,
    CERTIFICATE,
    CLUSTER,
    CP,
    Case,
    K,
    command,
    encryption,
    joining,
    judging,
    keys,
    places,
)

PATHS = [
    Case(
        "a path of Windows is for Windows, wherever it stands",
        {
            **joining({"type": "File", "path": "C:\\k\\conf"}, caCertPath="C:/k/ca.crt"),
            f"{K}.patchesDirectory": "d:\\patches",
        },
        [
            ("MA1413", "spec.kubernetes.patchesDirectory"),
            ("MA1413", "spec.kubernetes.role.caCertPath"),
            ("MA1413", "spec.kubernetes.role.discovery.path"),
        ],
        joining({"type": "File", "path": "/k/conf"}, caCertPath="/k/ca.crt"),
    ),
]

test_what_holds_for_every_configuration_is_judged = judging(PATHS)

DECLARED = [
    Case("an authority has one content",
         {"machine.systemTrustCertificateAuthorities": [{}]},
         [("MA1302", "spec.machine.systemTrustCertificateAuthorities[0]")], {}),
    Case("a machine is of one platform",
         {"machine.linuxConfiguration": {}, "machine.windowsConfiguration": {}},
         [("MA1401", "spec.machine.windowsConfiguration"), ("MA1301", "spec.machine.windowsConfiguration")],
         {"machine.linuxConfiguration": {}}),
    Case("user data has one template",
         {"machine.bootstrapperTemplateConfigMapName": "a", "machine.bootstrapperTemplateSecretName": "b"},
         [("MA1301", "spec.machine.bootstrapperTemplateSecretName")],
         {"machine.bootstrapperTemplateConfigMapName": "a"}),
]  # fmt: skip

LONG = [
    Case("a command has no more time than the run",
         command(argv=["a"], timeout="31m"), [("MA1312", f"{BOOT}.timeout")],
         {"deadline": "32m", **command(argv=["a"], timeout="31m")}),
    Case("a command before kubeadm has no more time than the run that is shorter than usual",
         {"deadline": "5m", "machine.commands.preKubeadm": [{"argv": ["a"]}, {"argv": ["a"], "timeout": "5m1s"}]},
         [("MA1312", "spec.machine.commands.preKubeadm[1].timeout")],
         {"deadline": "5m", "machine.commands.preKubeadm": [{"argv": ["a"]}, {"argv": ["a"], "timeout": "5m"}]}),
    Case("a command after kubeadm has no more time than the run",
         {"deadline": "1h30m", "machine.commands.postKubeadm": [{"argv": ["a"], "timeout": "90m1s"}]},
         [("MA1312", "spec.machine.commands.postKubeadm[0].timeout")],
         {"deadline": "1h30m", "machine.commands.postKubeadm": [{"argv": ["a"], "timeout": "90m"}]}),
    Case("kubeadm waits no longer than the run",
         {f"{K}.timeouts": {"controlPlaneComponentHealthCheck": "40m", "kubernetesAPICall": "2h", "etcdAPICall": "29m"}},
         [("MA1312", "spec.kubernetes.timeouts.controlPlaneComponentHealthCheck"),
          ("MA1312", "spec.kubernetes.timeouts.kubernetesAPICall")],
         {"deadline": "2h", f"{K}.timeouts": {"controlPlaneComponentHealthCheck": "40m", "kubernetesAPICall": "2h"}}),
    Case("a run has some time",
         {"deadline": "0s"}, [("MA1312", "spec.deadline")], {"deadline": "1s"}),
]  # fmt: skip

REFERENCES = [
    Case("instance data is referred to by names that there are",
         {f"{K}.node.nameFrom": {"instanceData": "$(v1.hostname)"}},
         [("MA1422", "spec.kubernetes.node.nameFrom.instanceData")],
         {f"{K}.node.nameFrom": {"instanceData": "$(v1.local_hostname|short|lower)"}}),
    Case("a text of instance data refers to something",
         {f"{K}.node.nameFrom": {"instanceData": "v1.local_hostname"}},
         [("MA1421", "spec.kubernetes.node.nameFrom.instanceData")],
         {f"{K}.node.nameFrom": {"instanceData": "$(v1.local_hostname)"}}),
    Case("a name comes from one place",
         {f"{K}.node.nameFrom": {"instanceData": "$(host.name)"}, f"{K}.node.name": "a"},
         [("MA1301", "spec.kubernetes.node.nameFrom")], {f"{K}.node.name": "a"}),
    Case("a machine reads no object of the cluster",
         {f"{K}.node.nameFrom": {"secret": {"name": "a", "key": "b"}}},
         [("MA1308", "spec.kubernetes.node.nameFrom.secret")], {}),
]  # fmt: skip

test_references_are_judged_before_a_machine_is_asked = judging(REFERENCES)

test_nothing_has_more_time_than_the_run = judging(LONG)

test_what_a_type_declares_of_its_fields_is_judged = judging(DECLARED)

CASES: list[Case] = [
    *(
        case
        for name in (*CONCERNS, "plugins", "arguments")
        for case in importlib.import_module(f"tests.unit.config.test_{name}").CASES
    ),
    *importlib.import_module("tests.unit.config.test_patching").CASES,
    *DECLARED,
    *LONG,
    *PATHS,
    *REFERENCES,
]


def rules_for(given: MachineConfiguration) -> list[tuple[Rule, Any]]:
    """Every rule that a configuration is judged by, with each value that it looks at."""
    structs = [value for value, _ in structs_in(given.spec, "spec")]
    chosen = tables(given.spec, {type(value).__module__ for value in structs})
    return [
        (rule, value)
        for value in structs
        for table in chosen
        for rule in table.get(type(value), ())
    ]


def test_every_rule_has_a_case_that_breaks_it() -> None:
    seen, speaking = set(), set()
    for case in CASES:
        given = configuration(case.bad)
        context = Context(
            configuration=given, mode="provisioning", kubernetes_version=None, read=read_values
        )
        for rule, value in rules_for(given):
            seen.add(rule)
            if list(rule(value, context)):
                speaking.add(rule)

    # These have tests of their own below.
    assert {rule.__name__ for rule in seen - speaking} == {
        "_kubernetes_or_preparation",
        "_sentinel_has_kubeadm",
        "_kubernetes_is_there",
    }


def test_a_machine_without_kubernetes_can_only_be_prepared() -> None:
    given = configuration({"kubernetes": None, "machine.sentinel": "AfterKubeadm"})

    assert places(check(given)) == [
        ("MA1303", "spec.kubernetes"),
        ("MA1323", "spec.machine.sentinel"),
    ]
    assert places(check(given, mode="preparation")) == [("MA1323", "spec.machine.sentinel")]


def test_another_version_can_be_asked_for() -> None:
    given = configuration({f"{CLUSTER}.dns.disabled": True})

    assert check(given) == []
    assert [finding.message for finding in check(given, kubernetes_version="v1.30.1")] == [
        "needs Kubernetes 1.31 or later, and this machine uses v1.30.1"
    ]


@pytest.mark.parametrize(
    ("fields", "deadline", "warned"),
    [
        ({"timeout": "11m", "retries": {"limit": 2}}, "30m", True),
        ({"timeout": "1m", "retries": {"limit": 100}}, "1h40m", True),
        ({"timeout": "1m", "retries": {"limit": 99}}, "1h40m", False),
        ({"timeout": "25m", "retries": {"limit": 1}}, "26m", True),
        # Who says nothing of time means nothing by it.
        ({"retries": {"limit": 100}}, "30m", False),
        # Pauses take time as well: 8m doubles no more, and neither does 4m after 5m.
        ({"retries": {"limit": 4, "backoff": "8m"}}, "30m", True),
        ({"retries": {"limit": 3, "backoff": "8m"}}, "30m", False),
        ({"timeout": "1m", "retries": {"limit": 5, "backoff": "5m"}}, "30m", True),
        ({"timeout": "1s", "retries": {"limit": 6, "backoff": "4m"}}, "30m", False),
    ],
)
def test_attempts_that_may_together_outlast_the_run_are_a_warning(
    fields: dict[str, Any], deadline: str, warned: bool
) -> None:
    commands = [{"argv": ["a"]}, {"argv": ["a"], **fields}]
    given = configuration({"deadline": deadline, "machine.commands.preKubeadm": commands})

    found = [(one.code, one.severity, one.path) for one in check(given)]

    path = "spec.machine.commands.preKubeadm[1].retries.limit"
    assert found == [("MA1312", "warning", path)] * warned


PARTS: dict[str, dict[str, Any]] = {
    f"{BOOT}.retries.backoff": command(argv=["a"], retries={"limit": 1, "backoff": "45m"}),
    "spec.machine.instanceData.timeout": {"machine.instanceData.timeout": "45m"},
    "spec.machine.linuxConfiguration.ntp.requireSync.timeout": {
        "machine.linuxConfiguration.ntp": {"servers": ["a"], "requireSync": {"timeout": "45m"}}
    },
    "spec.kubernetes.timeouts.discovery": {f"{K}.timeouts.discovery": "45m"},
    "spec.kubernetes.timeouts.tlsBootstrap": {f"{K}.timeouts.tlsBootstrap": "45m"},
    "spec.kubernetes.timeouts.etcdAPICall": {f"{K}.timeouts.etcdAPICall": "45m"},
    "spec.kubernetes.timeouts.kubernetesAPICall": {f"{K}.timeouts.kubernetesAPICall": "45m"},
}


@pytest.mark.parametrize("path", PARTS)
def test_a_part_that_may_take_longer_than_the_run_is_refused(path: str) -> None:
    assert places(check(configuration(PARTS[path]))) == [("MA1312", path)]
    assert check(configuration({**PARTS[path], "deadline": "46m"})) == []
    assert check(configuration(PARTS[path]), deadline=3600.0) == []


def test_a_run_shorter_than_a_default_needs_no_timeout_for_each_part() -> None:
    given = {
        "deadline": "3s",
        "machine.instanceData": {"sources": [{"name": "EC2"}]},
        "machine.linuxConfiguration.ntp": {"servers": ["a"], "requireSync": {}},
        "machine.commands.boot": [{"argv": ["a"]}],
    }

    assert check(configuration(given)) == []


def test_a_source_that_may_take_longer_than_all_sources_is_a_warning() -> None:
    given = configuration(
        {
            "machine.instanceData": {
                "timeout": "10s",
                "sources": [{"name": "EC2", "timeout": "20s"}, {"name": "GCE", "timeout": "5s"}],
            }
        }
    )

    assert [(one.code, one.severity, one.path) for one in check(given)] == [
        ("MA1312", "warning", "spec.machine.instanceData.sources[0].timeout")
    ]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"timeout": "0s"}, "timeout"),
        ({"sources": [{"name": "EC2", "timeout": "0s"}]}, "sources[0].timeout"),
    ],
)
def test_instance_data_without_time_is_refused(fields: dict[str, Any], path: str) -> None:
    given = configuration({"machine.instanceData": fields})

    assert places(check(given)) == [("MA1312", f"spec.machine.instanceData.{path}")]


@pytest.mark.parametrize(
    ("said", "flag", "refused"),
    [
        (None, 3600.0, False),
        ("5m", 3600.0, False),
        ("2h", 3.0, False),
        (None, 3.0, True),
        (None, None, True),
    ],
)
def test_a_command_line_that_gives_more_time_is_what_counts(
    said: str | None, flag: float | None, refused: bool
) -> None:
    deadline = {"deadline": said} if said else {}
    given = configuration({**deadline, **command(argv=["a"], timeout="40m")})

    assert places(check(given, deadline=flag)) == ([("MA1312", f"{BOOT}.timeout")] * refused)


def test_a_near_name_is_suggested() -> None:
    (finding,) = check(configuration({f"{K}.skipPhases": ["addon/core-dns"]}))

    assert finding.hint == 'did you mean "addon/coredns"?'


def test_no_finding_holds_a_secret() -> None:
    canary = "canary-4711-0123456789abcdef"
    given = configuration(
        {
            f"{CP}.certificates.ca": {"certificate": CERTIFICATE, "key": _armoured(canary)},
            **encryption(keys("secretbox", base64.b64encode(canary.encode()).decode())),
            "machine.files": [
                {"path": "/a", "content": canary, "encoding": "base64", "sensitive": True}
            ],
        }
    )

    findings = check(given)

    assert len(findings) == 3
    assert "canary" not in str(findings)
    assert base64.b64encode(canary.encode()).decode() not in str(findings)


def _armoured(text: str) -> str:
    body = base64.b64encode(text.encode()).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
