import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from machineadm.errors import HostError, MachineadmError, UsageError, VerificationError
from machineadm.verification import signatures
from machineadm.verification.digests import sha256
from machineadm.verification.release import Pointer, Release, check_pointed_to, read_pointer
from signing.media_types import media_type
from signing.publish.publisher import Published, publish
from signing.publish.retrying import Retrying
from signing.publish.stores import Item, PassingError
from tests.fakes.store import FakeStore, Killed, busy_at, kill_at
from tests.stores.reading import dangling
from tests.stores.releases import made, signer

Made = tuple[Release, dict[str, bytes]]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("first"), "v0.1.0")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("second"), "v0.2.0")


@pytest.fixture(scope="module")
def other_first(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("other"), "v0.1.0", content="other")


def put(release: Made, store: Any, **options: Any) -> Published:
    settings: dict[str, Any] = {"signer": signer(), "channel": "stable", **options}
    return publish(*release, store, **settings)


def published(*releases: Made) -> FakeStore:
    store = FakeStore()
    for release in releases:
        put(release, store)
    return store


def data(store: FakeStore) -> dict[str, bytes]:
    return {name: item.data for name, item in store.objects.items()}


def pointer(store: FakeStore, name: str = "channels/stable.json") -> Pointer:
    """A pointer as a reader takes it: with its signature, and the release that it leads to."""
    held = data(store)
    found = read_pointer(held[name], held[f"{name}.sig"], (signer().public,))
    said = held[f"releases/{found.version}/release.json"]
    assert sha256(said) == found.release_sha256
    return found


def test_a_release_lies_where_the_layout_says(first: Made) -> None:
    release, files = first
    store = published(first)

    assert {name: store.objects[f"releases/v0.1.0/{name}"].data for name in files} == files
    pointers = {
        "channels/stable.json",
        "channels/stable.json.sig",
        "latest.json",
        "latest.json.sig",
    }
    assert set(store.objects) == {f"releases/v0.1.0/{name}" for name in files} | pointers
    for name, channel in (("channels/stable.json", "stable"), ("latest.json", "latest")):
        found = pointer(store, name)
        assert (found.channel, found.version, found.date) == (channel, "v0.1.0", release.date)
        check_pointed_to(found, release, files["release.json"])


def test_release_json_is_written_last_and_pointers_after_it(first: Made) -> None:
    _, files = first

    assert published(first).writes[len(files) - 2 :] == [
        "releases/v0.1.0/release.json.sig",
        "releases/v0.1.0/release.json",
        "channels/stable.json",
        "channels/stable.json.sig",
        "latest.json",
        "latest.json.sig",
    ]


def test_releases_are_kept_by_caches_and_pointers_are_not(first: Made) -> None:
    for name, item in published(first).objects.items():
        kept = "immutable" in item.cache_control
        assert kept == name.startswith("releases/"), name
        assert kept or "no-cache" in item.cache_control, name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("machineadm-linux-amd64.pyz", "application/zip"),
        ("machineadm-linux-amd64.pyz.cdx.json", "application/vnd.cyclonedx+json"),
        ("machineadm-linux-amd64.pyz.sig", "application/octet-stream"),
        ("release.json", "application/json"),
        ("SHA256SUMS", "text/plain; charset=utf-8"),
        ("channels/stable.json", "application/json"),
    ],
)
def test_the_media_type_is_told_by_the_name(name: str, kind: str) -> None:
    assert media_type(name) == kind


def test_publishing_again_writes_nothing(first: Made) -> None:
    store = published(first)
    store.writes.clear()

    assert put(first, store).written == ()
    assert store.writes == []


def test_other_bytes_under_a_released_version_are_refused_and_nothing_changes(
    first: Made, other_first: Made
) -> None:
    store = published(first)
    before = dict(store.objects)

    with pytest.raises(VerificationError, match=r"machineadm-linux-amd64\.pyz,") as caught:
        put(other_first, store)

    assert caught.value.code == "MA1852"
    assert store.objects == before


def test_a_file_that_nobody_vouches_for_beside_a_release_is_refused(first: Made) -> None:
    store = published(first)
    store.put("releases/v0.1.0/machineadm-linux-riscv64.pyz", Item(b"?", "", ""))

    with pytest.raises(VerificationError, match="riscv64") as caught:
        put(first, store)

    assert caught.value.code == "MA1852"


def test_a_version_whose_name_begins_the_same_is_another(first: Made) -> None:
    store = FakeStore()
    store.put("releases/v0.1.0-rc.1/release.json", Item(b"{}", "", ""))
    store.put("releases/v0.1.01/x", Item(b"{}", "", ""))

    put(first, store)


# ------------------------------------------------------------------------------------- killed and run again


def operations(release: Made, store: FakeStore) -> int:
    put(release, store)
    return store.operations


