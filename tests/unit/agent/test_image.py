"""What an image brings is below all that is given, and is taken only where nobody but root could have written it."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.agent.bootstrap import bootstrap, look_ahead
from machineadm.agent.image import AGENT_CONFIGURATION, read_inputs
from machineadm.agent.request import Request
from machineadm.errors import ConfigError, MachineadmError
from machineadm.sources.passphrases import GivenPassphrases
from tests.fakes.host import FakeHost
from tests.unit.agent.stage import Stage

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\n"
BASE = "/etc/machineadm/base.d"
SETTINGS = f"{HEAD}kind: AgentConfiguration\nspec: {{baseDirectories: [{BASE}]}}\n"
FRAGMENT = f"{HEAD}kind: MachineConfiguration\nspec:\n  machine:\n    "


def image(host: FakeHost, **fragments: str) -> None:
    """An image with fragments, by the names of their files."""
    host.put(AGENT_CONFIGURATION, SETTINGS)
    host.put(f"{BASE}/README", "no fragment")
    for name, machine in fragments.items():
        host.put(f"{BASE}/{name}.yaml", FRAGMENT + machine + "\n")


def names(host: FakeHost) -> list[str]:
    return [stream.name for stream in read_inputs(["data:,x"], host).whole]


def run(stage: Stage, *paths: Path) -> None:
    request = Request(
        paths=tuple(map(str, paths)) or (str(stage.file),),
        options=("--mode", "provisioning"),
        passphrases=GivenPassphrases(directory="/nowhere"),
    )
    bootstrap(request, stage.machine(), stage.events.append)


def test_without_the_image_s_file_one_stat_is_all() -> None:
    host = FakeHost()
    asked: list[str] = []
    real = host.files.stat

    def stat(path: str) -> object:
        asked.append(path)
        return real(path)

    host.files.stat = stat  # type: ignore[method-assign,assignment] # counts what is asked
    assert names(host) == ["data:..."]
    assert asked == [AGENT_CONFIGURATION]


def test_fragments_come_in_the_order_of_their_names_below_what_is_given() -> None:
    host = FakeHost()
    image(host, b="files: []", a="files: []", B="files: []")
    host.put(f"{BASE}/.hidden.yaml", "x")

    assert names(host) == [f"{BASE}/{name}.yaml" for name in ("B", "a", "b")] + ["data:..."]


def test_a_run_does_what_image_and_configuration_say_together(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    image(
        stage.host,
        a='files: [{path: /etc/motd, content: "of the image\\n"}, {path: /etc/base, content: "base\\n"}]',
    )

    run(stage)

    assert stage.host.text("/etc/base") == "base\n"
    assert stage.host.text("/etc/motd") == "hello\n"  # node.yaml has the last word


def test_a_problem_of_the_image_s_fragment_is_told_at_its_place(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    image(stage.host, a="filez: []")

    with pytest.raises(ConfigError) as caught:
        look_ahead(Request(paths=(str(stage.file),)), stage.machine())

    assert f"{BASE}/a.yaml:5:5" in str(caught.value)
    assert stage.host.mutations() == []


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (AGENT_CONFIGURATION, "mode"),
        (AGENT_CONFIGURATION, "owner"),
        (BASE, "mode"),
        (BASE, "owner"),
        (f"{BASE}/a.yaml", "mode"),
        (f"{BASE}/a.yaml", "owner"),
    ],
)
def test_what_somebody_else_may_have_written_is_refused(path: str, change: str) -> None:
    host = FakeHost()
    image(host, a="files: []")
    node = host.files.nodes[path]
    if change == "mode":
        node.mode |= 0o002
    else:
        node.uid = 1000

    with pytest.raises(ConfigError) as caught:
        names(host)

    assert caught.value.code == "MA1231"
    assert path in caught.value.message


@pytest.mark.parametrize("path", [AGENT_CONFIGURATION, f"{BASE}/a.yaml", BASE])
def test_a_link_in_the_place_of_the_image_s_own_is_refused(path: str) -> None:
    host = FakeHost()
    image(host, a="files: []")
    if path == BASE:
        host.files.remove(f"{BASE}/a.yaml")
        host.files.remove(f"{BASE}/README")
        host.files.remove_directory(BASE)
    host.put("/home/user/x", SETTINGS)
    host.files.link(path, "/home/user/x")

    with pytest.raises(ConfigError) as caught:
        names(host)

    assert caught.value.code == "MA1231"


def test_a_directory_that_the_image_names_and_lacks_is_refused() -> None:
    host = FakeHost()
    host.put(AGENT_CONFIGURATION, SETTINGS)

    with pytest.raises(ConfigError) as caught:
        names(host)

    assert caught.value.code == "MA1231"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: [",
        "kind: Other\n",
        SETTINGS.replace("baseDirectories", "baseDirectory"),
        SETTINGS * 2,
    ],
    ids=["empty", "no-yaml", "another-kind", "unknown-field", "twice"],
)
def test_settings_that_cannot_be_read_stop_everything(text: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    image(stage.host, a="files: []")
    stage.host.put(
        AGENT_CONFIGURATION, text if text != SETTINGS * 2 else f"{SETTINGS}---\n{SETTINGS}"
    )

    with pytest.raises(MachineadmError) as caught:
        look_ahead(Request(paths=(str(stage.file),)), stage.machine())

    assert caught.value.code == "MA1230"
    assert AGENT_CONFIGURATION in caught.value.message


def test_a_resumed_run_finds_the_fragments_that_were_given(tmp_path: Path) -> None:
    """The copies are single files, so the unit says that they are to be merged."""
    stage = Stage(tmp_path)
    directory = tmp_path / "given.d"
    directory.mkdir()
    (directory / "10.yaml").write_text(FRAGMENT + "files: [{path: /etc/given, content: x}]\n")
    stage.host.commands.on("kubeadm", "join", exit_code=1)

    with pytest.raises(MachineadmError):
        run(stage, directory, stage.file)

    unit = stage.host.text("/etc/systemd/system/machineadm-resume.service") or ""
    copies = sorted(name for name in stage.host.state.list("resume") if name.endswith(".yaml"))
    assert len(copies) == 2
    assert '"--merge"' in unit
    assert unit.index(copies[0]) < unit.index(copies[1])
    kept = [stage.host.state.read(f"resume/{name}", durable=True) or b"" for name in copies]
    assert [b"/etc/given" in one for one in kept] == [True, False]
    written = []
    for name, content in zip(copies, kept, strict=True):
        written.append(tmp_path / name)
        written[-1].write_bytes(content)
    request = Request(paths=tuple(map(str, written)), merge=True)
    assert look_ahead(request, stage.machine())
