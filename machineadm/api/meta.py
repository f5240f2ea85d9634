"""What every type is made of: the base struct, constrained strings, metadata, references.

A constraint that msgspec checks by itself is in `Meta`, but for patterns: msgspec would compile all of them at
import, a tenth of a start. These, and what msgspec cannot check, are declared in `Meta(extra=...)` and checked by the
decoder from the declaration; the keys are

- `oneLine`: no control characters, newline included (`$` lets a trailing newline pass in Python);
- `pattern`: on a string or a Secret, what it must match; `expected` says the same in words, for messages;
- `minLength`, `maxLength`: on a Secret, which takes no constraint of msgspec's;
- `unique`: on a list, the JSON name of the field that no two items may share, or an empty string
  for the items themselves;
- `format`: `duration`, `cidr`, `ip`, `url`, `quantity`, `semver`, `base64` or `pem`.

Two more are for the API server alone, on kinds that no agent decodes:

- `immutable`: the value of the field cannot be changed once it is set;
- `float`: on a float, which the generator refuses otherwise.

What the generated definition of a field is to say beside all this stands in `Meta(extra_json_schema=...)`.

Patterns are valid in Python and in RE2, and anchored.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, Struct

from machineadm.redaction import Secret


class OneOf(Struct, frozen=True, kw_only=True):
    """How many of some fields may be set."""

    fields: tuple[str, ...]
    """JSON names of optional fields of the type."""

    least: int = 1
    """At least this many: 0 or 1."""

    most: int | None = 1
    """At most this many: 1, or None for any number."""


def exactly_one(*fields: str) -> OneOf:
    """Exactly one of these fields is set."""
    return OneOf(fields=fields)


def at_most_one(*fields: str) -> OneOf:
    """At most one of these fields is set."""
    return OneOf(fields=fields, least=0)


def at_least_one(*fields: str) -> OneOf:
    """At least one of these fields is set."""
    return OneOf(fields=fields, most=None)


class ApiStruct(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """What all types have in common: immutable, strict, camelCase on the wire."""

    one_of: ClassVar[tuple[OneOf, ...]] = ()
    """Which fields exclude each other. Said here once: the rules of a machine and the definitions for the API server
    both read it."""

    not_built: ClassVar[Mapping[str, str]] = {}
    """Fields, by JSON name, that this release refuses (MA1401), and how to do without them meanwhile."""


ONE_LINE = {"oneLine": True}

_C = r"\x00-\x1f\x7f-\x9f"  # control characters, for the inside of a class

DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_NAME = rf"{DNS_LABEL}(\.{DNS_LABEL})*"

Line = Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)]
"""A short text in one line."""

LongLine = Annotated[str, Meta(min_length=1, max_length=2048, extra=ONE_LINE)]
"""A longer text in one line: a public key, a distinguished name."""

Text = Annotated[str, Meta(max_length=1024)]
"""Free text for a person."""

ObjectName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        extra={
            "oneLine": True,
            "pattern": f"^{DNS_NAME}$",
            "expected": "a name in lower-case letters, digits, hyphens and dots",
        },
    ),
]
"""A DNS subdomain in lower case (RFC 1123), as Kubernetes names its objects."""

LabelName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        extra={
            "oneLine": True,
            "pattern": f"^{DNS_LABEL}$",
            "expected": "lower-case letters, digits and hyphens",
        },
    ),
]
"""A DNS label in lower case (RFC 1123)."""

QualifiedName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=317,
        extra={
            "oneLine": True,
            "pattern": rf"^({DNS_NAME}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$",
            "expected": "a key such as example.com/name",
        },
    ),
]
"""The key of a label or a taint: an optional DNS prefix, a slash, a name."""

LabelValue = Annotated[
    str,
    Meta(
        max_length=63,
        extra={
            "oneLine": True,
            "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$",
            "expected": "letters, digits, hyphens, underscores and dots, at most 63",
        },
    ),
]
"""The value of a label or a taint; may be empty."""

_HOST_NAME = r"^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*$"
NODE_NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

PLAIN_NAMES: Final = frozenset((f"^{DNS_NAME}$", _HOST_NAME, NODE_NAME))
"""Patterns that a name such as `web-1.example.com` is known to match without them, as with `PLAIN_PATHS`."""

HostName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        extra={
            "oneLine": True,
            "pattern": _HOST_NAME,
            "expected": "a host name",
        },
    ),
]
"""A host name or IPv4 address (RFC 952, RFC 1123)."""

HostOrAddress = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z0-9:._-]+$",
            "expected": "a host name or an IP address",
        },
    ),
]
"""A host name, an IPv4 or an IPv6 address."""

Endpoint = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+|[0-9A-Fa-f:]+)(:[0-9]{1,5})?$",
            "expected": "host:port",
        },
    ),
]
"""`host`, `host:port` or `[IPv6]:port`."""

_LINUX_PATH = rf"(/([^/.{_C}][^/{_C}]*|\.[^/.{_C}][^/{_C}]*|\.\.[^/{_C}]+))+"
_W = rf'\\/:*?"<>|{_C}'  # what no name on Windows has
_WINDOWS_PATH = rf"[A-Za-z]:([\\/]([^.{_W}][^{_W}]*|\.[^.{_W}][^{_W}]*|\.\.[^{_W}]+))+"

PLAIN_PATHS: Final = frozenset((f"^{_LINUX_PATH}$", f"^({_LINUX_PATH}|{_WINDOWS_PATH})$"))
"""Patterns that a path such as `/etc/motd` is known to match without them: compiling one takes longer than reading a document."""

AbsolutePath = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": f"^{_LINUX_PATH}$",
            "expected": "an absolute path without .. or doubled slashes",
        },
    ),
]
"""An absolute Linux path in its plain form: no `.` or `..`, no doubled or last slash."""

MachinePath = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": f"^({_LINUX_PATH}|{_WINDOWS_PATH})$",
            "expected": "an absolute path without .. or doubled slashes",
        },
    ),
]
r"""An absolute Linux or Windows path in its plain form: `/etc/motd`, `C:\k\config`, `c:/k/config`."""

HostPath = Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)]
"""A Linux or Windows path."""

FileMode = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=5,
        extra={
            "oneLine": True,
            "pattern": "^0?[0-7]{3,4}$",
            "expected": "an octal mode such as 0644",
        },
    ),
]
"""Octal permission bits, always a string in YAML: "0644"."""

FileOwner = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(:[A-Za-z0-9_][A-Za-z0-9_.-]*\$?)?$",
            "expected": "user:group",
        },
    ),
]
"""`user:group` or `user`, names or numeric ids."""

UserName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z_][A-Za-z0-9_.-]*\$?$",
            "expected": "the name of a user or group",
        },
    ),
]
"""The name of a Linux user or group."""

Duration = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=40,
        extra={
            "oneLine": True,
            "pattern": r"^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$",
            "expected": "a duration such as 90s or 1h30m",
            "format": "duration",
        },
    ),
]
"""A length of time as Go writes it: `90s`, `1h30m`, `500ms`."""

Timestamp = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=40,
        extra={
            "oneLine": True,
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
            "expected": "a time such as 2030-01-02T03:04:05Z",
        },
    ),
]
"""A point in time (RFC 3339): `2030-01-02T03:04:05Z`."""

Quantity = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        extra={
            "oneLine": True,
            "pattern": r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$",
            "expected": "a quantity such as 100Mi",
            "format": "quantity",
        },
    ),
]
"""An amount as Kubernetes writes it: `100Mi`, `500m`, `2`. Always a string in YAML."""

Threshold = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        extra={
            "oneLine": True,
            "pattern": r"^([0-9]+(\.[0-9]*)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?|([0-9]{1,2}(\.[0-9]+)?|100)%)$",
            "expected": "a quantity or a percentage such as 10%",
        },
    ),
]
"""A quantity or a percentage: `100Mi`, `10%`."""

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        extra={
            "oneLine": True,
            "pattern": r"^[a-z][a-z0-9+.-]*://[^\x00-\x20\x7f-\x9f]+$",
            "expected": "a URL such as https://example.com/path",
            "format": "url",
        },
    ),
]
"""An absolute URL."""

Cidr = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=49,
        extra={
            "oneLine": True,
            "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
            "expected": "a range of addresses such as 10.244.0.0/16",
            "format": "cidr",
        },
    ),
]
"""A range of IP addresses: `10.244.0.0/16`, `fd00:10:244::/56`."""

IpAddress = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=45,
        extra={
            "oneLine": True,
            "pattern": "^[0-9A-Fa-f:.]+$",
            "expected": "an IP address",
            "format": "ip",
        },
    ),
]
"""An IPv4 or IPv6 address."""

KubernetesVersion = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": r"^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$",
            "expected": "a version such as v1.34.4",
            "format": "semver",
        },
    ),
]
"""A release of Kubernetes with its leading `v`: `v1.34.4`."""

Sha256 = Annotated[
    str,
    Meta(
        min_length=64,
        max_length=64,
        extra={
            "oneLine": True,
            "pattern": "^[0-9a-f]{64}$",
            "expected": "64 hexadecimal digits in lower case",
        },
    ),
]
"""SHA-256 in lower-case hexadecimal."""

Sha512 = Annotated[
    str,
    Meta(
        min_length=128,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": "^[0-9a-f]{128}$",
            "expected": "128 hexadecimal digits in lower case",
        },
    ),
]
"""SHA-512 in lower-case hexadecimal."""

Pem = Annotated[str, Meta(min_length=1, max_length=102400, extra={"format": "pem"})]
"""One or more PEM blocks."""

Base64 = Annotated[str, Meta(min_length=1, max_length=4194304, extra={"format": "base64"})]
"""Bytes in base64 (RFC 4648, standard alphabet, padded)."""

PemSecret = Annotated[Secret, Meta(extra={"minLength": 1, "maxLength": 102400, "format": "pem"})]
"""A private key as one PEM block."""

BootstrapTokenSecret = Annotated[
    Secret,
    Meta(
        extra={
            "minLength": 23,
            "maxLength": 23,
            "oneLine": True,
            "pattern": r"^[a-z0-9]{6}\.[a-z0-9]{16}$",
        }
    ),
]
"""A bootstrap token of Kubernetes: `abcdef.0123456789abcdef`."""

ShortSecret = Annotated[Secret, Meta(extra={"minLength": 1, "maxLength": 4096, "oneLine": True})]
"""A password, a token, a header: in one line."""

ValueSecret = Annotated[Secret, Meta(extra={"maxLength": 32768})]
"""The value of a variable; may be empty or have several lines."""

TextSecret = Annotated[Secret, Meta(extra={"minLength": 1, "maxLength": 262144})]
"""A whole file: a kubeconfig."""

VariableName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        extra={
            "oneLine": True,
            "pattern": "^[A-Za-z_][A-Za-z0-9_]*$",
            "expected": "letters, digits and underscores",
        },
    ),
]
"""The name of an environment variable."""

HeaderName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
            "expected": "the name of an HTTP header",
        },
    ),
]
"""The name of an HTTP header (a token of RFC 9110)."""

Port = Annotated[int, Meta(ge=1, le=65535)]
"""A TCP port."""

Percent = Annotated[int, Meta(ge=0, le=100)]
"""A percentage."""

KubernetesObject = Annotated[dict[str, Any], Meta(min_length=1, max_length=1000)]
"""A Kubernetes object, passed through; its `apiVersion` and `kind` are checked."""


class ObjectMeta(ApiStruct, frozen=True, kw_only=True):
    """Name and labels of a document. On a machine they are for people only, and have no effect."""

    name: ObjectName | None = None
    """Name of the object the document was made from."""

    namespace: LabelName | None = None
    """Namespace of that object."""

    labels: Annotated[dict[QualifiedName, LabelValue], Meta(max_length=100)] = {}
    """Labels of that object, at most 100."""

    annotations: Annotated[
        dict[QualifiedName, Annotated[str, Meta(max_length=65536)]], Meta(max_length=100)
    ] = {}
    """Annotations of that object, at most 100."""


class KeyReference(ApiStruct, frozen=True, kw_only=True):
    """One key of a Secret or a ConfigMap in the namespace of the object that refers to it."""

    name: ObjectName
    """Name of the Secret or ConfigMap."""

    key: Annotated[
        str,
        Meta(min_length=1, max_length=253, extra={"oneLine": True, "pattern": "^[-._A-Za-z0-9]+$"}),
    ]
    """The key in its data."""


class ProviderRef(ApiStruct, frozen=True, kw_only=True):
    """A provider plugin that is asked for a value."""

    name: LabelName
    """Name of the provider. A plugin of that name is asked, or else the first one of `machine.plugins` that serves it."""

    # A rule for its keys would cost the API server too much: a list of a list of these is allowed.
    inputs: Annotated[
        dict[str, Any], Meta(max_length=50, extra_json_schema={"x-kubernetes-validations": []})
    ] = {}
    """Inputs of the provider by name, at most 50, each any JSON; the provider says which it takes."""

    secret_inputs: Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)],
            Annotated[Secret, Meta(extra={"maxLength": 4096})],
        ],
        Meta(max_length=50, extra_json_schema={"x-kubernetes-validations": []}),
    ] = {}
    """Inputs that are secret, by name: never shown. A name is either here or in `inputs`."""

    output: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=256,
                extra={
                    "oneLine": True,
                    "pattern": r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
                    "expected": "names of fields with dots between them, such as data.password",
                },
            ),
        ]
        | None
    ) = None
    """Which field of the result is the value, `data.password`; a number counts in a list. Absent: the whole result."""


InstanceText = Annotated[str, Meta(min_length=4, max_length=65536)]
"""A text with `$(name)` references to what only the machine knows: `aws:///$(v1.availability_zone)/$(v1.instance_id)`."""


class ValueSource(ApiStruct, frozen=True, kw_only=True):
    """Where a value comes from; exactly one. In a MachineConfiguration only `provider` and `instanceData` are left."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("secret", "configMap", "provider", "instanceData"),
    )

    secret: KeyReference | None = None
    """A key of a Secret, inlined by the manager. Refused in a MachineConfiguration."""

    config_map: KeyReference | None = None
    """A key of a ConfigMap, inlined by the manager. Refused in a MachineConfiguration."""

    provider: ProviderRef | None = None
    """A provider plugin, asked on the machine before anything is touched."""

    instance_data: InstanceText | None = None
    """A text in which each `$(name)` is replaced on the machine, before anything is touched: `$(v1.local_hostname)`. `$$(` is
    a literal `$(`; `|short` behind a name takes what is before the first dot, `|lower` makes lower-case letters."""


class HandlerRef(ApiStruct, frozen=True, kw_only=True):
    """An authentication handler, and the scope of its token."""

    name: LabelName
    """Name of the handler. A plugin of that name is asked, or else the first one of `machine.plugins` that serves it."""

    scope: Annotated[str, Meta(max_length=1024, extra=ONE_LINE)] = ""
    """What the token is for, as the handler knows it."""


class AuthSource(ApiStruct, frozen=True, kw_only=True):
    """What authenticates the machine in a request."""

    handler: HandlerRef
    """A plugin of kind auth-handler: its token becomes the header `Authorization`."""
