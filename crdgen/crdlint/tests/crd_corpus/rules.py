"""CEL rules composed at random over the base CRD, most of them well typed, to compare what they cost."""

import random
from typing import Any

from crd_corpus.base import base

_TEXTS = [
    "SELF", "SELF + 'x'", "SELF.lowerAscii()", "SELF.replace('a', 'bb')", "SELF.replace(SELF, SELF)", "SELF.trim()", "'abc'", "SELF.split(',')[0]",
    "string(SELF.size())", "SELF.substring(1)", "SELF.find('a')", "strings.quote(SELF)", "[SELF, 'a'].join(',')", "(true ? SELF : 'x')", "string(bytes(SELF))",
    "SELF.split(',').map(p, p + 'a').join('-')", "'%s'.format([SELF])", "dyn(SELF)", "SELF.charAt(0)", "url(SELF).getHost()", "{'a': SELF}['a']", "[SELF][0]",
    "optional.of(SELF).orValue('')", "SELF.findAll('a')[0]", "SELF.split(',', 2).filter(x, x != '').map(y, y.upperAscii())[0]",
]  # fmt: skip
_LISTS = [
    "SELF", "SELF + ['a']", "SELF.map(x, x)", "SELF.filter(x, x != '')", "[1, 2].map(i, string(i))", "SELF.map(x, x + x)", "(true ? SELF : [])", "['a', 'b']",
    "SELF.transformList(i, v, v)", "[SELF, ['x']].map(l, l[0])",
]  # fmt: skip
_OF_TEXTS = [
    "X == Y", "X != Y", "X < Y", "X.contains(Y)", "X.matches(Y)", "X.matches('a+')", "X.startsWith(Y)", "X.size() > 3", "X in [Y, 'a']", "X.indexOf(Y) > 1", "isIP(X)",
    "ip.isCanonical(X)", "isURL(X)", "quantity(X).isLessThan(quantity(Y))", "semver(X) == semver(Y)", "cidr(X).containsCIDR(Y)", "format.dns1123Label().validate(X).hasValue()",
    "X.lastIndexOf(Y) == 1", "bytes(X) == bytes(Y)", "url(X) == url(Y)", "ip(X) == ip(Y)",
]  # fmt: skip
_OF_LISTS = [
    "X == Y", "'a' in X", "X.isSorted()", "sets.contains(X, Y)", "sets.equivalent(X, Y)", "X.exists_one(a, a == 'x')", "X.join(',') == Y.join('')", "X.indexOf('a') == 1",
    "X.all(i, v, v.size() > i)", "X.map(a, a.size()).sum() > 3", "size(X) == size(Y)", "X[0] == Y[1]", "X.min() == Y.max()", "X.transformMap(i, v, v).all(k, k > 1)",
    "X.all(a, X.exists(b, a.contains(b)))",
]  # fmt: skip
_OF_SPECS = [
    "self.items.all(x, T(x.name, self.name))", "self.items.exists(x, x.tags.exists(t, T(t, x.name)))", "self.labels.all(k, T(k, self.labels[k]))", "self.labels.exists(k, v, T(k, v))",
    "self.by.all(k, self.by[k].exists(x, T(x, k)))", "self.matrix.exists(m, m.all(c, T(c, self.name)))", "self.items.all(x, self.items.exists(y, T(x.name, y.name)))",
    "self.items.all(x, x.tags.all(y, x.name > y && y.size() > x.size))", "self.items.filter(x, x.size > 1).map(x, x.tags).all(t, t.all(q, T(q, 'z')))",
    "self.?sub.limit.orValue(3) > self.count", "self.items == oldSelf.items", "self.labels == oldSelf.labels", "self.data == bytes(self.name)", "self.by == oldSelf.by",
    "self.items.transformMap(i, v, i, v.name).size() > 1", "self.pod.kind.matches(self.name)", "self.__namespace__.contains(self.name)",
    "self.matrix.map(m, m.join('')).exists(s, T(s, self.name))", "type(self.port) == int ? self.port > 5 : self.port.matches('^[0-9]+%$')",
]  # fmt: skip


def _nested(choices: list[str], r: random.Random) -> str:
    # Replaced from the inside out, so that each step wraps the one before it.
    text = "SELF"
    for _ in range(r.randrange(1, 4)):
        text = r.choice(choices).replace("SELF", text)
    return text.replace("SELF", "self")


def _of_texts(r: random.Random, x: str, y: str) -> str:
    return r.choice(_OF_TEXTS).replace("X", x).replace("Y", y)


def _of_spec(r: random.Random) -> str:
    before, call, rest = r.choice(_OF_SPECS).partition("T(")
    if not call:
        return before
    arguments, _, after = rest.partition(")")
    x, y = arguments.split(", ")
    return before + _of_texts(r, x, y) + after


def _rule(where: str, r: random.Random) -> str:
    if where == "name":
        return _of_texts(r, _nested(_TEXTS, r), _nested(_TEXTS, r))
    if where == "tags":
        x, y = _nested(_LISTS, r), _nested(_LISTS, r)
        return r.choice(_OF_LISTS).replace("X", x).replace("Y", y)
    return _of_spec(r)


def with_rules(r: random.Random) -> dict[str, Any]:
    """The base CRD with a rule on a text, on a list and on the object around them, some of its bounds gone."""
    crd: dict[str, Any] = base()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for where in ("name", "tags", "spec"):
        rule = _rule(where, r)
        if r.random() < 0.3:
            joined = r.choice(["({}) && ({})", "({}) || ({})", "({}) ? ({}) : false"])
            rule = joined.format(rule, _rule(where, r))
        node = spec if where == "spec" else spec["properties"][where]
        node["x-kubernetes-validations"] = [{"rule": rule}]
    for child in spec["properties"].values():
        if r.random() < 0.15:
            for bound in ("maxLength", "maxItems", "maxProperties"):
                child.pop(bound, None)
    return crd
