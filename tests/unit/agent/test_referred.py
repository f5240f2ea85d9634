"""A configuration that lies elsewhere: `--path plugin://NAME/LOCATION`, and ConfigurationReference by URL or by a plugin."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from machineadm.agent.intake import examine
from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.reference import ConfigurationReferenceSpec
from machineadm.cli.main import main
from machineadm.documents.opening import MAX_LEVELS, Opener
from machineadm.documents.source import MAX_BYTES
from machineadm.errors import HostError, MachineadmError, PluginError, UsageError, VerificationError
from machineadm.redaction import Secret
from machineadm.sources.configuration import read
from machineadm.sources.passphrases import GivenPassphrases
from machineadm.sources.plugins import PluginSource
from machineadm.sources.referred import Referred
from machineadm.sources.stream import Stream
from tests.peers.encryption import PASSPHRASE, sealed
from tests.peers.installed import install, program
from tests.servers.authority import Authority
from tests.servers.files import FileServer
from tests.unit.agent.stage import CONFIGURATION, Stage

STORE = """
from machineadm.plugins.sdk import CallError, Infrastructure, serve

class Store(Infrastructure):
    def fetch(self, location):
        note("fetch " + location)
        if location == "endless":
            while True:
                yield bytes(1 << 20)
        try:
            with open({directory!r} + "/" + location, "rb") as file:
                yield file.read()
        except OSError as error:
            raise CallError("there is no " + location) from error

serve(Store())
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def reference(data: bytes, **where: str) -> bytes:
    lines = "".join(f"  {name}: {value}\n" for name, value in where.items())
    return (
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: ConfigurationReference\n"
        f"spec:\n  sha256: {sha256(data)}\n{lines}"
    ).encode()


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """What the plugin `store` has."""
    directory = tmp_path / "there"
    directory.mkdir()
    body = STORE.replace("{directory!r}", repr(str(directory)))
    install(tmp_path / "plugins", "infrastructure", "store", program(body, tmp_path / "notes"))
    return directory


@pytest.fixture
def passphrases(tmp_path: Path) -> GivenPassphrases:
    word = tmp_path / "word"
    word.write_text(PASSPHRASE)
    return GivenPassphrases(files={"": str(word)}, plugin_directories=[str(tmp_path / "plugins")])


def test_a_stream_comes_from_a_plugin(there: Path, passphrases: GivenPassphrases) -> None:
    (there / "a").mkdir()
    (there / "a/node.yaml").write_bytes(b"x: y\n")

    assert read("plugin://store/a/node.yaml", plugins=passphrases.plugins) == b"x: y\n"
    assert len(passphrases.plugins.used) == 1


@pytest.mark.parametrize(
    "uri", ["plugin://", "plugin://store", "plugin://store/", "plugin:///a", "plugin://a.b/c"]
)
def test_a_uri_that_names_no_plugin_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(uri)
    assert caught.value.code == "MA3113"


@pytest.mark.parametrize(("location", "code"), [("nowhere", "MA7220"), ("endless", "MA7224")])
def test_what_a_plugin_does_not_give_is_an_error_of_its_own(
    there: Path, passphrases: GivenPassphrases, location: str, code: str
) -> None:
    with pytest.raises(PluginError) as caught:
        read(f"plugin://store/{location}", plugins=passphrases.plugins)
    assert caught.value.code == code
    assert "plugin store" in caught.value.message


def test_no_plugin_of_that_name_says_where_to_install_it() -> None:
    with pytest.raises(PluginError) as caught:
        read("plugin://nobody/x", plugins=PluginSource())
    assert caught.value.code == "MA7226"
    assert "machineadm-plugin-infrastructure-nobody" in caught.value.hint()


def test_a_reference_by_a_plugin_makes_the_same_node(
    tmp_path: Path, there: Path, passphrases: GivenPassphrases
) -> None:
    stage = Stage(tmp_path)
    data = stage.file.read_bytes()
    (there / "node").write_bytes(data)
    stage.file.write_bytes(reference(data, plugin="{name: store, location: node}"))
    stage.run(passphrases=passphrases)

    assert stage.status().phase == "Succeeded"
    assert stage.host.text("/etc/motd") == "hello\n"
    # A resumed run asks the plugin again.
    assert passphrases.used_plugins == passphrases.plugins.used != set()


