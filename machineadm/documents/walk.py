"""Every problem of a document that was not accepted, each with its place.

Nodes are walked next to msgspec's description of the type. Good values are built and failed ones become PRUNED, so
that rules can still judge the rest. msgspec keeps the last word: a document in which the walk finds nothing is
converted by msgspec, and what msgspec refuses is refused, if only with its own message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Sequence as Series
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from machineadm.api.later import load
from machineadm.api.pruned import PRUNED
from machineadm.documents.declared import keeps_declared, repeated
from machineadm.documents.nodes import (
    Ambiguous,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Unread,
    child,
    find,
)
from machineadm.documents.scalars import Flaw, judge, mismatch, nearest
from machineadm.documents.secrets import secret_hook
from machineadm.documents.source import Fault, Source
from machineadm.documents.suggestions import FieldIndex, foreign, synonym
from machineadm.documents.words import found, shown_key
from machineadm.nearest import same_word, suggest
from machineadm.redaction import Secret

# Enough for all that a person wrote, and a bound for what a program wrote.
MAX_FAULTS: Final = 200
"""Problems of one document that are shown; nobody fixes more at once."""

# kubeadm adds the control plane's taint where taints are null, and none where the list is empty
# (NodeRegistrationOptions).
NULLABLE: Final = frozenset({"taints"})
"""The fields in which null says something: None is kubeadm's own choice, [] is none."""

# The end of msgspec's messages, which is its only way to tell a place; without it the whole
# document is the place.
_MSGSPEC_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")


class _EnoughError(Exception):
    """There are more faults than anybody wants to see."""


def walk(root: Node, type_: type, source: Source, refusal: str) -> tuple[Any, list[Fault]]:
    """Find every problem of a document, and build the rest.

    Args:
        root: The document.
        type_: Its type.
        source: The text that it comes from, for the lines in messages.
        refusal: msgspec's message, if it has refused the document already.

    Returns:
        The typed value and the problems. With problems, what failed is PRUNED in it; it is None if
        nothing is left.
    """
    info, names = described(type_)
    walker = _Walker(source, names)
    value: Any = None
    try:
        value = walker.value(root, info, "")
    except _EnoughError:
        message = f"more than {MAX_FAULTS} problems; the others are not shown"
        walker.faults.append(Fault("MA1016", root.at, message))
    # With problems even a good value is never used, only judged further.
    if walker.faults:
        return (None if value is PRUNED else value), walker.faults
    return _verdict(value, type_, root, refusal)


# type_info evaluates every annotation below the type, and a stream may hold many documents of one
# kind.
@cache
def described(type_: type) -> tuple[inspect.Type, FieldIndex]:
    """A type as msgspec describes it, and the names of all fields below it."""
    # All branches at once: an annotation of a stand-in tells the walk nothing about the fields
    # below it.
    load()
    info = inspect.type_info(type_)
    return info, FieldIndex(info)


def _verdict(value: Any, type_: type, root: Node, refusal: str) -> tuple[Any, list[Fault]]:
    """Let msgspec decide about a document in which the walk found nothing."""
    if not refusal:
        try:
            # There and back: only convert() checks the constraints, a constructor of a Struct does
            # not.
            plain = msgspec.to_builtins(value, enc_hook=Secret.reveal)
            value = msgspec.convert(plain, type_, dec_hook=secret_hook)
            if not isinstance(value, msgspec.Struct) or keeps_declared(value):
                return value, []
            refusal = "violates a rule that its type declares"
        except msgspec.ValidationError as error:
            refusal = str(error)
    place = _MSGSPEC_PATH.search(refusal)
    path = place[1] if place else ""
    return None, [Fault("MA1199", find(root, path), _MSGSPEC_PATH.sub("", refusal), "", path)]


