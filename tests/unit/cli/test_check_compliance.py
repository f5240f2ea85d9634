"""`check compliance`: every control of the catalogue is judged by what the machine shows, in both directions."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import yaml

from machineadm.actions.compliance import Catalogue, Control, audit, catalogue
from machineadm.cli.check.compliance import show
from machineadm.cli.main import main
from machineadm.config.catalogues import levels_of
from machineadm.errors import MachineadmError
from tests.fakes.host import FakeHost, offline_host

CIS = catalogue("cis")
STIG = catalogue("stig")
BY_ID = {one.id: one for book in (CIS, STIG) for one in book.controls}
LOG: Any = importlib.import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema
MANIFESTS = {
    "apiServer": "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "controllerManager": "/etc/kubernetes/manifests/kube-controller-manager.yaml",
    "scheduler": "/etc/kubernetes/manifests/kube-scheduler.yaml",
    "etcd": "/etc/kubernetes/manifests/etcd.yaml",
}
KUBELET = "/var/lib/kubelet/config.yaml"
PLAIN_FAILS = {
    "1.1.12", "1.2.5", "1.2.15", "1.2.16", "1.2.17", "1.2.18", "1.2.19", "1.2.30", "1.3.2", "1.4.1", "4.1.1", "4.1.9",
}  # fmt: skip
"""Scored controls that fail after a plain kubeadm, as measured with 1.33 to 1.37."""

STIG_PLAIN_FAILS = {
    *(f"V-2423{number}" for number in (76, 77, 78, 79, 80, 90)),
    *(f"V-2424{number:02}" for number in (2, 3, 9, 18, 24, 25, 34, 38, 61, 62, 63, 64, 65)),
    "V-245541", "V-254800", "V-274882",
}  # fmt: skip
"""As `PLAIN_FAILS`, of the STIG; V-242445 with them once etcd has run."""

PLAIN = {
    "apiServer": {
        "authorization-mode": "Node,RBAC", "client-ca-file": "/etc/kubernetes/pki/ca.crt",
        "enable-admission-plugins": "NodeRestriction", "etcd-cafile": "/etc/kubernetes/pki/etcd/ca.crt",
        "etcd-certfile": "a", "etcd-keyfile": "b", "kubelet-client-certificate": "c", "kubelet-client-key": "d",
        "service-account-key-file": "e", "secure-port": "6443", "tls-cert-file": "f", "tls-private-key-file": "g",
    },
    "controllerManager": {
        "bind-address": "127.0.0.1", "root-ca-file": "a", "service-account-private-key-file": "b",
        "use-service-account-credentials": "true",
    },
    "scheduler": {"bind-address": "127.0.0.1"},
    "etcd": {
        "cert-file": "a", "key-file": "b", "client-cert-auth": "true", "peer-cert-file": "c", "peer-key-file": "d",
        "peer-client-cert-auth": "true", "trusted-ca-file": "/etc/kubernetes/pki/etcd/ca.crt", "data-dir": "/var/lib/etcd",
    },
}  # fmt: skip


class Node:
    """A control plane machine as kubeadm leaves it, and what is changed on it."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.flags = {name: dict(flags) for name, flags in PLAIN.items()}
        self.config: dict[str, Any] = {
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}},
            "authorization": {"mode": "Webhook"},
            "rotateCertificates": True,
            "streamingConnectionIdleTimeout": "0s",
        }  # fmt: skip
        put = self.host.put
        for name in ("admin", "super-admin", "scheduler", "controller-manager", "kubelet"):
            put(f"/etc/kubernetes/{name}.conf", name, mode=0o600)
        for name in ("ca", "etcd/ca"):
            put(f"/etc/kubernetes/pki/{name}.crt", name)
            put(f"/etc/kubernetes/pki/{name}.key", name, mode=0o600)
        put("/usr/lib/systemd/system/kubelet.service", "unit")
        self.host.files.make_directory("/var/lib/etcd", mode=0o700)

    def judged(self, id_: str, *exceptions: str) -> tuple[str, str]:
        """State and evidence of one control."""
        self.write()
        if BY_ID[id_].part == "worker":
            for path in MANIFESTS.values():
                self.host.files.remove(path)
        found = {
            one.control.id: one
            for one in audit(book_of(id_), self.host, dict(one.split("=") for one in exceptions))
        }
        return found[id_].state, f"{found[id_].where}: {found[id_].found}"

    def write(self) -> None:
        """Lay down what the components read."""
        for name, path in MANIFESTS.items():
            command = [name, *(f"--{flag}={value}" for flag, value in self.flags[name].items())]
            pod = {"spec": {"containers": [{"command": command}]}}
            self.host.put(path, yaml.safe_dump(pod), mode=0o600)
        self.host.put(KUBELET, yaml.safe_dump(self.config))

    def set(self, control: Control, value: str | None) -> None:
        """Give all settings of a control a value, or none."""
        assert control.test
        for name in control.test.names:
            if control.test.of != "kubelet":
                self.flags[control.test.of].pop(name, None)
                if value is not None:
                    self.flags[control.test.of][name] = value
                continue
            field, _, flag = name.partition("|")
            if not field:
                text = "" if value is None else f'KUBELET_KUBEADM_ARGS="--{flag}={value}"\n'
                self.host.put("/var/lib/kubelet/kubeadm-flags.env", text)
                continue
            at, parts = self.config, field.split(".")
            for part in parts[:-1]:
                at = at.setdefault(part, {})
            at.pop(parts[-1], None)
            if value is not None:
                at[parts[-1]] = {"true": True, "false": False}.get(value, value)


