"""A MachineBootstrap to user data: references, what reaches the machine, what is refused, and that all is data."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from machineadm.api.meta import KeyReference, ValueSource
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.config.validation import check
from machineadm.documents.decoding import decode
from machineadm.documents.encoding import quoted
from machineadm.documents.encryption import unseal
from machineadm.redaction import Secret
from machineadm.rendering.builtin import BUILTINS, DIRECTORY
from machineadm.rendering.fetch import SHORT
from machineadm.rendering.objects import Resource
from machineadm.rendering.references import References
from machineadm.rendering.stream import Outcome, read_bundle, render_bundle
from tests.typewalk import structs

EXAMPLE = (Path(__file__).parents[3] / "examples/rendering/worker.yaml").read_text()
CONFIG = "/run/machineadm/config.yaml"
FETCH = "/run/machineadm/fetch.sh"
HEAD = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineBootstrap
metadata: {name: one, namespace: edge, creationTimestamp: null}
"""
KUBERNETES = """\
  kubernetes:
    version: v1.34.4
    role: {type: Initialize}
    cluster: {name: one, controlPlaneEndpoint: "192.0.2.10:6443"}
"""
PLAIN = f"{HEAD}spec:\n{KUBERNETES}"
OWN = PLAIN + "  machine: {bootstrapperTemplateConfigMapName: mine}\n"
PROPOSAL = """\
#cloud-config
write_files:
- encoding: gz+b64
  content:  {{machine_config | gzip | base64}}.
  path: /tmp/machineadm_config.yaml
  permissions: '0644'
runcmd:
  - /usr/bin/machineadm --bootstrap --path /tmp/machineadm_config.yaml
"""


def render(*documents: str, template: str | None = None) -> Outcome:
    stream = "\n---\n".join(documents).encode()
    bundle = read_bundle([("m.yaml", stream)])
    return render_bundle(bundle, random=lambda count: bytes(range(count)), template=template)


def user_data(outcome: Outcome) -> bytes:
    assert outcome.rendered is not None, outcome.problems
    return outcome.rendered.user_data


def written(data: bytes) -> dict[str, bytes]:
    """What a cloud-config writes, as cloud-init decodes it."""
    files = yaml.safe_load(data)["write_files"]
    assert {file["permissions"] for file in files} == {"0600"}
    return {file["path"]: gzip.decompress(base64.b64decode(file["content"])) for file in files}


def ignited(data: bytes) -> dict[str, bytes]:
    """What an Ignition configuration writes."""
    found = {}
    for file in json.loads(data)["storage"]["files"]:
        contents = file["contents"]
        content = base64.b64decode(contents["source"].removeprefix("data:;base64,"))
        compressed = contents.get("compression") == "gzip"
        found[file["path"]] = gzip.decompress(content) if compressed else content
        assert file["mode"] == 0o600
    return found


def spec(data: bytes) -> Any:
    return json.loads(written(data)[CONFIG])["spec"]


def told(outcome: Outcome) -> list[tuple[str, str, int]]:
    assert outcome.rendered is None
    return [(one.code, one.path, one.line) for one in outcome.problems]


def config_map(name: str, **data: str) -> str:
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    )


def secret(name: str, namespace: str = "edge", **data: bytes) -> str:
    values = {key: base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values})


def with_file(**fields: object) -> str:
    return f"{PLAIN}  machine:\n    files:\n    - {json.dumps({'path': '/etc/x', **fields})}\n"


def from_secret(key: str = "k") -> dict[str, object]:
    return {"secret": {"name": "s", "key": key}}


@pytest.mark.requirement("R5", "U1")
def test_the_example_reaches_cloud_init_with_all_references_inlined() -> None:
    data = user_data(render(EXAMPLE))

    assert data.startswith(b"#cloud-config\n")
    found = spec(data)
    assert found["agent"] == {"version": "v0.1.0"}
    assert found["kubernetes"]["role"]["discovery"]["token"] == "edge00.0123456789abcdef"
    assert found["machine"]["files"][1] == {
        "path": "/etc/example/agent.key",
        "permissions": "0600",
        "content": "AAECA//+/Q==",
        "encoding": "base64",
        "sensitive": True,
    }
    assert b"Basic ZWRnZTpub3QtYS1yZWFsLW9uZQ==" in written(data)[FETCH]


