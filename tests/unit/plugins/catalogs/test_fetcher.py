"""The lock decides, the cache has it, a catalog gives it, the newest cached one stands in: in this order."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.cache import KEPT, Cache
from machineadm.plugins.catalogs.installing import install, remove
from machineadm.plugins.catalogs.lockfile import Lock
from machineadm.plugins.catalogs.opening import configured_catalogs
from machineadm.plugins.discovery import Places, find
from tests.servers.registry import Registry, digest
from tests.unit.plugins.catalogs.conftest import CONTENT, Site, lay_out, publish

FILE = "encryption-provider/file"


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return publish(tmp_path / "catalog")


def refused(site: Site, wanted: str, *catalogs: Path | str, **settings: bool) -> PluginError:
    with pytest.raises(PluginError) as caught:
        site.fetch(wanted, *catalogs, **settings)
    return caught.value


def test_without_a_lock_what_a_catalog_has_is_taken_noted_and_told(
    site: Site, catalog: Path
) -> None:
    fetched = site.fetch(FILE, catalog)

    assert (fetched.version, fetched.from_cache, fetched.catalog) == ("1.0.0", False, str(catalog))
    assert "the lock has no digest" in site.warnings[0]
    locked = Lock.read(str(site.lock_path)).find("encryption-provider", "file")
    assert locked is not None
    assert (locked.version, locked.digests) == ("1.0.0", {"linux/amd64": digest(CONTENT)})
    assert locked.resolved_from == str(catalog)


def test_the_same_decisions_make_the_same_lock(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    before = site.lock_path.read_bytes()
    publish(catalog, platform="linux/arm64", content=b"arm")
    site.platform = "linux/arm64"
    site.fetch(FILE, catalog)

    assert b"linux/amd64" in site.lock_path.read_bytes()
    assert site.lock_path.read_bytes().count(b"\n") == before.count(b"\n") + 1


def test_a_locked_version_is_kept_though_there_is_a_newer_one(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    publish(catalog, "2.0.0", b"newer")

    assert site.fetch(FILE, catalog, refresh=True).version == "1.0.0"
    assert site.fetch(f"{FILE}@^2", catalog).version == "2.0.0"
    assert site.fetch(FILE, catalog).version == "2.0.0"


def test_what_is_cached_needs_no_catalog(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)

    assert site.fetch(FILE).from_cache


def test_a_version_that_was_published_anew_is_refused(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    other = publish(catalog.parent / "other", content=b"evil")
    for one in site.cache.listed():
        site.cache.remove(one)
    refusal = refused(site, FILE, other)

    assert refusal.code == "MA7246"
    assert digest(CONTENT) in refusal.message
    assert site.files == []


@pytest.mark.parametrize("damage", [b"", b"x", CONTENT + b"x"])
def test_a_damaged_cached_file_is_replaced(site: Site, catalog: Path, damage: bytes) -> None:
    path = Path(site.fetch(FILE, catalog).path)
    path.write_bytes(damage)
    fetched = site.fetch(FILE, catalog)

    assert not fetched.from_cache
    assert path.read_bytes() == CONTENT


def test_without_a_catalog_the_newest_cached_version_stands_in_and_that_is_told(
    site: Site, catalog: Path
) -> None:
    publish(catalog, "1.5.0", b"five")
    for version in ("1.0.0", "1.5.0"):
        site.fetch(f"{FILE}@{version}", catalog)
        site.lock_path.unlink()
    fetched = site.fetch(FILE, catalog.parent / "gone", refresh=True)

    assert (fetched.version, fetched.from_cache) == ("1.5.0", True)
    assert "the newest cached version, 1.5.0, is taken" in site.warnings[-1]
    assert "there is no such directory" in site.warnings[-1]


def test_a_cached_version_stands_in_only_if_it_fits(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)

    assert refused(site, f"{FILE}@^2", catalog.parent / "gone").code == "MA7243"


def test_strict_takes_only_what_the_lock_names_by_digest(site: Site, catalog: Path) -> None:
    assert refused(site, FILE, catalog, strict=True).code == "MA7250"
    site.fetch(FILE, catalog)
    assert site.fetch(FILE, catalog, strict=True).from_cache
    assert refused(site, f"{FILE}@^2", catalog, strict=True).code == "MA7250"
    site.platform = "linux/arm64"
    assert refused(site, FILE, catalog, strict=True).code == "MA7250"


def test_strict_passes_over_no_catalog_that_is_out_of_reach(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    for one in site.cache.listed():
        site.cache.remove(one)
    gone = catalog.parent / "gone"

    assert refused(site, FILE, gone, catalog, strict=True).code == "MA7243"
    assert site.fetch(FILE, gone, catalog).version == "1.0.0"
    assert "another catalog is taken" in site.warnings[-1]


def test_a_chain_takes_the_first_catalog_that_has_it(site: Site, tmp_path: Path) -> None:
    first = publish(tmp_path / "first", name="other")
    second = publish(tmp_path / "second", content=b"second")
    third = publish(tmp_path / "third", "9.0.0", b"third")

    assert site.fetch(FILE, first, second, third).catalog == str(second)


def test_a_chain_ends_where_a_catalog_has_it_for_other_platforms(
    site: Site, tmp_path: Path
) -> None:
    first = publish(tmp_path / "first", platform="linux/arm64")
    second = publish(tmp_path / "second", content=b"another plugin of that name")

    assert refused(site, FILE, first, second).code == "MA7242"


def test_a_plugin_that_nobody_has_is_told_with_who_was_asked(site: Site, catalog: Path) -> None:
    refusal = refused(site, "provider/none", catalog)

    assert refusal.code == "MA7241"
    assert str(catalog) in refusal.hint()
    assert "--catalog" in refused(site, "provider/none").hint()


def test_a_file_for_any_platform_serves_all_and_an_exact_one_comes_first(
    site: Site, tmp_path: Path
) -> None:
    catalog = publish(tmp_path / "catalog", content=b"any", platform="any")
    assert site.fetch(FILE, catalog).platform == "any"
    publish(catalog, "1.1.0", b"any", platform="any")
    publish(catalog, "1.1.0", b"exact")

    assert site.fetch(f"{FILE}@1.1.0", catalog).platform == "linux/amd64"


@pytest.mark.parametrize(
    "text",
    ["", "nothing\n", "0" * 63, f"{'0' * 64}\n{'1' * 64}\n"],
    ids=["empty", "word", "short", "two"],
)
def test_a_directory_names_the_digest_of_each_plugin(site: Site, catalog: Path, text: str) -> None:
    (checksum,) = catalog.rglob("*_SHA256SUM")
    checksum.write_text(text)

    assert refused(site, FILE, catalog).code == "MA7245"


def test_a_directory_whose_plugin_is_another_gives_nothing(site: Site, catalog: Path) -> None:
    (plugin,) = catalog.rglob("machineadm-plugin-encryption-provider-file")
    plugin.write_bytes(CONTENT[:-1] + b"x")

    assert refused(site, FILE, catalog).code == "MA7246"
    assert site.files == []


def test_a_layout_in_a_directory_is_a_catalog(site: Site, tmp_path: Path) -> None:
    layout = lay_out(tmp_path / "layout", {"linux/amd64": CONTENT, "linux/arm64": b"arm"})
    lay_out(layout, {"": b"alone"}, "plugins/encryption-providers/file:1.1.0")
    lay_out(
        layout,
        {"": b"told"},
        "2.0.0",
        {"kind": "encryption-provider", "name": "file", "version": "2.0.0"},
    )

    assert Path(site.fetch(f"{FILE}@1.0.0", layout).path).read_bytes() == CONTENT
    assert Path(site.fetch(f"{FILE}@1.1.0", layout).path).read_bytes() == b"alone"
    assert Path(site.fetch(f"{FILE}@^2", layout).path).read_bytes() == b"told"


@pytest.mark.parametrize("what", ["index", "manifest", "config", "layer"])
def test_a_damaged_layout_is_noticed_whichever_part_it_is(
    site: Site, tmp_path: Path, what: str
) -> None:
    config = {"kind": "encryption-provider", "name": "file", "version": "1.0.0"}
    layout = lay_out(tmp_path / "layout", {"linux/amd64": CONTENT}, "1.0.0", config)
    for path in (layout / "blobs/sha256").iterdir():
        data = path.read_bytes()
        kinds = {
            "index": b'"manifests"',
            "manifest": b'"layers"',
            "config": b'"kind"',
            "layer": b"#!",
        }
        if (
            data.startswith(b"#!")
            if what == "layer"
            else kinds[what] in data and not data.startswith(b"#!")
        ):
            path.write_bytes(data.replace(b"linux", b"Linux").replace(b"sha256", b"sha255") + b" ")

    assert refused(site, FILE, layout).code == "MA7246"


def test_a_layout_for_one_platform_says_so_in_its_configuration(site: Site, tmp_path: Path) -> None:
    layout = lay_out(tmp_path / "layout", {"": b"arm"}, config={"platform": "linux/arm64"})

    assert refused(site, FILE, layout).code == "MA7242"


def test_a_full_disk_leaves_nothing_and_is_told(site: Site, catalog: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        refusal = refused(site, FILE, catalog)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert refusal.code == "MA7248"
    assert "--cache-dir" in refusal.hint()
    assert site.files == []


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_cache_that_cannot_be_written_is_told(site: Site, catalog: Path, mode: int) -> None:
    if os.geteuid() == 0:
        (site.directory / "cache").write_text("a file in its place")
    else:
        (site.directory / "cache").mkdir(mode=mode)

    assert refused(site, FILE, catalog).code == "MA7248"


def test_what_vanishes_from_the_cache_meanwhile_fails_no_download(
    site: Site, catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = site.directory / "cache" / "partial"
    partial.mkdir(parents=True)
    other = partial / "of-another-process"
    other.write_bytes(b"half")
    (partial / "a-link").symlink_to("nothing")
    real = time.time

    def finished_by_then() -> float:
        other.unlink(missing_ok=True)
        return real()

    monkeypatch.setattr(time, "time", finished_by_then)

    assert Path(site.fetch(FILE, catalog).path).read_bytes() == CONTENT
    assert not other.exists()


def test_the_beginning_of_a_download_is_kept_for_a_week(site: Site, catalog: Path) -> None:
    partial = site.directory / "cache" / "partial"
    partial.mkdir(parents=True)
    for name, age in (("old", KEPT + 60), ("young", KEPT - 3600)):
        (partial / name).write_bytes(b"half")
        os.utime(partial / name, (time.time() - age,) * 2)
    site.fetch(FILE, catalog)

    assert [one.name for one in partial.iterdir()] == ["young"]


def test_a_cached_file_that_cannot_be_removed_is_told(site: Site, catalog: Path) -> None:
    site.fetch(FILE, catalog)
    (one,) = site.cache.listed()
    Path(one.path).unlink()
    Path(one.path).mkdir()

    with pytest.raises(PluginError) as caught:
        site.cache.remove(one)

    assert caught.value.code == "MA7248"


@pytest.mark.parametrize("name", ["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
def test_a_name_that_yaml_reads_as_something_else_stays_a_name_in_the_lock(
    site: Site, tmp_path: Path, name: str
) -> None:
    catalog = publish(tmp_path / "catalog", name=name)
    site.fetch(f"encryption-provider/{name}", catalog)

    assert Lock.read(str(site.lock_path)).find("encryption-provider", name) is not None
    assert f'name: "{name}"' in site.lock_path.read_text()


@pytest.mark.parametrize("directory", ["umläut", "\U0001f600", 'a "quoted" one', "back\\slash"])
def test_where_a_plugin_came_from_is_read_as_it_was_written(
    site: Site, tmp_path: Path, directory: str
) -> None:
    catalog = publish(tmp_path / directory)
    site.fetch(FILE, catalog)
    (locked,) = Lock.read(str(site.lock_path)).plugins

    assert locked.resolved_from == str(catalog)


def test_a_catalog_whose_path_is_not_utf_8_leaves_a_lock_that_can_be_read(
    site: Site, tmp_path: Path
) -> None:
    catalog = publish(tmp_path / os.fsdecode(b"latin-\xe4"))
    site.fetch(FILE, catalog)
    (locked,) = Lock.read(str(site.lock_path)).plugins

    assert locked.resolved_from.endswith("latin-?")


@pytest.mark.parametrize("named", ["1.0.0+b1", "1.0.0_b1"])
def test_a_directory_may_name_build_metadata_as_it_is_or_by_its_tag(
    site: Site, tmp_path: Path, named: str
) -> None:
    catalog = publish(tmp_path / "catalog", named)

    assert site.fetch(FILE, catalog).version == "1.0.0+b1"
    assert site.fetch(f"{FILE}@1.0.0+b1", catalog, refresh=True).version == "1.0.0+b1"


def test_two_that_fetch_the_same_at_once_both_get_it_whole(site: Site) -> None:
    with Registry() as registry:
        registry.push("plugins/encryption-providers/file", "1.0.0", {"": CONTENT})
        sites = [Site(site.directory) for _ in range(4)]
        found: list[bytes] = []

        def fetch(one: Site) -> None:
            found.append(Path(one.fetch(FILE, registry.address).path).read_bytes())

        threads = [threading.Thread(target=fetch, args=(one,)) for one in sites]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        blobs = [one for one in registry.requests if "/blobs/" in one.path]

    assert found == [CONTENT] * 4
    assert len({one.path for one in blobs}) == 2  # the plugin and its configuration


@pytest.mark.parametrize(
    "text",
    [
        "kind: Other\n",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginLock\nspec: {plugins: [{name: a}]}\n",
        "a: [",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginLock\nspec:\n  plugins:\n"
        "  - {kind: provider, name: a, version: '1', digests: {linux/amd64: sha256:1}}\n",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginLock\nspec:\n  plugins:\n"
        "  - {kind: nothing, name: a, version: '1', digests: {}}\n",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginLock\nspec:\n  plugins:\n"
        "  - {kind: provider, name: a, version: '1', digests: {}}\n"
        "  - {kind: provider, name: a, version: '2', digests: {}}\n",
    ],
)
def test_an_unfit_lock_is_refused_and_not_taken_for_none(
    site: Site, catalog: Path, text: str
) -> None:
    site.lock_path.write_text(text)

    assert refused(site, FILE, catalog).code == "MA7249"
    assert site.lock_path.read_text() == text


@contextmanager
def ended_after(seconds: int) -> Iterator[None]:
    """Fail what waits for ever."""

    def give_up(*_: object) -> None:
        raise TimeoutError("it waits for ever")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _catalogs_of_files(directory: Path) -> dict[str, Path]:
    release = directory / "release"
    release.mkdir(parents=True)
    name = "machineadm-plugin-encryption-provider-file-linux-amd64"
    (release / name).write_bytes(CONTENT)
    one = {"name": name, "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    (release / "release.json").write_text(json.dumps({"version": "1.0.0", "artifacts": [one]}))
    return {
        "directory": publish(directory / "directory"),
        "layout": lay_out(directory / "layout", {"linux/amd64": CONTENT}),
        "release": release,
    }


@pytest.mark.parametrize("kind", ["directory", "layout", "release"])
def test_a_pipe_in_a_catalog_is_waited_for_by_nobody(site: Site, tmp_path: Path, kind: str) -> None:
    """Anybody may have made a catalog: whichever of its files is a pipe, nobody writes to it."""
    files = [
        path.relative_to(catalog)
        for catalog in [_catalogs_of_files(tmp_path / "first")[kind]]
        for path in sorted(catalog.rglob("*"))
        if path.is_file() and path.name != "oci-layout"
    ]
    assert len(files) >= 2
    unread = 0
    for number, file in enumerate(files):
        catalog = _catalogs_of_files(tmp_path / str(number))[kind]
        # Its checksum, an index, a manifest, the configuration of one, the plugin itself.
        (catalog / file).unlink()
        os.mkfifo(catalog / file)
        site.directory = tmp_path / f"site-{number}"
        site.cache = Cache(str(site.directory / "cache"))
        site.lock_path = site.directory / "lock"
        with ended_after(60):
            refusal = None
            try:
                site.fetch(FILE, catalog)
            except PluginError as caught:
                refusal = caught
        # The configuration of a manifest is read only where no index names the platform.
        assert refusal is None or refusal.code in ("MA7243", "MA7245"), (file, refusal)
        unread += refusal is None
    assert unread == (kind == "layout")


def test_a_lock_that_is_a_pipe_is_refused(site: Site, catalog: Path) -> None:
    os.mkfifo(site.lock_path)

    with ended_after(60):
        assert refused(site, FILE, catalog).code == "MA7249"


def test_an_installed_plugin_is_found_and_trusted_by_its_checksum(
    site: Site, catalog: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "plugins"
    fetched = site.fetch(FILE, catalog)
    path = install(fetched, str(directory))
    found = find("encryption-provider", "file", Places(given=(str(directory),)))

    assert found is not None
    assert (found.path, f"sha256:{found.sha256}") == (path, digest(CONTENT))
    assert sorted(one.name for one in directory.iterdir()) == [
        "machineadm-plugin-encryption-provider-file",
        "machineadm-plugin-encryption-provider-file_SHA256SUM",
    ]
    assert remove("encryption-provider", "file", str(directory))
    assert list(directory.iterdir()) == []
    assert not remove("encryption-provider", "file", str(directory))


def test_what_changes_between_cache_and_directory_is_not_installed(
    site: Site, catalog: Path, tmp_path: Path
) -> None:
    fetched = site.fetch(FILE, catalog)
    Path(fetched.path).write_bytes(b"swapped")
    with pytest.raises(PluginError) as caught:
        install(fetched, str(tmp_path / "plugins"))

    assert caught.value.code == "MA7246"
    assert list((tmp_path / "plugins").iterdir()) == []


def test_a_removed_plugin_leaves_the_file_that_another_name_has(site: Site, tmp_path: Path) -> None:
    catalog = publish(publish(tmp_path / "catalog"), name="same")
    path = Path(site.fetch(FILE, catalog).path)
    assert site.fetch("encryption-provider/same", catalog).from_cache
    first, second = site.cache.listed()
    site.cache.remove(first)
    assert path.exists()
    site.cache.remove(second)

    assert site.files == []


def test_a_version_that_is_not_semantic_is_locked_like_any(site: Site, tmp_path: Path) -> None:
    catalog = publish(tmp_path / "catalog", "nightly")

    assert site.fetch(FILE, catalog).version == "nightly"
    for one in site.cache.listed():
        site.cache.remove(one)
    assert site.fetch(FILE, catalog, strict=True).version == "nightly"


@pytest.mark.parametrize("tag", ["../../../evil", "/etc", "..", ".hidden", "", "a" * 129, "a\nb"])
def test_a_tag_that_is_not_a_version_becomes_no_path(site: Site, tag: str) -> None:
    with Registry() as registry:
        repository = "plugins/encryption-providers/file"
        registry.push(repository, tag, {"": b"evil"})
        assert refused(site, FILE, registry.address).code == "MA7241"
        registry.push(repository, "1.0.0", {"": CONTENT})
        assert site.fetch(FILE, registry.address).version == "1.0.0"
    named = [path for path in site.files if not path.startswith("sha256/")]

    assert named == ["plugins/encryption-provider/file/1.0.0/any"]


def test_plugins_yaml_names_the_catalogs_of_a_machine(tmp_path: Path) -> None:
    path = tmp_path / "plugins.yaml"
    assert configured_catalogs(str(path)) == ()
    path.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\n"
        "spec: {catalogs: ['oci://registry.example/plugins', /mnt/plugins]}\n"
    )
    path.chmod(0o644)
    assert configured_catalogs(str(path)) == ("oci://registry.example/plugins", "/mnt/plugins")
    path.write_text("spec: {}\n")
    with pytest.raises(PluginError, match="MA1") as caught:
        configured_catalogs(str(path))
    assert caught.value.code == "MA7206"
    path.chmod(0o666)
    with pytest.raises(PluginError) as caught:
        configured_catalogs(str(path))
    assert caught.value.code == "MA7202"
