"""Bytes to typed documents, with all problems at once; bad content never raises an exception.

Fast path: read nodes and let msgspec convert them; msgspec decides. Only a document that fails, or has
something that msgspec does not see (duplicate keys, null, ambiguous scalars, what types declare in
`extra`), is walked next to its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from machineadm.documents.declared import keeps_declared
from machineadm.documents.kinds import Kinds, identify, identity
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document, Problem
from machineadm.documents.nodes import Node, NotPlainError, Scalar, as_kubernetes, builtins
from machineadm.documents.secrets import secret_hook
from machineadm.documents.source import MAX_BYTES, Fault, RefusedError, Source, read_text
from machineadm.documents.splitting import json_begin, parts

if TYPE_CHECKING:
    from collections.abc import Iterator


# The codes of limits.Budget that count over the whole stream; nesting (MA1007) is a matter of one
# document.
_BEYOND = ("MA1008", "MA1009", "MA1015")


class _Root(msgspec.Struct):
    """A document as read: its node if there is one, its text if it is JSON, and what was refused."""

    node: Node | None
    faults: list[Fault]
    json: str | None = None


def decode(data: bytes, *, file: str, budget: Budget | None = None) -> tuple[Document, ...]:
    """Read a stream of YAML or JSON documents.

    Args:
        data: The bytes of one input.
        file: Its name, for messages.
        budget: That of the stream, if this input is only a part of it.

    Returns:
        The documents in order, at least one. One that has problems must be refused; one that could
        not be read at all has no value.
    """
    # Here, since decode_kinds() serves readers that have no use for a machine's types: lock files
    # and settings of plugins, the management cluster's kinds.
    from machineadm.api.scheme import KINDS

    return decode_kinds(data, file=file, kinds=KINDS, budget=budget)


def decode_kinds(
    data: bytes, *, file: str, kinds: Kinds, budget: Budget | None = None
) -> tuple[Document, ...]:
    """Read a stream of documents of given kinds.

    Args:
        data: The bytes of one input.
        file: Its name, for messages.
        kinds: The types by apiVersion and kind.
        budget: As of `decode`.

    Returns:
        As `decode`.
    """
    try:
        source = Source(file, read_text(data))
    except RefusedError as refused:
        # Only to compute the line and column; such a text is not parsed.
        readable = data.decode("utf-8-sig", "replace") if len(data) <= MAX_BYTES else ""
        source = Source(file, readable)
        return (_document(source, 1, None, (refused.fault,)),)
    documents = tuple(_documents(source, kinds, budget or Budget()))
    if not documents or (documents[0].value is None and not documents[0].api_version):
        from machineadm.documents.foreign_kinds import known_by_beginning

        # A script or a MIME message breaks YAML in one line or another, which says nothing about what it is.
        if found := known_by_beginning(source.text):
            fault = Fault("MA1202", 0, f"{found[0]} is not read here", found[1])
            return (_document(source, 1, None, (fault,)),)
    if documents:
        return documents
    hint = "a configuration has apiVersion, kind and spec"
    return (_document(source, 1, None, (Fault("MA1001", 0, "there is no document", hint),)),)


def read_documents(data: bytes, *, file: str, budget: Budget | None = None) -> tuple[Document, ...]:
    """Read a stream of documents of any kind, without judging them by a type.

    Args:
        data: The bytes of one input.
        file: Its name, for messages.
        budget: As of `decode`.

    Returns:
        The documents in order, without values; a problem is one of reading. A key that comes twice is none.
    """
    try:
        source = Source(file, read_text(data))
    except RefusedError as refused:
        readable = data.decode("utf-8-sig", "replace") if len(data) <= MAX_BYTES else ""
        return (_document(Source(file, readable), 1, None, (refused.fault,)),)
    found: list[Document] = []
    for root in _roots(source, budget or Budget()):
        node = root.node
        # An empty document is none, as in decode(); one that has a fault is told even if nothing is
        # left of it.
        if not (isinstance(node, Scalar) and node.plain and not node.text and not root.faults):
            found.append(_document(source, len(found) + 1, node, root.faults))
    return tuple(found)


def decode_object(
    data: bytes, *, file: str, budget: Budget | None = None
) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    """Read a text that holds one object of Kubernetes' own; null in it means absent.

    Args:
        data: YAML or JSON.
        file: Its name, for messages.
        budget: As of `decode`.

    Returns:
        The object, or None and what is wrong.
    """
    from machineadm.documents.walk import walk

    try:
        source = Source(file, read_text(data))
    except RefusedError as refused:
        source = Source(file, data.decode("utf-8-sig", "replace"))
        return None, (_problem(source, 1, refused.fault),)
    roots = [
        root
        for root in _roots(source, budget or Budget())
        if root.faults or not (isinstance(root.node, Scalar) and not root.node.text)
    ]
    faults = [fault for root in roots for fault in root.faults]
    value: Any = None
    if not faults and len(roots) != 1:
        # At the second one: that is what must go. Without any there is no place but the beginning.
        count = "no document" if not roots else f"{len(roots)} documents"
        at = roots[1].node.at if len(roots) > 1 and roots[1].node else 0
        faults = [Fault("MA1410", at, f"{count}, but one object is expected")]
    elif not faults and roots[0].node is not None:
        # By the walk though no type is asked for: it refuses duplicate keys and ambiguous scalars,
        # and drops null as the API server does.
        value, faults = walk(roots[0].node, dict[str, Any], source, "")
    return (None if faults else value), tuple(_problem(source, 1, fault) for fault in faults)


def read_values(text: str) -> tuple[list[Any], str]:
    """Read every document of a text as kubeadm does: null is kept, and scalars are read as YAML 1.1.

    Args:
        text: YAML or JSON.

    Returns:
        Maps, lists and scalars; or none, and a description of what is wrong.
    """
    try:
        source = Source("", read_text(text.encode()))
    except RefusedError as refused:
        return [], refused.fault.message
    found = []
    for root in _roots(source, Budget()):
        if root.node is None or root.faults:
            fault = root.faults[0]
            line, column = source.position(fault.at)
            return [], f"line {line}, column {column} of the text: {fault.message}"
        if isinstance(root.node, Scalar) and root.node.plain and not root.node.text:
            continue
        try:
            # Not builtins(), which refuses what only a type can decide: here there is no type, and
            # null and `yes` mean what kubeadm's reader makes of them.
            found.append(as_kubernetes(root.node))
        except ValueError as error:
            return [], str(error)
    return found, ""


def decode_node(node: Node, *, source: Source, index: int) -> Document:
    """Type a document that was put together of nodes.

    Args:
        node: Its root.
        source: Knows the places of its nodes.
        index: Its place in the stream, from 1.

    Returns:
        As `decode`.
    """
    from machineadm.api.scheme import KINDS

    return _typed(source, index, node, _Root(node, []), KINDS)


def _documents(source: Source, kinds: Kinds, budget: Budget) -> Iterator[Document]:
    index = 0
    for root in _roots(source, budget):
        node = root.node
        if isinstance(node, Scalar) and node.plain and not node.text and not root.faults:
            continue  # nothing between two markers, or after the last one
        index += 1
        if node is None:
            yield _document(source, index, None, root.faults)
        else:
            yield _typed(source, index, node, root, kinds)


def _roots(source: Source, budget: Budget) -> Iterator[_Root]:
    # A parser of its own for each part: libyaml stops at its first error, and the documents behind
    # it have problems to be told as well.
    for begin, end in parts(source.text):
        brace = json_begin(source.text, begin, end)
        roots = (
            _yaml(source, begin, end, budget)
            if brace is None
            else _json(source, brace, end, budget)
        )
        for root in roots:
            yield root
            if root.faults and root.faults[-1].code in _BEYOND:
                return  # the budget is for the whole stream: every further document would fail the same way


def _yaml(source: Source, begin: int, end: int, budget: Budget) -> Iterator[_Root]:
    from machineadm.documents.yaml_reader import YamlReader

    reader = YamlReader(source, begin, end, budget)
    try:
        # By part and before its parser exists, so that a thousand empty parts count, too.
        budget.begin_document(begin)
        for node in reader.documents():
            yield _Root(node, reader.faults)
            # Faults belong to the document in which they were found, not to those that follow in
            # the same part.
            reader.faults = []
    except RefusedError as refused:
        yield _Root(None, [*reader.faults, refused.fault])


def _json(source: Source, at: int, end: int, budget: Budget) -> Iterator[_Root]:
    from machineadm.documents.json_reader import JsonReader

    try:
        # Several objects without a marker between them, as `jq` writes them; libyaml would refuse
        # the second.
        while at < end:
            budget.begin_document(at)
            reader = JsonReader(source.text, at, end, budget)
            node = reader.document()
            yield _Root(node, [], source.text[at : reader.at])
            at = reader.at
    except RefusedError as refused:
        yield _Root(None, [refused.fault])


def _typed(source: Source, index: int, node: Node, root: _Root, kinds: Kinds) -> Document:
    type_ = identify(node, kinds)
    if isinstance(type_, list):
        return _document(
            source, index, node, (*root.faults, *_as_guessed(node, kinds, source, type_))
        )
    # What the reader refused (a tag, a directive) is missing in the nodes: msgspec could accept the
    # rest, which is not what was written.
    refusal = ""
    if not root.faults:
        try:
            value = _convert(node, root.json, type_)
            if keeps_declared(value):
                return _document(source, index, node, (), value)
        # Not an error yet: a null in `taints` or an unquoted `yes` may be right for its field,
        # which only the walk knows.
        except NotPlainError:
            pass
        except msgspec.DecodeError as error:
            refusal = str(error)
    from machineadm.documents.walk import walk

    value, faults = walk(node, type_, source, refusal)
    return _document(source, index, node, (*root.faults, *faults), value)


def _as_guessed(node: Node, kinds: Kinds, source: Source, refusals: list[Fault]) -> list[Fault]:
    """Find the other problems of a document whose kind is mistyped, if it is clear which kind was meant."""
    from machineadm.documents.kinds import guess

    type_ = guess(node, kinds)
    if type_ is None:
        return refusals
    from machineadm.documents.walk import walk

    _, faults = walk(node, type_, source, "")
    # The refusals already cover these two fields, with better messages.
    told = {(one.at, one.path) for one in refusals}
    others = [
        one
        for one in faults
        if one.path not in ("apiVersion", "kind") and (one.at, one.path) not in told
    ]
    return [*refusals, *others]


def _convert(node: Node, json: str | None, type_: type) -> Any:
    # For JSON as well, although the result is not used: msgspec's own decoder keeps the last of two
    # equal keys, and takes null for absent where a field is optional, both without a word.
    plain = builtins(node)
    if json is not None:
        return msgspec.json.decode(json, type=type_, dec_hook=secret_hook)
    return msgspec.convert(plain, type_, dec_hook=secret_hook)


def _document(
    source: Source,
    index: int,
    node: Node | None,
    faults: tuple[Fault, ...] | list[Fault],
    value: Any = None,
) -> Document:
    api_version, kind = identity(node)
    return Document(
        file=source.file,
        index=index,
        api_version=api_version,
        kind=kind,
        value=value,
        # By place, since the walk finds missing fields last; the sort is stable, so faults at one
        # place stay in the order of their discovery.
        problems=tuple(_problem(source, index, fault) for fault in sorted(faults, key=_place)),
        source=source,
        root=node,
    )


def _place(fault: Fault) -> int:
    return fault.at


def _problem(source: Source, index: int, fault: Fault) -> Problem:
    line, column = source.position(fault.at)
    file, document = source.origin(fault.at) or (source.file, index)
    return Problem(
        file=file,
        document=document,
        line=line,
        column=column,
        code=fault.code,
        path=fault.path,
        message=fault.message,
        hint=fault.hint,
    )
