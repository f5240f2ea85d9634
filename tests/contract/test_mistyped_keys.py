"""Every key of every kind, mistyped in every common way, is refused where it stands.

`make .venv && .venv/bin/python -m tests.contract.test_mistyped_keys` measures and writes docs/mistyped-keys.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pytest
import yaml
from msgspec import inspect

from machineadm.api.later import load
from machineadm.api.scheme import KINDS
from machineadm.config import upstream
from machineadm.config.passed_on import judged
from machineadm.config.versions import NEWEST_MINOR
from machineadm.documents.decoding import decode_kinds
from machineadm.documents.encoding import encode_yaml
from machineadm.documents.model import Problem
from machineadm.rendering.objects import KINDS as RENDERED
from tests.passed_on_cases import RIGHT

DOC = Path(__file__).parents[2] / "docs/mistyped-keys.md"
COMMAND = ".venv/bin/python -m tests.contract.test_mistyped_keys"
GOAL = 95
ALL_KINDS = {**KINDS, **RENDERED}
"""What a machine reads, and what is rendered for it: MachineBootstrap with the Secrets and ConfigMaps that it refers to."""
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

Steps = tuple[str | int, ...]


class Key(NamedTuple):
    """A field of a type, with the way to the map that it stands in."""

    owner: inspect.StructType
    kind: tuple[str, str]
    steps: Steps
    tags: tuple[tuple[Steps, str, str], ...]
    name: str
    neighbours: frozenset[str]

    def path(self) -> str:
        return re.sub(
            r"\.\[",
            "[",
            ".".join(f"[{s}]" if isinstance(s, int) else s for s in (*self.steps, self.name)),
        )


class Tally(NamedTuple):
    """How a sort of mistake fared."""

    tried: int
    placed: int
    guessed: int


# ------------------------------------------------------------------ the keys there are


def keys() -> list[Key]:
    """One for each field of each type, at the first place where the type occurs."""
    found: dict[tuple[type, str], Key] = {}
    for kind, cls in ALL_KINDS.items():
        for owner, key in _keys(inspect.type_info(cls), kind, (), (), set()):
            found.setdefault((owner, key.name), key)
    return list(found.values())


def _keys(
    type_: inspect.Type, kind: tuple[str, str], steps: Steps, tags: Any, seen: set[type]
) -> Iterator[tuple[type, Key]]:
    if isinstance(type_, inspect.Metadata):
        yield from _keys(type_.type, kind, steps, tags, seen)
    elif isinstance(type_, inspect.UnionType):
        for member in type_.types:
            yield from _keys(member, kind, steps, tags, seen)
    elif isinstance(type_, inspect.VarTupleType):
        yield from _keys(type_.item_type, kind, (*steps, 0), tags, seen)
    elif isinstance(type_, inspect.DictType):
        yield from _keys(type_.value_type, kind, (*steps, "entry"), tags, seen)
    elif isinstance(type_, inspect.StructType) and type_.cls not in seen:
        seen.add(type_.cls)
        if type_.tag_field:
            tags = (*tags, (steps, type_.tag_field, str(type_.tag)))
        names = [field.encode_name for field in type_.fields]
        names += [type_.tag_field] if type_.tag_field else []
        for name in names:
            yield type_.cls, Key(type_, kind, steps, tags, name, frozenset(names))
        for field in type_.fields:
            yield from _keys(field.type, kind, (*steps, field.encode_name), tags, seen)


# ------------------------------------------------------------------ the ways to mistype one


def mistakes(name: str) -> dict[str, list[str]]:
    """All ways to mistype a name, by sort."""
    at = range(len(name))
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]?[a-z0-9]+|[A-Z]+", name)
    return {
        "two letters swapped": [name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in at[:-1]],
        "a letter left out": [name[:i] + name[i + 1 :] for i in at],
        "a letter doubled": [name[: i + 1] + name[i:] for i in at],
        "a letter replaced by its neighbour on the keyboard": [
            name[:i] + near + name[i + 1 :] for i in at for near in _near(name[i])
        ],
        "a letter too many": [name[:i] + near + name[i:] for i in at for near in _near(name[i])],
        "case": [name.lower(), name.upper(), name.capitalize(), name[0].upper() + name[1:]],
        "singular for plural, or the reverse": [
            name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s"),
            name[:-1] + "ies" if name.endswith("y") else name + "s",
        ],
        "hyphens": ["-".join(word.lower() for word in words)],
        "underscores": ["_".join(word.lower() for word in words)],
    }


def _near(letter: str) -> list[str]:
    for row in ROWS:
        if (place := row.find(letter.lower())) >= 0:
            near = [row[i] for i in (place - 1, place + 1) if 0 <= i < len(row)]
            return [each.upper() if letter.isupper() else each for each in near]
    return []


def sample(key: Key, sort: str) -> list[str]:
    """Two of the mistakes of a sort, always the same ones, none of them another field's name."""
    wrong = sorted(
        {each for each in mistakes(key.name)[sort] if each and each not in key.neighbours}
    )
    wrong.sort(key=lambda each: crc32(f"{key.path()}{sort}{each}".encode()))
    return wrong[:2]


