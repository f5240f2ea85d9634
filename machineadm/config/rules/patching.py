"""Apply patches as kubeadm does: JSON and merge patches like evanphx/json-patch 4, strategic merges like Kubernetes.

Where these libraries differ from RFC 6902 and RFC 7386, these functions differ too. Values are maps, lists and scalars; the
document is changed in place, or a new one is returned.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final


class PatchError(ValueError):
    """A patch does not apply. The message says why."""


class UnknownError(Exception):
    """A patch reaches something that depends on the machine, so whether it applies is not known here."""


def merge(document: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386).

    Raises:
        PatchError: The patch is not a map.
    """
    # RFC 7386 would replace the whole document by it; json-patch refuses it.
    if not isinstance(patch, dict):
        raise PatchError("a merge patch is a map of fields")
    return _merged(document, patch)


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def json_patch(document: Any, patch: Any) -> Any:
    """A JSON patch (RFC 6902).

    Args:
        document: What is patched; it is not changed.
        patch: A list of operations.

    Raises:
        PatchError: The patch is not one, or an operation does not apply.
        UnknownError: It reaches into an `Open` list beyond its known items.
    """
    if not isinstance(patch, list):
        raise PatchError("a JSON patch is a list of operations")
    # In a map with an empty key, since a path "" may replace the document itself.
    whole = {"": copy.deepcopy(document), _SPENT: _weight(document, 0)}
    for index, operation in enumerate(patch):
        try:
            _operate(whole, operation)
        except PatchError as error:
            # Counted from 1 for people.
            raise PatchError(f"operation {index + 1}: {error}") from None
    return whole[""]


def _operate(whole: dict[str, Any], operation: Any) -> None:
    if not isinstance(operation, dict):
        raise PatchError("is not a map with op and path")
    kind = operation.get("op")
    if kind not in _OPERATIONS:
        raise PatchError(f"op must be one of {', '.join(_OPERATIONS)}")
    _OPERATIONS[kind](whole, operation)


def _pointer(operation: Mapping[str, Any], name: str = "path") -> str:
    path = operation.get(name)
    if not isinstance(path, str):
        raise PatchError(f"{name} is missing" if path is None else f"{name} is not a string")
    return path


def _found(whole: dict[str, Any], path: str) -> tuple[Any, str]:
    """Find the map or list that a path ends in, and the last part of the path.

    Raises:
        PatchError: There is none.
    """
    # In this order (RFC 6901, 4): "~01" is "~1", not "/".
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    # Along maps and lists only; a scalar on the way has nothing below it.
    at: Any = whole[""]
    if len(parts) < 2:
        raise PatchError(f"there is no path {path!r}")
    for part in parts[1:-1]:
        if isinstance(at, dict):
            at = at.get(part)
        elif isinstance(at, list):
            at = at[_index(at, part)]
        if not isinstance(at, (dict, list)):
            raise PatchError(f"there is no path {path}")
    return at, parts[-1]


_LONGEST_INDEX: Final = 18
"""Digits of an index that are looked at."""


def _index(items: list[Any], part: str, *, beyond: int = 0) -> int:
    """Return an index into a list; a negative one counts from the end.

    Raises:
        PatchError: The list has no such item.
        UnknownError: Whether it has one depends on the machine.
    """
    # By strconv.Atoi: a sign and zeros in front, but no blanks, underscores or digits of other scripts.
    digits = part[1:] if part[:1] in ("+", "-") else part
    if not (digits.isascii() and digits.isdecimal()):
        raise PatchError(f"{part!r} is not a place in a list")
    # The library compares it with the length: a longer number is beyond every list.
    index = int(part[:_LONGEST_INDEX])
    # A negative index counts from an end that is not known.
    if isinstance(items, Open) and (index < 0 or index >= len(items)):
        raise UnknownError
    size = len(items) + beyond
    if not -size <= index < size:
        raise PatchError(f"the list has no item {part}")
    # evanphx/json-patch takes negative indexes, which RFC 6901 does not have.
    return index + size if index < 0 else index


