"""A system in FIPS mode verifies a release: OpenSSL 3.5's own FIPS provider, with `fips=yes` for all that is fetched."""

import subprocess
from pathlib import Path

import pytest

from tests import releases
from tests.real import missing
from tests.roots.roots import Root

UNPACK = Path(__file__).parents[1] / "roots/unpack.sh"
AGENT = releases.AGENTS[0]
CONFIGURATION = """\
openssl_conf = all
[all]
providers = providers
alg_section = algorithms
[providers]
fips = fips_sect
base = base_sect
[base_sect]
activate = 1
[algorithms]
default_properties = fips=yes
.include /tmp/fipsmodule.cnf
"""
MODULE = "/fips/usr/lib/x86_64-linux-gnu/ossl-modules"
# The provider tests itself first; its configuration holds its own digest.
INSTALL = f"openssl fipsinstall -quiet -module {MODULE}/fips.so -out /tmp/fipsmodule.cnf"
IN_FIPS_MODE = f"export OPENSSL_MODULES={MODULE} OPENSSL_CONF=/release/openssl.cnf"
VERIFY = f"openssl dgst -sha256 -verify machineadm.pub -signature {AGENT}.sig {AGENT}"


@pytest.fixture(scope="module")
def provider() -> Path:
    unpacked = subprocess.run(
        [UNPACK, "trixie", "openssl-provider-fips"], capture_output=True, text=True, check=False
    )
    if unpacked.returncode == 77:
        missing(unpacked.stderr.strip().splitlines()[-1])
    unpacked.check_returncode()
    return Path(unpacked.stdout.strip())


def run(provider: Path, release: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a Debian whose OpenSSL is in FIPS mode."""
    (release / "openssl.cnf").write_text(CONFIGURATION)
    script = f"cd /release && {INSTALL} && {IN_FIPS_MODE} && {command}"
    root = Root("trixie", tools=True)
    return root.run(["sh", "-c", script], binds={"/release": release, "/fips": provider})


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return releases.signed_release(tmp_path)


@pytest.mark.requirement("R6")
def test_a_signature_is_verified_in_fips_mode(provider: Path, release: Path) -> None:
    outcome = run(provider, release, VERIFY)

    assert outcome.stdout == "Verified OK\n", outcome.stderr


def test_a_changed_agent_is_refused_in_fips_mode(provider: Path, release: Path) -> None:
    (release / AGENT).write_bytes(b"tampered")

    assert run(provider, release, VERIFY).returncode == 1


def test_the_mode_is_on_what_it_forbids_fails(provider: Path, release: Path) -> None:
    assert "fips" in run(provider, release, "openssl list -providers").stdout.lower()
    assert run(provider, release, f"openssl dgst -sha256 {AGENT}").returncode == 0
    assert run(provider, release, f"openssl dgst -md5 {AGENT}").returncode != 0
