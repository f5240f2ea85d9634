"""References to Secrets and ConfigMaps: every `xFrom` is replaced by its `x`; references to providers stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.meta import KeyReference, ValueSource
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.paths import child
from machineadm.config.references import holds
from machineadm.documents.decoding import decode_object
from machineadm.documents.limits import Budget
from machineadm.documents.source import MAX_BYTES
from machineadm.redaction import Secret
from machineadm.rendering.objects import ObjectKind, Resource, Resources, is_within

Value = TypeVar("Value", bound=msgspec.Struct)

# Encodings of a file with which a Secret may hold bytes that are not text.
_BINARY = ("gzip", "gzip+base64", None)


class References:
    """Looks up values, and remembers problems and where each value came from.

    Args:
        resources: What may be referred to.
        namespace: That of the referring object; empty if it has none.
    """

    def __init__(self, resources: Resources, namespace: str = "") -> None:
        self._resources = resources
        self._namespace = namespace
        self.findings: list[Finding] = []
        self.origins: dict[str, str] = {}
        """Path of an inlined value to the path of the reference that it came from."""
        self.complete = True
        """All that was asked for has been found."""
        self._left = MAX_BYTES
        # One for all objects in values: each could use aliases up to its own limit.
        self._budget = Budget()

    def inlined(self, value: Value, path: str) -> Value:
        """Return a value with all references in it replaced.

        Args:
            value: As decoded; parts of it may be PRUNED, and what cannot be found becomes so.
            path: Where it stands.
        """
        # Two tuples of the same order: names of Python, and names on the wire for paths in
        # messages.
        fields = value.__struct_fields__
        names = value.__struct_encode_fields__
        changes: dict[str, Any] = {}
        for field, name in zip(fields, names, strict=True):
            given = getattr(value, field)
            # Children first: a source inside of a list has to be replaced before the list is looked
            # at.
            below = self._below(given, f"{path}.{name}")
            if below is not given:
                changes[field] = below
            # By the name, for all types at once: every `xFrom` of the API stands beside its `x`.
            if field.endswith("_from") and given is not PRUNED:
                changes |= self._twin(value, field.removesuffix("_from"), given, f"{path}.{name}")
        # The same object where nothing changed: _below() tells by identity whether a parent has to
        # be copied.
        return replace(value, **changes) if changes else value

    def bytes_at(
        self, kind: ObjectKind, name: str, key: str, path: str, *, key_path: str = ""
    ) -> Any:
        """The bytes of a key.

        Args:
            kind: Of the object.
            name: Of the object.
            key: In its data.
            path: Of the reference, for a finding.
            key_path: Of the key in it, if it is named there.

        Returns:
            Bytes, or PRUNED where there are none; that is a finding, or a problem of the object's own document.
        """
        found = self._object(kind, name, path)
        if found is None:
            return self._unknown()
        if key not in found.values:
            # Names of keys are not secret; kubectl describe shows them.
            there = ", ".join(sorted(found.values))
            message = f"{kind} {name} has no key {key!r}"
            hint = f"it has {there}" if there else "it is empty"
            self.find("MA1602", key_path or path, message, hint)
        value = found.values.get(key, PRUNED)
        return self._unknown() if value is PRUNED else self._afforded(value, path)

    def text_at(self, reference: KeyReference, kind: ObjectKind, path: str) -> Any:
        """As `bytes_at`, but as text."""
        if reference.name is PRUNED or reference.key is PRUNED:
            return self._unknown()
        data = self.bytes_at(kind, reference.name, reference.key, path, key_path=f"{path}.key")
        return PRUNED if data is PRUNED else self.text(data, path)

    def text(self, data: bytes, path: str) -> Any:
        """Decode bytes; PRUNED, and a finding, if they are not UTF-8."""
        try:
            return data.decode()
        except UnicodeDecodeError:
            hint = "only the content of a file may be bytes"
            self.find("MA1603", path, "the value is not valid UTF-8", hint)
            return self._unknown()

    @property
    def is_spent(self) -> bool:
        """Whether the referenced values are too large together, so that they must not be processed any further."""
        return self._left < 0

    def _afforded(self, value: bytes, path: str) -> Any:
        """Return a value unless the sum is too large: like an alias, a reference repeats a value for a few bytes."""
        if self._left < 0:
            return self._unknown()
        self._left -= len(value)
        if self._left >= 0:
            return value
        message = f"the referenced values up to here are more than {MAX_BYTES} bytes"
        self.find("MA1607", path, message, "fetch large files from a source")
        return self._unknown()

    def _unknown(self) -> Any:
        self.complete = False
        return PRUNED

    def find(self, code: str, path: str, message: str, hint: str) -> None:
        """Record a problem."""
        self.findings.append(Finding(code=code, path=path, message=message, hint=hint))

    def _object(self, kind: ObjectKind, name: str, path: str) -> Resource | None:
        named = [one for one in self._resources if one.kind == kind and one.name == name]
        # A reference never leaves its namespace, as with envFrom in a Pod: otherwise whoever may
        # write a MachineBootstrap could read any Secret.
        for one in named:
            if is_within(one.namespace, self._namespace):
                return one
        if named:
            message = f"there is no {kind} {name} in namespace {self._namespace}"
            hint = f"one of that name is in {named[0].namespace}; references stay in one namespace"
        else:
            message = f"there is no {kind} {name}"
            hint = "add it to the documents (`kubectl get -o yaml` prints it)"
        self.find("MA1601", path, message, hint)
        return None

    def _below(self, value: Any, path: str) -> Any:
        # A ValueSource has no fields to look into; it is replaced by whoever holds it.
        if value is PRUNED or isinstance(value, ValueSource):
            return value
        if isinstance(value, msgspec.Struct):
            return self.inlined(value, path)
        if isinstance(value, tuple):
            items = tuple(self._below(item, f"{path}[{n}]") for n, item in enumerate(value))
            # Compared by identity, since == of long contents is slow and finds nothing more.
            return value if _same(items, value) else items
        # Maps of plain values are left as they are: labels, arguments and the like hold no
        # references.
        if isinstance(value, dict) and any(isinstance(v, msgspec.Struct) for v in _known(value)):
            return {key: self._below(item, child(path, key)) for key, item in value.items()}
        return value

    def _twin(self, value: msgspec.Struct, twin: str, given: Any, path: str) -> dict[str, Any]:
        """Return the changes to a Struct that one of its `From` fields asks for."""
        if isinstance(given, dict):
            return self._twins(value, twin, given, path)
        if isinstance(given, tuple) and hasattr(value, twin):
            return self._listed(value, twin, given, path)
        # A field that is named so and is no ValueSource, such as encryption.passphraseFrom, which
        # must not be inlined.
        if not isinstance(given, ValueSource):
            return {}
        if not self._is_one(given, path):
            return {f"{twin}_from": PRUNED}
        source = _source(given, path)
        if source is None:
            return {}
        kind, reference, at = source
        wire = path.removesuffix("From")
        # Both were given. Which one counts is never guessed, and the rules below see only one of
        # them.
        if getattr(value, twin) is not None:
            name = wire.rpartition(".")[2]
            self.find("MA1301", path, f"not together with {name}", "set exactly one of the two")
        self.origins[wire] = path
        # A file's content is the one place where a Secret may hold bytes.
        if isinstance(value, FileConfig):
            return self._content(value, kind, reference, at)
        text = self.text_at(reference, kind, at)
        return {f"{twin}_from": None, twin: self._typed(value, twin, text, at)}

    def _typed(self, value: msgspec.Struct, field: str, text: Any, path: str) -> Any:
        """Convert a text to what the field holds: a Secret, an object, or the text itself."""
        if text is PRUNED:
            return PRUNED
        # By the type and not by the kind of source: a Secret's value may belong to an open field,
        # and a ConfigMap's to a secret one.
        (info,) = (one for one in msgspec.structs.fields(type(value)) if one.name == field)
        if holds(info.type, dict) and not isinstance(getattr(value, f"{field}_from"), dict):
            return self._object_in(text, path)
        return Secret(text) if holds(info.type, Secret) else text

    def _object_in(self, text: str, path: str) -> Any:
        """Parse the object in a text; PRUNED, and a finding, if there is none."""
        found, problems = decode_object(text.encode(), file="", budget=self._budget)
        if not problems and found is not None:
            return found
        for one in problems:
            # Of the value, which has lines of its own: the file's line of the reference would be
            # the wrong one.
            where = f"line {one.line}, column {one.column} of the value: " if one.line else ""
            self.find("MA1410", path, f"{where}{one.message}", one.hint)
        return self._unknown()

    def _twins(
        self, value: msgspec.Struct, twin: str, given: dict[str, Any], path: str
    ) -> dict[str, Any]:
        """The same for a map of values."""
        left, found = {}, {}
        there = getattr(value, twin)
        if there is PRUNED:
            return {}
        # Headers are such a map, and their names ignore case.
        beside = {name.lower() for name in there}
        for key, one in given.items():
            if one is PRUNED or not self._is_one(one, child(path, key)):
                left[key] = PRUNED
                continue
            source = _source(one, child(path, key))
            if source is None:
                left[key] = one
                continue
            kind, reference, at = source
            self.origins[child(path.removesuffix("From"), key)] = child(path, key)
            if key.lower() in beside:
                wire = path.removesuffix("From").rpartition(".")[2]
                message = f"{key} is already in {wire}"
                self.find("MA1306", child(path, key), message, "")
            text = self.text_at(reference, kind, at)
            found[key] = self._typed(value, twin, text, at)
        if not found:
            return {}
        # What is written in place comes last. It has won nothing, since MA1306 was found, but
        # judging goes on with it.
        return {f"{twin}_from": left, twin: {**found, **there}}

    def _listed(
        self, value: msgspec.Struct, twin: str, given: tuple[Any, ...], path: str
    ) -> dict[str, Any]:
        """The same for a list of values, which are appended to the existing ones."""
        left: list[Any] = []
        found: list[Any] = []
        for index, one in enumerate(given):
            at = f"{path}[{index}]"
            source = None
            if one is PRUNED or not self._is_one(one, at):
                # It stays in the list as a hole, by which holds_pruned() knows that the whole is
                # not complete.
                one = PRUNED
            else:
                source = _source(one, at)
            if source is None:
                left.append(one)
                continue
            kind, reference, place = source
            self.origins[path.removesuffix("From")] = at
            found.append(self.text_at(reference, kind, place))
        there = getattr(value, twin)
        if not found or there is PRUNED:
            return {f"{twin}_from": tuple(left)} if left != list(given) else {}
        # Appended: the items that are written out keep the index that findings name.
        return {f"{twin}_from": tuple(left), twin: (*there, *found)}

    def _is_one(self, source: ValueSource, path: str) -> bool:
        """Whether a source names exactly one place; a finding if not."""
        given = [
            name
            for name in ("secret", "config_map", "provider", "instance_data")
            if getattr(source, name) is not None
        ]
        # The CRD's rules say so too, but `render` reads files that no API server has seen.
        if len(given) != 1:
            code = "MA1301" if given else "MA1302"
            message = "exactly one of secret, configMap, provider and instanceData is needed"
            self.find(code, path, message, "")
        return len(given) == 1

    def _content(
        self, file: FileConfig, kind: ObjectKind, reference: KeyReference, path: str
    ) -> dict[str, Any]:
        """Return a file's content: any bytes are allowed; what is not text travels in base64."""
        changes: dict[str, Any] = {"content_from": None, "content": PRUNED}
        # The file's content is now in the open: without this mark plan and reports would show it.
        if kind == "Secret":
            changes["sensitive"] = True
        if reference.name is PRUNED or reference.key is PRUNED or file.encoding is PRUNED:
            return changes
        data = self.bytes_at(kind, reference.name, reference.key, path, key_path=f"{path}.key")
        if data is PRUNED:
            return changes
        try:
            return {**changes, "content": data.decode()}
        except UnicodeDecodeError:
            # With encoding base64 the value itself has to be text, and bytes are a mistake.
            if file.encoding not in _BINARY:
                return {**changes, "content": self.text(data, path)}
        from binascii import b2a_base64

        # Its own encoding stays on the inside: `gzip` of the file means that the Secret holds
        # compressed bytes.
        encoding = "base64" if file.encoding is None else "gzip+base64"
        return {
            **changes,
            "content": b2a_base64(data, newline=False).decode(),
            "encoding": encoding,
        }


def _source(source: ValueSource, path: str) -> tuple[ObjectKind, KeyReference, str] | None:
    """Return what a source refers to in the cluster; None for sources on the machine itself, and for PRUNED ones."""
    if source.secret is not None and source.secret is not PRUNED:
        return "Secret", source.secret, f"{path}.secret"
    if source.config_map is not None and source.config_map is not PRUNED:
        return "ConfigMap", source.config_map, f"{path}.configMap"
    return None


def _same(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return all(one is other for one, other in zip(left, right, strict=True))


def _known(value: dict[str, Any]) -> Iterator[Any]:
    return (item for item in value.values() if item is not PRUNED)