def book_of(id_: str) -> Catalogue:
    return STIG if id_.startswith("V-") else CIS


def good(control: Control) -> str | None:
    """A value with which a control must hold; worked out here, without the code that judges."""
    assert control.test
    must, value = control.test.must, control.test.value
    return {
        "set": "x", "unset": None, "is": value, "isNot": "other", "has": f"First,{value}", "lacks": "First",
        "atLeast": value, "only": value.split(",")[0], "hasAll": f"First,{value}", "lasts": value,
    }[must]  # fmt: skip


def bad(control: Control) -> list[str | None]:
    """Values with which it must fail."""
    assert control.test
    must, value, unset = control.test.must, control.test.value, control.test.unset
    values: list[str | None] = {
        "set": [], "unset": ["x"], "is": ["other", f"{value}x"], "isNot": [value], "has": ["First", f"{value}x"],
        "lacks": [value, f"First,{value}"], "atLeast": [str(int(value) - 1) if value.isdecimal() else "", "many"],
        "only": ["TLS_RSA_WITH_RC4_128_SHA", f"{value.split(',')[0]},TLS_RSA_WITH_RC4_128_SHA"],
        "hasAll": [value.rpartition(",")[0], "First"], "lasts": ["0s", "4m59s", "a while"],
    }[must]  # type: ignore[assignment]  # fmt: skip
    return values if unset or must == "unset" else [*values, None]


SETTINGS = [
    id_ for id_, one in BY_ID.items() if one.test and one.test.of in (*MANIFESTS, "kubelet")
]
FILES = [id_ for id_, one in BY_ID.items() if one.test and one.test.of == "files"]


@pytest.mark.parametrize("id_", SETTINGS)
def test_a_setting_holds_with_what_the_control_asks_for_and_fails_with_anything_else(
    id_: str,
) -> None:
    control, node = BY_ID[id_], Node()
    node.set(control, good(control))
    assert node.judged(id_)[0] == "holds"

    for value in bad(control):
        node.set(control, value)
        state, evidence = node.judged(id_)
        assert state == "fails", value
        assert (value or "not set") in evidence

    node.set(control, None)
    assert control.test
    assert (node.judged(id_)[0] == "holds") is (control.test.unset or control.test.must == "unset")


@pytest.mark.parametrize("id_", FILES)
def test_a_file_holds_with_its_mode_and_owner_and_fails_with_more(id_: str) -> None:
    control, node = BY_ID[id_], Node()
    assert control.test
    node.host.accounts.users["etcd"], node.host.accounts.groups["etcd"] = 990, 990
    for number, name in enumerate(control.test.names):
        path = name.replace("**", "below/file").replace("*", "file")
        path = path.replace("@etcdData", "/var/lib/etcd")
        path = path.replace("@kubeletCA", "/etc/kubernetes/pki/ca.crt")
        if number == 0 and path not in node.host.files.nodes:
            node.host.put(path, "x")
        if path in MANIFESTS.values() or path == KUBELET:
            node.write()
    node.write()
    paths = [
        path for path, one in node.host.files.nodes.items()
        if path.startswith(("/etc/", "/var/lib/", "/usr/lib/systemd/"))
    ]  # fmt: skip

    def state(mode: int | None, uid: int, gid: int) -> str:
        for path in paths:
            entry = node.host.files.nodes[path]
            entry.uid, entry.gid = uid, gid
            if mode is not None:
                entry.mode = mode
        found = {one.control.id: one for one in audit(book_of(id_), node.host, {})}
        return found[id_].state

    if control.test.must == "mode":
        mode = int(control.test.value, 8)
        assert state(mode, 0, 0) == "holds"
        assert state(mode & 0o400, 0, 0) == "holds"
        for extra in (0o020, 0o002, 0o1000):
            assert state(mode | extra, 0, 0) == "fails"
    else:
        right = (990, 990) if control.test.value.startswith("etcd") else (0, 0)
        assert state(None, *right) == "holds"
        for owner in ((1000, right[1]), (right[0], 1000)):
            assert state(None, *owner) == "fails"


