"""The offline bundle on systems that are not ours: their tar, their shell, their openssl, and no network."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from signing import bundle
from tests.roots.roots import Root
from tests.stores.releases import made, make, signer

SUITES = {"bullseye": "1.1.1", "bookworm": "3.0.", "trixie": "3.5.", "sid": ""}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What was carried in: the bundle, its signature, and the key that the site trusts."""
    path = tmp_path / "site"
    path.mkdir()
    packed = bundle.pack(*made(tmp_path / "dist"), {"a-1-py3-none-any.whl": b"PK"})
    (path / "bundle.tar.gz").write_bytes(packed)
    (path / "bundle.tar.gz.sig").write_bytes(signer().sign(packed))
    (path / "release.pub").write_bytes(signer().public.pem())
    return path


@pytest.fixture(params=SUITES)
def run(request: pytest.FixtureRequest, site: Path) -> Run:
    """Commands in a Debian's shell, in the site's directory."""
    root = Root(request.param, tools=True)
    version = root.run(["openssl", "version"], check=True).stdout
    assert version.startswith(f"OpenSSL {SUITES[request.param]}")

    def command(text: str) -> "subprocess.CompletedProcess[str]":
        return root.run(["sh", "-euc", f"cd /site; {text}"], writable={"/site": site})

    return command


@pytest.mark.requirement("U8", "R11")
@pytest.mark.parametrize("shell", ["sh", "busybox sh"])
def test_a_site_unpacks_and_verifies_with_what_its_debian_has(run: Run, shell: str) -> None:
    verify = "openssl dgst -sha256 -verify release.pub -signature bundle.tar.gz.sig bundle.tar.gz"

    done = run(f"{verify}; tar -xzf bundle.tar.gz; {shell} machineadm-v0.1.0/verify.sh release.pub")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Verified OK\nkey sha256:")
    assert done.stdout.endswith("OK: release v0.1.0, 9 files\n")


@pytest.mark.parametrize("shell", ["sh", "busybox sh"])
def test_it_finds_a_byte_that_was_changed_and_a_file_too_many(run: Run, shell: str) -> None:
    verify = f"{shell} machineadm-v0.1.0/verify.sh release.pub"
    unpack = "rm -rf machineadm-v0.1.0; tar -xzf bundle.tar.gz"

    changed = run(f"{unpack}; echo >> machineadm-v0.1.0/machineadm-linux-arm64.pyz; {verify}")
    extra = run(f"{unpack}; touch machineadm-v0.1.0/.sig; {verify}")

    assert (changed.returncode, extra.returncode) == (1, 1)
    assert "machineadm-linux-arm64.pyz: SHA-256 is" in changed.stderr
    assert ".sig is not part of the release" in extra.stderr


def test_another_key_is_refused_by_every_openssl(run: Run, site: Path) -> None:
    (site / "release.pub").write_bytes(signer("another").public.pem())

    done = run("tar -xzf bundle.tar.gz; sh machineadm-v0.1.0/verify.sh release.pub")

    assert done.returncode == 1
    assert "the signature is not by this key" in done.stderr


def test_without_openssl_a_digest_suffices(tmp_path: Path) -> None:
    root = Root("bookworm")
    assert not root.has("openssl")
    release = make(tmp_path / "dist")
    shutil.copy(Path(bundle.__file__).with_name("verify.sh"), release)
    digest = subprocess.run(
        ["sha256sum", release / "SHA256SUMS"], capture_output=True, text=True, check=True
    ).stdout.split()[0]

    good = root.run(["sh", "/release/verify.sh", "--digest", digest], binds={"/release": release})
    bad = root.run(["sh", "/release/verify.sh", "--digest", "0" * 64], binds={"/release": release})
    key = root.run(
        ["sh", "/release/verify.sh", "/release/machineadm.pub"], binds={"/release": release}
    )

    assert (good.returncode, good.stderr) == (0, "")
    assert (bad.returncode, key.returncode) == (1, 1)
    assert "openssl is needed for a key" in key.stderr
