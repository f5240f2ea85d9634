"""Merging a further Ignition configuration into the one that is rendered.

Ignition itself merges only what it can fetch (`ignition.config.merge`), as a copy in base64 that no provider can look into, and lets the later one win
without a word. Here both are one configuration, and what both say of the same thing is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from machineadm.rendering.readers import UnfitError, ignition_config
from machineadm.rendering.template import Piece

_KEYS: Final = {
    "storage.files": "path",
    "storage.directories": "path",
    "storage.links": "path",
    "storage.disks": "device",
    "storage.raid": "name",
    "storage.luks": "name",
    "storage.filesystems": "name",
    "systemd.units": "name",
    "systemd.units.dropins": "name",
    "networkd.units": "name",
    "passwd.users": "name",
    "passwd.groups": "name",
}
"""What tells the items of a list apart."""

# These three have paths of the machine. A disk, a unit or a user is found by its name and cannot
# reach into our directory.
_PATHS: Final = ("storage.files", "storage.directories", "storage.links")
_OWN: Final = "/var/lib/machineadm"


def merged(pieces: Sequence[Piece], additional: str) -> tuple[Piece, ...]:
    """The pieces of one configuration.

    Args:
        pieces: Of what was rendered.
        additional: The text of another one, of the same major version.

    Raises:
        UnfitError: It is not a configuration for Ignition, or both speak of the same file, unit, user or setting.
    """
    # Ours is read again from its bytes, and not kept as an object: a template is text, and its
    # reader tells what the machine will see.
    ours = ignition_config(b"".join(piece.data for piece in pieces))
    try:
        theirs = ignition_config(additional.encode())
    # Under another code: readers speak of a template's output, and here the fault is in a field of
    # the user.
    except UnfitError as error:
        raise UnfitError("MA1623", f"is not taken: {error.message}", error.hint) from None
    mine, other = (_version(config) for config in (ours, theirs))
    # Ignition refuses keys of a later minor version; between major versions keys change their
    # meaning.
    if other[0] != mine[0] or other > mine:
        raise UnfitError(
            "MA1623",
            f"is of version {theirs['ignition']['version']}, which does not fit {ours['ignition']['version']}",
            "write it for the version that ignitionVersion says, or an earlier one with the same first number",
        )
    # An earlier minor version is a subset of ours, so the text means the same under our version,
    # and the two do not differ.
    theirs = {**theirs, "ignition": {**theirs["ignition"], "version": ours["ignition"]["version"]}}
    whole = msgspec.json.encode(_merge(ours, theirs, ""))
    return _cut(whole, pieces)


def _version(config: dict[str, Any]) -> tuple[int, ...]:
    """The first two numbers: what Ignition accepts depends on them.

    Raises:
        UnfitError: It is none.
    """
    # Without what follows a hyphen: "3.5.0-experimental" is a version of its specification, too,
    # and its first two numbers are all that is compared.
    numbers = str(config["ignition"]["version"]).partition("-")[0].split(".")[:2]
    if not all(number.isdecimal() for number in numbers):
        raise UnfitError(
            "MA1623", "has an ignition.version that is not a version", 'such as "3.4.0"'
        )
    return tuple(map(int, numbers))


def _merge(ours: Any, theirs: Any, place: str) -> Any:
    """Both in one.

    Raises:
        UnfitError: They contradict each other.
    """
    if isinstance(ours, dict) and isinstance(theirs, dict):
        both = dict(ours)
        for key, value in theirs.items():
            # What is new is looked through like the rest: it may say the same thing twice.
            nothing: Any = (
                {} if isinstance(value, dict) else [] if isinstance(value, list) else value
            )
            both[key] = _merge(ours.get(key, nothing), value, f"{place}.{key}".lstrip("."))
        return both
    if isinstance(ours, list) and isinstance(theirs, list):
        return _merge_lists(ours, theirs, place)
    if ours != theirs:
        raise UnfitError("MA1624", f"{place} is said by machineadm, too, and differs")
    # Equal values are no conflict: `enabled: true` said twice is said once.
    return ours


def _merge_lists(ours: list[Any], theirs: list[Any], place: str) -> list[Any]:
    """The items of both; of the same unit, its drop-ins.

    Raises:
        UnfitError: Both have the same item.
    """
    # A list that is not in the table has no names, such as kernel arguments or keys of SSH: its
    # items are added and never compared.
    key = _KEYS.get(place)
    whole = list(ours)
    for item in theirs:
        name = item.get(key) if key is not None and isinstance(item, dict) else None
        # A file there would be read as the agent's own state, whatever its name says.
        if place in _PATHS and f"{name}/".startswith(f"{_OWN}/"):
            raise UnfitError("MA1624", f"{place}: {name} is in a directory of machineadm's own")
        # By number, because the item is replaced in its place: the order of units is what the
        # reader of a diff sees.
        same = [n for n, one in enumerate(whole) if name is not None and one.get(key) == name]
        if not same:
            whole.append(item)
        # Drop-ins add to a unit and are how people adapt ours; contents, enabled or mask would
        # replace what makes it start.
        elif place == "systemd.units" and item.keys() <= {"name", "dropins"}:
            whole[same[0]] = _merge(whole[same[0]], item, place)
        else:
            raise UnfitError(
                "MA1624",
                f"{place}: {name} is there twice, or written by machineadm, too",
                "give a unit of machineadm's drop-ins alone; choose another name or path for anything else",
            )
    return whole


def _cut(whole: bytes, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The same pieces in another text, so that it is known what makes its size."""
    found: list[Piece] = []
    for piece in pieces:
        # A piece that JSON has had to escape is not found again, and counts for the rest.
        before, same, after = whole.partition(piece.data if piece.names else b"\0")
        if same:
            found += (Piece(before, frozenset()), piece)
            whole = after
    return (*found, Piece(whole, frozenset()))
