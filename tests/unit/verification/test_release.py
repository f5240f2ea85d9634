"""release.json and pointers: signed, of the right name, not older than known, and exactly what they say."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import VerificationError
from machineadm.verification import digests, release
from machineadm.verification.release import Artifact, Pointer, Release
from tests import releases

KEYS = (releases.public_key(),)
AMD64, ARM64 = b"amd64", b"arm64, longer"
RELEASE = Release(
    version="v0.2.0",
    date="2026-01-01T00:00:00Z",
    commit=releases.COMMIT,
    artifacts=(
        Artifact("agent-amd64", digests.sha256(AMD64), len(AMD64), "application/zip"),
        Artifact("agent-arm64", digests.sha256(ARM64), len(ARM64), "application/zip"),
    ),
)
SAID = release.encode(RELEASE)
POINTER = Pointer(
    channel="stable",
    version="v0.2.0",
    date="2026-01-01T00:00:00Z",
    release_sha256=digests.sha256(SAID),
)


def signed(data: bytes) -> bytes:
    return releases.signer().sign(data)


def changed(**fields: object) -> bytes:
    return msgspec.json.encode(json.loads(SAID) | fields)


def raises(code: str) -> pytest.RaisesExc[VerificationError]:
    return pytest.raises(VerificationError, check=lambda error: error.code == code)


def test_a_release_is_read_as_it_was_written() -> None:
    assert release.read_release(SAID, signed(SAID), KEYS) == RELEASE
    assert list(json.loads(SAID)) == ["schemaVersion", "version", "date", "commit", "artifacts"]
    assert list(json.loads(SAID)["artifacts"][0]) == ["name", "sha256", "size", "mediaType"]


def test_a_changed_release_is_refused_before_it_is_parsed() -> None:
    signature = signed(SAID)

    for data in (SAID.replace(b"v0.2.0", b"v0.3.0"), SAID[:-20], b"", b"[" * 100_000):
        with raises("MA1710"):
            release.read_release(data, signature, KEYS)


def test_another_key_s_release_is_refused() -> None:
    with raises("MA1710"):
        release.read_release(SAID, releases.signer("thief").sign(SAID), KEYS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        changed(schemaVersion=2),
        changed(version="0.2.0"),
        changed(version="v0.2.0\n"),
        changed(version="v01.2.0"),
        changed(version="v0.2.0+build"),
        changed(date="2026-01-01"),
        changed(commit="HEAD"),
        changed(artifacts=[]),
        changed(artifacts=[json.loads(SAID)["artifacts"][0]] * 2),
        changed(artifacts=[json.loads(SAID)["artifacts"][0] | {"name": "../agent"}]),
        changed(artifacts=[json.loads(SAID)["artifacts"][0] | {"name": "agent\n"}]),
        changed(artifacts=[json.loads(SAID)["artifacts"][0] | {"sha256": "0" * 63}]),
        changed(artifacts=[json.loads(SAID)["artifacts"][0] | {"size": 0}]),
        SAID + b" " * (release.LARGEST_DOCUMENT + 1 - len(SAID)),
    ],
)
def test_what_is_signed_and_no_release_is_refused(data: bytes) -> None:
    with raises("MA1730"):
        release.read_release(data, signed(data), KEYS)


def test_a_field_of_a_later_release_is_passed_over() -> None:
    data = changed(endOfLife="2027-01-01T00:00:00Z")

    assert release.read_release(data, signed(data), KEYS) == RELEASE


def test_a_file_is_held_to_its_name() -> None:
    release.check_artifact(RELEASE, "agent-amd64", AMD64)

    with raises("MA1721"):
        release.check_artifact(RELEASE, "agent-amd64", ARM64)
    with raises("MA1720"):
        release.check_artifact(RELEASE, "agent-amd64", AMD64[::-1])
    with raises("MA1721"):
        release.check_artifact(RELEASE, "agent-amd64", b"")
    with raises("MA1723"):
        release.check_artifact(RELEASE, "agent-riscv64", AMD64)


def test_the_version_that_was_asked_for_is_the_only_one() -> None:
    release.check_version(RELEASE, wanted="v0.2.0", not_older_than=None)
    release.check_version(RELEASE, wanted="0.2.0", not_older_than="v0.2.0")
    release.check_version(RELEASE, wanted=None, not_older_than="0.1.9")

    with raises("MA1731"):
        release.check_version(RELEASE, wanted="v0.3.0", not_older_than=None)


def test_an_older_release_played_back_is_refused() -> None:
    with raises("MA1732"):
        release.check_version(RELEASE, wanted=None, not_older_than="v0.2.1")


@pytest.mark.parametrize(("version", "known"), [("v0.9.0", "v0.10.0"), ("v1.0.0-rc.2", "v1.0.0")])
def test_older_is_told_by_numbers_and_not_by_letters(version: str, known: str) -> None:
    release.check_not_older(known, version)
    release.check_not_older(known, known)

    with raises("MA1732"):
        release.check_not_older(version, known)


def test_a_pointer_leads_to_its_release() -> None:
    data = release.encode(POINTER)

    pointer = release.read_pointer(data, signed(data), KEYS)

    assert pointer == POINTER
    release.check_pointer(pointer, channel="stable", not_older_than="v0.2.0")
    release.check_pointed_to(pointer, RELEASE, SAID)


def test_the_pointer_of_another_channel_is_refused() -> None:
    with raises("MA1733"):
        release.check_pointer(POINTER, channel="latest")


def test_an_older_pointer_played_back_is_refused() -> None:
    with raises("MA1732"):
        release.check_pointer(POINTER, channel="stable", not_older_than="v1.0.0-rc.1")


def test_a_pointer_to_another_release_is_refused() -> None:
    for pointer in (
        msgspec.structs.replace(POINTER, version="v0.1.0"),
        msgspec.structs.replace(POINTER, release_sha256="0" * 64),
    ):
        with raises("MA1734"):
            release.check_pointed_to(pointer, RELEASE, SAID)


def test_a_release_is_no_pointer_and_the_other_way_round() -> None:
    pointer = release.encode(POINTER)

    with raises("MA1730"):
        release.read_pointer(SAID, signed(SAID), KEYS)
    with raises("MA1730"):
        release.read_release(pointer, signed(pointer), KEYS)


def test_versions_are_ordered_as_semantic_versioning_says() -> None:
    # The specification's own example (rule 11), and numbers that a text would order wrongly.
    ordered = [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.9", "1.0.10", "1.2.0", "1.10.0", "2.0.0"),
    ]

    assert sorted(set(ordered), key=release.precedence) == ordered


@pytest.mark.parametrize(
    "text", ["", "v", "1.2", "v1.2.3.4", "1.2.3-", "1.2.3-01", "1.2.x", "٣.0.0"]
)
def test_what_is_no_version_has_no_place(text: str) -> None:
    with raises("MA1730"):
        release.precedence(text)


@given(st.binary(max_size=200))
def test_no_signed_bytes_crash_the_readers(noise: bytes) -> None:
    for read in (release.read_release, release.read_pointer):
        with raises("MA1730"):
            read(noise, signed(noise), KEYS)
