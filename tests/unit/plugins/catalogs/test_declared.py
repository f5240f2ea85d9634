"""A plugin that is declared by its catalog: fetched by digest into the cache, found there, and what is refused, by its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from machineadm.api.v1alpha1.plugins import PluginEntry
from machineadm.cli.plugin import common
from machineadm.errors import PluginError
from machineadm.plugins.catalogs.declared import CREDENTIALS, fetch_declared
from machineadm.plugins.catalogs.model import Web, own_platform
from machineadm.plugins.discovery import Places, find, require
from machineadm.plugins.inventory import inventory
from machineadm.sources.registries import CatalogWeb
from tests.servers.registry import Registry, digest
from tests.unit.plugins.catalogs.conftest import CONTENT, Site, lay_out, publish

FILE = "encryption-provider/file"
OTHER = b"#!/bin/sh\nexit 1\n"


def no_web() -> Web:
    raise AssertionError("a directory needs no web")


class Declared:
    """What an entry comes to on a machine."""

    def __init__(self, site: Site, catalog: str | Path, **fields: Any) -> None:
        given = {"kind": "encryption-provider", "name": "file", "digest": digest(CONTENT)}
        self.site = site
        self.web: Callable[[], Web] = no_web
        self.entry = PluginEntry(**{**given, "catalog": str(catalog), **fields})
        self.places = Places(
            declared=(self.entry,), fetch=self.fetch, configuration="/nowhere", directories=()
        )

    def fetch(self, entry: PluginEntry, *, allow_unverified: bool = False) -> tuple[str, str]:
        return fetch_declared(
            entry,
            self.web,
            allow_unverified=allow_unverified,
            warn=self.site.warnings.append,
            cache=self.site.cache.root,
            lock=str(self.site.lock_path),
        )

    def refused(self) -> PluginError:
        with pytest.raises(PluginError) as caught:
            require(self.entry.kind, self.entry.name, self.places)
        assert caught.value.message.startswith(f"plugin {self.entry.name}: ")
        hint = caught.value.hint().replace("--allow-unverified-plugins", "")
        assert "--" not in hint, "it names an option of another command"
        return caught.value


@pytest.fixture(autouse=True)
def own(site: Site) -> None:
    site.platform = own_platform()


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return publish(tmp_path / "catalog", platform=own_platform())


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "layout", {own_platform(): CONTENT, "plan9/mips": OTHER})


@pytest.mark.parametrize("kind", ["catalog", "layout"])
def test_it_is_found_in_the_cache_with_its_settings(
    site: Site, kind: str, request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue(kind)
    declared = Declared(site, where, version="^1.0", settings={"a": 1})
    found = find("encryption-provider", "file", declared.places)

    assert found is not None
    assert found.path == site.cache.path(digest(CONTENT))
    assert f"sha256:{found.sha256}" == digest(CONTENT)
    assert Path(found.path).read_bytes() == CONTENT
    assert found.settings == {"a": 1}
    assert not site.lock_path.exists()


@pytest.mark.parametrize("kind", ["catalog", "layout"])
def test_what_is_cached_needs_no_catalog(
    site: Site, kind: str, request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue(kind)
    first = find("encryption-provider", "file", Declared(site, where).places)
    where.rename(where.with_name("gone"))

    assert find("encryption-provider", "file", Declared(site, where).places) == first


def test_a_directory_of_the_command_line_comes_first(
    site: Site, catalog: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "mine"
    directory.mkdir()
    path = directory / "machineadm-plugin-encryption-provider-file"
    path.write_bytes(OTHER)
    declared = Declared(site, catalog)
    found = find(
        "encryption-provider",
        "file",
        Places(
            given=(str(directory),),
            declared=(Declared(site, catalog, digest=digest(OTHER)).entry,),
            fetch=declared.fetch,
        ),
    )

    assert found is not None
    assert found.path == str(path)
    assert site.files == []


def test_the_lock_of_the_machine_gives_version_and_digest(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    before = site.lock_path.read_bytes()
    publish(catalog, "1.1.0", OTHER, platform=own_platform())
    found = find("encryption-provider", "file", Declared(site, catalog, digest=None).places)

    assert found is not None
    assert f"sha256:{found.sha256}" == digest(CONTENT)
    assert site.lock_path.read_bytes() == before


@pytest.mark.parametrize("version", [None, "^2.0"])
def test_without_a_digest_nothing_is_fetched(
    site: Site, catalog: Path, version: str | None
) -> None:
    if version:  # The lock has it, in a version that does not fit.
        site.fetch(FILE, catalog)
    before = site.files

    error = Declared(site, catalog, digest=None, version=version).refused()
    assert error.code == "MA7250"
    assert site.files == before


def test_without_a_digest_the_operator_may_take_what_there_is(site: Site, catalog: Path) -> None:
    declared = Declared(site, catalog, digest=None)
    path, _ = declared.fetch(declared.entry, allow_unverified=True)

    assert Path(path).read_bytes() == CONTENT
    assert any(text.startswith("plugin file: ") for text in site.warnings)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"digest": digest(OTHER)}, "MA7246"),
        ({"version": "^2.0"}, "MA7241"),
        ({"name": "other"}, "MA7241"),
        ({"version": "not a version"}, "MA7240"),
        ({"catalog": "oci://u:p@registry.example/x"}, "MA7240"),
        ({"catalog": "oci+http://registry.example/x"}, "MA7240"),
        ({"catalog": "/nowhere/at/all"}, "MA7243"),
    ],
)
def test_each_failure_has_its_code_and_the_name_of_the_plugin(
    site: Site, catalog: Path, fields: dict[str, Any], code: str
) -> None:
    assert Declared(site, **{"catalog": catalog, **fields}).refused().code == code
    assert site.files == []


def over_the_web(site: Site, registry: Registry) -> Declared:
    declared = Declared(site, registry.address)
    declared.web = partial(CatalogWeb, timeout=site.timeout, silence=2)
    return declared


def test_a_registry_is_asked_for_what_is_not_cached(site: Site) -> None:
    with Registry() as registry:
        registry.push(
            "plugins/encryption-providers/file", "1.0.0", {own_platform(): CONTENT, "a/b": OTHER}
        )
        found = find("encryption-provider", "file", over_the_web(site, registry).places)

    assert found is not None
    assert f"sha256:{found.sha256}" == digest(CONTENT)
    assert find("encryption-provider", "file", over_the_web(site, registry).places) == found


def test_a_registry_that_wants_a_password_or_is_not_there_is_told_so(site: Site) -> None:
    with Registry(user="reader", password="s3cr3t") as registry:
        registry.push("plugins/encryption-providers/file", "1.0.0", {own_platform(): CONTENT})
        error = over_the_web(site, registry).refused()
    assert error.code == "MA7244"
    assert CREDENTIALS in error.hint()

    assert over_the_web(site, registry).refused().code == "MA7247"


def test_another_platform_is_refused(site: Site, tmp_path: Path) -> None:
    layout = lay_out(tmp_path / "layout", {"plan9/mips": CONTENT})

    assert Declared(site, layout).refused().code == "MA7242"


def test_a_damaged_layout_is_refused_and_leaves_nothing(site: Site, layout: Path) -> None:
    blob = layout / "blobs" / digest(CONTENT).replace(":", "/")
    blob.write_bytes(CONTENT[:-1] + b"x")

    assert Declared(site, layout).refused().code == "MA7246"
    assert not any(one.startswith("sha256/") for one in site.files)


def test_a_digest_that_the_lock_contradicts_is_refused(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)

    assert Declared(site, catalog, digest=digest(OTHER)).refused().code == "MA7246"


def test_a_lock_that_others_can_write_decides_nothing(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    site.lock_path.chmod(0o666)

    assert Declared(site, catalog, digest=None).refused().code == "MA7202"


def test_a_cache_that_others_can_write_gives_nothing(site: Site, catalog: Path) -> None:
    find("encryption-provider", "file", Declared(site, catalog).places)
    Path(site.cache.root).chmod(0o777)

    assert Declared(site, catalog).refused().code == "MA7202"


def test_who_has_no_way_to_fetch_says_so(site: Site, catalog: Path) -> None:
    entry = Declared(site, catalog).entry
    with pytest.raises(PluginError, match="plugin file: nothing here fetches") as caught:
        find("encryption-provider", "file", Places(declared=(entry,)))
    assert caught.value.code == "MA7243"


def test_all_that_may_serve_a_name_are_fetched_when_it_is_required(
    site: Site, tmp_path: Path
) -> None:
    catalog = publish(
        tmp_path / "catalog", kind="auth-handler", name="entra", platform=own_platform()
    )
    declared = Declared(site, catalog, kind="auth-handler", name="entra")

    assert require("auth-handler", "served-by-entra", declared.places) is None
    assert site.cache.has(digest(CONTENT))


def test_if_none_that_may_serve_a_name_can_be_fetched_it_is_refused(
    site: Site, tmp_path: Path
) -> None:
    declared = Declared(site, tmp_path / "nowhere", kind="auth-handler", name="entra")
    with pytest.raises(PluginError, match="plugin entra: ") as caught:
        require("auth-handler", "served-by-entra", declared.places)
    assert caught.value.code == "MA7243"


def test_the_agent_and_the_commands_read_the_same_credentials() -> None:
    assert common.CREDENTIALS == CREDENTIALS


def test_an_installed_plugin_that_plugins_yaml_names_by_catalog_is_shown_as_hidden(
    tmp_path: Path,
) -> None:
    name = "machineadm-plugin-encryption-provider-file"
    for directory in ("given", "default"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / name).write_bytes(CONTENT)
    configuration = tmp_path / "plugins.yaml"
    configuration.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\nspec:\n  plugins:\n"
        "  - {name: file, kind: encryption-provider, catalog: /srv/plugins}\n"
    )
    default = (str(tmp_path / "default"),)
    places = Places(configuration=str(configuration), directories=default)

    assert [(one.path != "", one.hidden) for one in inventory(places)] == [
        (False, False),
        (True, True),
    ]
    given = Places(given=(str(tmp_path / "given"),), configuration=places.configuration)
    assert [(one.path != "", one.hidden) for one in inventory(given)] == [
        (True, False),
        (False, True),
    ]
