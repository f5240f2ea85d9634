"""A rule says nothing of what it cannot know: what could not be decoded never makes another finding."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.paths import child
from machineadm.config.validation import check
from machineadm.documents.decoding import decode
from tests.configurations import EXAMPLES, configuration, example
from tests.rulecases import places
from tests.unit.config.test_rules import CASES


def prunings(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """A value with each thing in it pruned in turn, as the decoder would have to."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            given = getattr(value, field.name)
            if given is None or given in ((), {}):
                continue
            at = child(path, field.encode_name)
            yield at, replace(value, **{field.name: PRUNED})
            for below, pruned in prunings(given, at):
                yield below, replace(value, **{field.name: pruned})
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            at = f"{path}[{index}]"
            for below, pruned in ((at, PRUNED), *prunings(item, at)):
                yield below, (*value[:index], pruned, *value[index + 1 :])
    elif isinstance(value, dict):
        for key, item in value.items():
            at = child(path, key)
            for below, pruned in ((at, PRUNED), *prunings(item, at)):
                yield below, {**value, key: pruned}


def pruned_everywhere(given: MachineConfiguration) -> list[tuple[str, MachineConfiguration]]:
    return [
        (path, replace(given, spec=spec))
        for path, spec in prunings(given.spec, "spec")
        if not path.startswith("spec.kubernetes.controlPlane.staticPods[0].manifest.")
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_nothing_is_found_in_a_good_configuration_wherever_it_is_pruned(name: str) -> None:
    told = {
        path: places(findings)
        for path, pruned in pruned_everywhere(example(name))
        if (findings := check(pruned))
    }

    assert told == {}


@pytest.mark.parametrize("case", CASES, ids=[case.sentence for case in CASES])
def test_pruning_a_bad_configuration_finds_nothing_more(case: Any) -> None:
    for path, pruned in pruned_everywhere(configuration(case.bad)):
        assert set(places(check(pruned))) <= set(case.findings), path


def test_the_maximal_example_has_hundreds_of_places() -> None:
    assert len(pruned_everywhere(example("maximal.yaml"))) > 400


def test_a_pruned_item_silences_only_the_rules_that_look_at_it() -> None:
    given = configuration({"machine.files": [{"path": "/a", "content": ""}, {"path": "/b"}]})
    first, second = given.spec.machine.files
    machine = replace(given.spec.machine, files=(replace(first, path=PRUNED), second))

    findings = check(replace(given, spec=replace(given.spec, machine=machine)))

    assert places(findings) == [("MA1302", "spec.machine.files[1]")]


ODD: list[Any] = [
    None, True, 0, -1, 10**12, 1.5, "", "x", "a:b:c", "[::", "::1", "[::1]:1", "1.2.3.4:99999", "v1.30.0", "v1.29.0-",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "0s", "9999999h", "10.0.0.0/33", "fd00::/8",
    "YQ==", "a\0b", "/a/../b", "x" * 600, [], [None], ["a", "a"], [{}], {}, {"a": 1}, {"type": "Token"}, {"kind": []},
]  # fmt: skip


def mutated(document: Any, randomness: random.Random) -> None:
    """Put something odd at a random place."""
    while True:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = randomness.choice(keys)
        if not isinstance(document[key], (dict, list)) or not document[key]:
            break
        if randomness.random() < 0.15:
            break
        document = document[key]
    document[key] = copy.deepcopy(randomness.choice(ODD))


@pytest.mark.parametrize("seed", range(20))
def test_no_rule_breaks_on_what_the_decoder_leaves_of_a_broken_file(seed: int) -> None:
    randomness = random.Random(seed)  # noqa: S311 - reproducible on purpose
    texts = [path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))]
    for _ in range(25):
        document = yaml.load(randomness.choice(texts), yaml.CSafeLoader)
        for _ in range(randomness.randrange(1, 6)):
            mutated(document["spec"], randomness)
        (found,) = decode(msgspec.json.encode(document), file="odd.json")
        if isinstance(found.value, MachineConfiguration):
            told = check(
                found.value, kubernetes_version=randomness.choice([None, "v1.29.1", "nonsense"])
            )
            assert all(finding.path.startswith("spec") and finding.message for finding in told)
