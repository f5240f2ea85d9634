"""Objects of every type, right ones and near misses, and what msgspec and the declared rules say of them.

The differences between this and the API server that are there on purpose stand here, and nowhere else in the tests:
formats that only the agent parses, patterns of the keys of maps, and the values of a shim's options.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import inspect

from machineadm.api.infrastructure.v1alpha1 import aws
from machineadm.api.later import load
from machineadm.api.meta import OneOf
from machineadm.api.resources import DOCUMENTS, RESOURCES, RULES, Rule
from machineadm.api.v1alpha1 import encrypted_data, machine_bootstrap
from machineadm.api.v1alpha1.containerd import ContainerdRuntime
from machineadm.documents.declared import breach, repeated
from machineadm.redaction import Secret
from tests.strategies import typed

load()  # also where tests/conftest.py has not

PARSED_BY_THE_AGENT_ALONE = {"cidr", "ip", "url", "quantity", "semver", "pem"}
"""Formats that the API server judges by pattern only."""


def structs() -> list[type[msgspec.Struct]]:
    """Every type that a definition is made of, but the kinds themselves."""
    found: dict[type[msgspec.Struct], None] = {}

    def collect(type_: inspect.Type) -> None:
        match type_:
            case inspect.Metadata(type=inner):
                collect(inner)
            case inspect.UnionType(types=types):
                for each in types:
                    collect(each)
            case inspect.VarTupleType(item_type=inner) | inspect.DictType(value_type=inner):
                collect(inner)
            case inspect.StructType(cls=cls, fields=fields) if cls not in found:
                found[cls] = None
                for field in fields:
                    collect(field.type)
            case _:
                pass

    kinds = [version.type for resource in RESOURCES for version in resource.versions]
    for kind in kinds:
        collect(inspect.type_info(kind))
    return [cls for cls in found if cls not in (*kinds, *DOCUMENTS)]


def objects(cls: type[msgspec.Struct], count: int, *, seed: int = 0) -> list[Any]:
    """Objects of a type as JSON has them; three of four are damaged somewhere."""
    drawn: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(typed.of(cls, {}))
    def collect(value: Any) -> None:
        drawn.append(msgspec.to_builtins(value, enc_hook=lambda secret: secret.reveal()))

    collect()
    chance = random.Random(f"{seed} {cls.__name__}")  # noqa: S311  # not for secrets
    found = []
    for number, plain in enumerate(drawn[:count]):
        value = msgspec.json.decode(msgspec.json.encode(plain))
        if number % 4:
            value = damaged(value, chance, others=drawn)
        found.append(value)
    return found


def damaged(value: Any, chance: random.Random, others: list[Any]) -> Any:
    """A copy with one change; it may be one that does not matter."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places or chance.random() < 0.3:
        other = chance.choice(others)
        for key in list(other)[: chance.randint(1, 2)]:
            value.setdefault(key, msgspec.json.decode(msgspec.json.encode(other[key])))
        return value
    holder, key = chance.choice(places)
    change = chance.choice(_CHANGES)
    if change is None:
        del holder[key]
    else:
        holder[key] = change(holder[key])
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value that stands in a field or a list."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _longer(value: Any) -> Any:
    return value * 3 if isinstance(value, (str, list)) else [value]


def _shorter(value: Any) -> Any:
    return value[1:] if isinstance(value, (str, list)) else {}


def _broken(value: Any) -> Any:
    return value + "\n" if isinstance(value, str) else -1


def _long(value: Any) -> Any:
    return "a" * 5000 if isinstance(value, str) else 2**40


_CHANGES: list[Callable[[Any], Any] | None] = [
    None,
    _longer,
    _shorter,
    _broken,
    _long,
    lambda value: str(value),
    lambda value: 0,
    lambda value: 1.5,
    lambda value: True,
    lambda value: "",
    lambda value: [],
    lambda value: {},
    lambda value: {"unknown": 1},
]


