"""What all types have in common: documented, bounded, and spelled as Kubernetes spells."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from machineadm.api.meta import ApiStruct
from machineadm.api.scheme import KINDS
from machineadm.redaction import Secret
from tests.typewalk import Place, places, structs

API = Path(__file__).parents[3] / "machineadm" / "api"
PLACES = list(places())
EXTRA_KEYS = {
    "oneLine",
    "minLength",
    "maxLength",
    "pattern",
    "unique",
    "expected",
    "format",
    "immutable",
}
FORMATS = {"duration", "cidr", "ip", "url", "quantity", "semver", "base64", "pem"}
NOT_RE2 = re.compile(r"\\[dDwWsSbBAZ1-9]|\(\?")
"""Classes that Python reads as Unicode and RE2 as ASCII, and what RE2 does not have at all."""


def classes() -> list[tuple[str, ast.ClassDef]]:
    return [
        (f"{path.stem}.{node.name}", node)
        for path in sorted(API.rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name not in {"Pruned", "PrunedError"}
    ]


def undocumented(node: ast.ClassDef) -> list[str]:
    """Fields that no string follows."""
    following = [*node.body[1:], None]
    return [
        ast.unparse(field.target)
        for field, after in zip(node.body, following, strict=True)
        if isinstance(field, ast.AnnAssign)
        and not ast.unparse(field.annotation).startswith("ClassVar")  # said of the type
        and not (
            isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
            and after.value.value.strip().endswith((".", "...", '"', ":"))
        )
    ]


@pytest.mark.parametrize(("name", "node"), classes(), ids=[name for name, _ in classes()])
def test_every_field_has_a_sentence_below_it(name: str, node: ast.ClassDef) -> None:
    assert undocumented(node) == []
    assert ast.get_docstring(node)


def test_a_field_without_a_sentence_is_noticed() -> None:
    (node,) = ast.parse('class A:\n    a: int\n    """Text."""\n    b: int\n').body
    assert isinstance(node, ast.ClassDef)

    assert undocumented(node) == ["b"]


def test_every_struct_is_frozen_strict_and_keyword_only() -> None:
    for struct in structs():
        config = struct.__struct_config__
        assert issubclass(struct, ApiStruct)
        assert config.frozen, struct
        assert config.forbid_unknown_fields, struct
        with pytest.raises(TypeError, match="positional"):
            struct("value")


def unbounded(place: Place) -> bool:
    """Whether nothing says how large it may become."""
    if isinstance(place.type, inspect.CustomType):
        return "maxLength" not in place.extra
    if isinstance(place.type, (inspect.StrType, inspect.VarTupleType, inspect.DictType)):
        return place.type.max_length is None
    return isinstance(place.type, (inspect.ListType, inspect.BytesType))


def test_every_string_list_map_and_secret_is_bounded() -> None:
    # The shim's options are values of somebody else's program.
    known = {"ContainerdRuntime.options{}="}

    assert {place.path for place in PLACES if unbounded(place)} == known


def test_an_unbounded_string_is_noticed() -> None:
    assert unbounded(Place("A.b", inspect.StrType(), {}))
    assert not unbounded(Place("A.b", inspect.StrType(max_length=1), {}))


def patterns() -> list[tuple[str, str, dict[str, object]]]:
    return [
        (place.path, pattern, place.extra)
        for place in PLACES
        if (pattern := place.extra.get("pattern"))
    ]


@pytest.mark.parametrize(
    ("path", "pattern", "extra"), patterns(), ids=[path for path, _, _ in patterns()]
)
def test_every_pattern_means_the_same_in_python_and_re2(
    path: str, pattern: str, extra: dict[str, object]
) -> None:
    re.compile(pattern)
    assert NOT_RE2.search(pattern) is None
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    # Python's $ lets a last newline pass.
    assert extra.get("oneLine") is True


def test_patterns_of_re2_only_or_python_only_are_noticed() -> None:
    for pattern in (r"^\d$", r"^(?=a)$", r"^(?P<a>b)$", r"^(a)\1$", r"^\w\Z"):
        assert NOT_RE2.search(pattern)


def test_declarations_use_the_keys_and_formats_that_the_decoder_knows() -> None:
    for place in PLACES:
        assert set(place.extra) <= EXTRA_KEYS, place
        assert place.extra.get("format", "url") in FORMATS, place
        for key in ("minLength", "maxLength"):
            assert key not in place.extra or isinstance(place.type, inspect.CustomType), place


def test_no_pattern_is_compiled_before_a_text_needs_it() -> None:
    """msgspec compiles its own patterns when a module is imported: a tenth of a start."""
    assert [place for place in PLACES if getattr(place.type, "pattern", None)] == []


def test_unique_lists_name_a_field_of_their_items() -> None:
    for place in PLACES:
        if place.extra.get("unique"):
            assert isinstance(place.type, inspect.VarTupleType)
            item = place.type.item_type
            assert isinstance(item, inspect.StructType), place
            assert place.extra["unique"] in item.cls.__struct_encode_fields__, place


def test_secrets_are_the_only_foreign_type() -> None:
    foreign = {place.type.cls for place in PLACES if isinstance(place.type, inspect.CustomType)}

    assert foreign == {Secret}


ACRONYMS = re.compile(
    r"[a-z](Url|Id|Ttl|Cidrs?|Api|Qps|Sans?|Dns|Cpus?|Tls|Gc|Ca|Fs|Cri|Ip)(?![a-z])"
)
KUBERNETES_SPELLING = {"caCertPath", "caCertHashes", "podPidsLimit"}


def test_acronyms_are_spelled_as_kubernetes_spells_them() -> None:
    names = {name for struct in structs() for name in struct.__struct_encode_fields__}

    assert {name for name in names if ACRONYMS.search(name)} == set()
    assert names >= KUBERNETES_SPELLING
    assert {
        "certSANs", "serverCertSANs", "peerCertSANs", "podCIDRs", "serviceCIDRs", "providerID",
        "localAPIEndpoint", "etcdAPICall", "kubernetesAPICall", "unsafeSkipCAVerification",
        "insecureSkipTLSVerify", "proxyURL", "issuerURL", "clientID", "cacheTTL", "clusterDNS",
        "imageGCHighThresholdPercent", "registryPullQPS", "serverTLSBootstrap", "machineID",
        "reservedSystemCPUs", "replaceFS", "frontProxyCA", "etcdCA",
    } <= names  # fmt: skip


def test_every_wire_name_is_camel_case() -> None:
    for struct in structs():
        for name in struct.__struct_encode_fields__:
            assert re.fullmatch("[a-z][A-Za-z0-9]*", name), struct


def test_kinds_are_found_under_the_names_that_their_documents_bear() -> None:
    for (api_version, kind), struct in KINDS.items():
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        literals = {
            field.encode_name: field.type.values
            for field in info.fields
            if isinstance(field.type, inspect.LiteralType)
        }
        assert literals["apiVersion"] == (api_version,)
        assert literals["kind"] == (kind,)


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_decoder_can_be_built_for_every_kind(kind: type[msgspec.Struct]) -> None:
    msgspec.json.Decoder(kind, dec_hook=lambda type_, value: type_(value))
