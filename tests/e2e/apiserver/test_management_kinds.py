"""Our definitions in a real kube-apiserver 1.34 with etcd 3.6, through kubectl: what a user of a management cluster sees."""

import copy
import functools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.apiserver.server import RefusedError, Server, running
from tests.real import missing

ROOT = Path(__file__).parents[3]
CRDS = ROOT / "crds"
CLUSTER_API = "sigs.k8s.io/cluster-api@v1.12.0"
BOOTSTRAP = "bootstrap.cluster.x-k8s.io/v1alpha1"
INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io/v1alpha1"

Document = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def document(kind: str, name: str, spec: Document, **metadata: Any) -> Document:
    group = INFRASTRUCTURE if kind.endswith("Store") else BOOTSTRAP
    meta = {"name": name, "namespace": "default", **metadata}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}


RETENTION = {"gracePeriod": "1h", "policy": "AfterBootstrap"}
PLUGIN: Document = {"plugin": {"name": "aws"}}

# Of each kind the least that is good, and what the server makes of it.
SPECS: dict[str, tuple[Document, Document]] = {
    "EncryptedData": (
        {"provider": "tpm", "ciphertext": "YWJj", "salt": "c2FsdA==", "iv": "aXY=", "mac": "bWFj"},
        {
            "cipherAlgorithm": "aes-256-cbc",
            "digestAlgorithm": "sha-512",
            "iterations": 50000,
            "keyDerivationAlgorithm": "pbkdf2",
        },
    ),
    "S3BootstrapStore": (
        {"bucket": "my-data", "fetch": {"presignedURL": {}}},
        {
            "fetch": {"presignedURL": {"expiry": "1h"}},
            "forcePathStyle": False,
            "retention": RETENTION,
        },
    ),
    "GCSBootstrapStore": ({"bucket": "my-data"}, {"retention": RETENTION}),
    "SecretsManagerBootstrapStore": (
        {"namePrefix": "machineadm/", "region": "eu-west-1", "fetch": PLUGIN},
        {"retention": RETENTION},
    ),
    "HTTPBootstrapStore": (
        {"url": "https://bootstrap.test/machines", "fetch": PLUGIN},
        {"method": "PUT", "timeout": "30s", "retention": RETENTION},
    ),
    "MachineBootstrap": ({"machine": {}}, {}),
    "MachineBootstrapTemplate": ({"template": {"spec": {}}}, {}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        server.apply_definitions(CRDS)
        yield server


@functools.cache
def whole_configuration() -> Document:
    """The example that has nearly every field."""
    spec: Document = read(ROOT / "examples/maximal.yaml")["spec"]
    spec.pop("agent", None)  # the agent's digest there; in a MachineBootstrap, where it comes from
    return spec


def template(name: str, api_version: str = BOOTSTRAP) -> Document:
    spec = {"template": {"metadata": {"labels": {"a": "b"}}, "spec": whole_configuration()}}
    return {**document("MachineBootstrapTemplate", name, spec), "apiVersion": api_version}


def test_every_definition_is_established_and_structural(server: Server) -> None:
    definitions = [d for d in server.get("crd")["items"] if "machineadm" in str(d["metadata"])]

    assert len(definitions) == 7
    for definition in definitions:
        conditions = {c["type"]: c["status"] for c in definition["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        assert definition["status"]["storedVersions"] == ["v1alpha1"]
        assert definition["metadata"]["labels"]["cluster.x-k8s.io/v1beta2"] == "v1alpha1"


def test_applying_them_again_changes_nothing(server: Server) -> None:
    def versions() -> list[str]:
        return [d["metadata"]["resourceVersion"] for d in server.get("crd")["items"]]

    before = versions()
    server.apply_definitions(CRDS)

    assert versions() == before


def test_the_role_for_cluster_api_is_there(server: Server) -> None:
    role = server.get("clusterrole", "machineadm-aggregate-to-manager")

    assert role["metadata"]["labels"]["cluster.x-k8s.io/aggregate-to-manager"] == "true"


@pytest.mark.parametrize("kind", SPECS)
def test_an_object_is_stored_with_its_defaults(server: Server, kind: str) -> None:
    spec, defaults = SPECS[kind]

    stored = server.create(document(kind, "least", spec))

    assert stored["spec"] == {**spec, **defaults}


def test_a_template_stays_as_it_was_written(server: Server) -> None:
    sent = template("whole")

    assert server.create(sent)["spec"] == sent["spec"]


def test_a_bootstrap_stays_as_it_was_written(server: Server) -> None:
    sent = document("MachineBootstrap", "whole", whole_configuration())

    assert server.create(sent)["spec"] == sent["spec"]


BAD: dict[str, tuple[str, Document, str]] = {
    "a missing field": ("S3BootstrapStore", {"bucket": None}, "spec.bucket: Required value"),
    "a wrong type": ("S3BootstrapStore", {"forcePathStyle": "yes"}, "must be of type boolean"),
    "a pattern": ("S3BootstrapStore", {"bucket": "My_Data"}, "spec.bucket in body should match"),
    "an enumeration": ("EncryptedData", {"cipherAlgorithm": "rot13"}, 'Unsupported value: "rot13"'),
    "a bound": ("EncryptedData", {"iterations": 1}, "greater than or equal to 10000"),
    "a duration": ("HTTPBootstrapStore", {"timeout": "soon"}, "spec.timeout in body"),
    "a forbidden field": (
        "EncryptedData",
        {"cipherAlgorithm": "aes-256-gcm"},
        "spec.mac: Forbidden: mac goes with aes-256-cbc only",
    ),
    "both of two": (
        "S3BootstrapStore",
        {"fetch": {"presignedURL": {}, **PLUGIN}},
        "exactly one of presignedURL, plugin must be set",
    ),
    "a path twice": (
        "MachineBootstrap",
        {"machine": {"files": [{"path": "/etc/a", "content": "1"}] * 2}},
        'Duplicate value: {"path":"/etc/a"}',
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_object_is_refused(server: Server, name: str) -> None:
    kind, change, message = BAD[name]
    spec = {**SPECS[kind][0], **change}
    spec = {key: value for key, value in spec.items() if value is not None}

    with pytest.raises(RefusedError) as refusal:
        server.create(document(kind, "bad", spec))

    assert message in str(refusal.value)


def test_what_cannot_be_changed_is_not(server: Server) -> None:
    sent = document("S3BootstrapStore", "fixed", {"bucket": "my-data", "prefix": "a"})
    server.create(sent)
    patches = ({"bucket": "other"}, {"prefix": "b"}, {"prefix": None})

    for patch in patches:
        change = json.dumps({"spec": patch})
        with pytest.raises(RefusedError, match="cannot be changed"):
            server.kubectl("patch", "s3bs", "fixed", "--type=merge", "--patch", change)
    server.kubectl("patch", "s3bs", "fixed", "--type=merge", "--patch", '{"spec":{"region":"x"}}')

    assert server.get("s3bs", "fixed")["spec"]["region"] == "x"


def test_an_unknown_field_is_refused_by_default_and_pruned_otherwise(server: Server) -> None:
    spec = {"machine": {"hostnme": "m", "files": [{"path": "/etc/a", "content": "1", "mode": 1}]}}
    sent = document("MachineBootstrap", "unknown", spec)

    with pytest.raises(RefusedError) as refusal:
        server.create(sent)
    stored = server.create(sent, "--validate=ignore")

    assert 'unknown field "spec.machine.hostnme"' in str(refusal.value)
    assert 'unknown field "spec.machine.files[0].mode"' in str(refusal.value)
    assert stored["spec"] == {"machine": {"files": [{"path": "/etc/a", "content": "1"}]}}


def test_explain_says_what_the_types_say(server: Server) -> None:
    bucket = server.kubectl("explain", "s3bootstrapstores.spec.bucket")
    files = server.kubectl("explain", "machinebootstraps.spec.machine.files")
    store = server.kubectl("explain", "httpbootstrapstores.spec.url")

    assert "FIELD: bucket <string>" in bucket
    assert "FIELD: url <string>" in store
    assert "Name of the bucket. It cannot be changed" in bucket
    assert re.search(r"^  path\s+<string> -required-$", files, re.M)


def row(server: Server, *what: str) -> dict[str, str]:
    """What kubectl prints of one object, by heading; headings are apart by two spaces at least."""
    head, line = server.kubectl("get", *what).splitlines()
    starts = [match.start() for match in re.finditer(r"(?:^|(?<=  ))\S", head)]
    ends = [*starts[1:], None]
    spans = list(zip(starts, ends, strict=True))
    return {head[start:end].strip(): line[start:end].strip() for start, end in spans}


def test_columns_show_how_far_a_machine_is(server: Server) -> None:
    labels = {"cluster.x-k8s.io/cluster-name": "edge"}
    server.create(document("MachineBootstrap", "m1", {"machine": {}}, labels=labels))
    report = {"phase": "Failed", "code": "MA4001", "step": "kubeadm-init"}
    status = {"initialization": {"dataSecretCreated": True}, "report": report}
    change = json.dumps({"status": status})
    server.kubectl("patch", "mb", "m1", "--subresource=status", "--type=merge", "--patch", change)

    plain = row(server, "mb", "m1")
    wide = row(server, "mb", "m1", "--output=wide")

    assert plain.pop("AGE")
    assert plain == {
        "NAME": "m1",
        "CLUSTER": "edge",
        "DATA SECRET CREATED": "true",
        "PHASE": "Failed",
        "CODE": "MA4001",
    }
    assert wide["STEP"] == "kubeadm-init"


def test_columns_show_where_a_store_is_and_whether_it_can_be_used(server: Server) -> None:
    server.create(document("S3BootstrapStore", "shown", {"bucket": "my-data", "region": "eu"}))
    set_condition(server, "shown", "Ready", "the-manager")

    shown = row(server, "s3bs", "shown")

    assert (shown["BUCKET"], shown["REGION"], shown["READY"]) == ("my-data", "eu", "True")


def test_every_kind_is_in_the_category_of_cluster_api(server: Server) -> None:
    names = server.kubectl("api-resources", "--categories=cluster-api", "--output=name").split()

    assert len([name for name in names if "bootstrap" in name.split(".")[0]]) == 6
    assert "encrypteddata.bootstrap.cluster.x-k8s.io" in names


def apply_as(server: Server, manager: str, sent: Document, *options: str) -> None:
    arguments = ("apply", "--server-side", f"--field-manager={manager}", "--filename", "-")
    server.kubectl(*arguments, *options, input=sent)


def with_files(**files: str) -> Document:
    items = [{"path": f"/etc/{name}", "content": content} for name, content in files.items()]
    return document("MachineBootstrap", "shared", {"machine": {"files": items}})


def files_of(server: Server) -> dict[str, str]:
    files = server.get("mb", "shared")["spec"]["machine"]["files"]
    return {file["path"]: file["content"] for file in files}


def test_two_managers_share_a_list_by_its_keys(server: Server) -> None:
    apply_as(server, "person", with_files(a="1", b="2"))
    apply_as(server, "tool", with_files(c="3"))
    together = files_of(server)
    with pytest.raises(RefusedError) as conflict:
        apply_as(server, "tool", with_files(a="other", c="3"))
    apply_as(server, "person", with_files(b="2"))

    assert together == {"/etc/a": "1", "/etc/b": "2", "/etc/c": "3"}
    assert '.spec.machine.files[path="/etc/a"].content' in str(conflict.value)
    assert files_of(server) == {"/etc/b": "2", "/etc/c": "3"}


def set_condition(server: Server, store: str, condition: str, manager: str) -> None:
    value = {
        "type": condition,
        "status": "True",
        "reason": "Seen",
        "lastTransitionTime": "2030-01-02T03:04:05Z",
    }
    sent = document("S3BootstrapStore", store, {})
    del sent["spec"]
    sent["status"] = {"conditions": [value]}
    apply_as(server, manager, sent, "--subresource=status")


def test_two_managers_each_keep_a_condition(server: Server) -> None:
    server.create(document("S3BootstrapStore", "conditions", {"bucket": "my-data"}))

    set_condition(server, "conditions", "Ready", "one")
    set_condition(server, "conditions", "Reachable", "other")

    conditions = server.get("s3bs", "conditions")["status"]["conditions"]
    assert [c["type"] for c in conditions] == ["Ready", "Reachable"]


@pytest.mark.parametrize("kind", ["MachineBootstrap", "S3BootstrapStore", "HTTPBootstrapStore"])
def test_status_is_written_by_its_subresource_alone(server: Server, kind: str) -> None:
    sent = document(kind, "status", SPECS[kind][0])
    created = server.create({**sent, "status": {"observedGeneration": 7}})
    what = (f"{kind.lower()}s", "status")
    spec = {"dataSizeLimit": "1Ki"} if kind == "MachineBootstrap" else {"caBundle": "changed"}
    change = json.dumps({"spec": spec, "status": {"observedGeneration": 1}})

    server.kubectl("patch", *what, "--subresource=status", "--type=merge", "--patch", change)

    stored = server.get(*what)
    assert "status" not in created
    assert stored["status"] == {"observedGeneration": 1}
    assert stored["spec"] == created["spec"]
    assert stored["metadata"]["generation"] == 1


def test_a_template_has_no_status(server: Server) -> None:
    sent = {**template("no-status"), "status": {"ready": True}}

    assert "status" not in server.create(sent, "--validate=ignore")


# ------------------------------------------------------------------------ Cluster API's Machine


@functools.cache
def machine_definition() -> Path:
    try:
        run = subprocess.run(
            ["go", "mod", "download", "-json", CLUSTER_API],
            cwd=ROOT.parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        missing(f"{CLUSTER_API} is not to be had: {error}")
    directory = Path(json.loads(run.stdout)["Dir"])
    return directory / "config/crd/bases/cluster.x-k8s.io_machines.yaml"


def kustomization(directory: Path, *components: str) -> Path:
    """Cluster API's Machine with our patch, as a user has it: a component beside their own resources."""
    shutil.copytree(CRDS / "patches", directory / "patches")
    shutil.copy(machine_definition(), directory / "machines.yaml")
    (directory / "machines.yaml").chmod(0o644)
    content = {"resources": ["machines.yaml"], "components": list(components)}
    (directory / "kustomization.yaml").write_text(json.dumps(content))
    return directory


def machine(name: str) -> Document:
    reference = {"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": "S3BootstrapStore"}
    spec = {
        "clusterName": "edge",
        "infrastructureRef": {**reference, "kind": "TestMachine", "name": name},
        "bootstrap": {"dataSecretName": "data", "infrastructureRef": {**reference, "name": "s"}},
    }
    meta = {"name": name, "namespace": "default"}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Machine",
        "metadata": meta,
        "spec": spec,
    }


def test_a_machine_carries_the_reference_with_our_patch_alone(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "patched").mkdir()
    server.apply_definitions(kustomization(tmp_path / "plain"))
    without = server.create(machine("without"), "--validate=ignore")
    server.apply_definitions(kustomization(tmp_path / "patched", "patches"))
    within(server, "machines.spec.bootstrap.infrastructureRef")

    carried = server.create(machine("carried"))

    assert "infrastructureRef" not in without["spec"]["bootstrap"]
    assert carried["spec"]["bootstrap"] == machine("carried")["spec"]["bootstrap"]
    bad = machine("bad")
    bad["spec"]["bootstrap"]["infrastructureRef"]["kind"] = "no kind"
    with pytest.raises(RefusedError, match=r"spec\.bootstrap\.infrastructureRef\.kind"):
        server.create(bad)


def within(server: Server, field: str) -> None:
    """Until the server serves a changed definition, which takes it a moment."""
    for _ in range(100):
        try:
            server.kubectl("explain", field)
        except RefusedError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"{field} is not served")


def test_a_machine_with_other_versions_is_not_patched(server: Server, tmp_path: Path) -> None:
    directory = kustomization(tmp_path, "patches")
    definition = read(directory / "machines.yaml")
    del definition["spec"]["versions"][0]
    (directory / "machines.yaml").write_text(json.dumps(definition))

    with pytest.raises(RefusedError, match="test failed"):
        server.apply_definitions(directory)


# ------------------------------------------------------------------------ planted faults


def planted(tmp_path: Path, change: Document) -> Path:
    """The template's definition in a group of its own, with something added to `spec.template.spec.format`."""
    definition = copy.deepcopy(
        read(CRDS / "bootstrap.cluster.x-k8s.io_machinebootstraptemplates.yaml")
    )
    definition["metadata"]["name"] = "machinebootstraptemplates.planted.test"
    definition["spec"]["group"] = "planted.test"
    field = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in ("spec", "template", "spec", "format"):
        field = field["properties"][name]
    field.update(change)
    (tmp_path / "planted.yaml").write_text(json.dumps(definition))
    (tmp_path / "kustomization.yaml").write_text('{"resources": ["planted.yaml"]}')
    return tmp_path


def test_it_would_notice_a_default_in_a_template(server: Server, tmp_path: Path) -> None:
    server.apply_definitions(planted(tmp_path, {"default": "ignition"}))
    sent = template("planted", "planted.test/v1alpha1")

    assert server.create(sent)["spec"]["template"]["spec"]["format"] == "ignition"
    assert "format" not in sent["spec"]["template"]["spec"]


def test_it_would_notice_a_definition_that_the_server_refuses(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="uniqueItems: Forbidden"):
        server.apply_definitions(planted(tmp_path, {"uniqueItems": True, "type": "text"}))
