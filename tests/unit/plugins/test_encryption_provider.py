"""EncryptedData opens through a plugin: a real process, found, judged, started, asked and ended."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from machineadm.agent.own_file import is_volatile
from machineadm.agent.units import RESUME_UNIT, UNITS
from machineadm.cli.main import main
from machineadm.errors import MachineadmError, PluginError
from machineadm.plugins.asking import ask_passphrase
from machineadm.plugins.discovery import Places, find
from machineadm.plugins.host import Host
from machineadm.plugins.kinds.common import start
from machineadm.plugins.payload import FORCE_JSON
from machineadm.redaction import Secret
from machineadm.sources.passphrases import GivenPassphrases
from tests.peers.encryption import PASSPHRASE, example, install, sealed, written
from tests.unit.agent.stage import Stage

PLAIN = b"apiVersion: v1\nkind: ConfigMap\n"
KIND = "encryption-provider"
HERE = Path(__file__).parent


@pytest.fixture
def words(tmp_path: Path) -> Path:
    directory = tmp_path / "words"
    directory.mkdir()
    (directory / "file").write_text(PASSPHRASE + "\n")
    return directory


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    return tmp_path / "plugins"


@pytest.fixture
def closed(tmp_path: Path) -> str:
    path = tmp_path / "closed.yaml"
    path.write_bytes(sealed(PLAIN))
    return str(path)


def decrypt(closed: str, plugins: Path, *more: str) -> int:
    return main(["decrypt", "--path", closed, "--plugin-dir", str(plugins), *more])


def test_a_document_opens_through_the_example(
    closed: str, plugins: Path, words: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    install(plugins, example(words))

    assert decrypt(closed, plugins) == 0
    assert capfdbinary.readouterr().out == PLAIN


def test_a_machine_becomes_the_same_node_and_a_resumed_run_asks_the_plugin_again(
    tmp_path: Path, words: Path
) -> None:
    stage = Stage(tmp_path)
    stage.file.write_bytes(sealed(stage.file.read_bytes()))
    stage.host.commands.on("kubeadm", "join", exit_code=1)
    # Not below a directory that a reboot, or somebody tidy, empties, as the one that tests have.
    lasting = "/var/lib" if os.geteuid() == 0 else str(HERE)
    with tempfile.TemporaryDirectory(dir=lasting, prefix=".plugins-") as plugins:
        install(Path(plugins), example(words))
        with pytest.raises(MachineadmError) as caught:
            stage.run(passphrases=GivenPassphrases(plugin_directories=[plugins]))

    assert caught.value.exit_code == 6
    assert stage.host.text("/etc/motd") == "hello\n"
    unit = stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
    if is_volatile(plugins):  # a checkout below /tmp
        assert unit == ""
    else:
        assert f'"--plugin-dir" "{plugins}"' in unit
    kept = b"".join(stage.host.state.state_files.values())
    assert PASSPHRASE.encode() not in kept


def test_a_failing_plugin_is_named_in_the_report_with_the_end_of_its_log(
    tmp_path: Path, plugins: Path
) -> None:
    stage = Stage(tmp_path)
    stage.file.write_bytes(sealed(stage.file.read_bytes()))
    install(plugins, written("logging.error('the vault is sealed')\nraise CallError('no answer')"))
    with pytest.raises(PluginError):
        stage.run(passphrases=GivenPassphrases(plugin_directories=[str(plugins)]))

    error = stage.status().error
    assert error is not None
    assert (stage.status().phase, error.code) == ("Failed", "MA7220")
    assert "plugin file" in error.message
    assert "no answer" in error.message
    assert "[ERROR] the vault is sealed" in error.log_tail


def test_a_file_comes_before_a_plugin(
    closed: str, plugins: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    install(plugins, written(f"open({str(tmp_path / 'asked')!r}, 'w')"))
    word = tmp_path / "word"
    word.write_text(PASSPHRASE)

    assert decrypt(closed, plugins, "--passphrase-file", f"file={word}") == 0
    assert capfdbinary.readouterr().out == PLAIN
    assert not (tmp_path / "asked").exists()


def test_without_a_plugin_the_hint_names_the_one_that_is_missing(
    closed: str, plugins: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert decrypt(closed, plugins) == 4
    error = capsys.readouterr().err
    assert "MA1501" in error
    assert "install the plugin machineadm-plugin-encryption-provider-file" in error


def test_one_plugin_is_asked_once_for_all_documents(
    tmp_path: Path, plugins: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    count = tmp_path / "count"
    install(
        plugins, written(f"open({str(count)!r}, 'a').write('x')\nreturn {PASSPHRASE.encode()!r}")
    )
    closed = tmp_path / "many.yaml"
    closed.write_bytes(b"---\n".join([sealed(PLAIN)] * 3))

    assert decrypt(str(closed), plugins) == 0
    assert count.read_text() == "x"
    assert capfdbinary.readouterr().out.count(PLAIN) == 3


# What a plugin does when asked, the code, what is said.
FAILURES = {
    "a reason": ("raise CallError('the key is disabled')", "MA7220", "the key is disabled"),
    "a fault of its own": ("return {}['x']", "MA7220", "KeyError"),
    "no such method": (None, "MA7223", "is not of kind encryption-provider"),
    "its end": ("os._exit(3)", "MA7222", "exited when asked"),
    "nothing": ("return b''", "MA7224", "invalid passphrase"),
    "a newline": ("return b'\\n'", "MA7224", "invalid passphrase"),
    "too much": ("return b'x' * 5000", "MA7224", "invalid passphrase"),
    "no bytes": ("return None", "MA7224", "invalid passphrase"),
    "a number": ("return 7", "MA7220", "TypeError"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_plugin_that_fails_ends_the_command_with_seven_and_its_reason(
    closed: str, plugins: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body, code, says = FAILURES[name]
    content = written(body or "pass")
    if body is None:
        content = content.replace(b"def fetch_passphrase", b"def something_else")
    install(plugins, content)

    assert decrypt(closed, plugins) == 7
    seen = capsys.readouterr()
    assert code in seen.err
    assert says in seen.err
    assert "plugin file" in seen.err
    assert seen.out == ""
    assert "Traceback" not in seen.err.split("its log ends:")[0]


def test_a_plugin_that_hangs_is_ended_by_its_deadline(
    closed: str, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("machineadm.plugins.kinds.encryption_provider.CALL", 0.5)
    install(plugins, written("time.sleep(600)"))

    assert decrypt(closed, plugins) == 7


def break_trust(path: Path, how: str) -> None:
    """Make an installed plugin one that is not to be trusted."""
    checksum = path.with_name(f"{path.name}_SHA256SUM")
    if how == "link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    elif how == "dangling link":
        path.unlink()
        path.symlink_to("nowhere")
    elif how == "writable file":
        path.chmod(0o777)
    elif how == "file of a group":
        path.chmod(0o775)
    elif how == "foreign file":
        os.chown(path, 65534, -1)
    elif how == "writable directory":
        path.parent.chmod(0o777)
    elif how == "foreign directory":
        os.chown(path.parent, 65534, -1)
    elif how == "directory":
        path.unlink()
        path.mkdir()
    elif how == "writable checksum":
        checksum.chmod(0o666)
    elif how == "linked checksum":
        checksum.rename(checksum.with_name("sum"))
        checksum.symlink_to("sum")
    elif how == "no checksum":
        checksum.unlink()
    elif how == "empty checksum":
        checksum.write_text("")
    elif how == "two checksums":
        checksum.write_text(checksum.read_text() * 2)
    elif how == "binary checksum":
        checksum.write_bytes(bytes(range(256)))
    elif how == "other checksum":
        checksum.write_text("0" * 64 + "\n")
    elif how == "changed file":
        path.write_bytes(path.read_bytes() + b"\n")


UNTRUSTED = {
    "link": "MA7202",
    "dangling link": "MA7202",
    "writable file": "MA7202",
    "file of a group": "MA7202",
    "foreign file": "MA7202",
    "writable directory": "MA7202",
    "foreign directory": "MA7202",
    "directory": "MA7202",
    "writable checksum": "MA7202",
    "linked checksum": "MA7202",
    "no checksum": "MA7203",
    "empty checksum": "MA7203",
    "two checksums": "MA7203",
    "binary checksum": "MA7203",
    "other checksum": "MA7204",
    "changed file": "MA7204",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to another user")
@pytest.mark.parametrize("how", UNTRUSTED)
def test_what_somebody_else_may_have_written_is_not_run(
    closed: str, plugins: Path, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    content = f"#!/bin/sh\ntouch {asked}\n".encode()
    break_trust(install(plugins, content), how)

    assert decrypt(closed, plugins) == 7
    assert UNTRUSTED[how] in capsys.readouterr().err
    assert not asked.exists()


def test_what_is_first_in_order_and_broken_is_not_replaced_by_what_follows(
    closed: str, tmp_path: Path, words: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, b"#!/bin/sh\n", checksum=False)
    install(second, example(words))

    assert decrypt(closed, first, "--plugin-dir", str(second)) == 7


def test_an_unverified_plugin_runs_where_that_is_said_aloud_and_a_wrong_checksum_never(
    closed: str, plugins: Path, words: Path
) -> None:
    install(plugins, example(words), checksum=False)
    assert decrypt(closed, plugins, "--allow-unverified-plugins") == 0

    break_trust(install(plugins, example(words)), "other checksum")
    assert decrypt(closed, plugins, "--allow-unverified-plugins") == 7


def configured(tmp_path: Path, entry: str) -> Places:
    path = tmp_path / "plugins.yaml"
    path.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\n"
        f"spec:\n  plugins:\n  - {entry}\n"
    )
    return Places(configuration=str(path))


SPEAKING = {
    "both new": ("", False),
    "old host": ("", True),
    "old plugin": ("1", False),
    "both old": ("1", True),
}


@pytest.mark.parametrize("who", SPEAKING)
def test_settings_reach_a_plugin_in_both_encodings(
    tmp_path: Path, plugins: Path, words: Path, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only, forced = SPEAKING[who]
    if forced:
        monkeypatch.setenv(FORCE_JSON, "1")
    content = example(tmp_path / "nowhere")
    if only:
        old = content.replace(b"serve(Files())", b"serve(Files(), encodings=(1,))")
        assert old != content
        content = old
    path = install(plugins, content)
    places = configured(
        tmp_path,
        f"{{name: own, kind: {KIND}, path: {path}, settings: {{directory: {words}, n: [1, 2.5, true]}}}}",
    )
    found = find(KIND, "own", places)
    assert found is not None

    (words / "own").write_text(PASSPHRASE)
    assert ask_passphrase("own", found) == Secret(PASSPHRASE)
    with Host() as host:
        assert start(host, KIND, found).version == (2 if who == "both new" else 1)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{name: a, kind: other, path: /x}", "kind"),
        ("{name: a, kind: encryption-provider, catalog: registry.example.com}", "catalog"),
        ("{name: a, kind: encryption-provider, path: x}", "path"),
        ("{name: a, kind: encryption-provider, path: /x, digest: md5}", "digest"),
        ("{name: a, kind: encryption-provider, path: /x, setings: {}}", "setings"),
        (
            "{name: a, kind: encryption-provider, path: /x}\n  - {name: a, kind: encryption-provider, path: /y}",
            "twice",
        ),
    ],
)
def test_an_unfit_plugins_yaml_names_what_is_wrong(tmp_path: Path, entry: str, says: str) -> None:
    with pytest.raises(PluginError, match=says) as caught:
        find(KIND, "a", configured(tmp_path, entry))

    assert caught.value.code == "MA7206"
    assert "plugins.yaml" in caught.value.message


def test_settings_that_a_plugin_does_not_take_are_refused(tmp_path: Path, plugins: Path) -> None:
    path = install(plugins, written("return b'x'"))
    places = configured(tmp_path, f"{{name: own, kind: {KIND}, path: {path}, settings: {{a: 1}}}}")
    found = find(KIND, "own", places)
    assert found is not None
    with pytest.raises(PluginError) as caught:
        ask_passphrase("own", found)

    assert caught.value.code == "MA7223"


def test_a_digest_in_plugins_yaml_stands_for_the_checksum_file(
    tmp_path: Path, plugins: Path
) -> None:
    path = install(plugins, written("return b'word'"), checksum=False)
    digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    entry = f"{{name: own, kind: {KIND}, path: {path}, digest: '{digest}'}}"
    found = find(KIND, "own", configured(tmp_path, entry))
    assert found is not None

    assert ask_passphrase("own", found) == Secret("word")


def test_what_a_plugin_logs_is_shown_with_its_level_and_without_the_passphrase(
    plugins: Path, tmp_path: Path
) -> None:
    install(
        plugins,
        written(
            f"logging.warning('it is {PASSPHRASE}')\nlogging.debug('quiet')\nreturn {PASSPHRASE.encode()!r}"
        ),
    )
    found = find(KIND, "file", Places(given=(str(plugins),)))
    assert found is not None
    lines: list[str] = []
    ask_passphrase("file", found, lines.append)

    assert lines == ["plugin file: [WARN] it is ***"]
