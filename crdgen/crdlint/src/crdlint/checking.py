"""One CustomResourceDefinition after another: read, decoded, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crdlint import definition, envelope, openapi, sizes
from crdlint.bounds import check_bounds
from crdlint.cel import rules
from crdlint.defaults import check_defaults
from crdlint.model import Findings, Violation
from crdlint.reading import Document, ReadingError, read
from crdlint.released import Released
from crdlint.schema import Schema
from crdlint.shapes import Decoding
from crdlint.structural import check_structural, is_convertible


def check_file(
    data: bytes, file: str, released: Released | None = None, *, ours: bool = False
) -> list[Violation]:
    """Check all that is in a file.

    Args:
        data: The content of the file.
        file: Its name.
        released: What has been released before.
        ours: Whether they are ours, which must fit where others should.

    Returns:
        The violations, in the order of the documents; empty if there is none.
    """
    try:
        documents = read(data)
    except ReadingError as error:
        # Nothing else of the file is judged: what cannot be read has no documents.
        return [Violation("CRD001", file, "", error.message, line=error.line)]
    try:
        return check(documents, file, released, ours=ours)
    # A schema nested by the thousand is an attack or an accident; the server has bounds of its own
    # for it.
    except RecursionError:
        return [Violation("CRD001", file, "", "is nested too deeply")]


def check(
    documents: list[Document], file: str, released: Released | None = None, *, ours: bool = False
) -> list[Violation]:
    """Check documents.

    Args:
        documents: What was read.
        file: The name of the file.
        released: What has been released before.
        ours: Whether they are ours, which must fit where others should.

    Returns:
        The violations.
    """
    violations: list[Violation] = []
    judged = 0
    # From 1, as kubectl and editors count documents of a stream.
    for number, document in enumerate(_unpacked(documents), 1):
        # Of its own for each document: line_of() below needs the document that a path belongs to.
        found = Findings()
        for code, message, line in document.problems:
            violations.append(Violation(code, file, "", message, document=number, line=line))
        if is_definition(document.value):
            judged += 1
            check_definition(document.value, found, released, ours=ours)
        # Kind or group is right and the other is not: somebody meant a definition, such as one of
        # v1beta1, which a warning would not say loudly enough.
        elif _claims(document.value):
            judged += 1
            found.error("CRD002", "apiVersion", f"must be {definition.API_VERSION}")
        else:
            # A warning: files often hold roles and deployments beside definitions.
            found.warning("CRD500", "", "is not a CustomResourceDefinition, and was not checked")
        violations += [
            Violation(code, file, path, message, severity, number, line_of(document.value, path))
            for code, path, message, severity in found.found
        ]
    # An error, so that a wrong path in a pipeline is not taken for a success.
    if not judged:
        violations.append(Violation("CRD002", file, "", "has no CustomResourceDefinition"))
    return violations


def _unpacked(documents: list[Document]) -> list[Document]:
    """Documents, and those that a List holds."""
    out: list[Document] = []
    for document in documents:
        value = document.value
        if (
            isinstance(value, dict)
            and isinstance(value.get("kind"), str)
            # `kubectl get crd -o yaml` prints a List of v1; a CustomResourceDefinitionList is one
            # as well.
            and value["kind"].endswith("List")
        ):
            # What is no list is dropped here without a word; the file has then no definition, which
            # is told.
            items = value.get("items")
            out += [Document(item) for item in items] if isinstance(items, list) else []
            # What was wrong with the writing of the List is told once, with its last item, since a
            # List is not a document of its own here.
            out[-1:] = [Document(o.value, document.problems) for o in out[-1:]]
        else:
            out.append(document)
    return out


def is_definition(value: Any) -> bool:
    """Whether a value says that it is what is checked here."""
    return (
        isinstance(value, dict)
        and value.get("kind") == definition.KIND
        and value.get("apiVersion") == definition.API_VERSION
    )


def _claims(value: Any) -> bool:
    return isinstance(value, dict) and (
        value.get("kind") == definition.KIND or value.get("apiVersion") == definition.API_VERSION
    )


def check_definition(
    raw: Mapping[str, Any], found: Findings, released: Released | None = None, *, ours: bool = False
) -> None:
    """Check one CustomResourceDefinition.

    Args:
        raw: As it was read.
        found: Where violations go.
        released: What has been released before.
        ours: Whether it is one of ours, which must fit where others should.
    """
    decoding = Decoding(found)
    # The server decodes before it validates, and so what it drops in decoding is never validated.
    crd = definition.DEFINITION(raw, "", decoding)
    decoded = len(found.found)
    spec = crd.get("spec") or {}
    # In the order of ValidateCustomResourceDefinition, so that messages of both can be compared
    # line by line.
    envelope.check_envelope(crd, found)
    _schemas(raw, spec, found)
    # Of what was read and not of what was decoded: unknown keys count, since they are sent.
    sizes.check_sizes(raw, found, are_ours=ours)
    if released is not None:
        released.compare(crd, found)
    _silence(found, decoded, decoding.broken)


def _silence(found: Findings, decoded: int, broken: set[str]) -> None:
    """What could not be decoded is reported once, and not again as missing."""
    # By the end of the path: decoding knows places below spec.versions, and checks of shared
    # schemas say spec.validation.
    ends = tuple(_tail(b) for b in broken)
    if ends:
        found.found[decoded:] = [
            f for f in found.found[decoded:] if not _tail(f[1]).startswith(ends)
        ]


def _tail(path: str) -> str:
    return path.partition("openAPIV3Schema")[2] or path


def _schemas(raw: Mapping[str, Any], spec: Mapping[str, Any], found: Findings) -> None:
    """Check what versions hold. What all have alike, the API server holds and names only once."""
    versions: list[dict[str, Any]] = spec.get("versions") or []
    # The server converts to its internal type first, where what all versions have alike moves to
    # spec (Convert_v1_CustomResourceDefinitionSpec_To_apiextensions_...).
    shared = {
        key: _alike(raw, key)
        for key in ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
    }
    # A shared schema is validated once, for whichever version has a status.
    any_status = any("status" in (v.get("subresources") or {}) for v in versions)
    for index, version in enumerate(versions):
        each = f"spec.versions[{index}]"
        # Shared ones are judged with the first version only; the server has them once as well.
        if not (shared["additionalPrinterColumns"] and index):
            base = "spec" if shared["additionalPrinterColumns"] else each
            columns = version.get("additionalPrinterColumns") or []
            envelope.check_columns(columns, f"{base}.additionalPrinterColumns", found)
        if not (shared["subresources"] and index):
            base = "spec" if shared["subresources"] else each
            envelope.check_subresources(version.get("subresources"), f"{base}.subresources", found)
        # None was told by the envelope's checks.
        schema: Schema | None = (version.get("schema") or {}).get("openAPIV3Schema")
        if not (shared["selectableFields"] and index):
            _selectable(version, schema, shared, each, found)
        # All versions share it: once is enough, and the server tells it once.
        if schema is None or (shared["schema"] and index):
            continue
        status = any_status if shared["schema"] else "status" in (version.get("subresources") or {})
        # The path that the server's message has, which no author has ever written; line_of() undoes
        # it.
        base = "spec.validation" if shared["schema"] else f"{each}.schema"
        check_schema(schema, f"{base}.openAPIV3Schema", status, found)


def _selectable(
    version: Mapping[str, Any],
    schema: Schema | None,
    shared: Mapping[str, bool],
    each: str,
    found: Findings,
) -> None:
    """The API server looks for the schema where it keeps the fields: both shared, or neither."""
    fields = version.get("selectableFields") or []
    # None is what makes the server say that it finds no schema, although there is one.
    reachable = schema if shared["schema"] == shared["selectableFields"] else None
    base = "spec" if shared["selectableFields"] else each
    # Fields are looked up in the structural schema; without one the server does not come this far.
    if reachable is None or is_convertible(reachable):
        openapi.check_selectable(fields, reachable, f"{base}.selectableFields", found)


def _alike(raw: Mapping[str, Any], key: str) -> bool:
    spec = raw.get("spec")
    versions = spec.get("versions") if isinstance(spec, dict) else None
    # Asked of what was read: decoded versions are alike more often, for decoding drops what is
    # wrong.
    if not isinstance(versions, list) or not all(isinstance(v, dict) for v in versions):
        return False
    # None equals None: a key that all leave out is shared, too.
    return all(v.get(key) == versions[0].get(key) for v in versions)


def check_schema(schema: Schema, path: str, with_status: bool, found: Findings) -> None:
    """Check a version's schema.

    Args:
        schema: The root.
        path: Where it is.
        with_status: Whether the status subresource is on.
        found: Where violations go.
    """
    # Before the structure: the server checks the root on the schema as it was written.
    openapi.check_root(schema, path, with_status, found)
    cel = None
    # NewStructural fails otherwise, and nothing after it runs.
    if is_convertible(schema):
        before = found.errors()
        check_structural(schema, path, found)
        check_bounds(schema, path, found)
        # Defaults are validated only against a structural schema; on a broken one they would give
        # errors that follow from the first.
        if found.errors() == before:
            check_defaults(schema, path, found)
        if found.errors() == before:
            cel = rules.Rules(schema, path, found)
    openapi.check_openapi(schema, path, found, cel.judge if cel is not None else None)
    if cel is not None:
        # After all nodes, since the limit is for the sum.
        cel.finish()


def line_of(value: Any, path: str) -> int:
    """The line of a place, or of the nearest place around it; 0 if it is not known.

    Args:
        value: The document, as it was read.
        path: The place, as the API server writes it.
    """
    # The first version stands for all where schemas are alike.
    rest, line = path.replace("spec.validation.", "spec.versions[0].schema.", 1), 0
    while rest:
        # A property's path begins with a dot or a bracket, whichever kind of key it is.
        rest = rest.removeprefix(".")
        lines: dict[str, int] = getattr(value, "lines", {})
        if isinstance(value, dict):
            rest, value, at = _into_mapping(value, rest, lines)
            line = at or line
        elif isinstance(value, list) and rest.startswith("["):
            number, _, rest = rest[1:].partition("]")
            # A place that is not there gives the line of the nearest one around it.
            value = value[int(number)] if number.isdecimal() and int(number) < len(value) else None
        else:
            break
    return line


def _into_mapping(
    value: dict[str, Any], rest: str, lines: Mapping[str, int]
) -> tuple[str, Any, int]:
    bracketed = rest.startswith("[")
    text = rest[1:] if bracketed else rest
    # What may follow a name: the end, or a further step.
    ends = ("]",) if bracketed else (".", "[", "")
    fitting = [
        key for key in value if text.startswith(key) and (text[len(key) : len(key) + 1] in ends)
    ]
    if not fitting:
        return "", None, 0
    # A property's name may hold dots; the longest that fits is the one that was meant.
    key = max(fitting, key=len)
    return text[len(key) + bracketed :], value[key], lines.get(key, 0)
