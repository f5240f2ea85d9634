"""Files that people wrote, with something in them changed, and what must hold of any answer; the same seed gives the same damage."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from machineadm.codes import load
from machineadm.conversion import report
from machineadm.conversion.whole import TARGETS, Conversion, Request, convert
from machineadm.documents import printing
from machineadm.documents.encoding import encode_yaml
from tests.contract.mutations import damaged_bytes, damaged_structure

OWN: Final = (Path(__file__).parent / "own",)
KINDS: Final = ("kubeadmconfig", "kubeadm", "nodeadm")
"""Directories of the corpus whose files `convert` may be given."""

SECRET: Final = "hunter2-5ecr3t"
_SECRETS: Final = {
    "passwd": SECRET,
    "token": SECRET,
    "certificateKey": SECRET,
    "tlsBootstrapToken": SECRET,
}
"""Fields that hold a secret wherever they stand, with one that no message may show."""

_CODE: Final = (
    "{{ ds.meta_data.a }}", "{{ v1.local_hostname | upper }}", "{% if a %}", "{{", "}}", "${A}", "${A:=b}", "$${A}", "$(a)", "$$(",
    "<<EOF", "<<-'E'", "EOF\n", "`a`", "\\", "'", '"', "#", "\n", "\r\n", "\t", "\x00", "\x85", "\u2028", "set -e\n", "exit 0\n",
    "exit 1; ", "export A=b; ", "source a; ", "/run/kubeadm/kubeadm.yaml", "sed -i 's/a/b/' ", "kubeadm ", "hostnamectl ",
    "cat > /a <<E\nb\nE\n", "&& ", "|| ", "; ", "| ", "( ", ") ", "{ ", "} ", "case a in ", "esac ", "for a in b; do ", "done ",
    "a() { ", "if true; then ", "fi ", "powershell ", "C:\\a", "systemctl enable --now ", "sysctl -w a=b", "*", "&a", "!b",
)  # fmt: skip
"""Pieces of what people write into commands and files."""


class Mutant(NamedTuple):
    """One input."""

    seed: str
    """The file that it was."""

    data: bytes
    request: Request

    @property
    def keeps_secrets(self) -> bool:
        """Whether each secret still stands in its field; in another one it is a value that an error may show."""
        text = self.data.decode("utf-8", "replace")
        fields = rf"[\"']?(?:{'|'.join(_SECRETS)})[\"']?\s*:\s*[\"']?{SECRET}"
        return len(re.findall(fields, text)) == text.count(SECRET)


def seeds() -> list[tuple[str, str]]:
    """Name and text of every file: the repository's own, and the corpus where there is one."""
    paths = [path for directory in OWN for path in sorted(directory.iterdir()) if path.is_file()]
    corpus = os.environ.get("MACHINEADM_CORPUS")
    if corpus:
        for kind in KINDS:
            paths += [path for path in sorted((Path(corpus) / kind).iterdir()) if path.is_file()]
    return [(path.name, _with_secrets(path.read_text("utf-8", "replace"))) for path in paths]


def mutants(count: int, *, seed: int) -> Iterator[Mutant]:
    """Damaged files with a request for each."""
    chance = random.Random(seed)  # noqa: S311 - the same ones at each run
    whole = seeds()
    documents = {name: found for name, text in whole if (found := _documents(text))}
    names = list(documents)
    for number in range(count):
        name, text = chance.choice(whole)
        kind = number % 6
        if kind == 0:
            data = damaged_bytes(text.encode(), chance)
        elif kind == 1:
            data = _lines(text, chance.choice(whole)[1], chance).encode()
        elif kind == 2:
            data = _with_code(text, chance).encode()
        elif kind == 3:
            name = chance.choice(names)
            data = damaged_structure(documents[name], chance)
        else:
            # In values alone: it stays YAML, and gets further than to the reader.
            name = chance.choice(names)
            changed = documents[name]
            for _ in range(chance.choice((1, 2, 5))):
                changed = [_inside(one, chance) for one in changed]
            data = b"---\n".join(encode_yaml(one) for one in changed)
        yield Mutant(name, data, _request(chance))


