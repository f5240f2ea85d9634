"""What a type declares of its fields: which exclude each other, and which this release does not build yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.meta import ApiStruct, OneOf
from machineadm.api.pruned import PRUNED
from machineadm.config.paths import is_set
from machineadm.config.rules.model import finding


def declared(value: msgspec.Struct) -> Iterator[Finding]:
    """Findings about `one_of` and `not_built` of a value's type."""
    # Most types declare neither, and pay one look.
    if isinstance(value, ApiStruct) and (value.one_of or value.not_built):
        names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
        for field, instead in value.not_built.items():
            # An empty text asks for nothing, and templates leave one behind.
            if is_set(value, field) and not _is_empty(getattr(value, names[field])):
                yield finding("MA1401", field, "this release does not support it yet", instead)
        for rule in value.one_of:
            yield from _counted(
                rule, {field: getattr(value, names[field]) for field in rule.fields}
            )


def _counted(rule: OneOf, values: Mapping[str, object]) -> Iterator[Finding]:
    """Whether as many of some fields are set as may be; a pruned one is, for somebody has set it."""
    given = [field for field, value in values.items() if not _is_absent(value)]
    listed = " and ".join((", ".join(rule.fields[:-1]), rule.fields[-1]))
    if rule.most is not None and len(given) > rule.most:
        # At each but the first: these are the lines to remove.
        for field in given[1:]:
            yield finding(
                "MA1301",
                field,
                f"not together with {given[0]}",
                f"give {'exactly' if rule.least else 'at most'} one of {listed}",
            )
    # At the value itself, since none of the fields has a place.
    elif len(given) < rule.least:
        count = "one" if rule.most else "at least one"
        yield finding("MA1302", "", f"{count} of {listed} is required")


def _is_absent(value: object) -> bool:
    return value is None or (value is not PRUNED and value == ())


def _is_empty(value: object) -> bool:
    return value is not PRUNED and value == ""