@pytest.mark.parametrize(("profile", "fails"), [("cis", PLAIN_FAILS), ("stig", STIG_PLAIN_FAILS)])
def test_a_plain_kubeadm_lacks_what_was_measured(
    profile: str, fails: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    node = Node()
    node.write()
    before = node.host.mutations()

    assert show(node.host, profile, (), output="json") == 10

    controls = json.loads(capfd.readouterr().out)["controls"]
    assert {one["id"] for one in controls if one["scored"] and one["state"] == "fails"} == fails
    assert node.host.mutations() == before


@pytest.mark.parametrize(
    ("modes", "states"),
    [
        (["Node", "RBAC"], ["holds", "holds", "holds"]),
        (["RBAC"], ["holds", "fails", "holds"]),
        (["AlwaysAllow"], ["fails", "fails", "fails"]),
    ],
)
def test_modes_of_a_file_of_authorizers_count_as_those_of_the_flag(
    modes: list[str], states: list[str]
) -> None:
    node = Node()
    del node.flags["apiServer"]["authorization-mode"]
    node.flags["apiServer"]["authorization-config"] = "/etc/kubernetes/authorization.yaml"
    node.host.put(
        "/etc/kubernetes/authorization.yaml",
        yaml.safe_dump({"authorizers": [{"type": one} for one in modes]}),
    )

    assert [node.judged(id_)[0] for id_ in ("1.2.6", "1.2.7", "1.2.8")] == states


@pytest.mark.parametrize(
    ("providers", "state"),
    [(["kms", "identity"], "holds"), (["aescbc"], "holds"), (["identity", "aescbc"], "fails"), (["aesgcm"], "fails"), ([], "fails")],
)  # fmt: skip
def test_stored_objects_are_encrypted_by_the_first_provider(
    providers: list[str], state: str
) -> None:
    node = Node()
    node.flags["apiServer"]["encryption-provider-config"] = "/etc/kubernetes/encryption.yaml"
    document = {
        "resources": [{"resources": ["secrets"], "providers": [{one: {}} for one in providers]}]
    }
    node.host.put("/etc/kubernetes/encryption.yaml", yaml.safe_dump(document))

    assert node.judged("1.2.28")[0] == state


@pytest.mark.parametrize(
    ("rules", "state", "shown"),
    [
        ([{"level": "RequestResponse"}], "holds", "RequestResponse"),
        ([{"level": "Metadata"}], "fails", "Metadata"),
        ([{"level": "RequestResponse", "users": ["a"]}], "fails", "RequestResponse (in part)"),
        ([{"level": "None", "resources": []}, {"level": "RequestResponse"}], "fails", "None (in part),RequestResponse"),
        ([], "fails", "nothing"),
        (None, "fails", "nothing"),
    ],
)  # fmt: skip
def test_what_is_audited_is_read_from_the_policy(rules: Any, state: str, shown: str) -> None:
    node = Node()
    node.flags["apiServer"]["audit-policy-file"] = "/etc/kubernetes/audit.yaml"
    node.host.put("/etc/kubernetes/audit.yaml", yaml.safe_dump({"rules": rules}))

    assert node.judged("V-242403") == (state, f"/etc/kubernetes/audit.yaml: {shown}")


@pytest.mark.parametrize(
    ("plugins", "state"),
    [
        ([{"name": "PodSecurity"}], "holds"),
        ([{"name": "EventRateLimit"}, {"name": "PodSecurity"}], "holds"),
        ([{"name": "PodSecurityPolicy"}], "fails"),
        ([], "fails"),
        (["PodSecurity"], "fails"),
    ],
)
def test_plugins_of_admission_are_read_from_their_file(plugins: Any, state: str) -> None:
    node = Node()
    node.flags["apiServer"]["admission-control-config-file"] = "/etc/kubernetes/admission.yaml"
    node.host.put("/etc/kubernetes/admission.yaml", yaml.safe_dump({"plugins": plugins}))

    assert node.judged("V-254800")[0] == state


def test_a_worker_s_controls_are_not_those_of_a_control_plane() -> None:
    node = Node()
    node.config["staticPodPath"] = "/etc/kubernetes/manifests"
    node.write()
    states = {one.control.id: one.state for one in audit(STIG, node.host, {})}

    assert states["V-242397"] == "notHere"
    assert node.judged("V-242397")[0] == "fails"


@pytest.mark.parametrize(("same", "state"), [(False, "holds"), (True, "fails")])
def test_etcd_must_not_share_the_authority_of_clients(same: bool, state: str) -> None:
    node = Node()
    if same:
        node.host.put("/etc/kubernetes/pki/etcd/ca.crt", "ca")

    assert node.judged("2.7")[0] == state


@pytest.mark.parametrize("place", ["/var/lib/kubelet/kubeadm-flags.env", "/etc/default/kubelet"])
def test_a_flag_of_the_kubelet_wins_over_its_configuration(place: str) -> None:
    node = Node()
    variable = "KUBELET_KUBEADM_ARGS" if "kubeadm" in place else "KUBELET_EXTRA_ARGS"
    node.host.put(place, f'{variable}="--v=2 --anonymous-auth=true"\n')

    state, evidence = node.judged("4.2.1")

    assert (state, evidence) == ("fails", "--anonymous-auth of the kubelet: true")


def test_a_worker_and_external_etcd_are_not_judged_by_what_they_do_not_have() -> None:
    node = Node()
    node.write()
    node.host.files.remove(MANIFESTS["etcd"])
    states = {
        one.control.part: one.state
        for one in audit(CIS, node.host, {})
        if one.control.part == "etcd"
    }
    assert states == {"etcd": "notHere"}

    for path in MANIFESTS.values():
        node.host.files.remove(path)
    found = audit(CIS, node.host, {})
    assert {one.state for one in found if one.control.part in ("etcd", "controlPlane")} == {
        "notHere"
    }
    assert {one.control.id for one in found if one.state == "fails" and one.control.scored} == {
        "4.1.1",
        "4.1.9",
    }


def test_an_exception_has_a_reason_and_is_shown_as_one(capfd: pytest.CaptureFixture[str]) -> None:
    node = Node()
    node.write()
    given = [f"{id_}=decided in review" for id_ in sorted(PLAIN_FAILS)]

    assert show(node.host, "cis", given, output="text") == 0

    text = capfd.readouterr().out
    assert text.count("decided in review") == len(PLAIN_FAILS)
    for wrong in ("1.1.12", "1.1.12=", "9.9.9=why"):
        with pytest.raises(MachineadmError):
            show(node.host, "cis", [wrong], output="text")
    # What holds stays what it is.
    assert node.judged("1.1.1", "1.1.1=no")[0] == "holds"


@pytest.mark.parametrize("broken", ["{", "- a\n- b\n", "spec: 1\n", "spec: {containers: []}\n", ""])
def test_a_manifest_that_says_nothing_is_never_taken_for_one_that_holds(broken: str) -> None:
    node = Node()
    node.write()
    node.host.put(MANIFESTS["apiServer"], broken, mode=0o600)

    states = {one.control.id: one.state for one in audit(CIS, node.host, {})}
    assert states["1.2.4"] == states["1.2.8"] == ("unknown" if broken == "{" else "fails")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (MANIFESTS["apiServer"], "a: 2026-99-99\n"),
        (MANIFESTS["apiServer"], "[" * 20_000),
        (KUBELET, "a: 2026-99-99\n"),
        ("/var/lib/kubelet/kubeadm-flags.env", 'KUBELET_KUBEADM_ARGS="--a=b\n'),
        ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS='--a=b\n"),
    ],
)
def test_a_file_that_its_reader_would_refuse_is_named_and_the_others_are_judged(
    path: str, content: str, capfd: pytest.CaptureFixture[str]
) -> None:
    node = Node()
    node.write()
    sound = {one.control.id: one.state for one in audit(CIS, node.host, {})}
    there = node.host.files.nodes.get(path)
    node.host.put(path, content, mode=there.mode if there else 0o600)

    found = audit(CIS, node.host, {})

    unknown = [one for one in found if one.state == "unknown"]
    assert unknown
    for one in unknown:
        assert "MA4633" in one.found
        assert path in one.found
    states = {one.control.id: one.state for one in found}
    ids = {one.control.id for one in unknown}
    assert {id_: state for id_, state in states.items() if id_ not in ids} == {
        id_: state for id_, state in sound.items() if id_ not in ids
    }
    # Every other component's controls are.
    assert {"1.4.1", "2.1"} <= set(states) - ids

    # Said by each output, and no reason to be silent: what is excepted then is shown as excepted.
    excepted = [f"{one.control.id}=decided" for one in unknown] + [
        f"{id_}=decided" for id_ in PLAIN_FAILS - ids
    ]
    for output in ("text", "json", "sarif"):
        assert show(node.host, "cis", (), output=output) == 10
        assert path in capfd.readouterr().out
        assert show(node.host, "cis", excepted, output=output) == 0
        capfd.readouterr()


