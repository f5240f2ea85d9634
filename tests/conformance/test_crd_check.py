"""crdlint and the API server's own code agree on what is refused, and on what rules cost."""

import functools
import json
import math
import random
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("re2", reason="crdlint needs Python 3.11 and google-re2")

from crd_corpus import bounds, planted
from crd_corpus.base import base
from crd_corpus.mutations import mutate
from crd_corpus.rules import with_rules
from crdlint.cel import declarations, rules
from crdlint.checking import check_file
from crdlint.definition import DEFINITION
from crdlint.model import Findings, Violation
from crdlint.openapi import check_openapi
from crdlint.shapes import Decoding
from tests.judges import judges
from tests.real import missing

CLUSTER_API = "sigs.k8s.io/cluster-api@v1.12.0"
ROOT = Path(__file__).parents[2]
MUTATIONS = 1500
RULES = 500


@functools.cache
def cluster_api() -> list[Path]:
    """Cluster API's CRDs, as they lie in its Go module."""
    try:
        run = subprocess.run(
            ["go", "mod", "download", "-json", CLUSTER_API],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        missing("Go is not installed: Cluster API's CRDs cannot be had")
    if run.returncode != 0:
        missing(f"{CLUSTER_API} cannot be had: {run.stdout[-300:]}")
    found = sorted(Path(json.loads(run.stdout)["Dir"]).glob("**/crd/bases/*.yaml"))
    assert len(found) >= 19
    return found


def corpus() -> list[tuple[str, str]]:
    """Names and texts of all that is judged: real CRDs, ours, planted faults and near misses."""
    ours = [
        p
        for p in sorted((ROOT / "crds").glob("*_*.yaml"))
        if "CustomResourceDefinition" in p.read_text()
    ]
    named = [(p.name, p.read_text()) for p in [*cluster_api(), *ours]]
    changes = [(f"class {n}", c) for n, changes in planted.PLANTED.items() for c in changes]
    changes += [("envelope", c) for c in planted.ENVELOPE] + [
        ("accepted", c) for c in planted.ACCEPTED
    ]
    return named + [(f"{name}: {c}", json.dumps(planted.changed(c))) for name, c in changes]


def errors(text: str) -> list[Violation]:
    return [v for v in check_file(text.encode(), "crd.yaml") if v.severity == "error"]


def costs(text: str) -> dict[tuple[str, int], tuple[int, int, int]]:
    """The estimates of all rules of a CRD by the end of their path and their number."""
    found: dict[tuple[str, int], tuple[int, int, int]] = {}
    crd = DEFINITION(json.loads(text), "", Decoding(Findings()))
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        judged = rules.Rules(schema, "", Findings())
        check_openapi(schema, "", Findings(), judged.judge)
        found |= {(c.path, c.index): (c.cost, c.message, c.cardinality) for c in judged.costs}
    return found


def told(text: str, verdict: dict[str, Any]) -> str:
    """Both verdicts on a CRD."""
    theirs = [f"{e.get('field')}: {e['detail'][:200]}" for e in verdict["errors"]]
    return f"the API server: {theirs}\ncrdlint: {check_file(text.encode(), 'crd')}\n{text[:3000]}"


def test_every_crd_of_the_corpus_is_refused_by_both_or_by_none() -> None:
    crds = corpus()
    verdicts = judges.crd_validate([(text, []) for _, text in crds])

    disagreements = [
        f"{name}\n{told(text, verdict)}"
        for (name, text), verdict in zip(crds, verdicts, strict=True)
        if verdict["ok"] == bool(errors(text))
    ]

    assert len(crds) >= 150
    assert disagreements == []


def test_what_is_planted_is_refused_and_near_misses_are_not() -> None:
    faults = [c for changes in planted.PLANTED.values() for c in changes] + planted.ENVELOPE
    verdicts = judges.crd_validate(
        [(json.dumps(planted.changed(c)), []) for c in [*faults, *planted.ACCEPTED]]
    )

    accepted = [c for c, v in zip(faults, verdicts, strict=False) if v["ok"]]
    refused = [
        (c, v["errors"])
        for c, v in zip(planted.ACCEPTED, verdicts[len(faults) :], strict=True)
        if not v["ok"]
    ]

    assert accepted == []
    assert refused == []
    assert min(map(len, planted.PLANTED.values())) >= 4


def test_mutations_of_a_crd_are_refused_by_both_or_by_none() -> None:
    r = random.Random(20)  # noqa: S311 nothing is secret here
    texts = [json.dumps(mutate(base(), r, r.choice([1, 1, 2, 3]))) for _ in range(MUTATIONS)]
    verdicts = judges.crd_validate([(text, []) for text in texts])

    disagreements = [
        told(text, verdict)
        for text, verdict in zip(texts, verdicts, strict=True)
        if verdict["ok"] == bool(errors(text)) and not not_judged(text)
    ]

    assert disagreements == []
    assert MUTATIONS / 10 < sum(v["ok"] for v in verdicts) < MUTATIONS * 9 / 10


def not_judged(text: str) -> bool:
    return any(v.code == "CRD501" for v in check_file(text.encode(), "crd"))


def test_rules_are_refused_by_both_or_by_none_and_cost_the_same() -> None:
    r = random.Random(22)  # noqa: S311 nothing is secret here
    texts = [json.dumps(planted.changed(c)) for c in [*planted.PLANTED[22], *planted.ACCEPTED]]
    texts += [json.dumps(with_rules(r)) for _ in range(RULES)]
    verdicts = judges.crd_validate([(text, []) for text in texts])
    compared = 0
    for text, verdict in zip(texts, verdicts, strict=True):
        assert verdict["ok"] != bool(errors(text)), told(text, verdict)
        ours = costs(text)
        for cost in verdict["costs"]:
            key = (cost["path"].partition("openAPIV3Schema")[2], cost["rule"])
            if not cost.get("error") and key in ours:
                compared += 1
                assert ours[key] == (cost["cost"], cost["message"], cost["cardinality"]), (
                    key,
                    text,
                )

    assert compared > RULES


def test_the_functions_are_those_that_the_api_server_declares() -> None:
    run = subprocess.run(
        [judges.crd(), "--declarations"], capture_output=True, text=True, check=True
    )
    short = {
        "google.protobuf.Duration": "duration",
        "google.protobuf.Timestamp": "timestamp",
        "null_type": "null",
    }
    lines = [
        f"{f['name']} {o['id']} {'.' if o['member'] else '-'} {'; '.join(o['args'])} -> {o['result']}"
        for f in json.loads(run.stdout)
        for o in f["overloads"]
    ]
    for long, word in short.items():
        lines = [line.replace(long, word) for line in lines]

    assert declarations.FUNCTIONS.splitlines() == lines


def test_bounds_are_warned_of_where_other_integers_pass_than_they_say() -> None:
    """Each bound of the list by the API server's own code, beside what its schema means to a mathematician."""
    head = {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "x"}}
    objects = [{"object": {**head, "size": value}} for value in bounds.VALUES]
    schemas = [schema for schema in bounds.BOUNDS if "string" not in schema]
    verdicts = judges.crd_validate(
        [(bounds.CRD.format(schema=schema), objects) for schema in schemas]
    )
    for schema, verdict in zip(schemas, verdicts, strict=True):
        assert verdict["ok"], schema
        passes = [one["ok"] for one in verdict["objects"]]
        means = [meant(yaml.safe_load(f"{{{schema}}}"), value) for value in bounds.VALUES]
        assert (passes != means) == bounds.BOUNDS[schema], schema


def meant(schema: dict[str, Any], value: int) -> bool:
    """Whether an integer is in the bounds of a schema, whatever their size."""
    # What the decoder makes of a bound is not a trap: 2^63 - 1 and 2^63 are one float64.
    most, least = float(schema.get("maximum", math.inf)), float(schema.get("minimum", -math.inf))
    within = (
        (value < most if schema.get("exclusiveMaximum") else value <= most)
        and (value > least if schema.get("exclusiveMinimum") else value >= least)
        and value % Fraction(schema.get("multipleOf", 1)) == 0
    )
    single = [one for name in ("allOf", "anyOf", "oneOf") for one in schema.get(name, ())]
    return (
        within
        and all(meant(one, value) for one in single)
        and not ("not" in schema and meant(schema["not"], value))
    )