@pytest.mark.requirement("R13")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_operation_and_run_again_it_ends_the_same(
    first: Made, second: Made, moment: str
) -> None:
    start = published(first).objects
    whole = FakeStore(start)
    count = operations(second, whole)

    for number in range(1, count + 1):
        store = FakeStore(start)
        setattr(store, moment, kill_at(number))
        with pytest.raises(Killed):
            put(second, store)
        assert dangling(data(store)) == [], number
        store.before = store.after = lambda _: None
        put(second, store)
        assert store.objects == whole.objects, number


def test_a_reader_never_sees_a_pointer_or_a_release_that_leads_nowhere(
    first: Made, second: Made
) -> None:
    store = FakeStore()
    seen = []
    store.after = lambda _: seen.extend(dangling(data(store)))

    put(first, store)
    put(second, store)

    assert seen == []
    assert store.operations > 100


def test_the_reader_that_looks_for_dangling_pointers_finds_a_planted_one(first: Made) -> None:
    held = data(published(first))

    for name in ("release.json", "machineadm.pub", "machineadm-linux-arm64.pyz"):
        assert dangling({k: v for k, v in held.items() if k != f"releases/v0.1.0/{name}"}) != []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failure_that_passes_is_tried_again_at_any_operation(
    first: Made, second: Made, moment: str
) -> None:
    start = published(first).objects
    whole = FakeStore(start)
    count = operations(second, whole)

    for number in range(1, count + 1):
        store = FakeStore(start)
        setattr(store, moment, busy_at(number))
        put(second, Retrying(store, sleep=lambda _: None))
        assert store.objects == whole.objects, number


def test_a_store_that_stays_away_is_given_up_when_the_budget_is_used_up(first: Made) -> None:
    store = FakeStore()
    store.before = busy_at(*range(1000))
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(HostError, match=r"503 \(given up after 6 attempts\)") as caught:
        put(first, Retrying(store, budget=60, sleep=sleep, clock=lambda: now[0]))

    assert caught.value.code == "MA1856"
    assert not isinstance(caught.value, PassingError)
    assert now[0] <= 60


def test_a_budget_that_is_no_number_ends_with_the_first_failure(first: Made) -> None:
    store = FakeStore()
    store.before = busy_at(*range(1000))

    with pytest.raises(HostError, match="given up after 1 attempt"):
        put(first, Retrying(store, budget=float("nan"), sleep=lambda _: None))


# ------------------------------------------------------------------------------------- pointers


def test_a_channel_does_not_go_back_and_nothing_is_written(first: Made, second: Made) -> None:
    store = published(second)
    before = dict(store.objects)

    with pytest.raises(VerificationError, match=r"at v0\.2\.0; v0\.1\.0 is older") as caught:
        put(first, store)

    assert caught.value.code == "MA1853"
    assert store.objects == before


def test_a_rollback_that_is_allowed_moves_both_pointers(first: Made, second: Made) -> None:
    store = published(first, second)

    put(first, store, allow_rollback=True)

    assert pointer(store).version == pointer(store, "latest.json").version == "v0.1.0"


def test_an_older_line_has_its_own_channel_and_latest_stays(first: Made, second: Made) -> None:
    store = published(second)

    done = put(first, store, channel="v0-1")

    assert (done.moved, done.kept) == (("v0-1",), ("latest",))
    assert pointer(store, "channels/v0-1.json").version == "v0.1.0"
    assert pointer(store, "latest.json").version == "v0.2.0"


def test_a_pre_release_moves_its_channel_alone(tmp_path: Path, first: Made) -> None:
    store = published(first)

    done = put(made(tmp_path, "v0.2.0-rc.1"), store, channel="preview")

    assert done.moved == ("preview",)
    assert pointer(store, "latest.json").version == "v0.1.0"


def test_without_a_key_the_release_is_published_and_pointers_are_left_alone(first: Made) -> None:
    store = FakeStore()

    put(first, store, signer=None)

    assert all(name.startswith("releases/") for name in store.objects)


def test_a_signature_that_a_killed_run_left_behind_is_mended(first: Made, second: Made) -> None:
    store = published(first, second)
    old = data(published(first))["latest.json.sig"]
    store.put("latest.json.sig", Item(old, "", ""))

    put(second, store)

    assert pointer(store, "latest.json").version == "v0.2.0"


@pytest.mark.parametrize("junk", [b"", b"<html>", b'{"version": "newest"}'])
def test_what_is_no_pointer_is_not_written_over_unasked(first: Made, junk: bytes) -> None:
    store = FakeStore()
    store.put("latest.json", Item(junk, "", ""))

    with pytest.raises(VerificationError, match=r"latest\.json") as caught:
        put(first, store)
    assert caught.value.code == "MA1861"
    assert store.writes == []

    put(first, store, allow_rollback=True)
    assert pointer(store, "latest.json").version == "v0.1.0"


@pytest.mark.parametrize("channel", ["latest", "", "Stable", "a/b", "..", "-a", "a" * 64])
def test_what_cannot_be_a_channel_is_refused_before_anything_is_read(
    first: Made, channel: str
) -> None:
    store = FakeStore()

    with pytest.raises(UsageError) as caught:
        put(first, store, channel=channel)

    assert caught.value.code == "MA1851"
    assert store.operations == 0


