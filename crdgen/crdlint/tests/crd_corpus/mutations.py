"""Small mutations of CustomResourceDefinitions, the same for the same seed."""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Json = Any
# Among them what Go takes and Python does not, and the other way round.
PATTERNS = [
    "^[a-z]+$", "(?=x)", "(?!x)", r"\1", r"\Z", r"\p{L}+", r"\pN", r"\C", "a{1001}", "a{1000}", "(a{500}){3}", "[[:alpha:]]",
    "(?P<n>a)", "(?<n>a)", "(?i)x", "*", "a**", "[z-a]", r"\d\w\s", "(", "x|", r"\x{41}", r"\Q.*\E", r"[\d-z]", "(?x)a", r"\8",
    "a{,3}", "a{2}{3}", r"\p{Greek}", r"\p{Foo}", "^(([a-z0-9]|\u00e9)+)$", r"\u0041", "(?s:.)", "(?U)a+", r"\z", r"\A",
]  # fmt: skip
RULES = [
    "true", "self == self", "self.size() > 0", "has(self.name)", "self.name.startsWith('a')", "!has(self.name) || self.name == 'x'",
    "self.all(x, x == x)", "self.all(x, self.exists_one(y, x == y))", "self.items.all(x, x.name != '')", "self == oldSelf", "1", "self.nope",
    "self.all(k, k.matches('^[a-z]+$'))", "self.matches('(')", "size(self) < 10", "self > 3", "self > 1.5", "self.?name.orValue('') == ''",
    "self.all(i, v, v == v)", "self.map(x, x).size() > 0", "self.isSorted()", "self.sum() > 3", "duration('x') < duration('1s')",
    "quantity('1').isLessThan(quantity('2'))", "self.exists(x, x.contains('a'))", "type(self) == string", "type(self) == int ? self < 5 : true",
    "self.name.size() + 1 < 5", "[1, 2, 3].exists(x, x == 1)", "[1, 'a'].size() == 2", "self in ['a', 'b']", "'a' in self", "self.name in self.tags",
    "oldSelf == null || self == oldSelf", "oldSelf.orValue(self) == self", "oldSelf.hasValue()", "url(self).getHost() == ''", "ip(self).family() == 4",
    "isCIDR(self)", "cidr('10.0.0.0/8').containsIP(self)", "self.find('a+') == ''", "self.findAll('a+', 2).size() == 1", "self.split(',').size() < 3",
    "self.join(',') == ''", "self.lowerAscii() == self", "self.replace('a', 'bb').size() > 1", "'%s'.format([self]) == ''", "'%d'.format(['a']) == ''",
    "self.name + self.name == ''", "(self.name + 'x').matches('y')", "self.tags + self.tags == []", "self.items.map(i, i.name).join('') == ''",
    "self.labels.all(k, self.labels[k].size() < 5)", "self.labels['a'] == 'b'", "self.items[0].name == ''", "self.items.filter(i, i.name == '').size() < 2",
    "self.transformList(i, v, v).size() > 1", "self.exists(k, v, k == v)", "self.transformMap(k, v, v).size() < 3", "dyn(self) == 1", "semver('1.2.3').major() == 1",
    "format.dns1123Label().validate(self).hasValue()", "sets.contains(self.tags, ['a'])", "sets.intersects(self, self)", "timestamp('2020-01-01T00:00:00Z') < timestamp('x')",
    "int('x') == 1", "self.getFullYear() > 2000", "self.metadata.name == 'x'", "self.apiVersion == ''", "self.metadata.labels == {}", "self.kind.size() < 5",
    "self.__namespace__ == ''", "self.a__dash__b == ''", "self.items.exists_one(x, x.name == self.name)", "self.items.all(x, self.items.all(y, x.name == y.name))",
    "cel.bind(x, 1, x == 1)", "math.greatest(1, 2) == 2", "[[1], [2]].all(x, x.all(y, y > 0))", "{'a': 1}.all(k, k == 'a')", "{'a': 1, 'b': 'x'}.size() == 2",
    "self == null", "self != null", "null == null", "self.name == null", "b'a' == b'b'", "bytes(self).size() < 3", "string(self) == ''", "self ? true : false",
    "self.tags.indexOf('a') == 0", "self.indexOf('a') == 0", "self.first().hasValue()", "self.all(x, has(x.name) && x.name.size() < 3)", "!self", "-self < 0",
    "self.matrix.all(r, r.all(c, c == ''))", "self.by.all(k, self.by[k].all(x, x == ''))", "self.sub.count < self.sub.limit", "self.count / 0 == 1", "self.count % 2 == 0",
    "self.limit >= self.count", "1u < 2", "self.exists(x, x", "self.name.foo()", "foo(self)", "net.IP == type(ip('1.2.3.4'))", "  ", "true\n&& true", "self.tags.exists(t, self.tags.exists(u, t.contains(u)))",
    "self.items.map(x, x.name).all(y, y in self.tags)", "self.sub.?limit.hasValue()", "optional.of(self).hasValue()", "optional.none().orValue(true)", "self.optMap(x, x).orValue(true)",
    "self.?sub.?limit.optMap(x, x > 1).orValue(false)", "self.items.all(x, x.name.size() > 1 && self.name.size() > 1 && self.tags.size() > 0)", "'a'.repeat(3) == ''", "self.reverse() == ''",
    "self.items.exists(x, x.tags.exists(y, x.name == y))", "self.items.all(x, x.tags.all(y, x.name > y))", "self.distinct().size() == 1", "[self, self].all(x, x == self)", "size(self.name) == size(self.tags)",
]  # fmt: skip
DEFAULTS = [
    {}, [], "", "a", 1, 1.5, True, None, {"name": "x"}, {"unknown": 1}, ["a"], [1], -1, 10**12, "2020-01-01T00:00:00Z", "1h", "x" * 30, {"name": 1}, [{"name": "a"}],
    {"apiVersion": "v1", "kind": "Pod"}, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b"}}, {"sub": {"count": 3}}, {"count": 5}, {"tags": ["a", "a"]},
]  # fmt: skip
FORMATS = [
    "int32", "int64", "float", "double", "byte", "date", "date-time", "duration", "email", "uri", "uuid", "hostname", "ipv4", "ipv6", "cidr", "mac", "password",
    "quantity", "nonsense", "k8s-short-name",
]  # fmt: skip
# Bounds of int64 and float64, zero, negative, and what is no number.
NUMBERS = [0, 1, -1, 2, 3, 5, 10, 64, 100, 1000, 10**6, 10**10, 2**63, 1.5, "1", None, True]
SCHEMAS: list[Json] = [
    {"type": "string"}, {"type": "integer"}, {"type": "object"}, {"type": "boolean"}, {"type": "number"}, {}, {"type": "array", "items": {"type": "string"}},
    {"type": "object", "properties": {"name": {"type": "string"}}}, {"type": "object", "additionalProperties": {"type": "string"}}, {"x-kubernetes-int-or-string": True},
    {"x-kubernetes-preserve-unknown-fields": True}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"minLength": 1}, {"enum": ["a"]}, {"required": ["name"]},
    {"properties": {"name": {"pattern": "^a"}}}, {"properties": {"nope": {"minLength": 1}}}, {"items": {"minLength": 1}}, {"not": {"required": ["name"]}}, {"type": "null"}, True, None, [],
    {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}, {"additionalProperties": {"minLength": 1}}, {"properties": {"metadata": {}}},
    {"type": "object", "properties": {"a-b": {"type": "string"}, "namespace": {"type": "string", "maxLength": 5}}},
    {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}, {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    {"type": "array", "maxItems": 5, "items": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "tags": {"type": "array", "items": {"type": "string"}}}}},
]  # fmt: skip
# Put anywhere, whatever stands there: decoding must stand all of it.
ANYTHING: list[Json] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    10**20,
    "",
    "x",
    "true",
    [],
    {},
    [1],
    ["a"],
    {"a": 1},
    [None],
    "\u00e9",
    "a b",
    {"type": "string"},
]