def test_a_control_that_cannot_be_judged_does_not_count_as_held() -> None:
    node = Node()
    node.write()
    node.host.put(KUBELET, "{", mode=0o600)
    excepted = [f"{id_}=decided" for id_ in PLAIN_FAILS]

    assert show(node.host, "cis", excepted, output="json") == 10


def test_text_json_and_sarif_say_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    node = Node()
    node.write()

    outputs: dict[str, str] = {}
    for output in ("text", "json", "sarif"):
        assert show(node.host, "cis", (), output=output) == 10
        outputs[output] = capfd.readouterr().out

    document = json.loads(outputs["json"])
    (run,) = LOG.model_validate_json(outputs["sarif"]).runs
    failing = [one["id"] for one in document["controls"] if one["state"] == "fails"]
    lines = outputs["text"].splitlines()
    assert [line.split()[1] for line in lines if line.startswith("FAILS")] == failing
    assert [one.message.text.split()[0] for one in run.results] == failing
    assert sum(document["counts"].values()) == len(CIS.controls) == 97
    assert document["edition"] in lines[0]
    assert "compliant" not in outputs["text"]


def test_an_image_is_judged_by_its_files() -> None:
    node = Node()
    node.write()
    tree = offline_host(files=node.host.files)

    assert [one.state for one in audit(CIS, tree, {})] == [
        one.state for one in audit(CIS, node.host, {})
    ]