class _Walker:
    """One walk over one document."""

    def __init__(self, source: Source, names: FieldIndex) -> None:
        self.faults: list[Fault] = []
        self._source = source
        self._names = names

    def fault(self, code: str, at: int, path: str, message: str, hint: str = "") -> Any:
        """Note a problem; returns PRUNED, which is what the value becomes.

        Raises:
            _EnoughError: There are too many.
        """
        # A generated file with one mistake in each entry would otherwise print megabytes.
        if len(self.faults) >= MAX_FAULTS:
            raise _EnoughError
        self.faults.append(Fault(code, at, message, hint, path))
        return PRUNED

    def value(self, node: Node, type_: inspect.Type, path: str) -> Any:
        """Walk a value; returns what its type makes of it, or PRUNED."""
        extra: dict[str, Any] = {}
        # Annotations may be nested: an alias with a pattern, inside a field with a length. All of
        # them count.
        while isinstance(type_, inspect.Metadata):
            extra |= type_.extra or {}
            type_ = type_.type
        # Before the type is asked: what was not read has no kind that could be wrong.
        if isinstance(node, Unread):
            return self._unread(node, path)
        if isinstance(type_, inspect.UnionType):
            return self._union(node, type_, path)
        if isinstance(node, Scalar) and node.value is None:
            return self._null(node, path)
        if isinstance(type_, inspect.StructType):
            return self._struct(node, type_, path)
        if isinstance(type_, inspect.DictType):
            return self._map(node, type_, path)
        if isinstance(type_, inspect.VarTupleType):
            return self._list(node, type_, extra, path)
        if isinstance(type_, inspect.AnyType):
            return self._anything(node, path)
        return self._scalar(node, type_, extra, path)

    def _scalar(self, node: Node, type_: inspect.Type, extra: dict[str, Any], path: str) -> Any:
        if not isinstance(node, Scalar):
            return self._wrong(node, type_, path)
        value, flaw = judge(node, type_, extra)
        return value if flaw is None else self._flaw(flaw, node, path)

    def _flaw(self, flaw: Flaw, node: Node, path: str) -> Any:
        return self.fault(flaw.code, node.at, path, flaw.message, flaw.hint)

    def _unread(self, node: Unread, path: str) -> Any:
        if node.fault is None:
            return PRUNED
        return self.fault(node.fault.code, node.at, path, node.fault.message, node.fault.hint)

    def _null(self, node: Scalar, path: str) -> Any:
        if not node.text:
            hint = 'give it one, or remove it; "" is an empty string'
            return self.fault("MA1206", node.at, path, "there is no value", hint)
        return self.fault("MA1206", node.at, path, "null is not a value", "leave it out")

    def _wrong(self, node: Node, type_: inspect.Type, path: str) -> Any:
        return self._flaw(mismatch(node, type_), node, path)

    def _union(self, node: Node, type_: inspect.UnionType, path: str) -> Any:
        # None is no member to be walked: a field is optional by being absent.
        members = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
        if isinstance(node, Scalar) and node.value is None:
            optional = len(members) < len(type_.types)
            # Elsewhere null is refused: to Kubernetes it is "absent", and to a person it is often a
            # value that a template left empty.
            if optional and path.rpartition(".")[2] in NULLABLE:
                return None
            return self._null(node, path)
        # `X | None`, by far the most frequent union.
        if len(members) == 1:
            return self.value(node, members[0], path)
        variants = [each for each in members if isinstance(each, inspect.StructType)]
        if variants:
            return self._variant(node, variants, path)
        return self.value(node, nearest(node, members), path)

    def _variant(self, node: Node, variants: Series[inspect.StructType], path: str) -> Any:
        """One Struct of several, chosen by the field that is their tag."""
        if not isinstance(node, Mapping):
            return self._wrong(node, variants[0], path)
        tag_field = variants[0].tag_field or ""
        by_tag = {str(each.tag): each for each in variants}
        given = _lookup(node, tag_field)
        if given is None:
            return self._untagged(node, tag_field, by_tag, path)
        tag = given.value if isinstance(given, Scalar) else None
        if isinstance(tag, str) and tag in by_tag:
            others = [each for each in variants if each is not by_tag[tag]]
            return self._struct(node, by_tag[tag], path, others)
        guess = suggest(tag, by_tag) if isinstance(tag, str) else ""
        self._unknown_tag(given, tag_field, guess, by_tag, path)
        # Its fields are judged although the value is lost: mistakes below a mistyped type are fixed
        # in the same go.
        if guess:
            self._struct(node, by_tag[guess], path)
        else:
            self._of_any(node, tag_field, variants, path)
        return PRUNED

    def _unknown_tag(
        self, given: Node, tag_field: str, guess: str, tags: Iterable[str], path: str
    ) -> None:
        message = (
            f'unknown {tag_field}; did you mean "{guess}"?' if guess else f"unknown {tag_field}"
        )
        hint = f"it is one of {', '.join(sorted(tags))}"
        self.fault("MA1208", given.at, child(path, tag_field), message, hint)

    def _of_any(
        self, node: Mapping, tag_field: str, variants: Series[inspect.StructType], path: str
    ) -> None:
        """Judge the fields of an unknown variant, each by the first variant that has a field of that name."""
        # Of equal names the last variant's counts: which one is meant is unknown, and they seldom
        # differ.
        fields = {field.encode_name: field for each in variants for field in each.fields}
        given = self._keys(node, path)
        for name, (key, value) in given.items():
            if name in fields:
                self.value(value, fields[name].type, child(path, name))
            elif name != tag_field:
                names = [tag_field, *fields]
                meant = suggest(name, names, taken=given)
                self._unknown(key, path, f'; did you mean "{meant}"?' if meant else "", names)

    def _untagged(
        self, node: Mapping, tag_field: str, by_tag: dict[str, inspect.StructType], path: str
    ) -> Any:
        names = [key.text for key, _ in node.entries() if isinstance(key, Scalar)]
        for key, value in node.entries():
            if isinstance(key, Scalar) and suggest(key.text, [tag_field]):
                tag = value.value if isinstance(value, Scalar) else None
                meant = suggest(tag, by_tag) if isinstance(tag, str) else ""
                if not (isinstance(tag, str) and tag in by_tag):
                    self._unknown_tag(value, tag_field, meant, by_tag, path)
                if meant:
                    # The mistyped name is reported with the other unknown fields of the variant.
                    self._struct(node, by_tag[meant], path)
                else:
                    self._of_any(node, tag_field, list(by_tag.values()), path)
                return PRUNED
        # The fields that are there often say which variant is meant, so only those are offered.
        fitting = [tag for tag, each in by_tag.items() if _has_all(each, names)]
        choices = " or ".join(sorted(fitting or by_tag))
        message, hint = f"{tag_field} is missing", f"write {tag_field}: {choices}"
        self.fault("MA1209", node.at, child(path, tag_field), message, hint)
        if len(fitting) == 1:
            self._struct(node, by_tag[fitting[0]], path)
        else:
            self._of_any(node, tag_field, list(by_tag.values()), path)
        return PRUNED

    def _struct(
        self,
        node: Node,
        type_: inspect.StructType,
        path: str,
        others: Series[inspect.StructType] = (),
    ) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(node, type_, path)
        given = self._keys(node, path)
        fields = {field.encode_name: field for field in type_.fields}
        values: dict[str, Any] = {}
        for name, (key, value) in given.items():
            if name in fields:
                values[fields[name].name] = self.value(value, fields[name].type, child(path, name))
            elif name != type_.tag_field:
                meant = self._misnamed(key, type_, set(given), path, others)
                if meant in fields and meant not in given:
                    # Its problems are reported too, but a rule must not judge what is only guessed.
                    self.value(value, fields[meant].type, child(path, meant))
                    values[fields[meant].name] = PRUNED
        for name, field in fields.items():
            # Last, and at the map: the field has no place, and a misspelled one has been taken for
            # it above.
            if field.required and field.name not in values:
                at, below = node.at, child(path, name)
                values[field.name] = self.fault("MA1204", at, below, "required field is missing")
        # The constructor checks nothing, so PRUNED fits everywhere; rules raise PrunedError where
        # they meet it.
        return type_.cls(**values)

    def _keys(self, node: Mapping, path: str) -> dict[str, tuple[Scalar, Node]]:
        """Return the entries by name; report repeated keys and keys that are not text."""
        given: dict[str, tuple[Scalar, Node]] = {}
        for key, value in node.entries():
            name = self._key(key, path)
            if name is None or not isinstance(key, Scalar):
                continue
            if name in given:
                line, column = self._source.position(given[name][0].at)
                message = f"duplicate key; it is also in line {line}, column {column}"
                self.fault("MA1205", key.at, child(path, shown_key(name)), message, "keep one")
                # Neither value is judged further: readers disagree which one counts, and a problem
                # of the wrong one would mislead.
                given[name] = (given[name][0], Unread(key.at))
            else:
                given[name] = (key, value)
        return given

    def _key(self, key: Node, path: str) -> str | None:
        # YAML 1.2 has no merge keys and Kubernetes' reader does: the same file would mean two
        # things.
        if isinstance(key, Scalar) and key.plain and key.text == "<<":
            hint = "write the fields out, or use an alias for a whole value"
            self.fault("MA1011", key.at, path, "merge keys are not supported", hint)
            return None
        value = key.value if isinstance(key, Scalar) else None
        if isinstance(value, Ambiguous) and isinstance(value.value, str):
            value = value.value
        if isinstance(value, str):
            return value
        if isinstance(key, Unread):
            self._unread(key, path)
        else:
            hint = (
                "put it in double quotes" if isinstance(key, Scalar) else "a key must be a string"
            )
            self.fault("MA1207", key.at, path, f"the key is {found(key)}, not a string", hint)
        return None

    def _misnamed(
        self,
        key: Scalar,
        type_: inspect.StructType,
        given: set[str],
        path: str,
        others: Series[inspect.StructType],
    ) -> str:
        """Report an unknown field; returns the name in this Struct that was probably meant, if any."""
        # The tag is a key like the others in the file, and is mistyped like them.
        names = [field.encode_name for field in type_.fields]
        if type_.tag_field:
            names.append(type_.tag_field)
        for other in others:
            # Before any guess: an exact name of another variant is what was meant, in the wrong
            # place.
            if key.text in (field.encode_name for field in other.fields):
                message = f"belongs to {type_.tag_field} {other.tag}, not to {type_.tag}"
                self.fault("MA1210", key.at, child(path, shown_key(key.text)), message)
                return ""
        meant = suggest(key.text, names, taken=given)
        # A word that differs only in case or number needs no synonym: nothing could be nearer.
        if not same_word(key.text, meant):
            if ours := synonym(key.text, names):
                meant = ours
            elif self._known_elsewhere(key, path):
                return ""
        self._unknown(key, path, f'; did you mean "{meant}"?' if meant else "", names)
        return meant

    def _known_elsewhere(self, key: Scalar, path: str) -> bool:
        """Report a name of Cluster API's or kubeadm's, or one of ours at another place; False if it is neither."""
        theirs = foreign(key.text, path)
        elsewhere = "" if theirs and theirs.exact else self._names.nearest(key.text, path)
        if elsewhere:
            self._unknown(key, path, f" here; did you mean {elsewhere}?")
            return True
        if theirs is None:
            return False
        below = child(path, shown_key(key.text))
        self.fault("MA1203", key.at, below, f"unknown field; {theirs.message}", theirs.hint)
        return True

    def _unknown(self, key: Scalar, path: str, guess: str, names: Series[str] = ()) -> Any:
        # All names only where there is no guess: after one they are noise.
        hint = "" if guess or not names else f"there are {', '.join(sorted(names))}"
        below = child(path, shown_key(key.text))
        return self.fault("MA1203", key.at, below, f"unknown field{guess}", hint)

    def _map(self, node: Node, type_: inspect.DictType, path: str) -> Any:
        if not isinstance(node, Mapping):
            return self._wrong(node, type_, path)
        values = {}
        passed_on = isinstance(type_.value_type, inspect.AnyType)
        for name, (key, value) in self._keys(node, path).items():
            # To Kubernetes a null field is absent, so it is not an entry.
            if passed_on and _is_null(value):
                continue
            # A key has a type, too: the name of a label, a signal of the kubelet's eviction.
            good = self.value(key, type_.key_type, child(path, name))
            item = self.value(value, type_.value_type, child(path, name))
            if good is not PRUNED:
                values[name] = item
        return self._counted(node, values, type_, path, "entries")

    def _list(
        self, node: Node, type_: inspect.VarTupleType, extra: dict[str, Any], path: str
    ) -> Any:
        if not isinstance(node, Sequence):
            return self._wrong(node, type_, path)
        values = tuple(
            self.value(item, type_.item_type, f"{path}[{index}]")
            for index, item in enumerate(node.items)
        )
        if "unique" in extra:
            self._unique(node, values, extra["unique"], path)
        return self._counted(node, values, type_, path, "items")

    def _unique(self, node: Sequence, values: tuple[Any, ...], field: str, path: str) -> None:
        for index in repeated(values, field):
            item = node.items[index]
            below = f"{path}[{index}]" + (f".{field}" if field else "")
            place = _lookup(item, field) if field else None
            at = (place or item).at
            what = (
                f"the same {field} as an earlier item" if field else "the same as an earlier item"
            )
            self.fault("MA1110", at, below, what, "remove one")

    def _counted(
        self,
        node: Mapping | Sequence,
        values: Any,
        type_: inspect.DictType | inspect.VarTupleType,
        path: str,
        what: str,
    ) -> Any:
        """Return a list or map if its number of items is allowed."""
        # What is written counts, not what was good: otherwise an item with a mistake would make the
        # list too short as well.
        count = len(node.items)
        if isinstance(node, Mapping):
            passed_on = isinstance(type_, inspect.DictType) and isinstance(
                type_.value_type, inspect.AnyType
            )
            count = sum(not (passed_on and _is_null(value)) for _, value in node.entries())
        if type_.max_length is not None and count > type_.max_length:
            message = f"{count} {what}, at most {type_.max_length} allowed"
            return self.fault("MA1106", node.at, path, message)
        if type_.min_length is not None and count < type_.min_length:
            message = f"{count} {what}, at least {type_.min_length} required"
            return self.fault("MA1106", node.at, path, message)
        return values

    def _anything(self, node: Node, path: str) -> Any:
        """Judge a value that other programs read, possibly with another idea of an ambiguous scalar."""
        if isinstance(node, Mapping):
            return {
                name: self._anything(value, child(path, name))
                for name, (_, value) in self._keys(node, path).items()
                if not _is_null(value)  # to Kubernetes, a field that is null is absent
            }
        if isinstance(node, Sequence):
            return [
                self._anything(item, f"{path}[{index}]") for index, item in enumerate(node.items)
            ]
        if isinstance(node, Unread):
            return self._unread(node, path)
        if node.value is None:
            return self._null(node, path)
        if isinstance(node.value, Ambiguous):
            message = f"{node.value.kind} to some YAML readers, something else to others"
            hint = "put it in double quotes if it is a string; else write true, false or a decimal number"
            return self.fault("MA1102", node.at, path, message, hint)
        return node.value


def _has_all(type_: inspect.StructType, names: Series[str]) -> bool:
    return set(names) <= {field.encode_name for field in type_.fields}


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _lookup(node: Node, name: str) -> Node | None:
    if isinstance(node, Mapping):
        for key, value in node.entries():
            if isinstance(key, Scalar) and key.text == name:
                return value
    return None
