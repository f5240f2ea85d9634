"""Encryption provider `file`, as it ships: what is not private is not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk.testing import MockHost, mock_host
from machineadm.plugins.wire.rpc import RpcError
from plugins.encryption_provider_file import Files


@pytest.fixture
def provider(tmp_path: Path) -> Files:
    files = Files()
    files.configure({"directory": str(tmp_path / "words")})
    (tmp_path / "words").mkdir()
    path = tmp_path / "words/vault"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    return files


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def refused(host: MockHost, name: str, **fields: object) -> str:
    with pytest.raises(RpcError) as caught:
        host.call(name, **fields)
    return caught.value.text


def test_a_passphrase_is_the_file_without_its_last_newline(provider: Files) -> None:
    with mock_host(provider) as host:
        assert host.call("FetchPassphrase", provider="vault").passphrase == b"open sesame"


@pytest.mark.parametrize("name", ["", "none", "../vault", "a/b", "Vault", ".", "a" * 64])
def test_what_is_not_there_or_not_a_name_is_refused_in_words(provider: Files, name: str) -> None:
    with mock_host(provider) as host:
        assert refused(host, "FetchPassphrase", provider=name)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o640),
        lambda path: path.chmod(0o604),
        lambda path: path.write_text("\n"),
        lambda path: path.write_bytes(b"x" * (64 * 1024 + 1)),
        lambda path: (path.rename(path.with_name("other")), path.symlink_to("other")),
        lambda path: (path.unlink(), path.mkdir()),
        pipe,
    ],
    ids=["group", "others", "empty", "too large", "link", "directory", "pipe"],
)
def test_what_others_can_get_at_or_is_unfit_is_refused(
    provider: Files, tmp_path: Path, spoil: object
) -> None:
    spoil(tmp_path / "words/vault")  # type: ignore[operator]
    with mock_host(provider) as host:
        assert str(tmp_path) in refused(host, "FetchPassphrase", provider="vault")


def test_what_is_stored_is_private_and_fetched_again(provider: Files, tmp_path: Path) -> None:
    with mock_host(provider) as host:
        host.call("StorePassphrase", provider="new", passphrase=b"word")
        assert host.call("FetchPassphrase", provider="new").passphrase == b"word"
        assert (tmp_path / "words/new").stat().st_mode & 0o777 == 0o600
        for bad in (b"", b"word\n", b"x" * (64 * 1024 + 1)):
            assert refused(host, "StorePassphrase", provider="new", passphrase=bad)
        host.call("DeletePassphrase", provider="new")
        host.call("DeletePassphrase", provider="new")
        assert refused(host, "FetchPassphrase", provider="new")


@pytest.mark.parametrize("settings", [{"directory": "words"}, {"directory": 1}, {"place": "/x"}])
def test_unfit_settings_are_refused(settings: dict[str, object]) -> None:
    with mock_host(Files()) as host, pytest.raises(CallError):
        host.configure(settings)


def test_a_passphrase_that_cannot_be_stored_leaves_no_copy(provider: Files, tmp_path: Path) -> None:
    (tmp_path / "words/taken").mkdir()
    with mock_host(provider) as host:
        assert refused(host, "StorePassphrase", provider="taken", passphrase=b"s3cr3t")

    assert sorted(one.name for one in (tmp_path / "words").iterdir()) == ["taken", "vault"]


def test_what_a_kill_leaves_has_no_providers_name(
    provider: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        provider.store_passphrase("new", b"s3cr3t")
    (left,) = {one.name for one in (tmp_path / "words").iterdir()} - {"vault"}

    with pytest.raises(CallError, match="lower-case letters"):
        provider.fetch_passphrase(left)