def _rule(r: random.Random) -> Json:
    rule: dict[str, Json] = {"rule": r.choice(RULES)}
    if r.random() < 0.3:
        rule["message"] = r.choice(["m", "", " ", "a\nb", 1, "\u00e9"])
    if r.random() < 0.2:
        rule["messageExpression"] = r.choice(
            ["'a'", "self.name", "1", "", " ", "'a' + string(self)", "self + self", "nope"]
        )
    if r.random() < 0.15:
        rule["reason"] = r.choice(["FieldValueInvalid", "FieldValueForbidden", "Nope", "", None])
    if r.random() < 0.2:
        rule["fieldPath"] = r.choice(
            [
                ".name",
                ".nope",
                "name",
                ".sub.count",
                "['name']",
                ".labels['a']",
                "",
                " ",
                ".items[0]",
                ".labels.x",
                ".a\nb",
                "..",
                ".labels['a\\q']",
                ".tags",
            ]
        )
    if r.random() < 0.15:
        rule["optionalOldSelf"] = r.choice([True, False, None, "x"])
    return rule


def _junctor(r: random.Random) -> Json:
    return [copy.deepcopy(r.choice(SCHEMAS)) for _ in range(r.randrange(1, 3))]


_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
KEYWORDS: dict[str, Callable[[random.Random], Json]] = {
    "type": lambda r: r.choice(["string", "integer", "number", "boolean", "array", "object", "null", "", "any", ["string"], None]),
    "format": lambda r: r.choice(FORMATS),
    "pattern": lambda r: r.choice(PATTERNS),
    "default": lambda r: copy.deepcopy(r.choice(DEFAULTS)),
    "nullable": lambda r: r.choice([True, False, "x"]),
    "items": lambda r: copy.deepcopy(r.choice(SCHEMAS)),
    "additionalProperties": lambda r: copy.deepcopy(r.choice([*SCHEMAS, True, False])),
    "properties": lambda r: {r.choice(["name", "x", "metadata", "kind", "a-b"]): copy.deepcopy(r.choice(SCHEMAS)) for _ in range(2)},
    "required": lambda r: r.choice([["name"], ["nope"], [], ["name", "name"], "name", [1]]),
    "enum": lambda r: r.choice([["a", "b"], [1, 2], [None], [], ["a", 1], [1.0], ["x" * 9], [True]]),
    "allOf": _junctor,
    "anyOf": lambda r: r.choice([_junctor(r), copy.deepcopy(_INT_OR_STRING)]),
    "oneOf": _junctor,
    "not": lambda r: copy.deepcopy(r.choice(SCHEMAS)),
    "uniqueItems": lambda r: r.choice([True, False]),
    "$ref": lambda r: r.choice(["#/definitions/x", ""]),
    "$schema": lambda _: "http://json-schema.org/draft-07/schema#",
    "id": lambda r: r.choice(["x", ""]),
    "definitions": lambda r: r.choice([{"x": {"type": "string"}}, {}]),
    "dependencies": lambda r: r.choice([{"a": ["b"]}, {}, {"a": {"type": "object"}}]),
    "patternProperties": lambda r: r.choice([{"^a": {"type": "string"}}, {}]),
    "additionalItems": lambda r: r.choice([True, False, {"type": "string"}]),
    "const": lambda _: "x",
    "discriminator": lambda _: {"propertyName": "x"},
    "title": lambda _: "t",
    "description": lambda r: r.choice(["d", "", 1]),
    "example": lambda r: r.choice([1, {"a": 1}, None]),
    "externalDocs": lambda r: r.choice([{"url": "x"}, {"nope": 1}, "x"]),
    "x-kubernetes-preserve-unknown-fields": lambda r: r.choice([True, True, False, "true"]),
    "x-kubernetes-embedded-resource": lambda r: r.choice([True, True, False]),
    "x-kubernetes-int-or-string": lambda r: r.choice([True, True, False]),
    "x-kubernetes-list-type": lambda r: r.choice(["atomic", "set", "map", "nope", "", None]),
    "x-kubernetes-list-map-keys": lambda r: r.choice([["name"], ["nope"], [], ["name", "name"], ["tags"], ["name", "count"]]),
    "x-kubernetes-map-type": lambda r: r.choice(["atomic", "granular", "nope", None]),
    "x-kubernetes-validations": lambda r: [_rule(r) for _ in range(r.randrange(1, 3))],
    "x-kubernetes-nope": lambda _: True,
    **{
        key: (lambda r: r.choice(NUMBERS))
        for key in (
            "maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties",
            "multipleOf", "exclusiveMaximum", "exclusiveMinimum",
        )
    },
}  # fmt: skip
# Where most of the rules are; chosen more often, so that they meet each other.
_OFTEN = [
    "x-kubernetes-validations",
    "default",
    "maxItems",
    "maxLength",
    "type",
    "x-kubernetes-list-type",
]


