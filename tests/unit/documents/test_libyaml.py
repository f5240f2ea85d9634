"""libyaml's parser comes without the rest of PyYAML, and leaves no trace for those who want the rest."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

AFTERWARDS = """
import sys
sys.path.insert(0, sys.argv[1])
from machineadm.documents import libyaml
parser, events, error = libyaml.load()
print(*sorted(name for name in sys.modules if name.startswith("yaml")))
event = parser("a: [b").get_event()
print(type(event) is events.StreamStartEvent)
try:
    parser("a: [b\\tc: }").raw_parse()
except error as refused:
    print(type(refused).__name__, refused.problem_mark.line)
assert libyaml.load()[0] is parser
import yaml
print(yaml.load("a: [1, 2020-01-01]", yaml.CSafeLoader), yaml.YAMLError is error)
"""


def test_only_what_parses_is_loaded_and_the_whole_can_be_loaded_later() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, str(ROOT)], capture_output=True, text=True, check=True
    )

    assert outcome.stdout.splitlines() == [
        "yaml._yaml yaml.error yaml.events yaml.nodes yaml.tokens",
        "True",
        "ParserError 0",
        "{'a': [1, datetime.date(2020, 1, 1)]} True",
    ]


def test_where_all_of_it_is_loaded_already_that_is_used() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import yaml\n"
        "from machineadm.documents import libyaml\n"
        "assert libyaml.load() == (yaml._yaml.CParser, yaml.events, yaml.YAMLError)"
    )

    subprocess.run([sys.executable, "-c", program, str(ROOT)], check=True)


def test_who_reads_yaml_by_pyyaml_in_the_same_process_is_told_of_every_fault() -> None:
    program = (
        "from machineadm.documents.libyaml import load; load()\n"
        "from crdlint.checking import check_file\n"
        "print([each.message for each in check_file(b'a: \\x01b', 'x')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert "is not YAML" in ended.stdout, ended.stderr
