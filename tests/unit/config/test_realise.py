"""A checked configuration becomes what the planner works with; its digest and its secrets."""

from __future__ import annotations

import base64
import gzip

import pytest
import yaml
from msgspec.structs import replace

from machineadm.api.v1alpha1.commands import Commands
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.defaulting import realise
from machineadm.config.digest import digest as digest_of
from machineadm.config.model import Configuration
from machineadm.config.secrets import secrets_of
from machineadm.redaction import Secret
from tests.configurations import EXAMPLES, configuration, decoded, example

HTTPS = "https://etcd.example.com:2379"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


def digest(spec: dict[str, object]) -> str:
    return realise(configuration(spec)).digest


def texts(configuration: Configuration) -> list[str]:
    return [
        secret.reveal() if isinstance(secret, Secret) else secret
        for secret in secrets_of(configuration)
    ]


@pytest.mark.parametrize(
    ("fields", "sensitive"),
    [
        ({}, False),
        ({"permissions": "0640"}, False),
        ({"permissions": "0604"}, False),
        ({"permissions": "0600"}, True),
        ({"permissions": "0711"}, True),
        ({"permissions": "0644", "sensitive": True}, True),
    ],
)
def test_a_file_that_only_its_owner_reads_is_sensitive(
    fields: dict[str, object], sensitive: bool
) -> None:
    given = configuration({"machine.files": [{"path": "/a", "content": "b", **fields}]})

    (file,) = realise(given).machine.files

    assert file.sensitive is sensitive


def test_gzip_is_called_by_its_full_name() -> None:
    content = base64.b64encode(gzip.compress(b"a", mtime=0)).decode()
    given = configuration(
        {"machine.files": [{"path": "/a", "content": content, "encoding": "gzip"}]}
    )

    (file,) = realise(given).machine.files

    assert file.encoding == "gzip+base64"


def test_inlined_certificates_of_an_external_etcd_get_their_usual_places() -> None:
    given = configuration(
        {
            "kubernetes.cluster.certificates.directory": "/etc/pki",
            "kubernetes.cluster.etcd.external.endpoints": [HTTPS],
            "kubernetes.controlPlane.certificates": {
                "etcdCA": {"certificate": CERTIFICATE},
                "apiserverEtcdClient": {"certificate": CERTIFICATE},
            },
        }
    )

    kubernetes = realise(given).kubernetes

    assert kubernetes
    assert kubernetes.cluster
    assert kubernetes.cluster.etcd
    external = kubernetes.cluster.etcd.external
    assert external
    assert external.ca_file == "/etc/pki/etcd/ca.crt"
    assert external.cert_file == "/etc/pki/apiserver-etcd-client.crt"
    assert external.key_file == "/etc/pki/apiserver-etcd-client.key"


def test_files_that_are_named_keep_their_names() -> None:
    given = example("external-etcd.yaml")
    before = given.spec.kubernetes
    after = realise(given).kubernetes

    assert before
    assert after
    assert before.cluster == after.cluster


def test_what_kubeadm_would_choose_is_left_to_it() -> None:
    given = configuration()

    assert realise(given).kubernetes == given.spec.kubernetes


def test_digest_is_of_what_matters_on_the_machine() -> None:
    text = (EXAMPLES / "worker.yaml").read_text()
    document = yaml.safe_load(text)
    document["metadata"] = {"name": "renamed"}
    # What is written though it is the default, and keys in another order.
    document["spec"]["machine"]["sentinel"] = "AfterCommands"
    document["spec"] = dict(reversed(document["spec"].items()))
    same = yaml.safe_dump(document, sort_keys=False).encode()

    assert realise(decoded(same)).digest == realise(decoded(text.encode())).digest
    changed = text.replace("maxPods: 60", "maxPods: 61").encode()
    assert realise(decoded(changed)).digest != realise(decoded(text.encode())).digest


def test_digest_of_a_default_that_is_written_out_is_that_of_its_absence() -> None:
    lists: dict[str, object] = {
        "machine.files": [],
        "machine.commands": {"boot": []},
        "machine.images": [],
    }
    kubelet: dict[str, object] = {"kubernetes.node.ignorePreflightErrors": []}
    command = {"argv": ["true"]}
    spelled_out = {**command, "timeout": "10m", "onFailure": "Fail"}

    assert digest({**lists, **kubelet}) == digest({"kubernetes.node": {}})
    assert digest({"machine.commands": {"preKubeadm": [spelled_out]}}) == digest(
        {"machine.commands": {"preKubeadm": [command]}}
    )


def test_digest_goes_by_value_and_not_by_identity() -> None:
    given = configuration().spec.machine
    rebuilt = replace(
        given, commands=Commands(), linux_configuration=LinuxConfiguration(sysctls={})
    )
    plain = replace(given, linux_configuration=LinuxConfiguration())

    assert digest_of(rebuilt) == digest_of(plain)


def test_digest_sees_secrets_and_taints_none_or_empty() -> None:
    digests = {
        digest({}),
        digest({"kubernetes.node.taints": []}),
        digest({"kubernetes.role.certificateKey": "a" * 64}),
        digest({"kubernetes.role.certificateKey": "b" * 64}),
    }

    assert len(digests) == 4
    assert all(len(each) == 64 for each in digests)


def test_secrets_are_found_wherever_they_are() -> None:
    found = texts(realise(example("maximal.yaml")))

    for part in (
        "maxima.0123456789abcdef",
        "example-registration-token",
        "9f8e7d6c",
        "MTExMTEx",
        "http://proxy.example.com:3128",
        "example-audit-token",
        "BEGIN PRIVATE KEY",
        "correct-horse-battery-staple",
    ):
        assert any(part in text for text in found), part
    assert not any("managed by machineadm" in text for text in found)


def test_sensitive_content_is_known_as_it_is_written_and_as_it_is() -> None:
    content = base64.b64encode(b"password=4711").decode()
    given = configuration(
        {
            "machine.files": [
                {"path": "/a", "permissions": "0600", "content": content, "encoding": "base64"}
            ]
        }
    )

    assert texts(realise(given)) == [content, "password=4711"]


def test_sensitive_bytes_that_are_no_text_are_known_as_written_alone() -> None:
    content = base64.b64encode(b"\xff\xfe").decode()
    given = configuration(
        {
            "machine.files": [
                {"path": "/a", "permissions": "0600", "content": content, "encoding": "base64"}
            ]
        }
    )

    assert texts(realise(given)) == [content]