# ------------------------------------------------------------------ one mistake


def document(key: Key, wrong: str) -> bytes:
    """A document in which a key is mistyped; of the rest it has what leads there."""
    return encode_yaml(document_around(key, wrong, "x"))


def document_around(key: Key, name: str, value: Any) -> dict[str, Any]:
    """A document that holds what leads to a key, and a value at that place under a name."""
    tags = {steps: {field: tag} for steps, field, tag in key.tags}
    head = {"apiVersion": key.kind[0], "kind": key.kind[1]}
    fields = {**({} if key.steps else head), **tags.get(key.steps, {}), key.name: value}
    node: Any = {name if each == key.name else each: item for each, item in fields.items()}
    if not key.steps:
        return dict(node)
    for index in reversed(range(len(key.steps))):
        step, around = key.steps[index], key.steps[:index]
        node = [node] if isinstance(step, int) else {**tags.get(around, {}), step: node}
    return {**head, **node}


def position(data: bytes, steps: Steps, wrong: str) -> tuple[int, int]:
    """Line and column of a key, by another reader than ours."""
    node: Any = yaml.compose(data, yaml.SafeLoader)
    for step in steps:
        pairs = node.value
        node = (
            pairs[step] if isinstance(step, int) else next(v for k, v in pairs if k.value == step)
        )
    (mark,) = (k.start_mark for k, _ in node.value if k.value == wrong)
    return mark.line + 1, mark.column + 1


def refusals(key: Key, wrong: str) -> list[Problem]:
    """The problems that tell of the mistyped key where it stands."""
    data = document(key, wrong)
    place = position(data, key.steps, wrong)
    (read,) = decode_kinds(data, file="node.yaml", kinds=ALL_KINDS)
    return [
        problem
        for problem in read.problems
        if (problem.line, problem.column) == place and problem.code == "MA1203"
    ]


def is_guessed(key: Key, problem: Problem) -> bool:
    return problem.message.endswith((f'did you mean "{key.name}"?', f"did you mean {key.path()}?"))


def measure() -> dict[str, Tally]:
    """Try every key with every sort of mistake."""
    tallies: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for key in keys():
        for sort in mistakes("name"):
            for wrong in sample(key, sort):
                told = refusals(key, wrong)
                tallies[sort].append((bool(told), any(is_guessed(key, each) for each in told)))
    for field in passed_on():
        for sort in mistakes("name"):
            for wrong in of_passed_on(field, sort):
                tallies[sort].append(judged_mistake(field, wrong))
    return {
        sort: Tally(len(each), sum(placed for placed, _ in each), sum(right for _, right in each))
        for sort, each in tallies.items()
    }


# ------------------------------------------------------------------ documents that are passed on


class Field(NamedTuple):
    """A field of a type of Kubernetes', with the way to it from its document."""

    kind: str
    api_version: str
    type: str
    way: tuple[tuple[str, str], ...]
    """Names and kinds of the fields that lead there."""

    name: str


def passed_on() -> list[Field]:
    """One for each field of each type of each kind of document, at the first place where the type occurs."""
    found = []
    types = upstream.fields()["types"]
    for kind in RIGHT:
        version, root = next(
            (name, type_)
            for name, (type_, where) in upstream.fields()["kinds"][kind].items()
            if upstream.holds(where, NEWEST_MINOR)
        )
        ways: dict[str, tuple[tuple[str, str], ...]] = {root: ()}
        todo = [root]
        while todo:
            type_ = todo.pop(0)
            for name, entry in types[type_].items():
                below = upstream.at(entry, NEWEST_MINOR)
                if below is None:
                    continue
                found.append(Field(kind, version, type_, ways[type_], name))
                bare = below.lstrip("[]{}")
                if bare in types and bare not in ways:
                    ways[bare] = (*ways[type_], (name, below))
                    todo.append(bare)
    return found