@pytest.mark.parametrize("template", BUILTINS)
def test_the_same_input_gives_the_same_bytes(template: str) -> None:
    first, second = (user_data(render(EXAMPLE, template=template)) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("template", BUILTINS)
def test_what_travels_has_no_problem_for_the_agent(template: str) -> None:
    bare = user_data(render(EXAMPLE, template="bare"))
    (document,) = decode(bare, file="bare")

    assert document.problems == ()
    assert check(document.value) == []
    if template.startswith("ignition"):
        rendered = user_data(render(EXAMPLE, template=template))
        assert ignited(rendered)[f"{DIRECTORY}/config.yaml"] == bare


@pytest.mark.requirement("R5", "U1")
@pytest.mark.parametrize("version", ["2.3", "3.4"])
def test_format_ignition_gives_the_version_that_is_asked_for(version: str) -> None:
    text = EXAMPLE.replace(
        "format: cloud-config", f'format: ignition\n  ignitionVersion: "{version}"'
    )
    outcome = render(text)
    config = json.loads(user_data(outcome))

    assert outcome.rendered is not None
    assert outcome.rendered.format == "ignition"
    assert config["ignition"]["version"] == f"{version}.0"
    files = ignited(user_data(outcome))
    assert set(files) == {
        f"{DIRECTORY}/{name}" for name in ("config.yaml", "fetch.sh", "agent", "start.sh")
    }
    assert files[f"{DIRECTORY}/agent"] == b"/opt/bin/machineadm"
    assert (
        f"{SHORT['DESTINATION']}='/opt/bin/machineadm'\n".encode() in files[f"{DIRECTORY}/fetch.sh"]
    )
    roots = {
        entry.get("filesystem")
        for entry in (*config["storage"]["files"], *config["storage"]["directories"])
    }
    assert roots == {"root" if version == "2.3" else None}


def test_a_preinstalled_agent_needs_no_fetch_script() -> None:
    data = user_data(render(PLAIN + '  agent: {preinstalled: {path: "/opt/a b/machineadm"}}\n'))

    assert set(written(data)) == {CONFIG}
    (command,) = yaml.safe_load(data)["runcmd"]
    assert command == [
        "sh",
        "-ec",
        f'"$0" bootstrap --path {CONFIG}\ncd /run/machineadm\nrm -f config.yaml fetch.sh\n',
        "/opt/a b/machineadm",
    ]
    systemd = user_data(render(PLAIN, template="systemd"))
    assert b"fetch.sh\n" not in systemd.partition(b"start.sh")[0]


def test_a_template_of_many_machines_renders_as_one_of_them() -> None:
    inner = "".join(f"    {line}\n" for line in f"spec:\n{KUBERNETES}".splitlines())
    head = HEAD.replace("MachineBootstrap", "MachineBootstrapTemplate")
    text = f"{head}spec:\n  template:\n{inner}"

    assert spec(user_data(render(text)))["kubernetes"]["version"] == "v1.34.4"
    assert told(render(text.replace("v1.34.4", "v1.20.0"))) == [
        ("MA1311", "spec.template.spec.kubernetes.version", 8)
    ]


def test_an_object_that_cannot_be_read_is_not_missed_besides() -> None:
    outcome = render(with_file(contentFrom=from_secret()), "kind: [")

    assert [code for code, _, _ in told(outcome)] == ["MA1005"]


def test_what_is_missing_is_told_at_its_place_all_at_once() -> None:
    text = EXAMPLE.replace("key: token", "key: tokn").replace("name: site, key", "name: sight, key")

    assert told(render(text)) == [
        ("MA1601", "spec.machine.files[0].contentFrom.configMap", 18),
        ("MA1602", "spec.kubernetes.role.discovery.tokenFrom.secret.key", 32),
    ]


def test_references_stay_in_their_namespace() -> None:
    outcome = render(with_file(contentFrom=from_secret()), secret("s", "other", k=b"v"))

    assert told(outcome) == [("MA1601", "spec.machine.files[0].contentFrom.secret", 11)]
    assert "other" in outcome.problems[0].hint


def test_the_deadline_travels_and_is_judged_as_by_the_agent() -> None:
    command = json.dumps({"argv": ["x"], "timeout": "45m"})
    machine = f"  machine:\n    commands:\n      preKubeadm:\n      - {command}\n"

    assert spec(user_data(render(f"{PLAIN}{machine}  deadline: 1h\n")))["deadline"] == "1h"
    often = machine.replace('"45m"', '"45m", "retries": {"limit": 1}')
    assert spec(user_data(render(f"{PLAIN}{often}  deadline: 1h\n")))["deadline"] == "1h"
    assert told(render(f"{PLAIN}{machine}")) == [
        ("MA1312", "spec.machine.commands.preKubeadm[0].timeout", 12)
    ]


def test_a_value_from_elsewhere_must_be_what_its_field_takes() -> None:
    text = EXAMPLE.replace("token: edge00.0123456789abcdef", 'token: "not-A-tok3n\\n"')
    outcome = render(text)

    assert [(code, path) for code, path, _ in told(outcome)] == [
        ("MA1108", "spec.kubernetes.role.discovery.tokenFrom")
    ]
    assert "tok3n" not in str(outcome.problems)


@pytest.mark.parametrize("value", ["Basic a\n", "Basic a\r\nHost: x", ""])
def test_a_header_from_elsewhere_is_one_line(value: str) -> None:
    text = EXAMPLE.replace("Basic ZWRnZTpub3QtYS1yZWFsLW9uZQ==", quoted(value))
    ((code, path, _),) = told(render(text))

    assert code == ("MA1108" if value else "MA1105")
    assert path == "spec.agent.download.headersFrom.Authorization"


def test_a_value_and_a_reference_exclude_each_other() -> None:
    outcome = render(with_file(content="a", contentFrom=from_secret()), secret("s", k=b"v"))

    assert told(outcome) == [("MA1301", "spec.machine.files[0].contentFrom", 11)]


@pytest.mark.parametrize(
    ("source", "code"),
    [({}, "MA1302"), ({**from_secret(), "configMap": {"name": "s", "key": "k"}}, "MA1301")],
)
def test_a_value_comes_from_one_place(source: dict[str, object], code: str) -> None:
    outcome = render(with_file(contentFrom=source), secret("s", k=b"v"))

    assert told(outcome) == [(code, "spec.machine.files[0].contentFrom", 11)]


def test_what_names_a_provider_stays_and_is_judged_as_by_the_agent() -> None:
    asked = {"name": "vault", "inputs": {"a": 1}}
    outcome = render(with_file(contentFrom={"provider": asked}))
    assert outcome.rendered is not None

    outcome = render(with_file(contentFrom={"provider": {**asked, "secretInputs": {"a": "b"}}}))
    path = "spec.machine.files[0].contentFrom.provider.secretInputs.a"
    assert told(outcome) == [("MA1306", path, 11)]


def test_a_template_in_a_file_is_not_filled_in_yet() -> None:
    outcome = render(with_file(content="{{ .controlPlane.version }}", contentFormat="Template"))

    assert told(outcome) == [("MA1401", "spec.machine.files[0].contentFormat", 11)]


def test_objects_are_read_as_a_server_writes_them() -> None:
    metadata = {
        "name": "s",
        "namespace": "edge",
        "uid": "0",
        "ownerReferences": [{"controller": True}],
        "managedFields": [{"fieldsV1": {"f:data": {".": {}, 'k:{"a":1}': None}}}],
    }
    value = {"apiVersion": "v1", "kind": "Secret", "type": "x/y", "metadata": metadata}
    text = json.dumps({**value, "immutable": True, "stringData": {"k": "v"}})

    data = user_data(render(with_file(contentFrom=from_secret()), text))
    assert spec(data)["machine"]["files"][0]["content"] == "v"


def test_only_the_content_of_a_file_may_be_bytes() -> None:
    text = EXAMPLE.replace("  token: edge00.0123456789abcdef\n", "").replace(
        "data:\n  agent.key", "data:\n  token: //8=\n  agent.key"
    )

    assert told(render(text)) == [("MA1603", "spec.kubernetes.role.discovery.tokenFrom.secret", 32)]


@pytest.mark.parametrize("encoding", [None, "gzip", "gzip+base64"])
def test_compressed_bytes_of_a_secret_arrive_as_they_are(encoding: str | None) -> None:
    packed = gzip.compress(b"content", mtime=0)
    fields = {"encoding": encoding} if encoding else {}
    data = user_data(render(with_file(contentFrom=from_secret(), **fields), secret("s", k=packed)))

    (file,) = spec(data)["machine"]["files"]
    assert base64.b64decode(file["content"]) == packed
    assert file["encoding"] == ("gzip+base64" if encoding else "base64")


def test_objects_are_told_apart_by_kind_and_given_once() -> None:
    main = with_file(contentFrom=from_secret())
    assert told(render(main, config_map("s", k="v")))[0][0] == "MA1601"
    assert told(render(main, secret("s", k=b"1"), secret("s", k=b"2")))[0][0] == "MA1306"
    assert told(render(main, '{"apiVersion": "v1", "kind": "Secret", "data": {}}'))


def test_a_stream_has_one_machine_bootstrap() -> None:
    assert told(render(PLAIN, PLAIN)) == [("MA1606", "kind", 12)]
    assert told(render(config_map("a"))) == [("MA1605", "", 1)]


def test_problems_of_all_documents_are_told_together() -> None:
    text = EXAMPLE.replace("format: cloud-config", "format: cloud").replace("AAECA//+/Q==", "'*'")

    assert [code for code, _, _ in told(render(text))] == ["MA1103", "MA1109"]


def test_an_agent_is_never_fetched_unverified() -> None:
    begin, end = EXAMPLE.index("      publicKey"), EXAMPLE.index("      headersFrom")

    assert ("MA1302", "spec.agent.download", 36) in told(render(EXAMPLE[:begin] + EXAMPLE[end:]))


def test_a_download_that_cannot_be_is_told_with_all_else() -> None:
    text = EXAMPLE.replace("https://storage", "ftp://storage").replace("key: token", "key: tokn")

    assert [code for code, _, _ in told(render(text))] == ["MA1602", "MA1923"]


def test_settings_that_do_not_go_together_are_refused() -> None:
    both = (
        PLAIN + '  agent: {preinstalled: {}, download: {version: v0.1.0, urls: ["https://e/x"]}}\n'
    )
    assert [code for code, _, _ in told(render(both))] == ["MA1301", "MA1302"]
    assert told(render(PLAIN + '  ignitionVersion: "3.4"\n')) == [
        ("MA1604", "spec.ignitionVersion", 9)
    ]
    provider = EXAMPLE.replace(
        "secret: {name: edge-worker, key: mirror-authorization}", "provider: {name: vault}"
    )
    assert told(render(provider)) == [("MA1604", "spec.agent.download.headersFrom", 46)]


@pytest.mark.parametrize(
    ("download", "problem"),
    [
        ("fromStore: {}", ("MA1604", "spec.agent.download.fromStore")),
        ("fromStore: {name: edge}", ("MA1604", "spec.agent.download.fromStore")),
        (
            "urls: ['https://a.example/b'], fromStore: {}",
            ("MA1301", "spec.agent.download.fromStore"),
        ),
        ("sha256: " + "a" * 64, ("MA1302", "spec.agent.download")),
        ("urls: [], sha256: " + "a" * 64, ("MA1302", "spec.agent.download")),
    ],
)
def test_without_a_manager_an_agent_s_download_says_where_it_is(
    download: str, problem: tuple[str, str]
) -> None:
    text = f"""\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineBootstrap
metadata: {{name: worker}}
spec:
  agent: {{download: {{version: v0.1.0, {download}}}}}
"""
    assert problem in [(code, path) for code, path, _ in told(render(text))]


@pytest.mark.parametrize(
    ("cipher", "expected"), [("", "aes-256-gcm"), ("aes-256-cbc", "aes-256-cbc")]
)
def test_encrypted_documents_open_to_what_would_have_travelled(cipher: str, expected: str) -> None:
    settings_ = {"provider": "kms", "passphraseFrom": {"secret": {"name": "p", "key": "k"}}}
    if cipher:
        settings_["cipherAlgorithm"] = cipher
    text = f"{PLAIN}  encryption: {json.dumps(settings_)}\n"
    data = user_data(render(text, secret("p", k=b"correct horse\n")))

    sealed = msgspec.json.decode(written(data)[CONFIG], type=EncryptedData)
    assert (sealed.spec.provider, sealed.spec.cipher_algorithm) == ("kms", expected)
    assert unseal(sealed, Secret("correct horse")) == user_data(render(PLAIN, template="bare"))


def test_a_passphrase_may_be_any_bytes() -> None:
    text = (
        f"{PLAIN}  encryption: {{provider: kms, passphraseFrom: {{secret: {{name: p, key: k}}}}}}\n"
    )
    data = user_data(render(text, secret("p", k=b"\xff\xfe word")))

    sealed = msgspec.json.decode(written(data)[CONFIG], type=EncryptedData)
    assert unseal(sealed, Secret("\udcff\udcfe word")).startswith(b"{")


@pytest.mark.parametrize("passphrase", [b"\n", b"x" * 4097])
def test_a_passphrase_that_the_agent_would_refuse_is_refused(passphrase: bytes) -> None:
    text = (
        f"{PLAIN}  encryption: {{provider: kms, passphraseFrom: {{secret: {{name: p, key: k}}}}}}\n"
    )

    assert told(render(text, secret("p", k=passphrase))) == [
        ("MA1512", "spec.encryption.passphraseFrom.secret", 9)
    ]


def test_user_data_over_its_limit_says_by_how_much_and_why() -> None:
    text = with_file(content="x" * 900) + "  dataSizeLimit: 1k\n"
    plain = user_data(render(text.replace("1k", "64Ki"), template="bare"))
    outcome = render(text, template="bare")

    assert told(outcome) == [("MA1620", "spec.dataSizeLimit", 12)]
    (problem,) = outcome.problems
    assert f"{len(plain)} bytes (" in problem.message
    assert f"{len(plain) - 1000} more than its limit of 1000 raw: " in problem.message
    assert f"configuration {len(plain)} (" in problem.message
    assert "spec.machine.files[0] 930" in problem.hint


def test_a_limit_of_what_is_compressed_counts_what_is_compressed() -> None:
    text = with_file(content="x" * 900) + "  dataSizeLimit: 1k\n"

    assert render(text + "  dataSizeLimitOf: Compressed\n", template="bare").rendered is not None
    assert render(text + "  dataSizeLimitOf: Raw\n", template="bare").rendered is None
    tight = render(text.replace("1k", "'100'") + "  dataSizeLimitOf: Compressed\n", template="bare")
    assert "limit of 100 compressed" in tight.problems[0].message


def test_a_limit_that_there_is_none_of_counts_nothing() -> None:
    assert told(render(PLAIN + "  dataSizeLimitOf: Raw\n"))[0][:2] == (
        "MA1604",
        "spec.dataSizeLimitOf",
    )


def test_sizes_add_up() -> None:
    rendered = render(EXAMPLE).rendered

    assert rendered is not None
    assert sum(rendered.sizes.parts.values()) == rendered.sizes.raw == len(rendered.user_data)
    assert rendered.sizes.compressed <= sum(rendered.sizes.compressed_parts.values())
    assert rendered.sizes.limit == 16384
    assert rendered.sizes.compressed < rendered.sizes.raw


@pytest.mark.requirement("R5")
def test_the_template_of_the_proposal_renders_with_a_warning() -> None:
    outcome = render(OWN, config_map("mine", template=PROPOSAL))

    (file,) = yaml.safe_load(user_data(outcome))["write_files"]
    content = gzip.decompress(base64.b64decode(file["content"]))
    assert content == user_data(render(PLAIN, template="bare"))
    assert outcome.rendered is not None
    assert outcome.rendered.template == "own"
    (warning,) = outcome.warnings
    assert warning.code == "MA1634"
    assert "/tmp/machineadm_config.yaml" in warning.message


@pytest.mark.parametrize(
    ("kind", "field", "header", "line", "column"),
    [
        ("ConfigMap", "data", "|", 18, 7),
        ("ConfigMap", "data", "|-\n", 19, 7),
        ("Secret", "stringData", "| # mine", 18, 7),
        ("ConfigMap", "data", ">-", 9, 13),
    ],
)
def test_what_is_wrong_with_a_template_is_told_where_it_stands(
    kind: str, field: str, header: str, line: int, column: int
) -> None:
    text = OWN.replace("ConfigMap", kind)
    holder = (
        f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: mine}}\n{field}:\n  template: {header}\n"
    )
    outcome = render(text, holder + "    #cloud-config\n    {{.X}}\n")

    (problem,) = outcome.problems
    assert (problem.line, problem.column) == (line, column)
    assert problem.code == "MA1611"


