"""Rules have the types and the costs that the API server gives them."""

import json

import pytest

from crd_corpus.planted import Change, changed
from crdlint.cel import rules
from crdlint.checking import check_file
from crdlint.definition import DEFINITION
from crdlint.model import Findings
from crdlint.openapi import check_openapi
from crdlint.shapes import Decoding

# As the CRD judge said it: cost of one evaluation, and how often there may be one.
COSTS = [
    ("name", "self == 'a'", 2, 1),
    ("name", "self.matches('^[a-z]+$')", 19, 1),
    ("name", "self.contains('x') && self.startsWith('y')", 11, 1),
    ("tags", "self.all(x, self.exists_one(y, x == y))", 862, 1),
    # A tenth of the most there is: the sizes of what a macro makes are unknown to the server, too.
    ("tags", "self.map(x, x + 'a').join(',').size() > 3", 1844674407370955458, 1),
    ("labels", "self.all(k, k.size() < self[k].size())", 102, 1),
    ("spec", "self.items.all(x, x.tags.all(y, y != self.name))", 371, 1),
    ("items.[]", "self.size > 3", 3, 8),
    ("tags.[]", "self.lowerAscii() == self", 10, 10),
    ("name", "quantity(self).isLessThan(quantity('1Gi'))", 11, 1),
    ("spec", "self.?sub.limit.orValue(3) > self.count", 6, 1),
    ("tags", "sets.contains(self, ['a', 'b'])", 32, 1),
    ("name", "self.replace('a', 'bb').split(',').size() < 3", 51, 1),
    ("tags", "self.all(i, v, v.size() > i)", 72, 1),
    ("port", "type(self) == int ? self < 5 : self.endsWith('%')", 9, 1),
]


def with_rule(where: str, rule: str) -> str:
    return json.dumps(changed(Change(where, {"x-kubernetes-validations": [{"rule": rule}]})))


@pytest.mark.parametrize(("where", "rule", "cost", "times"), COSTS)
def test_a_rule_costs_what_the_api_server_says(
    where: str, rule: str, cost: int, times: int
) -> None:
    crd = DEFINITION(json.loads(with_rule(where, rule)), "", Decoding(Findings()))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    judged = rules.Rules(schema, "", Findings())
    check_openapi(schema, "", Findings(), judged.judge)
    # The end of a path is enough: each of these nodes is there once.
    place = {"spec": "[spec]", "items.[]": "[items].items", "tags.[]": "[tags].items"}.get(
        where, f"[{where}]"
    )

    (found,) = [c for c in judged.costs if c.path.endswith(place)]

    assert (found.cost, found.cardinality) == (cost, times)


@pytest.mark.parametrize(
    ("where", "rule", "words"),
    [
        ("name", "self.nope", "does not support field selection"),
        ("spec", "self.nope == 1", "undefined field 'nope'"),
        ("name", "self == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
        ("tags", "self.all(x, x > 1)", "applied to '(string, int)'"),
        ("name", "foo(self)", "undeclared reference to 'foo'"),
        ("name", "self", "must evaluate to a bool, not a string"),
        ("name", "self.all(x, true)", "cannot be range of a comprehension"),
        ("name", "[1, 'a'].size() == 2", "expected type 'int' but found 'string'"),
        ("name", "self.matches('(')", "invalid matches argument"),
        ("name", "int('x') == 1", "invalid int argument"),
        ("name", "'%d'.format(['a']) == ''", "does not go with %d"),
        ("name", "self == ", "Syntax error"),
        ("name", "self == `a`", "Syntax error"),
        ("tags.[]", "self == oldSelf", "uncorrelatable"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_reason(where: str, rule: str, words: str) -> None:
    (violation,) = [
        v for v in check_file(with_rule(where, rule).encode(), "crd") if v.severity == "error"
    ]

    assert violation.code == "CRD222"
    assert words in violation.message


def test_a_rule_whose_estimate_is_too_high_says_by_how_much() -> None:
    crd = changed(Change("tags", {"maxItems": 100_000}))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["tags"]["x-kubernetes-validations"] = [
        {"rule": "self.all(x, self.exists(y, x == y))"}
    ]

    found = check_file(json.dumps(crd).encode(), "crd")

    assert [v.path.rpartition(".")[2] for v in found] == ["rule", "openAPIV3Schema"]
    assert all("exceeds budget by factor of more than 100x" in v.message for v in found)
