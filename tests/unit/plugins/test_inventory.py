"""What is installed, beside what plugins.yaml says of it: an entry without path and catalog speaks of the executable in the directories."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from machineadm.cli.main import main
from machineadm.cli.plugin import common
from machineadm.errors import PluginError
from machineadm.plugins.catalogs.lockfile import Lock, LockedPlugin
from machineadm.plugins.catalogs.model import own_platform
from machineadm.plugins.discovery import Places, find
from machineadm.plugins.inventory import inventory, judge
from tests.peers.installed import install

CONTENT = b"#!/bin/false\n"
RIGHT = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
WRONG = f"sha256:{'0' * 64}"


def places(directory: Path, *entries: str) -> Places:
    configuration = directory / "plugins.yaml"
    head = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\nspec:\n"
    configuration.write_text(f"{head}  plugins: [{', '.join(entries)}]\n")
    configuration.chmod(0o644)
    return Places(
        directories=(str(directory / "plugins"),),
        configuration=str(configuration),
    )


def verdict(where: Places) -> str:
    """The code of what is wrong with the one plugin; empty if nothing is."""
    (one,) = [each for each in inventory(where) if not each.hidden]
    try:
        judge(one)
    except PluginError as error:
        return error.code
    return ""


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize(("digest", "code"), [(RIGHT, ""), (WRONG, "MA7204")])
def test_the_digest_of_an_entry_without_path_counts_as_it_does_in_a_run(
    tmp_path: Path, digest: str, code: str, checksum: bool
) -> None:
    install(tmp_path / "plugins", "provider", "vault", CONTENT, checksum=checksum)
    where = places(tmp_path, f"{{name: vault, kind: provider, digest: '{digest}'}}")

    assert verdict(where) == code
    found = find("provider", "vault", where)
    assert found is not None
    assert f"sha256:{found.sha256}" == digest


@pytest.mark.parametrize(
    "entry",
    [
        "{name: vault, kind: provider}",
        "{name: other, kind: provider, path: /nowhere/other}",
        "{name: vault, kind: infrastructure, path: /nowhere/vault}",
    ],
)
def test_without_a_digest_the_file_beside_the_plugin_counts(tmp_path: Path, entry: str) -> None:
    install(tmp_path / "plugins", "provider", "vault", CONTENT, checksum=False)
    where = places(tmp_path, entry)
    found = {one.kind + one.name: one for one in inventory(where)}
    with pytest.raises(PluginError, match="no checksum file") as refused:
        judge(found["providervault"])
    assert refused.value.code == "MA7203"


def test_an_entry_whose_plugin_is_nowhere_is_told(tmp_path: Path) -> None:
    assert verdict(places(tmp_path, "{name: vault, kind: provider}")) == "MA7252"


def test_an_entry_whose_path_is_missing_is_told(tmp_path: Path) -> None:
    where = places(tmp_path, f"{{name: vault, kind: provider, path: {tmp_path}/no-such-file}}")
    assert verdict(where) == "MA7202"


def test_an_entry_is_not_nowhere_if_a_directory_of_the_command_line_has_it(tmp_path: Path) -> None:
    install(tmp_path / "given", "provider", "vault", CONTENT)
    where = places(tmp_path, f"{{name: vault, kind: provider, digest: '{WRONG}'}}")
    given = Places(
        given=(str(tmp_path / "given"),),
        directories=where.directories,
        configuration=where.configuration,
    )
    assert verdict(given) == ""


# ----------------------------------------------------------------- declared by a catalog
@pytest.mark.parametrize(
    ("fields", "locked", "options", "code", "says"),
    [
        (f", digest: '{RIGHT}'", "", (), 0, "good"),
        ("", "", (), 7, "MA7250"),
        ("", "", ("--allow-unverified-plugins",), 0, "good"),
        ("", RIGHT, (), 0, "good"),
        (f", digest: '{RIGHT}'", RIGHT, ("--strict",), 0, "good"),
        (f", digest: '{WRONG}'", RIGHT, (), 7, "MA7246"),
        (f", digest: '{RIGHT}'", "", ("--strict",), 7, "MA7250"),
    ],
)
def test_an_entry_that_names_a_catalog_is_shown_and_judged_by_what_pins_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fields: str,
    locked: str,
    options: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    entry = f"{{name: vault, kind: provider, version: ^1.2, catalog: /srv/plugins{fields}}}"
    where = places(tmp_path, entry)
    allowed = "--allow-unverified-plugins" in options
    monkeypatch.setattr(common, "places_of", lambda _: replace(where, allow_unverified=allowed))
    path = tmp_path / "lock"
    if locked:
        digests = {own_platform(): locked}
        one = LockedPlugin(kind="provider", name="vault", version="1.2.3", digests=digests)
        Lock(str(path), (one,)).save()

    assert main(["plugin", "list", "--lock", str(path)]) == 0
    listed = capsys.readouterr().out
    # What the lock knows of a digest says more than what the entry asks for.
    version = "1.2.3" if locked and locked in fields else "^1.2 "
    assert f"provider/vault  {version}    catalog /srv/plugins  " in listed
    assert main(["plugin", "verify", *options, "--lock", str(path)]) == code
    assert says in capsys.readouterr().out
