import errno
import os
import threading
from pathlib import Path

import pytest

from machineadm.errors import HostError, UsageError
from machineadm.verification.digests import sha256
from machineadm.verification.release import Artifact, Release, read_pointer
from signing.publish.directory import Directory
from signing.publish.opening import open_store
from signing.publish.publisher import publish
from signing.publish.stores import Held, Item, Store
from tests.fakes.store import FakeStore
from tests.stores.promises import ONE, TWO, broken
from tests.stores.reading import POINTERS
from tests.stores.releases import signer


def test_a_directory_keeps_what_stores_promise(tmp_path: Path) -> None:
    assert broken(Directory(str(tmp_path))) == []


def test_the_fake_keeps_what_stores_promise() -> None:
    assert broken(FakeStore()) == []


def test_a_store_that_enforces_nothing_is_found_broken() -> None:
    assert len(broken(FakeStore(enforces=False))) > 3


def test_on_a_file_system_without_links_the_promises_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)

    assert broken(Directory(str(tmp_path))) == []


def test_what_a_killed_publisher_left_is_never_listed_and_goes_with_the_next(
    tmp_path: Path,
) -> None:
    store = Directory(str(tmp_path))
    assert store.create("releases/v1.0.0/a", ONE)
    left = tmp_path / "releases/v1.0.0/.publishing-0123"
    left.write_bytes(b"half")

    assert store.list("") == {"releases/v1.0.0/a"}
    assert store.create("releases/v1.0.0/b", TWO)
    assert not left.exists()


def test_something_else_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "releases").write_text("a file")

    with pytest.raises(HostError) as caught:
        Directory(str(tmp_path)).create("releases/v1.0.0/a", ONE)

    assert caught.value.code == "MA1859"


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("gs://bucket-1/some/prefix", "Gcs"),
        ("gs://bucket.example.org", "Gcs"),
        ("s3://bucket/prefix/", "S3"),
        ("file:relative/dir", "Directory"),
        ("file:///absolute", "Directory"),
        ("/absolute", "Directory"),
        ("./with:colon", "Directory"),
    ],
)
def test_a_uri_names_its_store(uri: str, kind: str) -> None:
    pytest.importorskip("boto3", reason="stores of clouds need Python 3.11")

    assert type(open_store(uri)).__name__ == kind


@pytest.mark.parametrize(
    "uri", ["", "gs:bucket", "s3:///x", "s3://b/a b", "ftp://host/dir", "gs://-b"]
)
def test_what_names_no_store_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(uri)

    assert caught.value.code == "MA1850"


# ------------------------------------------------------------------------------------- two at once, step by step


class Stepped:
    """A store each of whose operations waits for its turn."""

    def __init__(self, store: FakeStore) -> None:
        self.stale_mark, self.promise = store.stale_mark, store.promise
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.ended = False
        self._store = store

    def list(self, prefix: str) -> frozenset[str]:
        self.turn.acquire()
        found = self._store.list(prefix)
        self.done.release()
        return found

    def read(self, name: str) -> Held | None:
        self.turn.acquire()
        held = self._store.read(name)
        self.done.release()
        return held

    def create(self, name: str, item: Item) -> bool:
        self.turn.acquire()
        created = self._store.create(name, item)
        self.done.release()
        return created

    def replace(self, name: str, item: Item, mark: str) -> bool:
        self.turn.acquire()
        replaced = self._store.replace(name, item, mark)
        self.done.release()
        return replaced


def tiny(version: str) -> tuple[Release, dict[str, bytes]]:
    """As little as makes a release for the publisher, so that the pointers are most of its work."""
    artifact = Artifact("a", sha256(b"a"), 1, "text/plain")
    date = "2026-11-21T12:00:00Z"
    release = Release(version=version, date=date, commit="0123456", artifacts=(artifact,))
    return release, {"release.json": version.encode()}


def publish_together(store: FakeStore, versions: tuple[str, ...], order: int) -> list[str]:
    """Publish all versions at once; the bits of `order` say whose operation is next."""
    outcomes = dict.fromkeys(versions, "")
    key = signer()  # before the threads: the first call makes it
    stepped = {version: Stepped(store) for version in versions}

    def work(version: str) -> None:
        mine: Store = stepped[version]
        try:
            publish(*tiny(version), mine, signer=key, channel="stable")
            outcomes[version] = "ok"
        except Exception as error:
            outcomes[version] = getattr(error, "code", repr(error))
        stepped[version].ended = True
        stepped[version].done.release()

    threads = [threading.Thread(target=work, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    while alive := [one for one in stepped.values() if not one.ended]:
        order, chosen = divmod(order, len(versions))
        one = alive[chosen % len(alive)]
        one.turn.release()
        one.done.acquire()
    for thread in threads:
        thread.join()
    return list(outcomes.values())


@pytest.mark.parametrize("seed", range(40))
def test_in_whatever_order_two_publishers_work_pointers_end_newest_and_signed(seed: int) -> None:
    import random

    for number in range(10):
        order = random.Random(seed * 1000 + number).getrandbits(400)  # noqa: S311 - an order, no secret
        store = FakeStore()
        outcomes = publish_together(store, ("v0.2.0", "v0.3.0"), order)

        assert outcomes[0] in ("ok", "MA1853"), outcomes
        assert outcomes[1] == "ok", outcomes
        for name in (name for name in store.objects if name.startswith(POINTERS)):
            if name.endswith(".json"):
                signature = store.objects[f"{name}.sig"].data
                found = read_pointer(store.objects[name].data, signature, (signer().public,))
                assert found.version == "v0.3.0"