def test_the_command_line_reads_references_as_well(
    tmp_path: Path, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (there / "node").write_text(CONFIGURATION)
    path = tmp_path / "reference.yaml"
    path.write_bytes(reference(CONFIGURATION.encode(), plugin="{name: store, location: node}"))
    options = ["--plugin-dir", str(tmp_path / "plugins")]

    assert main(["validate", "--path", str(path), *options]) == 0
    assert main(["validate", "--path", "plugin://store/node", *options]) == 0
    assert main(["validate", "--path", "plugin://store/other", *options]) == 7
    assert "MA7220" in capsys.readouterr().err


class Elsewhere:
    """What lies elsewhere, in memory."""

    def __init__(self, **there: bytes) -> None:
        self.there = there
        self.asked: list[str] = []

    def unfit(self, spec: ConfigurationReferenceSpec) -> Sequence[Finding]:
        return Referred(PluginSource()).unfit(spec)

    def fetch(self, spec: ConfigurationReferenceSpec) -> bytes:
        name = (spec.url or "").removeprefix("https://x/")
        self.asked.append(name)
        return self.there[name]


def found(
    data: bytes, elsewhere: Elsewhere, passphrases: GivenPassphrases
) -> list[tuple[str, str]]:
    opener = Opener(passphrases=passphrases, references=elsewhere)
    intake = examine([Stream(name="f", data=data)], opener=opener)
    return [(one.code, f"{one.file}:{one.line}") for one in intake.problems]


def test_a_problem_is_told_at_its_place_in_what_lies_elsewhere(
    passphrases: GivenPassphrases,
) -> None:
    bad = CONFIGURATION.replace("v1.34.4", "1.34").encode()

    assert found(reference(bad, url="https://x/a"), Elsewhere(a=bad), passphrases) == [
        ("MA1102", f"f#1:{bad[: bad.index(b'1.34')].count(10) + 1}")
    ]


def test_references_and_ciphertexts_open_within_each_other(passphrases: GivenPassphrases) -> None:
    inner = CONFIGURATION.encode()
    second = sealed(reference(inner, url="https://x/b"))
    elsewhere = Elsewhere(a=second, b=inner)

    assert found(reference(second, url="https://x/a"), elsewhere, passphrases) == []
    assert elsewhere.asked == ["a", "b"]


def test_there_are_four_levels_and_no_more(passphrases: GivenPassphrases) -> None:
    documents = {"e": CONFIGURATION.encode()}
    for name, inner in zip("dcba", "edcb", strict=True):
        documents[name] = reference(documents[inner], url=f"https://x/{inner}")
    elsewhere = Elsewhere(**documents)

    assert found(documents["a"], elsewhere, passphrases) == []
    assert len(elsewhere.asked) == MAX_LEVELS
    whole = reference(documents["a"], url="https://x/a")
    assert [code for code, _ in found(whole, elsewhere, passphrases)] == ["MA1506"]


def test_a_reference_to_itself_ends(passphrases: GivenPassphrases) -> None:
    circle = reference(b"", url="https://x/a")

    assert [code for code, _ in found(circle, Elsewhere(a=circle), passphrases)] == ["MA1506"]


def test_what_lies_elsewhere_counts_for_the_size_of_the_stream(
    passphrases: GivenPassphrases,
) -> None:
    large = b"#" * (MAX_BYTES - 100)
    two = reference(large, url="https://x/a") + b"---\n" + reference(large, url="https://x/a")
    codes = [code for code, _ in found(two, Elsewhere(a=large), passphrases)]

    assert "MA1503" in codes


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "ftp://x/a"}, "MA1323"),
        ({"url": "file:///a", "headers": "{A: b}"}, "MA1301"),
        ({"url": "https://x/a", "plugin": "{name: a, location: b}"}, "MA1301"),
        ({}, "MA1302"),
    ],
)
def test_an_unfit_reference_is_refused_and_nothing_is_fetched(
    passphrases: GivenPassphrases, fields: dict[str, str], code: str
) -> None:
    elsewhere = Elsewhere()

    assert [each for each, _ in found(reference(b"", **fields), elsewhere, passphrases)] == [code]
    assert elsewhere.asked == []


def test_without_anybody_who_fetches_it_is_not_said_that_the_configuration_is_missing() -> None:
    data = reference(b"", url="https://x/a")

    assert examine([Stream(name="f", data=data)]).problems == ()
    assert examine([Stream(name="f", data=data)]).configuration is None


def spec(data: bytes, **fields: object) -> ConfigurationReferenceSpec:
    return ConfigurationReferenceSpec(sha256=sha256(data), **fields)  # type: ignore[arg-type]


def test_another_digest_is_refused_and_the_query_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"changed")
    with pytest.raises(VerificationError) as caught:
        Referred(PluginSource()).fetch(spec(b"a", url=f"file://{tmp_path}/a?sig=s3cr3t"))

    assert caught.value.code == "MA2001"
    assert "s3cr3t" not in caught.value.message


def test_what_cannot_be_fetched_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MachineadmError) as caught:
        Referred(PluginSource()).fetch(spec(b"a", url=f"file://{tmp_path}/nowhere"))
    assert caught.value.code == "MA7004"


def test_a_machine_whose_configuration_has_another_digest_is_not_touched(
    tmp_path: Path, there: Path, passphrases: GivenPassphrases
) -> None:
    stage = Stage(tmp_path)
    (there / "node").write_bytes(stage.file.read_bytes() + b"# changed\n")
    stage.file.write_bytes(
        reference(stage.file.read_bytes(), plugin="{name: store, location: node}")
    )
    with pytest.raises(VerificationError):
        stage.run(passphrases=passphrases)

    assert stage.host.text("/etc/motd") is None
    assert stage.ran("boot-command") == 0


def test_it_is_fetched_with_headers_and_an_authority_of_its_own(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "served").mkdir()
    (tmp_path / "pki").mkdir()
    (tmp_path / "served/node.yaml").write_bytes(b"a: b\n")
    identity = authority.identity(tmp_path / "pki", "127.0.0.1")
    with FileServer(
        tmp_path / "served", identity=identity, header=("X-Key", "s3cr3t-key")
    ) as server:
        url = f"{server.url}/node.yaml"
        headers = {"X-Key": Secret("s3cr3t-key")}
        fetch = Referred(PluginSource()).fetch
        whole = spec(b"a: b\n", url=url, headers=headers, ca_bundle=authority.certificate)
        assert fetch(whole) == b"a: b\n"
        codes = []
        for unfit in (
            {"headers": headers},
            {"ca_bundle": authority.certificate},
            {"ca_bundle": "no PEM"},
        ):
            with pytest.raises(HostError) as caught:
                fetch(spec(b"a: b\n", url=url, **unfit))
            codes.append(caught.value.code)

    assert codes == ["MA3105", "MA3104", "MA3108"]
