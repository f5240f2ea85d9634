"""Stand-ins for types: whoever decodes by them gets what the types themselves give, problems included."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import msgspec
import pytest

import machineadm.config
from machineadm.api import later
from machineadm.api.v1alpha1.swap import Swap
from machineadm.documents.declared import keeps_declared
from machineadm.documents.secrets import secret_hook
from tests.typewalk import structs

ROOT = Path(__file__).parents[3]
STREAMS = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("tests/cases/**/in.yaml")])

# In a process of its own: in this one tests/conftest.py has put the types in their places.
DECODE = """
import sys
from pathlib import Path
from machineadm.documents.decoding import decode
if sys.argv[1] == "types":
    import machineadm.api.resources, machineadm.api.later
    machineadm.api.later.load()
elif any(name.endswith(".windows") for name in sys.modules):
    sys.exit("there are no stand-ins left to try")
for path in sys.argv[2:]:
    for mistake in ("", "ownr: x\\n", "files: 1\\n"):
        data = Path(path).read_bytes()
        for line in data.splitlines(keepends=True) if mistake else [b""]:
            # One mistake behind each line that opens a map, at its depth.
            if mistake and not line.rstrip().endswith(b":"):
                continue
            depth = len(line) - len(line.lstrip()) + 2
            wrong = data.replace(line, line + b" " * depth + mistake.encode(), 1) if mistake else data
            for document in decode(wrong, file=path):
                print(repr((document.value, document.problems)))
"""


def decoded(how: str, paths: list[Path]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DECODE, how, *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_document_is_decoded_as_by_the_types_and_so_is_one_with_a_mistake() -> None:
    by_stand_ins = decoded("stand-ins", STREAMS)

    assert by_stand_ins == decoded("types", STREAMS)
    assert by_stand_ins.count("MA1203") > 100
    assert "LinuxConfiguration(" in by_stand_ins


def test_each_document_of_a_process_is_decoded_alike() -> None:
    # What msgspec keeps of a type was made with stand-ins; a mistake in the first document puts the types in their places.
    first, second = (ROOT / f"examples/{name}.yaml" for name in ("control-plane", "worker"))

    assert decoded("stand-ins", [first, second, first]) == decoded("types", [first, second, first])


NAMES: dict[str, Any] = {}
later.later(NAMES, "swap", "Swap")
STOOD: Any = NAMES["Swap"]
SEVERAL: Any = tuple
HOLDER: Any = msgspec.defstruct(
    "Holder", [("swap", STOOD | None, None), ("more", SEVERAL[STOOD, ...], ())]
)


def test_a_branch_is_of_the_type_that_is_stood_for() -> None:
    value = msgspec.convert(
        {"swap": {"enabled": False}, "more": [{"enabled": True}]}, HOLDER, dec_hook=secret_hook
    )

    assert value == HOLDER(swap=Swap(enabled=False), more=(Swap(enabled=True),))
    assert type(value.swap) is Swap
    assert isinstance(value.swap, STOOD)
    assert not isinstance(value, STOOD)
    assert keeps_declared(value)


@pytest.mark.parametrize("wrong", [{"enabled": "x"}, {"nonsense": 1}, 1, [], None, "text"])
def test_what_the_type_refuses_is_refused(wrong: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"more": [wrong]}, HOLDER, dec_hook=secret_hook)


def rules_by_name() -> Iterator[tuple[str, str]]:
    """Names under which tables of rules have some, and the table's module."""
    for module in walk_packages(machineadm.config.__path__, "machineadm.config."):
        table = getattr(import_module(module.name), "RULES", {})
        yield from ((key, module.name) for key in table if isinstance(key, str))


def test_a_rule_that_names_its_type_names_one_that_there_is() -> None:
    types = [each.__name__ for each in structs()]
    named = dict(rules_by_name())

    assert {name: types.count(name) for name in named} == dict.fromkeys(named, 1)
    assert len(named) > 5
