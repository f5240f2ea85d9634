"""Guess what an operator meant by an unknown word."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct, inspect

from machineadm.nearest import stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from machineadm.documents.kubeadm_fields import Ours, Reason


class FieldIndex:
    """Index of all fields of a type, all the way down, to find the right place for a misplaced one.

    Args:
        type_: The type of a document.
    """

    def __init__(self, type_: inspect.Type) -> None:
        self._type = type_
        self._places: dict[str, list[str]] | None = None

    def nearest(self, name: str, path: str) -> str:
        """Return the place of the field with that name nearest to a path, as `spec.machine.files[].path`; or nothing."""
        # At the first unknown field: it visits every type below the document's.
        if self._places is None:
            self._places = {}
            for place, field in _fields(self._type, ""):
                self._places.setdefault(stem(field), []).append(place)
        # Indexes and map keys do not count: the table has one entry for all items of a list.
        here = re.sub(r"\[[^\]]*\]", "[]", path)
        places = self._places.get(stem(name), [])
        return min(places, key=lambda place: _steps(here, place), default="")


class Theirs(Struct, frozen=True, kw_only=True):
    """A name of Cluster API's kubeadm provider, of kubeadm itself or of cloud-init."""

    message: str
    """Where that is here, or that it is nowhere."""

    hint: str
    """Why it is nowhere."""

    exact: bool
    """It is where they have it, so no field of ours by that name is meant."""


def foreign(name: str, path: str) -> Theirs | None:
    """Find our counterpart of a field of a KubeadmConfig, of kubeadm or of a cloud-config.

    Args:
        name: As written; none of ours at this place.
        path: Of the map that contains it.

    Returns:
        None if they have no field of that name.
    """
    from machineadm.documents.kubeadm_fields import Ours

    # Their tables have no indexes, keys or variants, so ours lose them, too.
    here = [_bare(part) for part in path.split(".")]
    table = _table()
    found = [
        (parts[: depth + 1], _shared_end(here, parts[:depth]))
        for parts, _ in table
        for depth, part in enumerate(parts)
        if stem(part) == stem(name)
    ]
    if not found:
        return None
    # Names such as extraArgs occur in many places: the one whose parents match best is meant, and
    # of equal ones the outermost.
    theirs, shared = min(found, key=lambda each: (-each[1], len(each[0])))
    answers = [answer for parts, answer in table if parts[: len(theirs)] == theirs]
    # In a KubeadmConfig spec is the spec, so a path of the same length and parents is the very
    # field.
    exact = here[0] == "spec" and len(here) == len(theirs) and shared == len(theirs) - 1
    # A map of theirs has many fields below it: their common parent here is what to look at.
    ours = [answer.path for answer in answers if isinstance(answer, Ours)]
    if ours:
        return Theirs(message=f"here it is spec.{_common(ours)}", hint="", exact=exact)
    (why, *_) = (answer.text for answer in answers if not isinstance(answer, Ours))
    return Theirs(message="it has no counterpart here", hint=why, exact=exact)


@cache
def _table() -> list[tuple[list[str], Ours | Reason]]:
    """Return their fields, each as its path in steps, with ours."""
    from machineadm.documents.kubeadm_fields import ALL, CLOUD_CONFIG

    return [
        ([_bare(part) for part in field.split(" ")[0].split(".")], answer)
        for field, answer in {**ALL, **CLOUD_CONFIG}.items()
    ]


def _common(paths: list[str]) -> str:
    """Return the closest field that contains all of them; of a single one, itself."""
    split = [re.sub(r"\([^)]*\)|\{\}", "", path).split(".") for path in paths]
    shared: list[str] = []
    for steps in zip(*split, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return ".".join(shared).removesuffix("[]")


def _bare(part: str) -> str:
    """Strip index, key or variant from a step of a path."""
    return re.split(r"[\[({]", part)[0]


def _shared_end(here: list[str], parts: list[str]) -> int:
    """Count the steps that two paths have in common at their ends."""
    count = 0
    while count < min(len(here), len(parts)) and stem(here[-1 - count]) == stem(parts[-1 - count]):
        count += 1
    return count


_SYNONYMS = {
    "mode": "permissions",
    "perms": "permissions",
    "chmod": "permissions",
    "uid": "owner",
    "user": "owner",
    "group": "owner",
    "gid": "owner",
    "text": "content",
    "contents": "content",
    "data": "content",
    "inline": "content",
    "filename": "path",
    "dest": "path",
    "destination": "path",
    "target": "path",
    "cmd": "argv",
    "command": "argv",
    "args": "argv",
    "arguments": "argv",
    "run": "script",
    "shell": "script",
    "bash": "script",
    "environment": "env",
    "cwd": "workingDirectory",
    "workdir": "workingDirectory",
    "chdir": "workingDirectory",
    "nodeLabels": "labels",
    "nodeTaints": "taints",
    "modules": "kernelModules",
    "kernelParameters": "sysctls",
    "fqdn": "hostname",
    "podSubnet": "podCIDRs",
    "serviceSubnet": "serviceCIDRs",
    "clusterDomain": "dnsDomain",
    "server": "endpoint",
    "apiServerEndpoint": "endpoint",
    "hash": "sha256",
    "checksum": "sha256",
    "digest": "sha256",
    "linux": "linuxConfiguration",
    "windows": "windowsConfiguration",
    "kubernetesVersion": "version",
}
"""What other tools call a field, and what it is called here; taken where the map has a field of ours by that name."""


def synonym(word: str, choices: Iterable[str]) -> str:
    """Return the choice for which other tools use this word, or an empty string."""
    # By stem, as everywhere: file_name, fileName and filenames are one word to whoever mistypes.
    by_stem = {stem(theirs): ours for theirs, ours in _SYNONYMS.items()}
    ours = by_stem.get(stem(word), "")
    return ours if ours in choices else ""


def _fields(type_: inspect.Type, path: str) -> Iterator[tuple[str, str]]:
    """The paths and names of all fields in a type."""
    if isinstance(type_, inspect.Metadata):
        yield from _fields(type_.type, path)
    elif isinstance(type_, inspect.UnionType):
        for member in type_.types:
            yield from _fields(member, path)
    elif isinstance(type_, inspect.VarTupleType):
        yield from _fields(type_.item_type, f"{path}[]")
    elif isinstance(type_, inspect.StructType):
        for field in type_.fields:
            place = f"{path}.{field.encode_name}".lstrip(".")
            yield place, field.encode_name
            yield from _fields(field.type, place)


def _steps(here: str, place: str) -> tuple[int, str]:
    """Return the distance between two maps, in steps up and down."""
    ours, theirs = here.split("."), place.split(".")[:-1]
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    # The place itself decides between equally near ones, so that a message is the same in every
    # run.
    return (len(ours) + len(theirs) - 2 * shared, place)
