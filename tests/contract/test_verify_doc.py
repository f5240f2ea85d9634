"""The commands of docs/verify.md pass on a good release and fail on each that was tampered with."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from machineadm.verification import digests
from machineadm.verification.keys import fingerprint, load_public_keys
from machineadm.verification.release import Pointer, encode
from signing.__main__ import main
from tests import releases, verify_page

ROOT = Path(__file__).parents[2]
AMD64, ARM64 = releases.AGENTS


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return releases.signed_release(tmp_path)


@pytest.mark.requirement("R6")
def test_a_good_release_passes(release: Path) -> None:
    outcome = verify_page.follow(release)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.count("Verified OK") == 2 + len(releases.FILES) + 1
    for name in (*releases.FILES, "release.json"):
        assert f"{name}: OK" in outcome.stdout
        assert f"{name}: Verified OK" in outcome.stdout
    assert outcome.stdout.endswith("cryptography 50\n  openssl 4.0.3\n")


def test_nothing_is_left_behind(release: Path) -> None:
    before = sorted(release.parent.rglob("*"))

    verify_page.follow(release)

    assert sorted(release.parent.rglob("*")) == before


@pytest.mark.parametrize("trusted", ["release", "old"])
def test_while_one_key_replaces_the_other_the_fingerprint_of_the_signing_one_is_needed(
    release: Path, trusted: str
) -> None:
    keys = releases.public_key("old").pem() + releases.public_key().pem()
    (release / "machineadm.pub").write_bytes(keys)

    outcome = verify_page.follow(release, key=trusted)

    assert (outcome.returncode == 0) == (trusted == "release")
    for name in ("old", "release"):
        assert fingerprint(releases.public_key(name)) in outcome.stdout


def tamper(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def sign_as_somebody_else(release: Path) -> None:
    releases.sign(release, by="thief")


def forge(release: Path) -> None:
    """Changed, and all of it signed anew by somebody else, whose key lies beside it."""
    tamper(release / AMD64)
    sign_as_somebody_else(release)


def forge_and_keep_the_key(release: Path) -> None:
    forge(release)
    (release / "machineadm.pub").write_bytes(releases.public_key().pem())


def forge_and_show_both_keys(release: Path) -> None:
    forge(release)
    both = releases.public_key("thief").pem() + releases.public_key().pem()
    (release / "machineadm.pub").write_bytes(both)


def play_back(release: Path) -> None:
    older = releases.signed_release(release.parent / "old", "v0.0.9")
    shutil.rmtree(release)
    shutil.copytree(older, release)


def play_back_one_file(release: Path) -> None:
    older = releases.signed_release(release.parent / "old", "v0.0.9")
    for name in (AMD64, f"{AMD64}.sig", f"{AMD64}.sigstore.json"):
        shutil.copy(older / name, release)


def play_back_the_list(release: Path) -> None:
    """The list is right for all files but release.json."""
    older = releases.signed_release(release.parent / "old", "v0.0.9")
    for path in older.iterdir():
        if not path.name.startswith("release.json"):
            shutil.copy(path, release)


def list_more_than_was_released(release: Path) -> None:
    """A list by the true key that names a file which release.json does not."""
    more = release / "more.txt"
    more.write_text("more")
    listed = digests.read_digests((release / "SHA256SUMS").read_bytes())
    listed[more.name] = digests.sha256(more.read_bytes())
    (release / "SHA256SUMS").write_bytes(digests.list_digests(listed))
    for path in (more, release / "SHA256SUMS"):
        signature = releases.signer().sign(path.read_bytes())
        path.with_name(f"{path.name}.sig").write_bytes(signature)


def swap(release: Path) -> None:
    for end in ("", ".sig", ".sigstore.json"):
        shutil.copy(release / f"{ARM64}{end}", release / f"{AMD64}{end}")


def swap_signatures(release: Path) -> None:
    shutil.copy(release / f"{ARM64}.sig", release / f"{AMD64}.sig")


def add_a_file(release: Path) -> None:
    (release / "backdoor.sh").write_text("exit")


def leave_out(release: Path) -> None:
    for end in ("", ".sig", ".sigstore.json"):
        (release / f"{AMD64}{end}").unlink()


def swap_sbom(release: Path) -> None:
    """A release that was signed with the wrong SBOM: only step 6 can tell."""
    shutil.copy(release / f"{ARM64}.cdx.json", release / f"{AMD64}.cdx.json")
    releases.sign(release)


FAULTS: dict[str, Callable[[Path], object]] = {
    "a changed agent": lambda release: tamper(release / AMD64),
    "an agent that was cut off": lambda release: (release / AMD64).write_bytes(b"#!"),
    "an empty agent": lambda release: (release / AMD64).write_bytes(b""),
    "a changed list": lambda release: tamper(release / "SHA256SUMS"),
    "a changed release.json": lambda release: tamper(release / "release.json"),
    "no signature": lambda release: (release / f"{AMD64}.sig").unlink(),
    "a signature that was changed": lambda release: tamper(release / f"{AMD64}.sig"),
    "no signature of the list": lambda release: (release / "SHA256SUMS.sig").unlink(),
    "an SBOM of another file": swap_sbom,
    "a file too many": add_a_file,
    "no key": lambda release: (release / "machineadm.pub").write_bytes(b""),
    "a file that is missing": leave_out,
    "a list of more files": list_more_than_was_released,
    "a release that somebody else signed": sign_as_somebody_else,
    "a forged release": forge,
    "a forged release with the true key": forge_and_keep_the_key,
    "a forged release with both keys": forge_and_show_both_keys,
    "an older release": play_back,
    "an older agent": play_back_one_file,
    "an older list": play_back_the_list,
    "the other architecture": swap,
    "the other architecture's signature": swap_signatures,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_release_that_was_tampered_with_fails(release: Path, fault: str) -> None:
    FAULTS[fault](release)

    outcome = verify_page.follow(release)

    assert outcome.returncode != 0, outcome.stdout
    assert "openssl 4.0.3" not in outcome.stdout


def test_another_version_than_asked_for_fails(release: Path) -> None:
    assert verify_page.follow(release, version="v0.1.1").returncode != 0
    assert verify_page.follow(release, version="v0.1").returncode != 0


@pytest.mark.parametrize(
    "name",
    [
        ".hidden",
        "machineadm.pub.sig",
        "SHA256SUMS.sigstore.json",
        "release.json.sigstore.json",
        r"machineadm\055linux-amd64.pyz",
        "machineadm-linux-amd64.pyz ",
        "-A",
    ],
)
def test_no_name_makes_a_stray_file_part_of_the_release(release: Path, name: str) -> None:
    (release / name).write_text("exit")

    outcome = verify_page.follow(release)

    assert outcome.returncode == 1
    assert outcome.stdout.splitlines()[-1] == f"{name} is not part of the release"


# A check of the page, what stands there when it is left out, and the fault that only it finds.
CHECKS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "key": ('[ "sha256:$print" = "$FINGERPRINT" ]', "true", sign_as_somebody_else),
    "version": ('grep -F "\\"version\\": \\"$VERSION\\"," release.json', ":", play_back),
    "list": ("| cmp -", "| cat", list_more_than_was_released),
    "files": ('[ ! -s "$work/strange" ]', ":", FAULTS["a file too many"]),
    "signatures": ('-signature "$file.sig" "$file"', '"$file" || :', swap_signatures),
    "contents": ('grep -q "$digest" "$file.cdx.json"', ":", swap_sbom),
}


@pytest.mark.parametrize("check", CHECKS)
def test_no_check_is_there_for_show(release: Path, check: str) -> None:
    words, instead, fault = CHECKS[check]
    script = verify_page.blocks("Step by step")
    assert words in script
    fault(release)

    assert verify_page.follow(release).returncode != 0
    weaker = verify_page.follow(release, script=script.replace(words, instead))
    assert weaker.returncode == 0, weaker.stdout + weaker.stderr


def point(release: Path, *, channel: str = "stable", to: bytes = b"") -> None:
    """A pointer beside a release, as it is published, and the key that is trusted."""
    digest = digests.sha256(to or (release / "release.json").read_bytes())
    pointer = Pointer(
        channel=channel, version="v0.1.0", date="2026-01-01T00:00:00Z", release_sha256=digest
    )
    (release / "stable.json").write_bytes(encode(pointer))
    signature = releases.signer().sign(encode(pointer))
    (release / "stable.json.sig").write_bytes(signature)
    (release / "trusted").write_bytes(releases.public_key().pem())


def believed(release: Path) -> bool:
    script = f"set -eu\n{verify_page.blocks('What a channel points to')}"
    return verify_page.follow(release, script=script).returncode == 0


def test_a_channel_points_to_its_release_and_to_no_other(release: Path) -> None:
    point(release)
    assert believed(release)

    point(release, channel="latest")
    assert not believed(release)
    point(release, to=b"another release.json")
    assert not believed(release)


@pytest.mark.parametrize("name", ["stable.json", "stable.json.sig", "release.json"])
def test_a_changed_channel_is_not_believed(release: Path, name: str) -> None:
    point(release)
    tamper(release / name)

    assert not believed(release)


def test_our_own_program_takes_what_it_says(release: Path) -> None:
    script = verify_page.blocks("With machineadm's own program")

    outcome = verify_page.follow(release, script=f"set -eu\n{script}")
    assert outcome.returncode == 0, outcome.stderr

    tamper(release / AMD64)
    outcome = verify_page.follow(release, script=f"set -eu\n{script}")
    assert outcome.returncode == 4
    assert "MA1720" in outcome.stderr


def test_the_published_key_is_the_one_whose_fingerprint_the_page_shows() -> None:
    key = ROOT / "signing/machineadm.pub"

    if not key.exists():
        assert "*none yet*" in verify_page.PAGE
        return
    for public in load_public_keys(key.read_bytes()):
        assert fingerprint(public) in verify_page.PAGE


def test_a_release_without_a_key_fails_clearly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = releases.build_release(tmp_path)

    assert main(["sign", str(directory)]) == 2
    assert "MA1801 no key to sign with" in capsys.readouterr().err


def test_no_private_key_is_checked_in() -> None:
    """Tests make their keys; the authorities' key pairs for decoding tests apart, which nothing trusts."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    found = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{100,}-----END")
    holding = [
        name
        for name in listed.stdout.decode().split("\0")
        if name and (ROOT / name).is_file() and found.search((ROOT / name).read_bytes())
    ]

    assert [name for name in holding if not name.startswith("tests/")] == []