def _add(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = _pointer(operation)
    target, key = _found(whole, path)
    _put(target, key, _copied(operation.get("value"), path, whole))


_LARGEST: Final = 200_000
"""Values that a document may have, and what a patch puts into it, with the lengths of texts. A Pod has some hundreds."""

_DEEPEST: Final = 120
"""Levels of a document; what is read from a file has 100 at most."""


def _copied(value: Any, path: str, whole: dict[str, Any]) -> Any:
    """Copy a value that goes to a path.

    Raises:
        PatchError: The document would become too large or too deep.
    """
    # A copy into itself doubles a document, and forty of them fit into one line of text.
    whole[_SPENT] += _weight(value, path.count("/"))
    if whole[_SPENT] > _LARGEST:
        raise PatchError(
            "the patch puts more into the document than any object of Kubernetes may have"
        )
    return copy.deepcopy(value)


_SPENT: Final = "\0spent"
"""Where `_copied` counts, beside the document and out of the reach of any path."""


def _weight(value: Any, depth: int) -> int:
    if depth > _DEEPEST:
        raise PatchError(f"the document would have more than {_DEEPEST} levels")
    if isinstance(value, dict):
        return sum(1 + len(name) + _weight(item, depth + 1) for name, item in value.items())
    if isinstance(value, list):
        return sum(1 + _weight(item, depth + 1) for item in value)
    return len(value) if isinstance(value, str) else 1


def _put(target: Any, key: str, value: Any) -> None:
    if isinstance(target, dict):
        target[key] = value
    elif key == "-":
        target.append(value)
    else:
        target.insert(_index(target, key, beyond=1), value)


def _remove(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    _take(whole, _pointer(operation))


def _take(whole: dict[str, Any], path: str) -> Any:
    target, key = _found(whole, path)
    if isinstance(target, list):
        return target.pop(_index(target, key))
    # Unlike `replace`, a missing field is an error here.
    if key not in target:
        raise PatchError(f"there is no {path}")
    return target.pop(key)


def _replace(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = _pointer(operation)
    value = _copied(operation.get("value"), path, whole)
    if path == "":
        # Kubernetes 1.34's library ignores it without a word, and 1.37's refuses it: it is a mistake in either case.
        if not isinstance(value, (dict, list)):
            raise PatchError("the new root is neither a map nor a list")
        whole[""] = value
        return
    target, key = _found(whole, path)
    # Unlike RFC 6902, the library sets a missing field of a map.
    target[key if isinstance(target, dict) else _index(target, key)] = value


def _move(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    # Taken before it is put, as the path may be counted without it (RFC 6902, 4.4).
    value = _take(whole, _pointer(operation, "from"))
    path = _pointer(operation)
    target, key = _found(whole, path)
    _put(target, key, _copied(value, path, whole))


def _copy(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    value = _get(whole, _pointer(operation, "from"))
    path = _pointer(operation)
    target, key = _found(whole, path)
    _put(target, key, _copied(value, path, whole))


def _get(whole: dict[str, Any], path: str) -> Any:
    target, key = _found(whole, path)
    return target.get(key) if isinstance(target, dict) else target[_index(target, key)]


def _test(whole: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = _pointer(operation)
    found = whole[""] if path == "" else _get(whole, path)
    given = operation.get("value")
    # Neither equal nor different: the machine fills the value in later.
    if _is_unknown(found) and _kind(found) is _kind(given):
        raise UnknownError
    if not _is_equal(found, given):
        raise PatchError(f"{path} has another value")


def _kind(value: Any) -> type:
    """A type that two values must share to be equal in JSON."""
    return next((each for each in (dict, list, str, bool) if isinstance(value, each)), float)


def _is_equal(one: Any, other: Any) -> bool:
    # Not ==, to which True is 1.
    if _kind(one) is not _kind(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    return bool(one == other)


_OPERATIONS: Final[dict[Any, Callable[[dict[str, Any], Mapping[str, Any]], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


class Open(list[Any]):
    """A list that has more items on some machines."""


class Unknown(str):
    """A text that the machine or kubeadm determines."""

    __slots__ = ()


def _is_unknown(value: Any) -> bool:
    if isinstance(value, (Open, Unknown)):
        return True
    if isinstance(value, dict):
        return any(map(_is_unknown, value.values()))
    return isinstance(value, list) and any(map(_is_unknown, value))


KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "ownerReferences": "uid",
    "conditions": "type",
}
"""Lists of a Pod that a strategic merge goes through by a key of their items (`patchMergeKey` in k8s.io/api/core/v1)."""

_DIRECTIVES: Final = ("replace", "merge", "delete")


def strategic(document: Any, patch: Any, keys: Mapping[str, str] = KEYS) -> Any:
    """A strategic merge.

    Args:
        document: What is patched; it is not changed.
        patch: A map of fields, with or without directives (`$patch` and the like).
        keys: The lists that are merged, by the name of their field, and the key of their items.

    Raises:
        PatchError: The patch is not one, or does not fit.
    """
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge is a map of fields")
    return _strategic(copy.deepcopy(document), copy.deepcopy(patch), keys, "")


def _strategic(
    document: dict[str, Any], patch: dict[str, Any], keys: Mapping[str, str], path: str
) -> dict[str, Any]:
    # Directives of apimachinery's strategicpatch.
    if "$patch" in patch:
        directive = patch.pop("$patch")
        if directive not in _DIRECTIVES:
            raise PatchError(f"$patch must be one of {', '.join(_DIRECTIVES)}")
        if directive == "replace":
            return patch
        if directive == "delete":
            return {}
    # Written by kubectl for unions such as a deployment's strategy; people may copy it.
    retained = patch.pop("$retainKeys", None)
    if retained is not None and not isinstance(retained, list):
        raise PatchError("$retainKeys is a list of names")
    for name, value in patch.items():
        at = f"{path}.{name}" if path else name
        directive, slash, list_ = name.partition("/")
        if slash and directive in ("$setElementOrder", "$deleteFromPrimitiveList"):
            # They order and shorten lists.
            maps = directive == "$setElementOrder" and list_ in keys
            if not isinstance(value, list) or (
                maps and not all(isinstance(each, dict) for each in value)
            ):
                raise PatchError(f"{at} is a list{' of maps' if maps else ''}")
            continue
        there = document.get(name)
        if value is None:
            document.pop(name, None)
        elif isinstance(value, dict) and isinstance(there, dict):
            document[name] = _strategic(there, value, keys, at)
        # All other lists are replaced as a whole.
        elif isinstance(value, list) and isinstance(there, list) and name in keys:
            document[name] = _merged_lists(there, value, name, keys, at)
        else:
            document[name] = without_nulls(value)
    if isinstance(retained, list):
        return {name: value for name, value in document.items() if name in retained}
    return document


def _merged_lists(
    there: list[Any], given: list[Any], name: str, keys: Mapping[str, str], path: str
) -> list[Any]:
    key = keys[name]
    # It stays open: a patch cannot close what the machine adds.
    result = Open(there) if isinstance(there, Open) else list(there)
    # One directive in a list is for the list.
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in given):
        return [item for item in given if not (isinstance(item, dict) and "$patch" in item)]
    for item in given:
        if not isinstance(item, dict):
            raise PatchError(f"{path} is a list of maps")
        if key not in item:
            raise PatchError(f"an item of {path} has no {key}, by which it would be found")
        others = [
            index
            for index, one in enumerate(result)
            if isinstance(one, dict) and one.get(key) == item[key]
        ]
        if item.get("$patch") == "delete":
            result[:] = [one for index, one in enumerate(result) if index not in others]
        elif others:
            at = f"{path}[{item[key]}]"
            result[others[0]] = _strategic(result[others[0]], item, keys, at)
        else:
            if item.pop("$patch", "merge") not in _DIRECTIVES:
                raise PatchError(f"$patch must be one of {', '.join(_DIRECTIVES)}")
            result.append(without_nulls(item))
    return result


def without_nulls(value: Any) -> Any:
    """Leave out fields that are null, which Kubernetes takes for fields that are not there."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def apply(document: Any, kind: str, patches: Sequence[Any]) -> Any:
    """Apply all parts of one patch, one after the other.

    Args:
        document: What is patched.
        kind: `strategic`, `merge` or `json`.
        patches: The documents of the patch.

    Raises:
        PatchError: One does not apply.
        UnknownError: Nobody can say.
    """
    # By the word in the name of kubeadm's patch file: kube-apiserver0+merge.yaml.
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "strategic": strategic,
        "merge": merge,
        "json": json_patch,
    }
    for patch in patches:
        document = ways[kind](document, patch)
    return document


_EITHER: Final = frozenset({"port", "maxUnavailable", "maxSurge", "cpu", "memory"})
"""Fields that are numbers or texts (IntOrString, Quantity)."""

_TEXTS: Final = frozenset({"labels", "annotations", "nodeSelector", "matchLabels"})
"""Maps whose values are texts."""

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "true or false"),
    (int, "a number"),
    (str, "a string"),
    (dict, "a map"),
    (list, "a list"),
)


def misfit_of(value: Any, model: Any, path: str = "") -> str:
    """Describe where a patched object has a value of another kind than before; empty if nowhere.

    Args:
        value: What came out.
        model: What went in; may also be a map with further possible fields.
        path: Where both are.
    """
    # null means absent to Kubernetes.
    if value is None or model is None:
        return ""
    name = path.rpartition(".")[2]
    if name in _EITHER and isinstance(value, (int, str)) and not isinstance(value, bool):
        return ""
    # bool before int, of which it is a subclass.
    kind, words = next(pair for pair in _KINDS if isinstance(model, pair[0]))
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        return f"{path or 'the object'} must be {words}"
    if isinstance(model, dict) and isinstance(value, dict):
        if name in _TEXTS:
            model = dict.fromkeys(value, "")
        below = [
            misfit_of(item, model.get(key, {}), f"{path}.{key}" if path else str(key))
            for key, item in value.items()
            # Unknown fields are another rule's, which knows the types.
            if key in model or (name == "metadata" and key in _TEXTS)
        ]
    elif isinstance(model, list) and isinstance(value, list) and model:
        below = [misfit_of(item, model[0], f"{path}[{at}]") for at, item in enumerate(value)]
    else:
        return ""
    return next(filter(None, below), "")