def agent_takes(cls: type[msgspec.Struct], value: Any) -> bool:
    """Whether msgspec decodes it, and all that is declared holds, but for the differences above."""
    try:
        typed_value = msgspec.convert(_without_options(cls, value), cls, dec_hook=_secret)
    except (msgspec.ValidationError, TypeError):
        return False
    return _keeps(inspect.type_info(cls), typed_value, {})


def _without_options(cls: type[msgspec.Struct], value: Any) -> Any:
    """The values of a shim's options may be anything to the API server."""
    if cls is ContainerdRuntime and isinstance(value, dict):
        return _without_option_values(value)
    if isinstance(value, dict):
        return {
            key: {k: _without_option_values(v) for k, v in each.items()}
            if key == "runtimes" and isinstance(each, dict)
            else _without_options(cls, each)
            for key, each in value.items()
        }
    return (
        [_without_options(msgspec.Struct, v) for v in value] if isinstance(value, list) else value
    )


def _without_option_values(runtime: Any) -> Any:
    if not isinstance(runtime, dict) or not isinstance(runtime.get("options"), dict):
        return runtime
    return {**runtime, "options": dict.fromkeys(runtime["options"], "any")}


def _secret(cls: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"{cls.__name__} is a string")
    return Secret(value)


def _keeps(info: inspect.Type, value: Any, extra: dict[str, Any]) -> bool:
    match info:
        case inspect.Metadata():
            return _keeps(info.type, value, {**extra, **(info.extra or {})})
        case inspect.UnionType():
            return _keeps_one(info, value, extra)
        case inspect.StructType():
            fields = [(field.type, getattr(value, field.name)) for field in info.fields]
            return all(_keeps(t, v, {}) for t, v in fields) and _keeps_rules(value)
        case inspect.VarTupleType():
            if "unique" in extra and repeated(value, extra["unique"]):
                return False
            return all(_keeps(info.item_type, each, {}) for each in value)
        case inspect.DictType():
            return all(_keeps(info.value_type, each, {}) for each in value.values())
        case inspect.StrType() | inspect.CustomType():
            text = value.reveal() if isinstance(value, Secret) else value
            if extra.get("format") in PARSED_BY_THE_AGENT_ALONE:
                extra = {k: v for k, v in extra.items() if k != "format"}
            return breach(text, extra) is None
        case _:
            return True


def _keeps_one(info: inspect.UnionType, value: Any, extra: dict[str, Any]) -> bool:
    if value is None:
        return True
    for each in info.types:
        inner = each.type if isinstance(each, inspect.Metadata) else each
        if isinstance(inner, inspect.StructType) and type(value) is not inner.cls:
            continue
        if isinstance(inner, inspect.StrType) != isinstance(value, str):
            continue
        return _keeps(each, value, extra)
    return True


def _keeps_rules(value: msgspec.Struct) -> bool:
    names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
    counted: tuple[OneOf, ...] = getattr(value, "one_of", ())
    for rule in counted:
        given_ = sum(getattr(value, names[name]) not in (None, (), {}) for name in rule.fields)
        if given_ < rule.least or (rule.most is not None and given_ > rule.most):
            return False
    rules: Mapping[type, Sequence[Rule]] = RULES
    return not rules.get(type(value)) or _FREE[type(value)](value)


_FREE: dict[type, Callable[[Any], bool]] = {
    machine_bootstrap.MachineBootstrapSpec: lambda s: (
        (s.ignition_version is None or s.format == "ignition")
        and (s.data_size_limit_of is None or s.data_size_limit is not None)
    ),
    encrypted_data.EncryptedDataSpec: lambda s: (
        s.mac is None or s.cipher_algorithm != "aes-256-gcm"
    ),
    aws.AwsCredentials: lambda s: s.external_id is None or s.role_arn is not None,
    aws.S3Encryption: lambda s: s.kms_key_id is None or s.algorithm == "aws:kms",
}
"""Rules in CEL, said again; a rule that is missing here is a KeyError."""
