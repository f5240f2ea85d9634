"""A registry as a catalog: versions, platforms, tokens and passwords, and all that a registry or the way to it does wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from machineadm.errors import PluginError, UsageError
from machineadm.plugins.catalogs.cache import digest_of
from machineadm.plugins.catalogs.model import CatalogError
from machineadm.plugins.catalogs.registry import MOST_VERSIONS, Login, credentials
from machineadm.redaction import Secret
from tests.servers.authority import Authority
from tests.servers.files import FileServer
from tests.servers.registry import INDEX, LAYER, MANIFEST, Registry, digest
from tests.unit.plugins.catalogs.conftest import CONTENT, Site

REPOSITORY = "plugins/encryption-providers/file"
ARM = b"for arm64" * 99


def filled(**settings: object) -> Registry:
    registry = Registry(**settings)  # type: ignore[arg-type]
    registry.push(REPOSITORY, "1.0.0", {"linux/amd64": CONTENT, "linux/arm64": ARM})
    return registry


def refused(
    site: Site, registry: Registry, wanted: str = "encryption-provider/file"
) -> PluginError:
    with pytest.raises(PluginError) as caught:
        site.fetch(wanted, registry.address)
    return caught.value


def test_a_plugin_comes_from_a_registry_and_is_what_the_registry_names(site: Site) -> None:
    with filled() as registry:
        fetched = site.fetch("encryption-provider/file", registry.address)

    assert (fetched.version, fetched.platform, fetched.from_cache) == (
        "1.0.0",
        "linux/amd64",
        False,
    )
    assert Path(fetched.path).read_bytes() == CONTENT
    assert Path(fetched.path).stat().st_mode & 0o777 == 0o755
    assert site.progress[-1] == len(CONTENT)
    assert [path for path in site.files if path.startswith("partial")] == []


def test_the_platform_decides_which_file_of_an_index_it_is(site: Site) -> None:
    site.platform = "linux/arm64"
    with filled() as registry:
        assert (
            Path(site.fetch("encryption-provider/file", registry.address).path).read_bytes() == ARM
        )


def test_a_platform_that_is_not_there_is_named_with_those_that_are(site: Site) -> None:
    site.platform = "linux/riscv64"
    with filled() as registry:
        refusal = refused(site, registry)

    assert refusal.code == "MA7242"
    assert "linux/amd64, linux/arm64" in refusal.hint()


def test_a_manifest_without_an_index_serves_every_platform(site: Site) -> None:
    with Registry() as registry:
        registry.push(REPOSITORY, "2.0.0", {"": CONTENT})
        assert site.fetch("encryption-provider/file", registry.address).platform == "any"


def test_what_oras_publishes_is_read(site: Site) -> None:
    # As oras 1.3.0 pushed it: `push --artifact-platform`, then `manifest index create`.
    with Registry() as registry:
        listed = []
        for arch, content in (("amd64", CONTENT), ("arm64", ARM)):
            config = json.dumps({"architecture": arch, "os": "linux"}).encode()
            layer = registry.put(content)
            title = f"machineadm-plugin-encryption-provider-file-linux-{arch}.pyz"
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": "application/vnd.unknown.artifact.v1",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    **registry.put(config),
                },
                "layers": [
                    {
                        "mediaType": LAYER,
                        **layer,
                        "annotations": {"org.opencontainers.image.title": title},
                    }
                ],
                "annotations": {"org.opencontainers.image.created": "2026-12-01T03:07:40Z"},
            }
            tag = f"linux-{arch}-1.2.0"
            named = registry.tag(REPOSITORY, tag, MANIFEST, manifest)
            listed.append(
                {
                    "mediaType": MANIFEST,
                    "digest": named,
                    "size": len(json.dumps(manifest).encode()),
                    "platform": {"architecture": arch, "os": "linux"},
                    "artifactType": "application/vnd.unknown.artifact.v1",
                }
            )
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        registry.tag(REPOSITORY, "1.2.0", INDEX, index)

        fetched = site.fetch("encryption-provider/file", registry.address)
        assert (fetched.version, fetched.platform) == ("1.2.0", "linux/amd64")
        assert Path(fetched.path).read_bytes() == CONTENT
        site.platform = "linux/riscv64"
        assert refused(site, registry).code == "MA7242"


def test_the_newest_version_that_fits_is_taken_over_all_pages(site: Site) -> None:
    with filled(page=2) as registry:
        for tag in ("1.10.0", "1.9.0", "2.0.0", "3.0.0-rc.1", "latest"):
            registry.push(REPOSITORY, tag, {"linux/amd64": tag.encode()})

        assert site.fetch("encryption-provider/file", registry.address).version == "2.0.0"
        found = site.fetch("encryption-provider/file@^1.2", registry.address, refresh=True)
        assert found.version == "1.10.0"


@pytest.mark.parametrize("tokens", [False, True])
def test_a_password_opens_a_registry_by_itself_or_by_a_token(site: Site, tokens: bool) -> None:
    with filled(user="reader", password="s3cr3t", tokens=tokens) as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        fetched = site.fetch("encryption-provider/file", registry.address)
        given = {request.headers.get("authorization") for request in registry.requests}

    assert Path(fetched.path).read_bytes() == CONTENT
    assert given == ({None, registry.basic, "Bearer a-token"} if tokens else {None, registry.basic})


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("known", ["", "reader:wrong"])
def test_a_registry_that_refuses_us_is_told_so_without_the_password(
    site: Site, tokens: bool, known: str
) -> None:
    with filled(user="reader", password="s3cr3t", tokens=tokens) as registry:
        if known:
            site.auths[f"{registry.host}:{registry.port}"] = known
        refusal = refused(site, registry)

    assert refusal.code == "MA7244"
    assert "credentials" in refusal.hint()
    assert "wrong" not in refusal.message + refusal.hint()


def test_a_password_goes_to_no_realm_over_less_than_the_catalog_itself(site: Site) -> None:
    with Registry() as elsewhere, filled(user="reader", password="s3cr3t", tokens=True) as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        registry.realm = f"{elsewhere.url}/token"
        refusal = refused(site, registry)

    assert refusal.code == "MA7244"
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "realm",
    [
        "",
        "/token",
        "ftp://auth.example/token",
        "file:///etc/shadow",
        "http://auth.example/token",
        "https://",
        "https://[::1/token",
        "https://auth.example:99999/token",
        "https://user:s3cr3t@auth.example/token",
        "https://auth.example/token#fragment",
        "https://auth.example\\@elsewhere.example/token",
        "{url}.elsewhere.example/token",
        "{url}@elsewhere.example/token",
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_realm_that_no_password_may_go_to_is_refused(
    site: Site, tmp_path: Path, realm: str, tls: bool
) -> None:
    settings: dict[str, object] = {}
    if tls:
        authority = Authority()
        (tmp_path / "ca.pem").write_text(authority.certificate)
        settings["identity"] = authority.identity(tmp_path, "127.0.0.1")
        site.ca_file = str(tmp_path / "ca.pem")
    with filled(user="reader", password="s3cr3t", tokens=True, **settings) as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        registry.challenges = [f'Bearer realm="{realm.format(url=registry.url)}",service="test"']
        refusal = refused(site, registry)
        given = [request.headers.get("authorization") for request in registry.requests]

    assert refusal.code == "MA7244"
    assert "over https" in refusal.message
    assert "s3cr3t" not in refusal.message + refusal.hint()
    assert given == [None]


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="x", Bearer realm="REALM",service="test"'],
        ['Bearer realm="REALM",service="test", Basic realm="x"'],
        ['Basic realm="x"', 'bearer realm="REALM", service=test'],
        ["Bearer realm=REALM", 'Basic realm="x, Bearer realm=y"'],
        ["Negotiate", 'Digest realm="x", nonce="abc=="', 'BEARER  service="a, b" ,REALM="REALM"'],
    ],
)
def test_of_several_ways_to_log_in_the_token_is_taken(site: Site, challenges: list[str]) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        registry.challenges = [one.replace("REALM=", "realm=") for one in challenges]
        fetched = site.fetch("encryption-provider/file", registry.address)

    assert Path(fetched.path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "challenges", [["Negotiate"], ['Digest realm="x"'], [""], ["realm=x"], ['=,=,"', "Bearer"]]
)
def test_a_way_to_log_in_that_we_do_not_know_is_a_refusal(
    site: Site, challenges: list[str]
) -> None:
    with filled(user="reader", password="s3cr3t") as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        registry.challenges = challenges
        refusal = refused(site, registry)
        given = [request.headers.get("authorization") for request in registry.requests]

    assert refusal.code == "MA7244"
    assert given == [None]


def test_a_token_that_expires_at_any_request_is_replaced(site: Site) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        registry.uses = 1
        registry.faults = ["half", "cut", "ok"]
        fetched = site.fetch("encryption-provider/file", registry.address)
        asked = [one for one in registry.requests if not one.path.startswith("/token")]

    assert Path(fetched.path).read_bytes() == CONTENT
    # Each request but the first is refused once: a token for each.
    assert registry.tokens_given == len(asked) // 2


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("<https://[::1>; rel=next", "is not a URL"),
        ("<https://elsewhere.example/v2/x>; rel=next", "another server"),
        ("<//elsewhere.example/v2/x>; rel=next", "another server"),
        ("<?n=1>; rel=next", "pages of versions"),
    ],
)
def test_a_page_of_versions_that_leads_astray_is_refused(site: Site, link: str, words: str) -> None:
    with filled() as registry:
        registry.link = link
        refusal = refused(site, registry)

    assert refusal.code == "MA7245"
    assert words in refusal.message


def test_versions_are_bounded_over_all_pages_together(site: Site) -> None:
    with filled(page=60_000) as registry:
        one = registry.manifests[REPOSITORY, "1.0.0"]
        registry.manifests.update(
            {(REPOSITORY, f"1.{number}.0"): one for number in range(MOST_VERSIONS + 1)}
        )
        refusal = refused(site, registry)
        pages = [one for one in registry.requests if "/tags/list" in one.path]

    assert refusal.code == "MA7245"
    assert str(MOST_VERSIONS) in refusal.message
    assert len(pages) == 2


def test_a_refusal_names_the_port_of_the_registry(site: Site) -> None:
    with Registry() as registry:
        registry.manifest_faults = ["418"]
        registry.push(REPOSITORY, "1.0.0", {"": CONTENT})
        refusal = refused(site, registry)

        assert f"{registry.host}:{registry.port}/v2/" in refusal.message


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "a credential helper"),
        ({"identitytoken": 7}, "is not a file of credentials"),
        ({"identitytoken": ["s3cr3t"]}, "is not a file of credentials"),
    ],
)
def test_a_login_that_is_not_in_the_file_is_refused_by_what_it_is(
    entry: dict[str, str], words: str
) -> None:
    data = json.dumps({"auths": {"registry.example": entry}, "credsStore": "desktop"}).encode()
    with pytest.raises(CatalogError) as caught:
        credentials(data, "registry.example", "auth.json")

    assert caught.value.code == "MA7244"
    assert words in caught.value.message
    assert "s3cr3t" not in caught.value.message + caught.value.hint()
    assert credentials(data, "another.example", "auth.json") == Login()


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": "PHRva2VuPjo=", "identitytoken": "s3cr3t"},
        {"username": "00000000", "password": "", "identitytoken": "s3cr3t"},
        {"identitytoken": "s3cr3t"},
    ],
)
def test_an_identity_token_comes_before_the_empty_password_beside_it(entry: dict[str, str]) -> None:
    data = json.dumps({"auths": {"https://registry.example/v2/": entry}}).encode()
    login = credentials(data, "registry.example", "auth.json")

    assert login == Login(identity=Secret("s3cr3t"))
    assert "s3cr3t" not in repr(login)


def test_an_identity_token_buys_a_token_and_is_in_no_address_or_header(site: Site) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        registry.identity_token = "1dent+ty/=&"
        site.identities[f"{registry.host}:{registry.port}"] = registry.identity_token
        fetched = site.fetch("encryption-provider/file", registry.address)
        bought = [one for one in registry.requests if one.path.startswith("/token")]
        sent = "".join(f"{one.path}{one.headers}" for one in registry.requests)

    assert Path(fetched.path).read_bytes() == CONTENT
    assert [(one.method, one.path) for one in bought] == [("POST", "/token")]
    assert "authorization" not in bought[0].headers
    assert registry.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": "machineadm",
            "service": "test",
            "scope": f"repository:{REPOSITORY}:pull",
            "refresh_token": "1dent+ty/=&",
        }
    ]
    assert "1dent" not in sent


@pytest.mark.parametrize(
    ("faults", "code", "hint"),
    [
        (["400"], "MA7244", "log in again"),
        (["401"], "MA7244", "log in again"),
        (["403"], "MA7244", "log in again"),
        (["404"], "MA7244", "identity tokens"),
        (["405"], "MA7244", "identity tokens"),
        (["503"] * 9, "MA7247", "try again"),
        (["https://elsewhere.example/token"], "MA7243", "registry"),
        (["http://127.0.0.1:9/token"], "MA7243", "registry"),
    ],
)
def test_each_refusal_of_an_identity_token_has_its_code_and_shows_no_token(
    site: Site, faults: list[str], code: str, hint: str
) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        registry.identity_token = "1dent"
        registry.token_faults = list(faults)
        site.identities[f"{registry.host}:{registry.port}"] = registry.identity_token
        refusal = refused(site, registry)

    assert refusal.code == code
    assert hint in refusal.hint()
    assert "1dent" not in refusal.message + refusal.hint()
    assert registry.tokens_given == 0
    assert len(registry.forms) == (4 if code == "MA7247" else 1)


def test_an_identity_token_that_is_no_longer_good_is_refused(site: Site) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        registry.identity_token = "1dent"
        site.identities[f"{registry.host}:{registry.port}"] = "another"
        refusal = refused(site, registry)

    assert refusal.code == "MA7244"
    assert "log in again" in refusal.hint()


@pytest.mark.parametrize("realm", ["http://auth.example/token", "", "{url}@elsewhere.example/x"])
def test_an_identity_token_goes_where_a_password_may_go_alone(site: Site, realm: str) -> None:
    with filled(user="reader", password="s3cr3t", tokens=True) as registry:
        registry.identity_token = "1dent"
        site.identities[f"{registry.host}:{registry.port}"] = "1dent"
        registry.challenges = [f'Bearer realm="{realm.format(url=registry.url)}"']
        refusal = refused(site, registry)

    assert refusal.code == "MA7244"
    assert registry.forms == []


def test_a_registry_that_wants_a_password_itself_gets_no_identity_token(site: Site) -> None:
    with filled(user="reader", password="s3cr3t") as registry:
        site.identities[f"{registry.host}:{registry.port}"] = "1dent"
        refusal = refused(site, registry)
        given = [request.headers.get("authorization") for request in registry.requests]

    assert refusal.code == "MA7244"
    assert "write a password" in refusal.hint()
    assert given == [None]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"auths": []}', b'{"auths": {"registry.example": 1}}',
     b'{"auths": {"registry.example": {"auth": "no base64"}}}',
     b'{"auths": {"registry.example": {"auth": "/w=="}}}',
     b'{"auths": {"registry.example": {"auth": 7}}}', b"[" * 100_000, b'{"auths":' * 100_000,
     b'{"auths": {"registry.example": {"username": "a"}}}',
     b'{"auths": {"registry.example": []}}'],
)  # fmt: skip
def test_a_file_that_holds_no_credentials_is_refused(data: bytes) -> None:
    with pytest.raises(CatalogError) as caught:
        credentials(data, "registry.example", "auth.json")
    assert caught.value.code == "MA7244"


def test_a_password_is_for_its_own_registry_alone(site: Site) -> None:
    with filled(user="reader", password="s3cr3t") as registry:
        site.auths["registry.example"] = "reader:s3cr3t"
        assert refused(site, registry).code == "MA7244"
        given = {request.headers.get("authorization") for request in registry.requests}

    assert given == {None}


def test_a_redirect_of_a_blob_takes_no_credentials_to_another_server(
    site: Site, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / digest(CONTENT)).write_bytes(CONTENT)
    with FileServer(files) as store, filled(user="reader", password="s3cr3t") as registry:
        registry.blobs_at = store.url
        site.auths[f"{registry.host}:{registry.port}"] = "reader:s3cr3t"
        fetched = site.fetch("encryption-provider/file", registry.address)
        sent = [request.headers for request in store.requests]

    assert Path(fetched.path).read_bytes() == CONTENT
    assert sent
    assert all("authorization" not in headers for headers in sent)


def test_a_registry_over_tls_is_trusted_by_its_authority_alone(site: Site, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_text(authority.certificate)
    with filled(identity=authority.identity(tmp_path, "127.0.0.1")) as registry:
        assert refused(site, registry).code == "MA7243"
        site.ca_file = str(tmp_path / "ca.pem")
        assert site.fetch("encryption-provider/file", registry.address).version == "1.0.0"


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        (["half", "ok"], 2),
        (["half", "half", "ok"], 3),
        (["cut", "ok"], 2),
        (["half", "whole"], 2),
        (["500", "503", "ok"], 3),
        (["half", "500", "ok"], 3),
    ],
)
def test_what_broke_off_goes_on_where_it_ended(
    site: Site, faults: list[str], requests: int
) -> None:
    with filled() as registry:
        registry.faults = list(faults)
        fetched = site.fetch("encryption-provider/file", registry.address)
        asked = [one.headers.get("range") for one in registry.requests if "/blobs/" in one.path]

    assert Path(fetched.path).read_bytes() == CONTENT
    assert len(asked) == requests
    assert ("half" in faults or "cut" in faults) == (asked[-1] is not None)


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (["500"] * 9, "MA7247"),
        (["cut", *["500"] * 9], "MA7247"),
        (["401"] * 9, "MA7244"),
        (["403"], "MA7244"),
        (["404"], "MA7243"),
        (["wrong"], "MA7246"),
        (["long"], "MA7246"),
        (["drip"], "MA7251"),
    ],
)
def test_each_fault_of_a_download_has_its_code_and_no_plugin_is_left(
    site: Site, faults: list[str], code: str
) -> None:
    site.timeout = 1.0 if "drip" in faults else 20.0
    with filled() as registry:
        registry.faults = list(faults)
        refusal = refused(site, registry)

    assert refusal.code == code
    assert refusal.hint()
    assert refusal.exit_code == 7
    assert [path for path in site.files if not path.startswith("partial/")] == []
    assert not site.lock_path.exists()


@pytest.mark.parametrize(
    ("faults", "code"),
    [(["500"] * 9, "MA7247"), (["wrong"], "MA7246"), (["403"], "MA7244"), (["410"], "MA7243")],
)
def test_each_fault_of_a_manifest_has_its_code(site: Site, faults: list[str], code: str) -> None:
    with filled() as registry:
        registry.manifest_faults = list(faults)
        assert refused(site, registry, "encryption-provider/file@1.0.0").code == code


def test_a_short_disturbance_of_manifests_passes_unseen(site: Site) -> None:
    with filled() as registry:
        registry.manifest_faults = ["503", "429"]
        assert site.fetch("encryption-provider/file@1.0.0", registry.address).version == "1.0.0"


def test_the_beginning_that_an_earlier_try_left_is_used(site: Site) -> None:
    with filled() as registry:
        registry.faults = ["cut", *["500"] * 9]
        refused(site, registry)
        registry.requests.clear()
        registry.faults = []
        fetched = site.fetch("encryption-provider/file", registry.address)
        (blob,) = [one for one in registry.requests if "/blobs/" in one.path]

    assert blob.headers["range"] == f"bytes={len(CONTENT) // 2}-"
    assert digest_of(fetched.path) == digest(CONTENT)


def test_a_damaged_beginning_is_dropped_and_all_comes_anew(site: Site) -> None:
    with filled() as registry:
        registry.faults = ["cut", *["500"] * 9]
        refused(site, registry)
        (partial,) = (site.directory / "cache/partial").iterdir()
        partial.write_bytes(b"x" + partial.read_bytes()[1:])
        registry.faults = []
        fetched = site.fetch("encryption-provider/file", registry.address)

    assert digest_of(fetched.path) == digest(CONTENT)


def test_an_image_of_something_else_is_not_a_plugin(site: Site) -> None:
    with Registry() as registry:
        registry.push(
            REPOSITORY, "1.0.0", {"": b"a tar"}, "application/vnd.oci.image.layer.v1.tar+gzip"
        )
        refusal = refused(site, registry)

    assert refusal.code == "MA7245"
    assert "is not a plugin" in refusal.message


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{",
        b'{"layers": {}}',
        b'{"layers": [{}]}',
        b'{"manifests": [{"digest": "sha256:../../x"}]}',
    ],
)
def test_a_manifest_that_is_none_is_refused(site: Site, document: bytes) -> None:
    with Registry() as registry:
        registry.manifests[REPOSITORY, "1.0.0"] = ("application/json", document)
        assert refused(site, registry).code == "MA7245"


def test_a_registry_that_nobody_serves_is_told_so(site: Site) -> None:
    with filled() as registry:
        pass

    assert refused(site, registry).code == "MA7247"


@pytest.mark.parametrize(
    "address",
    [
        "oci://user:s3cr3t@registry.example/plugins",
        "oci+http://registry.example/plugins",
        "https://registry.example/plugins",
        "oci://",
        "oci://registry.example/UP",
        "oci://registry.example/a/../b",
        "oci://registry.example/a?x=1",
        "oci://registry.example:99999999/a",
    ],
)
def test_an_address_that_is_none_is_refused_without_what_it_may_hide(
    site: Site, address: str
) -> None:
    with pytest.raises(UsageError) as caught:
        site.open(address)

    assert caught.value.code == "MA7240"
    assert "s3cr3t" not in caught.value.message


def test_an_install_that_is_killed_leaves_no_plugin_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    plugins, cache = tmp_path / "plugins", tmp_path / "cache"
    with filled() as registry:
        options = {
            "--catalog": registry.address,
            "--plugin-dir": str(plugins),
            "--cache-dir": str(cache),
            "--lock": str(tmp_path / "lock"),
            "--platform": "linux/amd64",
        }
        words = [word for pair in options.items() for word in pair]
        command = [sys.executable, "-m", "machineadm", "plugin", "install", "encryption-provider/file"]  # fmt: skip
        registry.faults = ["drip"]
        with subprocess.Popen([*command, *words], stderr=subprocess.DEVNULL) as first:
            while not any(path.stat().st_size for path in cache.glob("partial/*")):
                assert first.poll() is None
                time.sleep(0.05)
            first.kill()
        assert not plugins.exists() or list(plugins.iterdir()) == []
        assert not (tmp_path / "lock").exists()
        assert list(cache.glob("sha256/*")) == []

        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        asked = [one.headers.get("range") for one in registry.requests if "/blobs/" in one.path]

    path = plugins / "machineadm-plugin-encryption-provider-file"
    assert path.read_bytes() == CONTENT
    assert asked[-1] is not None
    assert "(100 %)" in done.stderr
    assert list(cache.glob("partial/*")) == []