def test_this_machine_is_judged_without_being_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "compliance", "--output", "json"]) in (0, 10)
    assert len(json.loads(capsys.readouterr().out)["controls"]) == 97


@pytest.mark.parametrize(
    ("book", "edition", "count", "scored"), [(CIS, "1.12", 97, 65), (STIG, "V2R6", 98, 75)]
)
def test_the_catalogue_names_its_edition_its_source_and_no_control_twice(
    book: Catalogue, edition: str, count: int, scored: int
) -> None:
    assert edition in book.edition
    assert "kube-bench" in book.source
    assert len({one.id for one in book.controls}) == count
    assert sum(one.scored for one in book.controls) == scored
    for one in book.controls:
        assert one.title.strip()
        assert one.test or one.part == "people" or not one.scored


@pytest.mark.parametrize("book", [CIS, STIG], ids=["cis", "stig"])
@pytest.mark.parametrize(
    ("flag", "path", "content"),
    [
        ("encryption-provider-config", "/etc/e.yaml", "resources: 5\n"),
        ("encryption-provider-config", "/etc/e.yaml", "resources: [{providers: 7}]\n"),
        ("encryption-provider-config", "/etc/e.yaml", "- a list\n"),
        ("authorization-config", "/etc/a.yaml", "authorizers: 5\n"),
        ("audit-policy-file", "/etc/p.yaml", "rules: 5\n"),
        ("audit-policy-file", "/etc/p\0.yaml", ""),
        ("admission-control-config-file", "/etc/c.yaml", "plugins: [{name: [a, b]}]\n"),
    ],
)
def test_a_file_of_another_form_ends_no_audit(
    book: Catalogue, flag: str, path: str, content: str
) -> None:
    node = Node()
    node.flags["apiServer"][flag] = path
    node.write()
    if content:
        node.host.put(path, content)

    assert len(audit(book, node.host, {})) == len(book.controls)


@pytest.mark.parametrize(
    ("policy", "levels"),
    [
        ({"rules": [{"level": "RequestResponse"}]}, "RequestResponse"),
        ({"rules": [{"level": "Metadata", "verbs": ["get"]}]}, "Metadata (in part)"),
        (
            {"omitStages": ["ResponseComplete"], "rules": [{"level": "RequestResponse"}]},
            "RequestResponse (in part)",
        ),
        ({"omitStages": [], "rules": [{"level": "None"}]}, "None"),
        ("not a policy", ""),
    ],
)
def test_what_a_policy_leaves_out_is_left_out_of_each_rule(policy: Any, levels: str) -> None:
    assert levels_of(policy) == levels