def _inside(value: Any, chance: random.Random) -> Any:
    """The same value with code in one of its texts, or a line of a text changed."""
    if isinstance(value, dict) and value:
        # By size: the four fields at the top would be hit half of the time.
        sizes = [1 + len(str(one)) for one in value.values()]
        (key,) = chance.choices(list(value), sizes)
        return {**value, key: _inside(value[key], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        # Two at one place as well: a list is what most of a configuration is.
        kept = value[at : at + chance.choice((0, 1, 1, 1, 1))]
        return [*value[:at], *kept, _inside(value[at], chance), *value[at + 1 :]]
    if isinstance(value, str):
        return _with_code(value, chance) if chance.random() < 0.7 else _lines(value, value, chance)
    return chance.choice((value, str(value), None, [value], {"a": value}))


def _documents(text: str) -> list[Any]:
    try:
        return [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError:
        return []


def _with_secrets(text: str) -> str:
    """The same with a secret in each field that holds one."""
    lines = []
    for line in text.splitlines(keepends=True):
        name, colon, value = line.partition(":")
        held = _SECRETS.get(name.strip(" -"))
        # Not of a block, whose lines are further below.
        one_line = colon and value.strip() and value.strip()[0] not in "|>{[&"
        lines.append(f"{name}: {held}\n" if held and one_line else line)
    return "".join(lines)


def _with_code(text: str, chance: random.Random) -> str:
    """Pieces of code put into a text where a value stands, or anywhere."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        places = [at + 2 for at in range(len(text)) if text.startswith((": ", "- "), at)]
        at = (
            chance.choice(places)
            if places and chance.random() < 0.5
            else chance.randrange(len(text) + 1)
        )
        text = text[:at] + chance.choice(_CODE) + text[at:]
    return text


def _lines(text: str, other: str, chance: random.Random) -> str:
    """Lines that are gone, twice there, elsewhere, indented otherwise, or of another file."""
    lines = text.splitlines(keepends=True)
    others = other.splitlines(keepends=True)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if not lines:
            break
        at, size = chance.randrange(len(lines)), chance.choice((1, 1, 2, 5, 20))
        part = lines[at : at + size]
        kind = chance.randrange(5)
        if kind == 0:
            del lines[at : at + size]
        elif kind == 1:
            lines[at:at] = part
        elif kind == 2:
            del lines[at : at + size]
            to = chance.randrange(len(lines) + 1)
            lines[to:to] = part
        elif kind == 3:
            by = chance.choice((-4, -2, -1, 1, 2, 4))
            lines[at : at + size] = [" " * by + one if by > 0 else one[-by:] for one in part]
        elif others:
            begin = chance.randrange(len(others))
            lines[at:at] = others[begin : begin + size]
    return "".join(lines)


def _request(chance: random.Random) -> Request:
    """What is asked for: mostly nothing, sometimes more than goes together."""
    if chance.random() < 0.5:
        return Request()
    token = {
        "type": "Token",
        "endpoint": "192.0.2.1:6443",
        "token": SECRET,
        "unsafeSkipCAVerification": True,
    }
    return Request(
        to=chance.choice((None, *TARGETS)),
        role=chance.choice((None, "Initialize", "JoinControlPlane", "JoinWorker")),
        discovery=chance.choice(({}, token, {"discovery": token}, {"a": [None]})),
        version=chance.choice((None, None, "v1.33.1", "v1.22.0", "v1.36.0")),
        values=chance.choice(({}, _VALUES)),
        filled_in=chance.random() < 0.1,
    )


_VALUES: Final = {
    "KUBERNETES_VERSION": "v1.34.1",
    "CLUSTER_NAME": "a\nb: c",
    "CONTROL_PLANE_ENDPOINT_IP": "'",
    "SSH_KEY": "${A}",
}


def faults(found: Conversion, *, keeps_secrets: bool = True) -> Iterator[str]:
    """What is wrong with an answer, whatever the question was.

    Args:
        found: The answer.
        keeps_secrets: Whether the input had secrets in their fields alone.
    """
    if not found.problems and not found.results:
        yield "there is no answer"
    for problem in found.problems:
        if problem.code not in load():
            yield f"{problem.code} is not a code"
        if problem.line < 1:
            yield f"{problem.code} has no place"
        if "\n" in problem.message:
            yield f"{problem.code} is not one line"
    told = report.as_text(found) + report.as_json(found) + printing.as_text(found.problems)
    if keeps_secrets and SECRET in told:
        yield "a secret is told"
    for result in found.results:
        # What was ours already is as good as it was.
        if result.kind in TARGETS:
            continue
        if any(not leaf.outcome for leaf in result.leaves):
            yield "a leaf is lost"
        again = convert([("again.yaml", result.text.encode())], Request())
        if again.problems:
            yield f"its own output is refused: {again.problems[0].code}"
        elif "---\n".join(one.text for one in again.results) != result.text:
            yield "converting its output changes it"
