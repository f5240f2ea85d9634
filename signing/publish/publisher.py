"""Publish a release in an order in which being killed at any point does no harm.

1. Compare what is there already: other bytes under a released name end the run, with nothing changed.
2. Check that the pointers may move: one that would go back ends the run, with nothing changed.
3. Write the files, never over existing ones, and read each back; release.json comes last: if it is there,
   everything is.
4. Move the pointers, each written over exactly what was read, then its signature.

Running it again does whatever is left. Two at once: names that exist are not written, so the first
differing file decides between two builds of one version; between two versions the newer one stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import msgspec

from machineadm.errors import HostError, VerificationError
from machineadm.verification import signatures
from machineadm.verification.digests import sha256
from machineadm.verification.release import (
    RELEASE_FILE,
    SIGNATURE_SUFFIX,
    Pointer,
    Release,
    encode,
    precedence,
)
from signing.publish import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signing.keys import Signer
    from signing.publish.stores import Held, Item, Store

# Each look that fails means that somebody else has succeeded.
_LOOKS: Final = 10
"""How often a pointer is looked at anew because another publisher changed it meanwhile."""


class Published(NamedTuple):
    """What a run did."""

    written: tuple[str, ...]
    """The release's files that were written; the others were there."""

    moved: tuple[str, ...]
    """Channels whose pointer is now this release's."""

    kept: tuple[str, ...]
    """Channels that stay with a newer release."""

    exclusive: bool
    """The store keeps writers apart; False: it was tried, and it does not."""


def publish(
    release: Release,
    files: Mapping[str, bytes],
    store: Store,
    *,
    signer: Signer | None,
    channel: str,
    allow_rollback: bool = False,
) -> Published:
    """Publish a release whose files were verified.

    Args:
        release: What its release.json says.
        files: All its files by name, release.json and signatures among them.
        store: Where to.
        signer: Signs the pointers; None leaves them alone.
        channel: The channel to move, beside `latest`.
        allow_rollback: Pointers may go back to an older version.

    Returns:
        What was done.

    Raises:
        VerificationError: MA1852 other bytes were released under this version, MA1853 a pointer would go
            back, MA1857 the store gives back other bytes than it was given, MA1861 a pointer there is none.
        HostError: MA1854 another publisher keeps changing a pointer, MA1855 to MA1859 the store.
        UsageError: MA1851, no channel can be called so.
    """
    version = release.version
    # Without a key there is nothing to sign a pointer with, and the files are signed already.
    pointers = [] if signer is None else _pointers(release, files, channel)
    items = {
        layout.release_name(version, name): layout.released(name, files[name])
        for name in layout.in_order(files)
    }
    # Everything is compared before anything is written.
    missing = _compare(version, items, store)
    for pointer in pointers:
        _is_newer(pointer, store.read(pointer.name), allow_rollback=allow_rollback)
    exclusive = True
    # In layout's order: release.json is the last.
    for name in missing:
        _write(name, items[name], store)
        # Tried once, with a file that was just written: such a store tells its operator what it
        # does not promise.
        if name == missing[0]:
            exclusive = _excludes(name, items[name], store)
    moved: list[str] = []
    kept: list[str] = []
    for pointer in pointers:
        if signer is not None:
            moves = _move(pointer, signer, store, allow_rollback=allow_rollback)
            (moved if moves else kept).append(pointer.channel)
    return Published(tuple(missing), tuple(moved), tuple(kept), exclusive)


class _Pointer(NamedTuple):
    """A pointer as it should be."""

    channel: str
    name: str
    version: str
    data: bytes


def _pointers(release: Release, files: Mapping[str, bytes], channel: str) -> list[_Pointer]:
    """The pointers that a release moves: its channel's, and `latest` unless it is a pre-release."""
    channels = [layout.channel_name(channel)]
    # A hyphen begins a pre-release (Semantic Versioning, 9), which `latest` never names.
    if "-" not in release.version:
        channels.append(layout.LATEST)
    digest = sha256(files[RELEASE_FILE])
    return [
        _Pointer(
            name,
            layout.pointer_name(name),
            release.version,
            encode(
                Pointer(
                    channel=name, version=release.version, date=release.date, release_sha256=digest
                )
            ),
        )
        for name in channels
    ]


def _compare(version: str, items: Mapping[str, Item], store: Store) -> list[str]:
    """Return the names that are not there yet, in order.

    Raises:
        VerificationError: MA1852, what is there differs, or is not part of the release.
    """
    # One request instead of one for each file.
    there = store.list(layout.release_name(version, ""))
    # What is there and not in the release counts as well: somebody's file under a released version.
    differing = sorted(there.difference(items))
    for name in items:
        held = store.read(name) if name in there else None
        if held is not None and held.data != items[name].data:
            differing.append(name)
    if differing:
        _refuse_other(differing)
    return [name for name in items if name not in there]