def schema_nodes(crd: Json) -> list[dict[str, Json]]:
    """All schema nodes of a CRD, those below junctors too."""
    found: list[dict[str, Json]] = []
    spec = crd.get("spec") if isinstance(crd, dict) else None
    versions = spec.get("versions") if isinstance(spec, dict) else None
    waiting = [
        v["schema"].get("openAPIV3Schema")
        for v in (versions if isinstance(versions, list) else [])
        if isinstance(v, dict) and isinstance(v.get("schema"), dict)
    ]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        found.append(node)
        for key in ("properties", "definitions"):
            waiting += list(node[key].values()) if isinstance(node.get(key), dict) else []
        waiting += [node.get(k) for k in ("items", "additionalProperties", "not")]
        for key in ("allOf", "anyOf", "oneOf"):
            waiting += node[key] if isinstance(node.get(key), list) else []
    return found


def places(value: Json) -> Iterator[tuple[Json, Json]]:
    """All containers of a value with each of their keys or indexes."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        keys = (
            list(node)
            if isinstance(node, dict)
            else list(range(len(node)))
            if isinstance(node, list)
            else []
        )
        for key in keys:
            yield node, key
            waiting.append(node[key])


def mutate(crd: Json, r: random.Random, steps: int) -> Json:
    """A copy of a CRD with that many small changes, most of them to keywords of schemas."""
    crd = copy.deepcopy(crd)
    for _ in range(steps):
        _step(crd, r)
    return crd


def _step(crd: Json, r: random.Random) -> None:
    nodes = schema_nodes(crd)
    kind = r.random()
    if nodes and kind < 0.72:
        # Nodes near the root more often, since more of the schema depends on them.
        node = r.choice(nodes[: r.randrange(1, len(nodes) + 1)])
        key = r.choice(_OFTEN) if r.random() < 0.4 else r.choice(list(KEYWORDS))
        value = KEYWORDS[key](r)
        node[key] = value
    elif nodes and kind < 0.82:
        node = r.choice(nodes)
        if node:
            node.pop(r.choice(list(node)))
    elif kind < 0.92:
        node, key = r.choice(list(places(crd)))
        node[key] = copy.deepcopy(r.choice(ANYTHING))
    else:
        node, key = r.choice(list(places(crd)))
        if isinstance(node, dict):
            if r.random() < 0.5:
                node.pop(key)
            else:
                # A key with other case is what strict decoding tells from an unknown one.
                node[f"{key}X" if r.random() < 0.7 else key.swapcase()] = node[key]