# ------------------------------------------------------------------------------------- two at once


def outcome(release: Made, store: FakeStore) -> str:
    try:
        put(release, store)
    except MachineadmError as error:
        return error.code
    return "ok"


def interleaved(
    mine: Made, theirs: Made, start: Mapping[str, Item], at: int
) -> tuple[str, str, FakeStore]:
    """Both publish; the other one runs whole just before one operation of mine."""
    store = FakeStore(dict(start))
    outcomes = []

    def other_runs(number: int) -> None:
        if number == at:
            store.before = lambda _: None
            outcomes.append(outcome(theirs, store))

    store.before = other_runs
    mine_ended = outcome(mine, store)
    return mine_ended, outcomes[0], store


def test_of_two_builds_of_one_version_one_wins_whole(first: Made, other_first: Made) -> None:
    count = operations(first, FakeStore())

    for number in range(1, count + 1):
        mine, theirs, store = interleaved(first, other_first, {}, number)
        assert sorted((mine, theirs)) == ["MA1852", "ok"], number
        won, lost = (first, other_first) if mine == "ok" else (other_first, first)
        assert {n: store.objects[f"releases/v0.1.0/{n}"].data for n in won[1]} == won[1], number
        assert won[1] != lost[1]
        assert pointer(store).version == "v0.1.0"


def test_of_two_versions_the_newer_one_stays(first: Made, second: Made) -> None:
    for mine, theirs in ((first, second), (second, first)):
        for number in range(1, operations(mine, FakeStore()) + 1):
            _, _, store = interleaved(mine, theirs, {}, number)
            outcome(second, store)
            assert pointer(store).version == "v0.2.0", number
            assert pointer(store, "latest.json").version == "v0.2.0", number
            assert dangling(data(store)) == []


def test_two_pointers_that_move_at_once_keep_fitting_signatures(first: Made, second: Made) -> None:
    """Every order of two publishers' operations on one pointer, stopping one of them anywhere."""
    start = published(first).objects
    both = FakeStore(start)
    put(first, both)
    moving = operations(second, FakeStore(start))

    for number in range(1, moving + 1):
        mine, theirs, store = interleaved(second, first, start, number)
        assert mine == "ok"
        assert theirs in ("ok", "MA1853")
        assert pointer(store).version == pointer(store, "latest.json").version == "v0.2.0"


def test_a_pointer_that_never_stays_is_given_up(first: Made) -> None:
    store = FakeStore()

    def meddle(_: int) -> None:
        if "channels/stable.json" in store.objects:
            said = json.loads(store.objects["channels/stable.json"].data)
            said["date"] = f"2026-01-01T00:00:{store.operations % 60:02}Z"
            store.put("channels/stable.json", Item(json.dumps(said).encode(), "", ""))

    store.before = meddle
    with pytest.raises(HostError) as caught:
        put(first, store)

    assert caught.value.code == "MA1854"
    assert dangling(data(store)) == []


# ------------------------------------------------------------------------------------- stores that lie


def test_a_store_without_conditional_writes_is_found_out(first: Made) -> None:
    assert put(first, FakeStore()).exclusive
    assert not put(first, FakeStore(enforces=False)).exclusive


def test_finding_it_out_changes_nothing(first: Made) -> None:
    store = FakeStore(enforces=False)

    put(first, store)

    assert data(store) == data(published(first))


def test_a_rule_that_forbids_to_write_over_a_release_does_not_stop_publishing(first: Made) -> None:
    store = FakeStore()
    create = store.create

    def create_once(name: str, item: Item) -> bool:
        if name in store.objects:
            raise HostError("MA1855", "the store refuses: 403")
        return create(name, item)

    vars(store)["create"] = create_once

    assert put(first, store).exclusive
    assert pointer(store).version == "v0.1.0"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" + data]
)
def test_a_store_that_gives_back_other_bytes_gets_no_pointer(first: Made, damage: Any) -> None:
    store = FakeStore()
    healthy = store.put

    def put_damaged(name: str, item: Item) -> None:
        healthy(name, item._replace(data=damage(item.data)) if name.endswith("arm64.pyz") else item)

    vars(store)["put"] = put_damaged
    with pytest.raises(VerificationError, match=r"arm64\.pyz") as caught:
        put(first, store)

    assert caught.value.code == "MA1857"
    assert not any(name.endswith(("release.json", "stable.json")) for name in store.objects)


def test_pointers_are_signed_with_the_key_that_was_given(first: Made) -> None:
    store = FakeStore()
    put(first, store, signer=signer("another"))
    held = data(store)

    signatures.verify(held["latest.json"], held["latest.json.sig"], [signer("another").public])
    with pytest.raises(VerificationError):
        signatures.verify(held["latest.json"], held["latest.json.sig"], [signer().public])
