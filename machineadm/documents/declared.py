"""Check what types declare in `Meta(extra=...)` because msgspec cannot; the keys are in api.meta.

The check of a field is made when a document first has it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from machineadm.api.later import Later
from machineadm.api.meta import PLAIN_NAMES, PLAIN_PATHS
from machineadm.api.pruned import PRUNED
from machineadm.redaction import Secret

Check = Callable[[Any], bool]
Extra = dict[str, Any]

# C0, DEL, C1, and the separators that YAML 1.1 and str.splitlines() take for line breaks: with one
# of them in a value, one line of a unit file, hosts file or log would become two.
_CONTROL: Final = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
# For str.translate(), which removes what maps to None: with isalnum() that is two calls in C, and
# no pattern has to be compiled at a start.
_WITHOUT_MARKS: Final = dict.fromkeys(map(ord, "/._-"))
_WITHOUT_JOINTS: Final = dict.fromkeys(map(ord, ".-"))
# Filled as documents name fields: to read the annotations of all types would build the branches
# that api.later keeps unbuilt.
_checks: dict[type, dict[str, Check | None]] = {}


def keeps_declared(value: Any) -> bool:
    """Whether a typed value satisfies all that its type declares, all the way down.

    Args:
        value: A Struct, as msgspec accepted it.

    Returns:
        False if anything in it does not.
    """
    cls = value.__class__
    # By class and not by annotation: a union of Structs has one check, and the value says which
    # member it is.
    checks = _checks.setdefault(cls, {})
    for name in value.__struct_fields__:
        given = getattr(value, name)
        # Nothing is declared of what is absent, and most fields are: their annotations need not be read.
        # Not `not given`: "", 0 and False are values, and "" may be shorter than its type allows.
        if given is None or given == ():
            continue
        if name not in checks:
            checks[name] = _check(_annotation(cls, name))
        check = checks[name]
        if check is not None and not check(given):
            return False
    return True


def _annotation(cls: type, name: str) -> Any:
    """Return the annotation of one field: msgspec reads all of them at once, some as text."""
    # An inherited field is evaluated where it was written: its names are those of that module, not
    # of the class's own.
    owner = next(each for each in cls.__mro__ if name in getattr(each, "__annotations__", ()))
    found = owner.__annotations__[name]
    return eval(found, vars(sys.modules[owner.__module__])) if isinstance(found, str) else found  # noqa: S307 - our own text


def breach(value: str, extra: Extra) -> tuple[str, str] | None:
    """Find the first declaration that a text violates.

    Args:
        value: The text; a secret must be revealed for this.
        extra: The declarations of its type.

    Returns:
        Code and predicate ("is longer than 63 characters"), without the value; None if it satisfies all.
    """
    # Lengths first: a pattern that repeats a group takes a hundred times the memory of the text, so
    # none is run over one that is too long.
    if not value and extra.get("minLength"):
        return "MA1105", "must not be empty"
    if len(value) > extra.get("maxLength", len(value)):
        return "MA1105", f"is longer than {extra['maxLength']} characters"
    if extra.get("oneLine") and is_broken(value):
        return "MA1108", "must be one line without control characters"
    # Unless a text is empty, "is not a node name such as ..." says more than a least length, so
    # this comes before minLength.
    if "pattern" in extra and not matches(value, extra["pattern"]):
        from machineadm.documents.patterns import in_words

        return "MA1107", in_words(extra["pattern"], extra.get("expected", ""))
    if len(value) < extra.get("minLength", 0):
        return "MA1105", f"is shorter than {extra['minLength']} characters"
    if "format" in extra:
        from machineadm.documents.formats import FORMATS

        if expected := FORMATS[extra["format"]](value):
            return "MA1109", f"is not {expected}"
    return None


def matches(text: str, pattern: str) -> bool:
    """Whether a text matches a pattern of the types."""
    # search() as in Kubernetes: a CRD's pattern is not anchored by itself (JSON Schema, 6.3.3). `$`
    # also matches before a last newline in Python, which oneLine refuses.
    return (
        (pattern in PLAIN_PATHS and is_plain_path(text))
        or (pattern in PLAIN_NAMES and is_plain_name(text))
        or re.search(pattern, text) is not None
    )


def is_plain_path(text: str) -> bool:
    """Whether a text is an absolute path of letters, digits and `._-`, no part of which begins with a dot; False if it may still be a path."""
    return (
        text[:1] == "/"
        and text[-1] != "/"
        and "//" not in text
        and "/." not in text
        and text.isascii()
        and text.translate(_WITHOUT_MARKS).isalnum()
    )


def is_plain_name(text: str) -> bool:
    """Whether a text is a name of lower-case letters, digits, hyphens and dots that Kubernetes takes; False if it may still be one."""
    return (
        # Of at most a label's length, so that none of its labels is longer.
        len(text) <= 63
        and text.isascii()
        and text.islower()
        and text[0] not in "-."
        and text[-1] not in "-."
        and ".." not in text
        and ".-" not in text
        and "-." not in text
        and text.translate(_WITHOUT_JOINTS).isalnum()
    )


def is_broken(value: str) -> bool:
    """Whether a text has a control character or a line break of any kind."""
    # isprintable() alone would refuse too much: to it every blank but U+0020 is unprintable.
    return not value.isprintable() and re.search(_CONTROL, value) is not None


def repeated(items: Iterable[Any], field: str) -> list[int]:
    """Find the items that repeat an earlier one, compared by a field's JSON name or, if that is empty, as a whole."""
    seen: set[Any] = set()
    found = []
    for index, item in enumerate(items):
        # What could not be decoded equals nothing; its own problem is reported elsewhere.
        if item is PRUNED:
            continue
        key = _field(item, field) if field else item
        if key is None or key is PRUNED:
            continue
        if key in seen:
            found.append(index)
        seen.add(key)
    return found


