"""`explain` and `schema` say of every kind and field what the types say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from machineadm.api.meta import ApiStruct, ValueSource
from machineadm.api.schemas import UNSUPPORTED
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.cli.kinds import field, load
from machineadm.cli.main import main

ROOT = Path(__file__).parents[3]
KINDS = load()


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_a_field_is_explained_with_type_words_bounds_and_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = out(capsys, "explain", "MachineConfiguration.spec.machine.files.permissions")

    assert told.startswith("MachineConfiguration.spec.machine.files[].permissions  string\n")
    assert "Octal mode as a string" in told
    assert "`^0?[0-7]{3,4}$`" in told
    assert told.endswith("Example: 0644\n")


def test_indexes_and_case_of_the_kind_do_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    plain = out(capsys, "explain", "MachineConfiguration.spec.machine.files.path")

    assert out(capsys, "explain", "machineconfiguration.spec.machine.files[3].path") == plain


def test_an_object_lists_its_fields_and_which_are_required(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = out(capsys, "explain", "S3BootstrapStore.spec")

    assert "Fields (* required):" in told
    assert "  bucket* " in told
    assert "  region  " in told


def test_each_variant_of_a_union_is_shown_with_its_tag(capsys: pytest.CaptureFixture[str]) -> None:
    told = out(capsys, "explain", "MachineConfiguration.spec.kubernetes.role")

    for tag in ("Initialize", "JoinControlPlane", "JoinWorker"):
        assert f"`{tag}`" in told


def test_fields_below_a_union_and_a_map_are_found() -> None:
    for path in (
        "MachineConfiguration.spec.kubernetes.role.discovery.kubeconfig.server",
        "MachineConfiguration.spec.machine.containerRuntime.containerd.runtimes.type",
    ):
        assert field(path, KINDS["$defs"], KINDS["kinds"]).schema["type"] == "string"


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(out(capsys, "explain", "--output", "json", "EncryptedData.spec.provider"))

    assert told["path"] == "EncryptedData.spec.provider"
    assert told["schema"]["type"] == "string"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("MachineConfiguration.spec.machine.fils", "did you mean 'files'?"),
        ("MachineConfiguration.spec.machine.files.path.x", "has no fields"),
        ("Wrong.spec", "kinds: MachineConfiguration"),
        ("MA9999", "unknown code"),
        ("", "unknown kind"),
        ("...", "unknown kind"),
    ],
)
def test_what_is_not_known_is_refused_with_what_there_is(
    path: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", path]) == 2
    told = capsys.readouterr().err
    assert "MA7002" in told
    assert words in told


@pytest.mark.parametrize("kind", ["MachineConfiguration", "EncryptedData", "BootstrapStatus"])
def test_schema_prints_what_is_published(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert out(capsys, "schema", kind) == (ROOT / f"crds/schemas/{kind}.json").read_text()


def test_schema_alone_lists_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert out(capsys, "schema").splitlines() == KINDS["kinds"]


def test_schema_of_an_unknown_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "Machine"]) == 2
    assert "MA7002" in capsys.readouterr().err


def every_path() -> list[str]:
    """Each field of each kind, by walking as `explain` itself lists them."""
    found: list[str] = []

    def visit(path: str, depth: int) -> None:
        found.append(path)
        if depth < 4:
            here = field(path, KINDS["$defs"], KINDS["kinds"])
            for part in here.parts:
                for name in part["properties"]:
                    visit(f"{path}.{name}", depth + 1)

    for kind in KINDS["kinds"]:
        visit(kind, 0)
    return found


def test_every_listed_field_can_be_explained_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    paths = every_path()

    assert len(paths) > 300
    for path in paths:
        assert out(capsys, "explain", path).startswith(path.partition(".")[0])


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("spec.machine.commands.boot.timeout", "Default: 10m"),
        ("spec.machine.commands.boot.retries.limit", "Default: 0"),
        ("spec.machine.files.permissions", "Default: 0644, or 0600 if the file is sensitive"),
        ("spec.machine.files.append", "Default: false"),
        ("spec.kubernetes.timeouts.discovery", "Default: 5m"),
        ("spec.kubernetes.cluster.imageRepository", "Default: registry.k8s.io"),
        ("spec.machine.linuxConfiguration.hostname", "Default: none"),
        ("spec.machine.files.path", "Required."),
    ],
)
def test_a_field_is_explained_with_its_default(
    path: str, default: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = out(capsys, "explain", f"MachineConfiguration.{path}")

    assert f"\n{default}" in told


def test_the_whole_description_is_told_and_that_of_the_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = out(capsys, "explain", "MachineConfiguration.spec.kubernetes.node.kubelet")

    told = " ".join(told.split())
    assert told.count("Settings of this node's kubelet.") == 1
    assert "Each field has the same name and meaning as in KubeletConfiguration." in told


@pytest.mark.parametrize("field", ["machine.windowsConfiguration"])
def test_a_field_that_the_release_refuses_says_so_and_how_to_do_without(
    field: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = out(capsys, "explain", f"MachineConfiguration.spec.{field}")

    assert "\nNot in this release (MA1401). Meanwhile: " in told


def test_among_the_fields_of_a_type_those_that_are_refused_are_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = out(capsys, "explain", "MachineConfiguration.spec.machine")

    marked = {line.split()[0] for line in told.splitlines() if "[not in this release]" in line}
    assert marked == set(MachineConfig.not_built)
    assert marked


@pytest.mark.parametrize("type_", [MachineConfig, LinuxConfiguration, ValueSource])
def test_schema_and_reference_say_what_the_release_refuses(type_: type[ApiStruct]) -> None:
    properties = KINDS["$defs"][type_.__name__]["properties"]
    page = (ROOT / "docs/reference/MachineConfiguration.md").read_text()

    refused = {name: each[UNSUPPORTED] for name, each in properties.items() if UNSUPPORTED in each}
    assert refused == type_.not_built
    for name, instead in refused.items():
        assert properties[name]["description"].endswith("Not in this release yet (MA1401).")
        assert f"Not in this release yet (MA1401). Meanwhile: {instead}." in page.replace(
            "\\|", "|"
        )


@pytest.mark.parametrize(
    "path",
    [
        "machine.linuxConfiguration.swap",
        "machine.linuxConfiguration.ntp",
        "machine.windowsConfiguration",
        "machine.containerRuntime",
        "kubernetes.node",
        "reporting",
    ],
)
def test_no_sentence_is_told_twice(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", f"MachineConfiguration.spec.{path}"]) == 0

    told = capsys.readouterr().out.partition("Fields (")[0]
    parts = [" ".join(part.split()) for part in told.split("\n\n")[1:] if part]
    assert not [one for one in parts for other in parts if one is not other and one in other]


BASE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec: {machine: {files: []}}
---
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      hostname: base
      sysctls: {net.ipv4.ip_forward: "1"}
    files:
    - {path: /etc/secret, permissions: "0600", content: hunter2-of-a-file}
"""
NODE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration: {hostname: node}
"""


@pytest.fixture
def parts(tmp_path: Path) -> tuple[str, str]:
    directory = tmp_path / "base.d"
    directory.mkdir()
    (directory / "10-base.yaml").write_text(BASE)
    (tmp_path / "node.yaml").write_text(NODE)
    return str(directory), str(tmp_path / "node.yaml")


def test_every_value_is_shown_with_the_place_that_it_comes_from(
    parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, node = parts

    told = out(
        capsys, "explain", "--merged", "--root", str(tmp_path), "--path", base, "--path", node
    )

    linux = "spec.machine.linuxConfiguration"
    assert f'{node}:5:26: {linux}.hostname: "node"\n' in told
    assert f"{base}/10-base.yaml:11:17: (document 2) {linux}.sysctls" in told
    assert '"base"' not in told
    assert "hunter2" not in told


def test_origins_and_digest_are_there_for_programs(
    parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, node = parts
    command = ("explain", "--merged", "--root", str(tmp_path), "--output", "json", "--path")

    found = json.loads(out(capsys, *command, base, "--path", node))

    (secret,) = [one for one in found["values"] if one["value"] == "***"]
    assert secret["path"] == "spec.machine.files[0].content"
    assert (secret["document"], secret["line"]) == (2, 13)
    assert found["configurationDigest"].startswith("sha256:")
    other = json.loads(out(capsys, *command, node))
    assert other["configurationDigest"] != found["configurationDigest"]


def test_what_a_terminal_obeys_is_escaped_in_values_and_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(
        NODE + '    commands: {preKubeadm: [{argv: ["echo", "a\\u009b2Jb\\u202ec\\e[1m"]}]}\n'
    )

    told = out(capsys, "explain", "--merged", "--root", str(tmp_path), "--path", str(file))

    assert all(one.isprintable() or one == "\n" for one in told)


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "--merged"]])
def test_nothing_to_explain_is_a_mistake_of_the_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "MA7001" in capsys.readouterr().err


def test_problems_of_what_is_merged_are_told_at_their_places(
    parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, node = parts
    Path(node).write_text(NODE.replace("hostname", "sysctl"))

    code = main(["explain", "--merged", "--root", str(tmp_path), "--path", base, "--path", node])

    assert code == 3
    assert f"{node}:5:26: MA1203" in capsys.readouterr().err