def _write(name: str, item: Item, store: Store) -> None:
    """Write a file that was not there a moment ago, and read it back.

    Raises:
        VerificationError: MA1852 another publisher wrote other bytes, MA1857 it comes back differently.
    """
    # Looked at again just before: another publisher may have come since the comparison.
    held = store.read(name)
    created = held is None and store.create(name, item)
    # Read back, whoever wrote it: what a store keeps is what readers get.
    if held is None:
        held = store.read(name)
    if held is not None and held.data == item.data:
        return
    # Not created by us: then others wrote it, and other bytes are the other build's.
    if held is not None and not created:
        _refuse_other([name])
    raise VerificationError(
        "MA1857",
        f"{name}: the store does not return what was written",
        hint="nothing points to it yet; check the store, remove the file and publish again",
    )


def _excludes(name: str, item: Item, store: Store) -> bool:
    """Test whether the store honors conditions, with bytes that are there already, so that a failure does no harm.

    Raises:
        HostError: MA1856, MA1858 or MA1859, the store.
    """
    try:
        # Both must be refused: the name exists, and the mark is one that nothing has.
        return not store.create(name, item) and not store.replace(name, item, store.stale_mark)
    # MA1855 is a refusal, as a retention rule gives it.
    except HostError as error:
        if error.code != "MA1855":
            raise
        return True  # a rule of the bucket lets nobody write over it


def _move(pointer: _Pointer, signer: Signer, store: Store, *, allow_rollback: bool) -> bool:
    """Set a pointer and its signature.

    The signature is read before the pointer, and written over just that: should another publisher move
    the pointer meanwhile, either this write fails, or the other's does, and the loser reads again.

    Returns:
        False if the pointer stays with a newer release.

    Raises:
        VerificationError: MA1853 it would go back, MA1861 the existing file is not a pointer.
        HostError: MA1854, another publisher keeps changing it.
    """
    # Signed once: with a token each signature differs, and each would be another object.
    signature = signer.sign(pointer.data)
    beside = f"{pointer.name}{SIGNATURE_SUFFIX}"
    for _ in range(_LOOKS):
        signed, held = store.read(beside), store.read(pointer.name)
        # The pointer first, then its signature; a reader in between finds a signature that does not
        # fit, and tries again.
        if held is None or held.data != pointer.data:
            if _is_newer(pointer, held, allow_rollback=allow_rollback):
                return False
            _put(pointer.name, layout.pointing(pointer.name, pointer.data), held, store)
        elif not _signs(signed, pointer.data, signer):
            _put(beside, layout.pointing(beside, signature), signed, store)
        else:
            return True
    raise HostError(
        "MA1854",
        f"{pointer.name} was changed right after it was written: another publisher is at work",
        hint="the release itself is published; run the same command again when the other publisher is done",
    )


def _put(name: str, item: Item, held: Held | None, store: Store) -> None:
    """Write over what was read, unless it changed; the caller reads again."""
    if held is None:
        store.create(name, item)
    else:
        store.replace(name, item, held.mark)


def _signs(signed: Held | None, data: bytes, signer: Signer) -> bool:
    if signed is None:
        return False
    try:
        # By the publisher's own key: a pointer that an older key signed gets a new signature.
        signatures.verify(data, signed.data, [signer.public])
    except VerificationError:
        return False
    return True


def _is_newer(pointer: _Pointer, held: Held | None, *, allow_rollback: bool) -> bool:
    """Whether the existing pointer names a newer release; then `latest` stays, and a channel is an error.

    The existing pointer is not verified: a killed run leaves a pointer without its new signature, and a
    forged one can at worst make this run refuse.

    Raises:
        VerificationError: MA1853 a channel would go back, MA1861 the existing file is not a pointer.
    """
    if held is None or allow_rollback:
        return False
    try:
        there = msgspec.json.decode(held.data, type=Pointer)
        # By Semantic Versioning's precedence (11): by text v0.10.0 would be older than v0.9.0.
        newer = precedence(there.version) > precedence(pointer.version)
    except (ValueError, VerificationError, RecursionError) as error:
        raise VerificationError(
            "MA1861",
            f"{pointer.name} exists, but is not a pointer",
            hint="find out who wrote it; --allow-rollback overwrites it",
        ) from error
    if newer and pointer.channel != layout.LATEST:
        raise VerificationError(
            "MA1853",
            f"{pointer.name} is at {there.version}; {pointer.version} is older",
            hint="--allow-rollback moves it back, and latest with it; or use another --channel",
        )
    return newer


def _refuse_other(names: list[str]) -> NoReturn:
    raise VerificationError(
        "MA1852",
        f"already there with other content: {', '.join(names)}",
        hint="a released version never changes: raise the version. If release.json is missing there, it was "
        "never released: remove its files",
    )