def test_a_template_of_the_same_name_elsewhere_is_not_meant() -> None:
    holders = [
        "apiVersion: v1\nkind: ConfigMap\n"
        f"metadata: {{name: mine, namespace: {namespace}}}\ndata:\n  template: |\n    {text}\n"
        for namespace, text in (("other", "#!/bin/sh"), ("edge", "{{.X}}"))
    ]
    (problem,) = render(*holders, OWN).problems

    assert problem.document == 2


def test_a_template_of_cloud_init_for_ignition_is_told_as_such() -> None:
    outcome = render(OWN + "  format: ignition\n", config_map("mine", template="#cloud-config\n"))

    assert "format: cloud-config" in outcome.problems[0].hint


def test_a_template_comes_from_a_secret_too() -> None:
    text = OWN.replace("ConfigMap", "Secret")
    outcome = render(text, secret("mine", template=b"#!/bin/sh\n# {{machine_config | base64}}\n"))

    assert user_data(outcome).startswith(b"#!/bin/sh\n# ey")
    assert outcome.warnings == ()


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{{range .}}{{end}}", "MA1611"),
        ("{{machine_config", "MA1610"),
        ('{{"\\xff" | quote}}', "MA1613"),
        ("## template: jinja\n#cloud-config\n{}", "MA1621"),
        ("\n  ## Template: JINJA\n#cloud-config\n{}", "MA1621"),
        ("MIME-Version: 1.0\n\n--x\n\n## template: jinja\n", "MA1621"),
        ("write_files: []", "MA1622"),
        ("#cloud-config\nwrite_files: [", "MA1622"),
        ("#cloud-config\na: 1\na: {{machine_config", "MA1610"),
        ("#cloud-config\n- a", "MA1622"),
        ('#cloud-config\na: {{"\\xff"}}', "MA1622"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_its_name(template: str, code: str) -> None:
    outcome = render(OWN, config_map("mine", template=template))

    assert told(outcome) == [(code, "spec.machine.bootstrapperTemplateConfigMapName", 9)]


@pytest.mark.parametrize(
    "template", ["{{machine_config | base64}}", "{}", '{"ignition": {}}', "[]"]
)
def test_a_template_for_ignition_must_give_ignition(template: str) -> None:
    text = OWN + "  format: ignition\n"

    assert [one[0] for one in told(render(text, config_map("mine", template=template)))] == [
        "MA1622"
    ]


def test_a_template_that_leaves_something_out_is_warned_about() -> None:
    text = EXAMPLE.replace(
        "  machine:\n", "  machine:\n    bootstrapperTemplateConfigMapName: mine\n", 1
    )
    outcome = render(text, config_map("mine", template="#cloud-config\n{}\n"))

    assert [one.code for one in outcome.warnings] == ["MA1633", "MA1633"]


@pytest.mark.parametrize("headers", [True, False])
def test_a_fetch_script_with_headers_that_all_can_read_is_warned_about(headers: bool) -> None:
    text = EXAMPLE.replace(
        "  machine:\n", "  machine:\n    bootstrapperTemplateConfigMapName: mine\n", 1
    )
    if not headers:
        before, _, behind = text.partition("      headersFrom:\n")
        text = before + "  format:" + behind.partition("  format:")[2]
    template = "#cloud-config\nwrite_files:\n- {path: /run/f, encoding: b64, content: {{agent_fetch | base64}}}\n# {{machine_config | base64}}\n"
    outcome = render(text, config_map("mine", template=template))

    assert outcome.problems == ()
    assert [one.code for one in outcome.warnings] == (["MA1634"] if headers else [])


def test_a_template_is_not_asked_where_a_built_in_one_is_wanted() -> None:
    outcome = render(OWN, config_map("mine", template="#cloud-config\n{}\n"), template="bare")

    assert json.loads(user_data(outcome))["kind"] == "MachineConfiguration"


def test_a_missing_template_is_a_missing_key() -> None:
    assert told(render(OWN, config_map("mine", templ="x"))) == [
        ("MA1602", "spec.machine.bootstrapperTemplateConfigMapName", 9)
    ]


def test_headers_beside_encrypted_documents_are_warned_about() -> None:
    text = EXAMPLE.replace(
        "  format:",
        "  encryption: {provider: kms, passphraseFrom: {secret: {name: edge-worker, key: token}}}\n  format:",
    )

    assert [one.code for one in render(text).warnings] == ["MA1631"]


def test_a_place_below_usr_is_warned_about_for_ignition() -> None:
    text = EXAMPLE.replace(
        "      version:", "      destination: /usr/bin/machineadm\n      version:"
    )

    assert [one.code for one in render(text, template="ignition-3.4").warnings] == ["MA1630"]
    assert render(text).warnings == ()


def test_a_version_without_v_in_a_directory_of_releases_is_warned_about() -> None:
    text = EXAMPLE.replace("version: v0.1.0", "version: 0.1.0")
    assert text != EXAMPLE

    assert [one.code for one in render(text).warnings] == ["MA1635"]
    assert render(text.replace("/{version}/", "/v{version}/")).warnings == ()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
AWKWARD = st.sampled_from(
    [
        "",
        "\n",
        "a\n\n\n",
        "\ta",
        "  indented\n",
        "{{ .X }}",
        "{% raw %}",
        "${#a[@]}",
        "a\r\nb",
        "\0",
        "'\"\\",
        "END\n",
        "## template: jinja\n",
    ]
)


@given(TEXTS | AWKWARD | st.lists(TEXTS | AWKWARD).map("".join))
@settings(max_examples=150, deadline=None)
def test_contents_are_data_whatever_they_are(content: str) -> None:
    text = f"{PLAIN}  machine: {{files: [{{path: /etc/x, content: {quoted(content)}}}]}}\n"
    bare = user_data(render(text, template="bare"))

    assert json.loads(bare)["spec"]["machine"]["files"][0].get("content", "") == content
    assert written(user_data(render(text)))[CONFIG] == bare
    for template in ("ignition-2.3", "ignition-3.4"):
        assert (
            ignited(user_data(render(text, template=template)))[f"{DIRECTORY}/config.yaml"] == bare
        )


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_bytes_of_a_secret_arrive_whatever_they_are(content: bytes) -> None:
    data = user_data(render(with_file(contentFrom=from_secret()), secret("s", k=content)))

    (file,) = spec(data)["machine"]["files"]
    text = file.get("content", "")
    assert (base64.b64decode(text) if file.get("encoding") else text.encode()) == content


LINES = (EXAMPLE + "\n---\n" + config_map("mine", template="#cloud-config\n{}")).splitlines()
JUNK = st.sampled_from(
    [
        "",
        "null",
        "[]",
        "{}",
        "*a",
        "'",
        "spec:",
        "- a",
        "  x: 1",
        "---",
        "{{",
        "data: {token: 1}",
        "metadata:",
        "\t",
    ]
)


@given(
    st.lists(st.tuples(st.integers(0, len(LINES) - 1), JUNK | st.sampled_from(LINES)), max_size=3)
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_damaged_is_told_and_never_a_fault_of_ours(
    damage: list[tuple[int, str]],
) -> None:
    lines = list(LINES)
    for at, text in damage:
        lines[at] = text
    outcome = render("\n".join(lines))

    assert (outcome.rendered is None) == bool(outcome.problems)


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vip, creationTimestamp: null}
spec: {containers: [{name: vip, image: "registry.example.com/vip:v1"}]}
"""
STATIC = f"{HEAD}spec:\n{KUBERNETES}    controlPlane: {{staticPods: [{{name: vip, manifestFrom: {{KIND: {{name: vip, key: pod}}}}}}]}}\n"


def holding(kind: str, text: str) -> str:
    body = "".join(f"    {line}\n" for line in text.splitlines())
    field = "stringData" if kind == "Secret" else "data"
    return f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: vip, namespace: edge}}\n{field}:\n  pod: |\n{body}"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize("text", [POD, json.dumps(yaml.safe_load(POD))], ids=["yaml", "json"])
def test_an_object_comes_from_a_text_that_holds_it(kind: str, text: str) -> None:
    wanted = "secret" if kind == "Secret" else "configMap"

    data = user_data(render(STATIC.replace("KIND", wanted), holding(kind, text), template="bare"))

    (pod,) = json.loads(data)["spec"]["kubernetes"]["controlPlane"]["staticPods"]
    assert pod["manifest"]["metadata"] == {"name": "vip"}
    assert pod["manifest"]["spec"]["containers"][0]["name"] == "vip"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("just words", "expected a map"),
        ("- a", "expected a map"),
        (f"{POD}---\n{POD}", "2 documents"),
        ("a: [", "not YAML"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: 0644", "octal"),
    ],
)
def test_a_text_that_is_no_object_is_told_with_its_line(text: str, words: str) -> None:
    outcome = render(STATIC.replace("KIND", "configMap"), holding("ConfigMap", text))

    (problem,) = outcome.problems
    assert problem.code == "MA1410"
    assert problem.path.endswith("staticPods[0].manifestFrom.configMap")
    assert words in problem.message
    assert "line " in problem.message


def test_what_comes_from_elsewhere_is_judged_by_the_rules_of_its_field() -> None:
    outcome = render(
        STATIC.replace("KIND", "configMap"), holding("ConfigMap", "apiVersion: v1\nkind: Service\n")
    )

    assert {problem.code for problem in outcome.problems} == {"MA1313"}
    assert all("manifestFrom" in problem.path for problem in outcome.problems)


def froms() -> list[tuple[type[msgspec.Struct], str]]:
    """Every field of every type that takes its value from elsewhere, and has a twin to put it into."""
    return [
        (type_, field.name)
        for type_ in structs()
        for field in msgspec.structs.fields(type_)
        if field.name.endswith("_from") and "ValueSource" in str(field.type)
    ]


@pytest.mark.parametrize(("type_", "name"), froms(), ids=lambda one: getattr(one, "__name__", one))
def test_every_reference_can_be_satisfied(type_: type[msgspec.Struct], name: str) -> None:
    """A field that can come from elsewhere, but whose twin takes no text, could never be used."""
    source = ValueSource(config_map=KeyReference(name="vip", key="pod"))
    fields = {field.name: field for field in msgspec.structs.fields(type_)}
    is_map = "dict" in str(fields[name].type)
    required = {
        each.name: PRUNED for each in fields.values() if each.required and each.name != name
    }
    is_list = "tuple" in str(fields[name].type)
    given: Any = {"X": source} if is_map else (source,) if is_list else source
    value = type_(**required, **{name: given})
    text = POD if "dict" in str(fields[name.removesuffix("_from")].type) and not is_map else "a"
    found = References(
        (Resource(kind="ConfigMap", name="vip", namespace="", values={"pod": text.encode()}),)
    )

    inlined = found.inlined(value, "spec")

    assert found.findings == []
    twin = getattr(inlined, name.removesuffix("_from"))
    assert twin is not PRUNED
    assert twin
    assert not getattr(inlined, name)


@pytest.mark.parametrize("template", ["ignition-2.3", "ignition-3.4", "systemd"])
@pytest.mark.parametrize(("name", "waits"), [("env.COREOS_EC2_HOSTNAME", 2), ("host.name", 0)])
def test_the_unit_waits_for_who_writes_what_the_configuration_refers_to(
    template: str, name: str, waits: int
) -> None:
    stream = f'{PLAIN}    node: {{nameFrom: {{instanceData: "$({name})"}}}}\n'

    outcome = render_bundle(
        read_bundle([("a.yaml", stream.encode())]), random=lambda _: b"", template=template
    )

    assert outcome.rendered is not None, outcome.problems
    assert outcome.rendered.user_data.count(b"coreos-metadata.service") == waits


def test_the_control_planes_keys_come_from_secrets() -> None:
    from tests.rulecases import CERTIFICATE, KEY32, PRIVATE, PUBLIC

    def of(key: str) -> dict[str, Any]:
        return {"secret": {"name": "one-ca", "key": key}}

    control_plane = {
        "certificates": {
            "ca": {"certificateFrom": of("tls.crt"), "keyFrom": of("tls.key")},
            "serviceAccount": {"publicKeyFrom": of("sa.pub"), "privateKeyFrom": of("sa.key")},
        },
        "encryptionAtRest": {
            "providers": [{"secretbox": {"keys": [{"name": "a", "secretFrom": of("etcd")}]}}]
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one-ca", "namespace": "edge"},
        "stringData": {
            "tls.crt": CERTIFICATE,
            "tls.key": PRIVATE,
            "sa.pub": PUBLIC,
            "sa.key": PRIVATE,
            "etcd": KEY32,
        },
    }
    stream = f"{PLAIN}    controlPlane: {json.dumps(control_plane)}\n---\n{json.dumps(secret)}\n"

    outcome = render(stream, template="bare")

    assert outcome.rendered is not None, outcome.problems
    travelling = json.loads(outcome.rendered.user_data)["spec"]["kubernetes"]["controlPlane"]
    assert travelling["certificates"] == {
        "ca": {"certificate": CERTIFICATE, "key": PRIVATE},
        "serviceAccount": {"publicKey": PUBLIC, "privateKey": PRIVATE},
    }
    assert travelling["encryptionAtRest"]["providers"] == [
        {"secretbox": {"keys": [{"name": "a", "secret": KEY32}]}}
    ]


def pair(name: str) -> tuple[str, str]:
    """A certificate as Cluster API makes them, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    made = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    private = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode(), private


def test_a_control_plane_with_its_keys_and_a_signed_fetch_leaves_half_a_kibibyte_of_user_data() -> (
    None
):
    certificates: dict[str, dict[str, str]] = {}
    for field in ("ca", "etcdCA", "frontProxyCA"):
        certificate, key = pair(field)
        certificates[field] = {"certificate": certificate, "key": key}
    account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = account.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = account.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    certificates["serviceAccount"] = {
        "publicKey": public.decode(),
        "privateKey": private.decode(),
    }
    signer = ec.generate_private_key(ec.SECP256R1()).public_key()
    download = {
        "version": "v0.1.0",
        "urls": ["https://example.com/{version}/machineadm-linux-{arch}.pyz"],
        "publicKey": signer.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    }
    external = [{"name": "cloud-provider", "value": "external"}]
    spec = {
        "agent": {"download": download},
        "kubernetes": {
            "version": "v1.33.1",
            "role": {"type": "Initialize"},
            "cluster": {
                "name": "edge",
                "controlPlaneEndpoint": "api-edge-0123456789abcdef.elb.eu-central-1.example.com:6443",
                "network": {"podCIDRs": ["192.168.0.0/16"]},
            },
            "node": {"extraArgs": external},
            "controlPlane": {
                "apiServer": {"extraArgs": external},
                "controllerManager": {"extraArgs": external},
                "certificates": certificates,
            },
        },
    }

    assert len(user_data(render(HEAD + yaml.safe_dump({"spec": spec})))) < 15_872
