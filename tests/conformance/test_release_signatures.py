"""Programs that others verify a release with take what signing made, and catch what was changed.

openssl 1.1.1 (bullseye), 3.0, 3.5 and sid's; cosign 2.5 (trixie: a signature alone, for a bundle it asks the
network) and 3.1 (sid: both); sha256sum of coreutils and of busybox.
"""

import base64
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import releases
from tests.roots.roots import Root

AGENT, OTHER = "machineadm-linux-amd64.pyz", "machineadm-linux-arm64.pyz"
SUITES = ("bullseye", "bookworm", "trixie", "sid")
OPENSSL = {"bullseye": "1.1.1", "bookworm": "3.0.", "trixie": "3.5.", "sid": ""}
COSIGN = {"trixie": "2.", "sid": "3."}
EACH_SUITE = pytest.mark.parametrize("suite", SUITES)
EACH_COSIGN = pytest.mark.parametrize("suite", COSIGN)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return releases.signed_release(tmp_path)


class Judge:
    """What a root's programs say of a release directory.

    Args:
        suite: Which Debian.
        release: The directory, which the root sees at /release, without a network.
    """

    def __init__(self, suite: str, release: Path) -> None:
        self.root = Root(suite, tools=True)
        self.release = release

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        shell = ["sh", "-c", 'cd /release && exec "$@"', "sh", *argv]
        return self.root.run(shell, binds={"/release": self.release})

    def openssl(self, name: str, *, signature: str = "", key: str = "machineadm.pub") -> bool:
        signature = signature or f"{name}.sig"
        outcome = self.run(
            *("openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, name)
        )
        assert ("Verified OK" in outcome.stdout) == (outcome.returncode == 0)
        return outcome.returncode == 0

    def cosign(self, name: str, *proof: str, key: str = "machineadm.pub") -> bool:
        outcome = self.run(
            *("cosign", "verify-blob", "--key", key, "--insecure-ignore-tlog=true", *proof, name)
        )
        assert ("Verified OK" in outcome.stderr) == (outcome.returncode == 0), outcome.stderr
        return outcome.returncode == 0

    def list_holds(self, *sha256sum: str) -> bool:
        return self.run(*sha256sum, "-c", "SHA256SUMS").returncode == 0


def tamper(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


@EACH_SUITE
def test_openssl_is_the_release_that_the_suite_stands_for(suite: str, release: Path) -> None:
    shown = Judge(suite, release).run("openssl", "version").stdout

    assert shown.startswith(f"OpenSSL {OPENSSL[suite]}")


@EACH_SUITE
@pytest.mark.requirement("R6")
def test_openssl_takes_every_signature(suite: str, release: Path) -> None:
    judge = Judge(suite, release)
    signed = sorted(path.name.removesuffix(".sig") for path in release.glob("*.sig"))

    assert len(signed) == len(releases.FILES) + 2
    assert [name for name in signed if not judge.openssl(name)] == []


@EACH_SUITE
@pytest.mark.requirement("R6")
def test_openssl_catches_a_planted_fault(suite: str, release: Path) -> None:
    judge = Judge(suite, release)
    text = release / "base64"
    text.write_bytes(base64.b64encode((release / f"{AGENT}.sig").read_bytes()))
    (release / "empty").touch()
    (release / "thief.pub").write_bytes(releases.public_key("thief").pem())

    assert not judge.openssl(AGENT, signature="base64")
    assert not judge.openssl(AGENT, signature="empty")
    assert not judge.openssl(AGENT, signature=f"{OTHER}.sig")
    assert not judge.openssl(AGENT, key="thief.pub")
    assert judge.openssl(AGENT)
    tamper(release / AGENT)
    assert not judge.openssl(AGENT)


@EACH_SUITE
def test_openssl_and_we_name_a_key_alike(suite: str, release: Path) -> None:
    from machineadm.verification.keys import fingerprint

    shown = Judge(suite, release).run(
        "sh", "-c", "openssl pkey -pubin -in machineadm.pub -outform DER | sha256sum"
    )

    assert f"sha256:{shown.stdout.split()[0]}" == fingerprint(releases.public_key())


@EACH_SUITE
def test_openssl_reads_the_second_key_only_when_it_is_cut_out(suite: str, release: Path) -> None:
    # That is why docs/verify.md splits machineadm.pub before it is used.
    releases.sign(release, also=("old",))
    shutil.copy(release / "machineadm.pub", release / "new-first.pub")
    old_first = releases.public_key("old").pem() + releases.public_key().pem()
    (release / "old-first.pub").write_bytes(old_first)
    judge = Judge(suite, release)

    assert judge.openssl(AGENT, key="new-first.pub")
    assert not judge.openssl(AGENT, key="old-first.pub")


@EACH_SUITE
@pytest.mark.parametrize("program", ["sha256sum", "busybox sha256sum"])
def test_sha256sum_takes_the_list_and_catches_a_planted_fault(
    suite: str, program: str, release: Path
) -> None:
    judge = Judge(suite, release)

    assert judge.list_holds(*program.split())
    tamper(release / OTHER)
    assert not judge.list_holds(*program.split())


@EACH_SUITE
def test_busybox_fails_on_a_comment_so_the_list_has_none(suite: str, release: Path) -> None:
    listed = release / "SHA256SUMS"
    listed.write_bytes(b"# v0.1.0\n" + listed.read_bytes())
    judge = Judge(suite, release)

    assert judge.list_holds("sha256sum")
    assert not judge.list_holds("busybox", "sha256sum")


@EACH_COSIGN
def test_cosign_is_the_release_that_the_suite_stands_for(suite: str, release: Path) -> None:
    # Debian builds it without a version of its own.
    shown = Judge(suite, release).run("dpkg-query", "-W", "-f", "${Version}", "cosign").stdout

    assert shown.startswith(COSIGN[suite])


@EACH_COSIGN
@pytest.mark.requirement("R6")
def test_cosign_takes_a_signature_and_catches_a_planted_fault(suite: str, release: Path) -> None:
    judge = Judge(suite, release)
    (release / "thief.pub").write_bytes(releases.public_key("thief").pem())

    assert judge.cosign(AGENT, "--signature", f"{AGENT}.sig")
    assert not judge.cosign(AGENT, "--signature", f"{OTHER}.sig")
    assert not judge.cosign(AGENT, "--signature", f"{AGENT}.sig", key="thief.pub")
    tamper(release / AGENT)
    assert not judge.cosign(AGENT, "--signature", f"{AGENT}.sig")


@EACH_COSIGN
def test_cosign_reads_the_first_key_alone(suite: str, release: Path) -> None:
    old, new = releases.public_key("old").pem(), releases.public_key().pem()
    (release / "new-first.pub").write_bytes(new + old)
    (release / "old-first.pub").write_bytes(old + new)
    judge = Judge(suite, release)

    assert judge.cosign(AGENT, "--signature", f"{AGENT}.sig", key="new-first.pub")
    assert not judge.cosign(AGENT, "--signature", f"{AGENT}.sig", key="old-first.pub")


@pytest.mark.requirement("R6")
def test_cosign_takes_a_bundle_offline_and_catches_a_planted_fault(release: Path) -> None:
    judge = Judge("sid", release)
    (release / "thief.pub").write_bytes(releases.public_key("thief").pem())

    assert judge.cosign(AGENT, "--bundle", f"{AGENT}.sigstore.json")
    assert not judge.cosign(AGENT, "--bundle", f"{OTHER}.sigstore.json")
    assert not judge.cosign(AGENT, "--bundle", f"{AGENT}.sigstore.json", key="thief.pub")
    tamper(release / AGENT)
    assert not judge.cosign(AGENT, "--bundle", f"{AGENT}.sigstore.json")


def test_the_commands_for_cosign_in_the_docs_pass_offline(release: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/verify.md").read_text()
    section = page.partition("### With cosign\n")[2].partition("\n### ")[0]
    (script,) = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    judge = Judge("sid", release)

    assert judge.run("sh", "-euc", script).returncode == 0
    tamper(release / AGENT)
    assert judge.run("sh", "-euc", script).returncode != 0
