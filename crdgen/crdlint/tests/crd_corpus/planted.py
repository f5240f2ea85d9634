"""Faults of every class that the API server refuses, and near misses that it accepts, as small changes of one CRD.

The classes are those of docs/crd-check.md. A change names a place in the base CRD and the keys that become others there.
"""

import copy
from typing import Any, NamedTuple

from crd_corpus.base import base


class _Gone:
    def __repr__(self) -> str:
        return "GONE"


# An object and not None: null is a value that a key may have.
GONE = _Gone()


class Change(NamedTuple):
    """A change of the base CRD: where, and what; `GONE` takes a key away."""

    where: str
    keys: dict[str, Any]


def changed(change: Change) -> dict[str, Any]:
    """The base CRD with a change."""
    crd: dict[str, Any] = base()
    node = _place(crd, change.where)
    for key, value in change.keys.items():
        if value is GONE:
            del node[key]
        else:
            # A copy, since the table is used by many tests.
            node[key] = copy.deepcopy(value)
    return crd


def _place(crd: dict[str, Any], where: str) -> Any:
    version = crd["spec"]["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    spec = root["properties"]["spec"]
    known = {
        "crd": crd,
        "crd.spec": crd["spec"],
        "version": version,
        "root": root,
        "spec": spec,
        "properties": root["properties"],
    }
    if where in known:
        return known[where]
    node = spec
    for name in where.split("."):
        node = (
            node["items"]
            if name == "[]"
            else node["additionalProperties"]
            if name == "{}"
            else node["properties"][name]
        )
    return node


def _rule(rule: str, **others: Any) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": rule, **others}]}


_TEXT = {"type": "string"}
_C = Change
PLANTED: dict[int, list[Change]] = {
    1: [
        _C("name", {"$ref": "#/definitions/name"}), _C("name", {"$schema": "http://json-schema.org/draft-07/schema#"}), _C("name", {"id": "x"}),
        _C("spec", {"definitions": {"a": _TEXT}}), _C("spec", {"dependencies": {"name": ["count"]}}), _C("spec", {"patternProperties": {"^a": _TEXT}}),
        _C("tags", {"additionalItems": False}), _C("tags", {"items": [_TEXT]}), _C("sub", {"$ref": ""}), _C("spec", {"dependencies": {}}),
    ],
    2: [
        _C("name", {"const": "a"}), _C("spec", {"discriminator": {"propertyName": "a"}}), _C("name", {"examples": ["a"]}), _C("name", {"deprecated": True}),
        _C("root", {"$defs": {}}), _C("name", {"readOnly": True}), _C("name", {"contentEncoding": "base64"}), _C("name", {"maxlength": 3}), _C("crd.spec", {"foo": 1}),
    ],
    3: [
        _C("count", {"exclusiveMinimum": 0}), _C("count", {"exclusiveMaximum": 10}), _C("limit", {"exclusiveMinimum": 0.5}), _C("sub.count", {"exclusiveMaximum": "x"}),
    ],
    4: [
        _C("name", {"type": GONE}), _C("tags.[]", {"type": GONE}), _C("labels.{}", {"type": GONE}), _C("root", {"type": GONE}), _C("a-b", {"type": GONE}), _C("sub", {"type": ""}),
        _C("properties", {"status": {}}),
    ],
    5: [
        _C("name", {"type": "null"}), _C("name", {"type": "text"}), _C("name", {"type": ["string", "null"]}), _C("count", {"type": "int"}), _C("tags.[]", {"type": "String"}),
    ],
    6: [_C("tags", {"items": GONE}), _C("items", {"items": GONE}), _C("spec", {"properties": {"x": {"type": "array"}}}), _C("matrix.[]", {"items": GONE}), _C("tags", {"items": None})],
    7: [
        _C("root", {"type": "array", "items": _TEXT}), _C("root", {"nullable": True}), _C("root", {"additionalProperties": True}), _C("root", {"type": "string"}),
        _C("root", {"additionalProperties": False}), _C("root", {"additionalProperties": _TEXT, "properties": GONE}),
    ],
    8: [
        _C("spec", {"additionalProperties": False}), _C("spec", {"additionalProperties": _TEXT}), _C("sub", {"additionalProperties": False}),
        _C("items.[]", {"additionalProperties": {"type": "integer"}}),
    ],
    9: [_C("tags", {"uniqueItems": True}), _C("items", {"uniqueItems": True}), _C("matrix.[]", {"uniqueItems": True}), _C("spec", {"uniqueItems": True})],
    10: [
        _C("spec", {"anyOf": [{"type": "object"}]}), _C("spec", {"allOf": [{"default": {}}]}), _C("spec", {"oneOf": [{"title": "a"}]}), _C("spec", {"not": {"description": "a"}}),
        _C("spec", {"anyOf": [{"properties": {"name": {"nullable": True}}}]}), _C("spec", {"allOf": [{"additionalProperties": {"minLength": 1}}]}),
        _C("spec", {"allOf": [{"x-kubernetes-map-type": "atomic"}]}), _C("spec", {"allOf": [_rule("true")]}), _C("pod", {"anyOf": [{"properties": {"metadata": {}}}]}),
        _C("tags", {"not": {"x-kubernetes-list-type": "set"}}), _C("spec", {"anyOf": [{"x-kubernetes-preserve-unknown-fields": True}]}),
        _C("spec", {"anyOf": [{"additionalProperties": True}]}),
    ],
    11: [
        _C("crd.spec", {"versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}, **junctor}}}]})
        for junctor in (
            {"anyOf": [{"properties": {"nope": {"minLength": 1}}}]}, {"not": {"properties": {"spec": {"properties": {"nope": {"minLength": 1}}}}}},
            {"allOf": [{"oneOf": [{"properties": {"nope": {"enum": ["a"]}}}]}]}, {"oneOf": [{"items": {"minLength": 1}}]},
        )
    ],
    12: [
        _C("port", {"anyOf": [{"type": "string"}, {"type": "integer"}]}), _C("port", {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}]}),
        _C("port", {"anyOf": GONE, "allOf": [{"minLength": 1}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}]}), _C("port", {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1}]}),
        _C("port", {"anyOf": GONE, "oneOf": [{"type": "integer"}, {"type": "string"}]}),
    ],
    13: [
        _C("port", {"x-kubernetes-preserve-unknown-fields": True}), _C("port", {"x-kubernetes-embedded-resource": True}), _C("raw", {"x-kubernetes-int-or-string": True}),
        _C("pod", {"x-kubernetes-int-or-string": True}),
    ],
    14: [
        _C("any", {"x-kubernetes-preserve-unknown-fields": False}), _C("name", {"x-kubernetes-preserve-unknown-fields": False}), _C("pod", {"x-kubernetes-preserve-unknown-fields": False}),
        _C("root", {"x-kubernetes-preserve-unknown-fields": False}),
    ],
    15: [
        _C("name", {"x-kubernetes-embedded-resource": True}), _C("pod", {"type": GONE}), _C("labels", {"x-kubernetes-embedded-resource": True}), _C("pod", {"additionalProperties": _TEXT}),
        _C("pod", {"x-kubernetes-preserve-unknown-fields": GONE}), _C("properties", {"metadata": {"type": "object", "x-kubernetes-embedded-resource": True}}),
    ],
    16: [
        _C("properties", {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}), _C("properties", {"metadata": {"type": "object", "description": "x"}}),
        _C("properties", {"kind": {"type": "integer"}}), _C("properties", {"apiVersion": {"type": "boolean"}}), _C("properties", {"metadata": {"type": "string"}}),
        _C("pod", {"properties": {"kind": {"type": "integer"}}}), _C("properties", {"metadata": {"type": "object", "maxProperties": 3}}), _C("properties", {"metadata": {"type": "object", "required": []}}),
    ],
    17: [
        _C("tags", {"x-kubernetes-list-type": "bag"}), _C("name", {"x-kubernetes-list-type": "set"}), _C("sub", {"x-kubernetes-map-type": "loose"}), _C("tags", {"x-kubernetes-map-type": "atomic"}),
        _C("raw", {"x-kubernetes-list-type": "atomic"}), _C("tags", {"x-kubernetes-list-type": ""}), _C("port", {"x-kubernetes-map-type": "atomic"}),
    ],
    18: [
        _C("tags", {"items": {"type": "object", "properties": {"a": _TEXT}}}), _C("tags", {"items": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"}}),
        _C("tags", {"items": {"type": "string", "nullable": True}}), _C("items.[]", {"nullable": True}), _C("tags", {"items": {"type": "object", "x-kubernetes-map-type": "granular"}}),
    ],
    19: [
        _C("items", {"x-kubernetes-list-map-keys": GONE}), _C("items", {"x-kubernetes-list-map-keys": []}), _C("items", {"x-kubernetes-list-map-keys": ["nope"]}),
        _C("items", {"x-kubernetes-list-map-keys": ["name", "name"]}), _C("items", {"x-kubernetes-list-map-keys": ["tags"]}), _C("items", {"x-kubernetes-list-map-keys": ["name", "size"]}),
        _C("tags", {"x-kubernetes-list-map-keys": ["name"]}), _C("tags", {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}), _C("items.[].name", {"nullable": True}),
        _C("items.[]", {"required": []}),
    ],
    20: [_C("name", {"pattern": p}) for p in ("(?=a)", "(?!a)", r"\1", r"\Z", "(", "a{1001}", r"\p{Nope}", "a**", "[z-a]", r"\C", "(?<=a)b")]
    + [_C("spec", {"allOf": [{"properties": {"name": {"pattern": "(?=a)"}}}]})],
    21: [
        _C("properties", {"apiVersion": {"type": "string", "default": "v1"}}), _C("properties", {"metadata": {"type": "object", "default": {}}}), _C("sub", {"default": {"nope": 1}}),
        _C("count", {"default": 101}), _C("count", {"default": "3"}), _C("name", {"default": "ABC"}), _C("a-b", {"default": "three"}), _C("sub", {"default": {"count": 2, "limit": 1}}),
        _C("tags", {"default": ["a" * 11]}), _C("data", {"default": "%"}), _C("time", {"default": "yesterday"}), _C("wait", {"default": "soon"}), _C("pod", {"default": {}}),
        _C("pod", {"default": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b c"}}}}), _C("items", {"default": [{"size": 1}]}), _C("limit", {"default": 0}),
        _C("name", {"default": "a", **_rule("self == 'b'")}), _C("port", {"default": True}), _C("maybe", {"default": 1}),
    ],
    22: [
        _C("name", _rule("")), _C("name", _rule(" ")), _C("name", _rule("true", message="a\nb")), _C("name", _rule("true\n&& true")), _C("name", _rule("true", message=" ")),
        _C("name", _rule("true", messageExpression=" ")), _C("name", _rule("true", reason="Because")), _C("spec", _rule("true", fieldPath=".nope")), _C("name", _rule("self.nope")),
        _C("name", _rule("self == 1")), _C("name", _rule("self +")), _C("name", _rule("self")), _C("name", _rule("true", messageExpression="1")), _C("tags.[]", _rule("self == oldSelf")),
        _C("matrix.[].[]", _rule("self == oldSelf")), _C("name", _rule("true", optionalOldSelf=True)), _C("name", {"maxLength": GONE, **_rule(f"self.matches('{'a' * 200}')")}),
        _C("spec", _rule("self.tags.all(a, self.tags.all(b, self.tags.all(c, self.tags.all(d, self.tags.all(e, self.tags.all(f, self.tags.all(g, a == b)))))))")),
        _C("labels", {"maxProperties": GONE, "additionalProperties": {"type": "string", **_rule("self.contains(self)")}}),
        _C("spec", {"x-kubernetes-validations": [{"rule": f"self.tags.all(a, self.tags.all(b, self.tags.all(c, self.tags.all(d, self.tags.all(e, self.tags.exists(f, f > '{n}'))))))"} for n in range(30)]}),
        _C("raw", _rule("self == 1")), _C("name", _rule("foo(self)")), _C("name", _rule("[1, 'a'].size() == 2")), _C("name", _rule("self.matches('(')")), _C("name", _rule("duration('x') == duration('1s')")),
        _C("name", _rule("'%d'.format(['a']) == ''")), _C("labels", _rule("self.all(k, v, v.nope)")), _C("pod", _rule("self.metadata.labels == {}")),
    ],
}  # fmt: skip

ENVELOPE: list[Change] = [
    _C("crd", {"metadata": {"name": "box.example.com"}}), _C("crd", {"metadata": {}}), _C("crd", {"metadata": {"name": "boxes.example.com", "labels": {"a b": "c"}}}), _C("crd.spec", {"group": "example"}),
    _C("crd.spec", {"scope": "Everywhere"}), _C("crd.spec", {"scope": GONE}), _C("crd.spec", {"names": {"plural": "boxes", "kind": "Box", "listKind": "Box"}}),
    _C("crd.spec", {"names": {"plural": "boxes", "kind": "Box", "shortNames": ["B"]}}), _C("crd.spec", {"names": {"plural": "boxes"}}), _C("crd.spec", {"versions": []}), _C("version", {"storage": False}),
    _C("version", {"name": "V1"}), _C("version", {"schema": GONE}), _C("version", {"deprecationWarning": "x"}), _C("version", {"deprecated": True, "deprecationWarning": "a\tb"}),
    _C("version", {"additionalPrinterColumns": [{"name": "a", "type": "text", "jsonPath": ".a"}]}), _C("version", {"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": "a"}]}),
    _C("version", {"selectableFields": [{"jsonPath": ".spec.tags"}]}), _C("version", {"selectableFields": [{"jsonPath": ".metadata.name"}]}), _C("version", {"selectableFields": [{"jsonPath": ".spec.name"}] * 2}),
    _C("version", {"subresources": {"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".status.b"}}}), _C("crd.spec", {"preserveUnknownFields": True}),
    _C("crd.spec", {"conversion": {"strategy": "Webhook"}}), _C("crd.spec", {"conversion": {"strategy": "Sometimes"}}), _C("root", {"default": {}}), _C("root", {"oneOf": [{"required": ["spec"]}]}),
    _C("crd.spec", {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://a"}, "conversionReviewVersions": ["v1"]}}}),
    _C("crd.spec", {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v2"]}}}),
]  # fmt: skip

ACCEPTED: list[Change] = [
    _C("crd", {}), _C("spec", {"nullable": True}), _C("spec", {"additionalProperties": True}), _C("name", {"format": "nonsense"}), _C("name", {"pattern": r"^\p{L}+\z"}), _C("name", {"enum": []}),
    _C("port", {"anyOf": GONE}), _C("port", {"anyOf": GONE, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"minLength": 1}]}), _C("spec", {"anyOf": [{"properties": {"nope": {"minLength": 1}}}]}),
    _C("spec", {"not": {"required": ["ready"]}}), _C("count", {"default": None}), _C("count", {"maximum": 100.5}), _C("tags", {"x-kubernetes-list-type": "atomic"}), _C("sub", {"x-kubernetes-map-type": "granular"}),
    _C("pod", {"default": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}}), _C("pod", {"properties": {"kind": _TEXT}}), _C("properties", {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}),
    _C("name", _rule("self == oldSelf")), _C("items.[]", _rule("self.size == oldSelf.size")), _C("name", _rule("oldSelf.hasValue()", optionalOldSelf=True)), _C("spec", _rule("self.count < 1.5 && self.limit > 1")),
    _C("tags", _rule("self.isSorted() && self.all(i, v, v.size() > i)")), _C("name", _rule("quantity(self).isLessThan(quantity('1Gi'))")), _C("labels", _rule("self.transformMap(k, v, k + v).all(k, k != '')")),
    _C("by", _rule("self.all(k, self[k].all(x, x != ''))")), _C("matrix", _rule("self.all(r, r.all(c, c.size() < 3))")), _C("port", _rule("type(self) == int ? self < 5 : self.endsWith('%')")),
    _C("spec", _rule("self.?sub.?limit.optMap(x, x > 1).orValue(true)")), _C("spec", _rule("self.__namespace__ != self.a__dash__b")), _C("time", _rule("self.getFullYear() > 2000")),
    _C("name", _rule("true", message="a", messageExpression="'b' + self", reason="FieldValueDuplicate")), _C("name", _rule("format.dns1123Label().validate(self).hasValue()")),
    _C("name", _rule("'%s %d'.format([self, 1]) != ''")), _C("name", _rule("ip.isCanonical(self) || cidr(self).containsIP('10.0.0.1')")), _C("version", {"deprecated": True, "deprecationWarning": "use v2"}),
    _C("version", {"selectableFields": [{"jsonPath": ".spec.count"}, {"jsonPath": ".status.phase"}]}), _C("version", {"additionalPrinterColumns": [{"name": "a", "type": "date", "jsonPath": ".", "priority": 1}]}),
    _C("crd.spec", {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "a", "namespace": "b", "path": "/c"}}, "conversionReviewVersions": ["v1"]}}}),
]  # fmt: skip
