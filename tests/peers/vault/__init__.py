"""Messages of the plugins of Vault's SDK, as far as a host of one engine needs them.

Written from the numbers of its protocol (github.com/hashicorp/vault, sdk/plugin/pb); in a pool of their own, since their package is
called `pb`, as others might be.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool

PROTO: Final = descriptor_pb2.FieldDescriptorProto
_MESSAGES: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "Empty": {},
    "ProtoError": {"err_type": (1, "uint32"), "err_msg": (2, "string")},
    "Request": {
        "id": (1, "string"),
        "operation": (3, "string"),
        "path": (4, "string"),
        "data": (5, "string"),
    },
    "Response": {"data": (3, "string")},
    "HandleRequestArgs": {"storage_id": (1, "uint32"), "request": (2, "Request")},
    "HandleRequestReply": {"response": (1, "Response"), "err": (2, "ProtoError")},
    "InitializeArgs": {},
    "InitializeReply": {"err": (1, "ProtoError")},
    "SetupArgs": {"broker_id": (1, "uint32"), "backend_uuid": (3, "string")},
    "SetupReply": {"err": (1, "string")},
    "TypeReply": {"type": (1, "uint32")},
    "StorageEntry": {"key": (1, "string"), "value": (2, "bytes")},
    "StorageListArgs": {"prefix": (1, "string")},
    "StorageListReply": {"keys": (1, "string*"), "err": (2, "string")},
    "StorageGetArgs": {"key": (1, "string")},
    "StorageGetReply": {"entry": (1, "StorageEntry"), "err": (2, "string")},
    "StoragePutArgs": {"entry": (1, "StorageEntry")},
    "StoragePutReply": {"err": (1, "string")},
    "StorageDeleteArgs": {"key": (1, "string")},
    "StorageDeleteReply": {"err": (1, "string")},
}
_SERVICES: Final = {
    "Backend": {
        "HandleRequest": ("HandleRequestArgs", "HandleRequestReply"),
        "Setup": ("SetupArgs", "SetupReply"),
        "Initialize": ("InitializeArgs", "InitializeReply"),
        "Type": ("Empty", "TypeReply"),
        "Cleanup": ("Empty", "Empty"),
    },
    "Storage": {
        name: (f"Storage{name}Args", f"Storage{name}Reply")
        for name in ("List", "Get", "Put", "Delete")
    },
}
_TYPES: Final = {
    "string": PROTO.TYPE_STRING,
    "bytes": PROTO.TYPE_BYTES,
    "uint32": PROTO.TYPE_UINT32,
}


def services() -> dict[str, Any]:
    """The services' descriptors, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="backend.proto", package="pb", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.rstrip("*")
            one = message.field.add(
                name=field,
                number=number,
                type=_TYPES.get(plain, PROTO.TYPE_MESSAGE),
                label=PROTO.LABEL_REPEATED if kind != plain else PROTO.LABEL_OPTIONAL,
            )
            if plain not in _TYPES:
                one.type_name = f".pb.{plain}"
    for name, methods in _SERVICES.items():
        service = file.service.add(name=name)
        for method, (request, reply) in methods.items():
            service.method.add(name=method, input_type=f".pb.{request}", output_type=f".pb.{reply}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindFileByName("backend.proto").services_by_name
    return dict(found)