def of_passed_on(field: Field, sort: str) -> list[str]:
    """A mistake of a sort, always the same one, which is no other field's name."""
    others = upstream.fields()["types"][field.type]
    wrong = {each for each in mistakes(field.name)[sort] if each and each not in others}
    return sorted(wrong, key=lambda each: crc32(f"{field}{sort}{each}".encode()))[:1]


def judged_mistake(field: Field, wrong: str) -> tuple[bool, bool]:
    """Whether a mistyped field is refused where it stands, and whether the right one is suggested."""
    inner: dict[str, Any] = {wrong: "x"}
    path = wrong
    for name, kind in reversed(field.way):
        if kind.startswith("[]"):
            inner, path = {name: [inner]}, f"{name}[0].{path}"
        elif kind.startswith("{}"):
            inner, path = {name: {"entry": inner}}, f"{name}.entry.{path}"
        else:
            inner, path = {name: inner}, f"{name}.{path}"
    document = {"apiVersion": field.api_version, "kind": field.kind, **inner}
    told = [
        each.message
        for each in judged(document, "", field.kind, NEWEST_MINOR)
        if re.sub(r'\["(.*?)"\]', r".\1", each.path).removeprefix(".") == path
        and each.message.startswith("unknown field")
    ]
    return bool(told), any(f'did you mean "{field.name}"?' in each for each in told)


# ------------------------------------------------------------------ the table


def table(tallies: dict[str, Tally]) -> str:
    total = Tally(*(sum(column) for column in zip(*tallies.values(), strict=True)))
    lines = [
        f"| {sort} | {t.tried} | {100 * t.placed / t.tried:.1f} % | {100 * t.guessed / t.tried:.1f} % |"
        for sort, t in {**tallies, "all": total}.items()
    ]
    head = "| mistake | tried | refused, with line and column | right suggestion |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(lines) + "\n"


def rates(text: str) -> dict[str, tuple[float, float]]:
    rows = re.findall(r"^\| ([^|]+) \| \d+ \| ([\d.]+) % \| ([\d.]+) % \|$", text, re.MULTILINE)
    return {sort: (float(placed), float(guessed)) for sort, placed, guessed in rows}


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return measure()


def test_every_mistyped_key_is_refused_where_it_stands(tallies: dict[str, Tally]) -> None:
    assert {sort: tally.tried - tally.placed for sort, tally in tallies.items()} == dict.fromkeys(
        mistakes("name"), 0
    )


def test_nineteen_of_twenty_suggestions_are_right(tallies: dict[str, Tally]) -> None:
    assert {
        sort: tally for sort, tally in tallies.items() if 100 * tally.guessed < GOAL * tally.tried
    } == {}


def test_the_table_in_the_docs_claims_no_more_than_is_measured(tallies: dict[str, Tally]) -> None:
    claimed, measured = rates(DOC.read_text()), rates(table(tallies))

    assert set(claimed) == set(measured)
    # Figures move a little with every field that comes and goes.
    assert all(
        claim - found <= 1
        for sort in claimed
        for claim, found in zip(claimed[sort], measured[sort], strict=True)
    ), f"renew it: {COMMAND}"


def test_a_right_key_is_no_mistake() -> None:
    assert [key for key in keys() if refusals(key, key.name)] == []


def test_there_are_hundreds_of_keys() -> None:
    assert len(keys()) > 300
    assert len(passed_on()) > 900


if __name__ == "__main__":
    load()  # as tests/conftest.py does
    DOC.write_text(
        "# Mistyped keys\n\n"
        "An unknown field is never ignored: it is refused with file, line, column and path, and with the\n"
        "name that was meant. Every field of every kind, MachineBootstrap and the Secrets and ConfigMaps that it refers to among\n"
        "them, is mistyped in the ways below, two mistakes of each sort and field (always the same ones; none that is another\n"
        "field of the same map), and the answer compared with where the key stands by another reader's account. So is every field\n"
        "of the documents that are [passed on](verdict.md) to Kubernetes, one mistake of each sort and field.\n\n"
        f"{table(measure())}\n"
        f"Made by `{COMMAND}`.\n`tests/contract/test_mistyped_keys.py` fails if a mistake is not "
        f"refused at its place, if fewer than {GOAL} % of\nthe suggestions of any sort are right, or if "
        "less is measured than this table claims.\n"
    )
