"""What an operator meant by a word that nobody knows."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct, inspect

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from machineadm.documents.kubeadm_fields import Ours, Reason

_LONGEST = 64


def suggest(word: str, choices: Iterable[str], *, taken: Container[str] = ()) -> str:
    """The choice that a mistyped word was to be.

    Args:
        word: As written.
        choices: What could have been meant.
        taken: Choices that are there already, hence less likely.

    Returns:
        The choice, or an empty string if none is near.
    """
    if not word or len(word) > _LONGEST:
        return ""
    ranked = [(*_rank(word, choice), choice in taken, choice) for choice in choices]
    near = [rank for rank in ranked if rank[0] <= _limit(word, rank[-1])]
    return min(near)[-1] if near else ""


class FieldIndex:
    """Where the fields of a type lie, all the way down, for one that stands at a wrong place.

    Args:
        type_: The type of a document.
    """

    def __init__(self, type_: inspect.Type) -> None:
        self._type = type_
        self._places: dict[str, list[str]] | None = None

    def nearest(self, name: str, path: str) -> str:
        """The place of a field of that name that is nearest to a path, as `spec.machine.files[].path`; or nothing."""
        if self._places is None:
            self._places = {}
            for place, field in _fields(self._type, ""):
                self._places.setdefault(_stem(field), []).append(place)
        here = re.sub(r"\[[^\]]*\]", "[]", path)
        places = self._places.get(_stem(name), [])
        return min(places, key=lambda place: _steps(here, place), default="")


class Theirs(Struct, frozen=True, kw_only=True):
    """A name of Cluster API's kubeadm provider or of kubeadm itself."""

    message: str
    """Where that is here, or that it is nowhere."""

    hint: str
    """Why it is nowhere."""

    exact: bool
    """It stands where they have it, so nothing of ours by that name is meant."""


def foreign(name: str, path: str) -> Theirs | None:
    """Where a field of a KubeadmConfig or of kubeadm is here.

    Args:
        name: As written; none of ours at this place.
        path: Of the map that it stands in.

    Returns:
        None if they have no field of that name.
    """
    from machineadm.documents.kubeadm_fields import Ours

    here = [_bare(part) for part in path.split(".")]
    table = _table()
    found = [
        (parts[: depth + 1], _shared_end(here, parts[:depth]))
        for parts, _ in table
        for depth, part in enumerate(parts)
        if _stem(part) == _stem(name)
    ]
    if not found:
        return None
    theirs, shared = min(found, key=lambda each: (-each[1], len(each[0])))
    answers = [answer for parts, answer in table if parts[: len(theirs)] == theirs]
    exact = here[0] == "spec" and len(here) == len(theirs) and shared == len(theirs) - 1
    ours = [answer.path for answer in answers if isinstance(answer, Ours)]
    if ours:
        return Theirs(message=f"here it is spec.{_common(ours)}", hint="", exact=exact)
    (why, *_) = (answer.text for answer in answers if not isinstance(answer, Ours))
    return Theirs(message="it has no place here", hint=why, exact=exact)


@cache
def _table() -> list[tuple[list[str], Ours | Reason]]:
    """Their fields, each as the steps to it, and ours."""
    from machineadm.documents.kubeadm_fields import ALL

    return [
        ([_bare(part) for part in field.split(" ")[0].split(".")], answer)
        for field, answer in ALL.items()
    ]


def _common(paths: list[str]) -> str:
    """The nearest field that several lie in; of one alone, itself."""
    split = [re.sub(r"\([^)]*\)|\{\}", "", path).split(".") for path in paths]
    shared: list[str] = []
    for steps in zip(*split, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return ".".join(shared).removesuffix("[]")


def _bare(part: str) -> str:
    """A step of a path without its index, key or variant."""
    return re.split(r"[\[({]", part)[0]


def _shared_end(here: list[str], parts: list[str]) -> int:
    """How many steps of two paths agree, from their ends."""
    count = 0
    while count < min(len(here), len(parts)) and _stem(here[-1 - count]) == _stem(
        parts[-1 - count]
    ):
        count += 1
    return count


_SYNONYMS = {
    "mode": "permissions",
    "perms": "permissions",
    "chmod": "permissions",
    "uid": "owner",
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
    """The choice that other tools have another word for, or an empty string."""
    by_stem = {_stem(theirs): ours for theirs, ours in _SYNONYMS.items()}
    ours = by_stem.get(_stem(word), "")
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
    """How far it is from one map to the other, up and down."""
    ours, theirs = here.split("."), place.split(".")[:-1]
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    return (len(ours) + len(theirs) - 2 * shared, place)


def same_word(word: str, other: str) -> bool:
    """Whether two words differ only by case, hyphens, underscores or number."""
    return _stem(word) == _stem(other)


def _limit(word: str, choice: str) -> int:
    """How many slips are believed: one in a short word, three at most."""
    return min(3, max(1, min(len(word), len(choice)) // 3))


def _rank(word: str, choice: str) -> tuple[int, int, int]:
    """Smaller is nearer: slips, then whether the ends agree, then how little the length differs."""
    if same_word(word, choice):
        return (0, 0, 0)
    slips = distance(word.lower(), choice.lower(), limit=_limit(word, choice))
    if slips > 1 and (_abbreviates(word.lower(), choice.lower()) or _is_part(word, choice)):
        slips = 1
    ends = (word[:1].lower() != choice[:1].lower()) + (word[-1:].lower() != choice[-1:].lower())
    return (slips, ends, abs(len(word) - len(choice)))


def _abbreviates(word: str, choice: str) -> bool:
    """One is the beginning of the other, and not by chance."""
    short, long = sorted((word, choice), key=len)
    return len(short) >= 3 and len(short) * 4 >= len(long) and long.startswith(short)


def _is_part(word: str, choice: str) -> bool:
    """The word is the last words of a longer one: `Worker` of `JoinWorker`, `controlplane` of `JoinControlPlane`."""
    letters = word.lower().replace("-", "").replace("_", "")
    start = len(choice) - len(letters)
    return (
        len(letters) >= 4
        and start > 0
        and choice[start].isupper()
        and choice.lower().endswith(letters)
    )


def _stem(word: str) -> str:
    letters = word.lower().replace("-", "").replace("_", "").replace(" ", "")
    if letters.endswith("ies"):
        return letters[:-3] + "y"
    if letters.endswith(("ches", "shes", "sses", "xes")):
        return letters[:-2]
    return letters.removesuffix("s")


def distance(word: str, other: str, *, limit: int) -> int:
    """Slips between two words: letters left out, put in, replaced, or two neighbours swapped.

    Args:
        word: One word.
        other: Another.
        limit: Where counting may stop.

    Returns:
        The optimal string alignment distance, or any number above `limit` if it is greater than that.
    """
    if abs(len(word) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            slips = min(
                last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != against)
            )
            swapped = row > 1 < column and letter == other[column - 2] and word[row - 2] == against
            line.append(min(slips, before[column - 2] + 1) if swapped else slips)
        if min(line) > limit:
            return limit + 1
        before, last = last, line
    return last[-1]