def _field(item: Any, name: str) -> Any:
    for field, encoded in zip(item.__struct_fields__, item.__struct_encode_fields__, strict=True):
        if encoded == name:
            return getattr(item, field)
    # A mistyped `unique` in a type is a fault of ours; to compare nothing would hide it.
    raise LookupError(name)


def _check(annotation: Any) -> Check | None:
    """Return the check for values of a type; None if it declares nothing."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if isinstance(annotation, Later):
        return keeps_declared  # every branch is a Struct, or one of several
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return keeps_declared
    if origin in (tuple, list):
        return _each(_check(arguments[0]))
    if origin is dict:
        return _map(_check(arguments[0]), _check(arguments[1]))
    if origin is Union or type(annotation).__name__ == "UnionType":
        return _any_of([check for argument in arguments if (check := _check(argument))])
    return None


def _annotated(inner: Any, metas: tuple[Any, ...]) -> Check | None:
    below = _check(inner)
    extra: Extra = {}
    for meta in metas:
        extra |= meta.extra or {}
    # `expected` words a message and checks nothing.
    if not extra.keys() - {"expected"}:
        return below
    if "unique" in extra:
        field = extra["unique"]
        return lambda items: not repeated(items, field) and (below is None or below(items))
    # The most frequent declaration by far: isprintable() is one call in C, and enough for nearly
    # every text.
    if extra.keys() <= {"oneLine", "expected"}:
        return lambda text: text.isprintable() or not is_broken(text)
    return lambda text: breach(text.reveal() if isinstance(text, Secret) else text, extra) is None


def _each(check: Check | None) -> Check | None:
    # None goes through: a list of what declares nothing is not even iterated.
    return check and (lambda items: all(map(check, items)))


def _map(keys: Check | None, values: Check | None) -> Check | None:
    if keys and values:
        return lambda items: all(map(keys, items)) and all(map(values, items.values()))
    if keys:
        return lambda items: all(map(keys, items))
    return values and (lambda items: all(map(values, items.values())))


def _any_of(checks: list[Check]) -> Check | None:
    """Check a union: Structs or None, or a string with declarations next to a number or None."""
    if not checks:
        return None
    # One check for all variants: keeps_declared looks up the checks of whatever class the value has.
    if all(check is keeps_declared for check in checks):
        return lambda value: value is None or keeps_declared(value)
    if len(checks) > 1:
        raise NotImplementedError("a union of several types that have declarations")
    # Only strings have declarations beside a number (IntOrString). A bool cannot get here: msgspec
    # has refused it.
    (check,) = checks
    return lambda value: value is None or isinstance(value, int) or check(value)
