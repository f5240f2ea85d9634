"""The CRD judge says what the API server would: a good CRD passes, planted faults are told with their path."""

from typing import Any

import pytest

from tests.judges import judges

GOOD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boxes.example.com}
spec:
  group: example.com
  names: {plural: boxes, kind: Box}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            default: {}
            properties:
              size: {type: integer, default: 3, maximum: 10}
              name: {type: string, maxLength: 20, pattern: '^[a-z]+$'}
            x-kubernetes-validations:
            - {rule: "!has(self.name) || self.name != 'nobody'", message: not nobody}
"""
DEAR = (
    GOOD.replace(", maxLength: 20", "")
    .replace(", default: 3", "")
    .replace("default: {}", "nullable: true")
)
DEAR = DEAR.replace("self.name != 'nobody'", "self.name.matches('" + 200 * "a" + "')")


def judge(text: str, *objects: dict[str, Any]) -> dict[str, Any]:
    (verdict,) = judges.crd_validate([(text, [{"object": o} for o in objects])])
    return verdict


def test_a_good_crd_passes_with_its_columns_and_costs() -> None:
    verdict = judge(GOOD)

    assert verdict["ok"], verdict["errors"]
    assert [c["name"] for c in verdict["columns"]] == ["Size"]
    assert verdict["costs"][0]["path"].endswith("properties[spec]")
    assert verdict["costs"][0]["cost"] > 0


@pytest.mark.parametrize(
    ("right", "wrong", "where", "words"),
    [
        ("type: integer, default: 3", "default: 3", "properties[size].type", "must not be empty"),
        ("default: 3", "default: 30", "properties[size].default", "less than or equal to 10"),
        ("'^[a-z]+$'", "'(?=x)'", "properties[name].pattern", "invalid or unsupported Perl"),
        ("self.name != 'nobody'", "self.name != 1", "properties[spec]", "no matching overload"),
        ("maxLength: 20", "maxLenght: 20", "", "unknown field"),
        ("maximum: 10", "exclusiveMaximum: 10", "", "cannot unmarshal number"),
        ("group: example.com", "group: example", "spec.group", "at least one dot"),
        ("jsonPath: .spec.size", "jsonPath: spec.size", "JSONPath", "starting with ."),
    ],
)
def test_a_planted_fault_is_caught(right: str, wrong: str, where: str, words: str) -> None:
    assert GOOD.count(right) == 1

    verdict = judge(GOOD.replace(right, wrong))

    assert not verdict["ok"]
    assert any(words in e["detail"] and where in e.get("field", "") for e in verdict["errors"])


def test_a_rule_that_costs_too_much_is_caught() -> None:
    verdict = judge(DEAR)

    assert [e["type"] for e in verdict["errors"]] == ["FieldValueForbidden"]
    assert "exceeds budget" in verdict["errors"][0]["detail"]


def test_objects_are_pruned_defaulted_and_judged() -> None:
    box = {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "b"}}

    bare, unknown, wrong, refused = judge(
        GOOD,
        box,
        {**box, "spec": {"colour": "red"}},
        {**box, "spec": {"size": 11, "name": "B"}},
        {**box, "spec": {"name": "nobody"}},
    )["objects"]

    assert bare["ok"]
    assert bare["object"]["spec"] == {"size": 3}
    assert unknown["ok"]
    assert unknown["pruned"] == ["spec.colour"]
    assert {e["field"] for e in wrong["errors"]} == {"spec.size", "spec.name"}
    assert "not nobody" in refused["errors"][0]["detail"]
