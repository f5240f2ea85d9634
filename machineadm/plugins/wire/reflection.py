"""Reflection: a server tells what it serves, and in which messages, to who has no .proto files (grpcurl, for one)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from grpclib.const import Cardinality, Handler, Status

from machineadm.plugins.proto import reflection_pb2 as pb
from machineadm.plugins.wire.rpc import ServerStream

NAMES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Both are the same messages; go-plugin serves both."""


def reflecting(served: Mapping[str, Handler]) -> dict[str, Handler]:
    """The handlers of reflection.

    Args:
        served: All others, by path.
    """
    # Names of services and not paths: "/package.Service/Method".
    names = sorted({path.split("/")[1] for path in served} | set(NAMES))

    async def info(stream: ServerStream) -> None:
        # grpcurl asks all its questions over one call.
        async for request in stream:
            await stream.send_message(answer(request, names))

    handler = Handler(
        info,
        Cardinality.STREAM_STREAM,
        pb.ServerReflectionRequest,
        pb.ServerReflectionResponse,
    )
    return {f"/{name}/ServerReflectionInfo": handler for name in NAMES}


def answer(request: Any, names: Collection[str]) -> Any:
    """Answer one question.

    Args:
        request: A ServerReflectionRequest.
        names: Of the services.
    """
    reply = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
    what = request.WhichOneof("message_request")
    # Where generated modules register their files when they are imported.
    pool: Any = descriptor_pool.Default()
    try:
        if what == "list_services":
            listed = [pb.ServiceResponse(name=name) for name in names]
            reply.list_services_response.CopyFrom(pb.ListServiceResponse(service=listed))
        elif what == "all_extension_numbers_of_type":
            # proto3 has no extensions of messages like these.
            found = pool.FindMessageTypeByName(request.all_extension_numbers_of_type)
            reply.all_extension_numbers_response.base_type_name = found.full_name
        elif what in ("file_by_filename", "file_containing_symbol"):
            name = getattr(request, what)
            # The older name's messages are the newer one's: its file is told under its own name alone.
            file = (
                pool.FindFileByName(name)
                if what == "file_by_filename"
                else pool.FindFileContainingSymbol(name.replace(NAMES[1], NAMES[0]))
            )
            files = [_serialized(one) for one in _with_dependencies(file, set())]
            reply.file_descriptor_response.file_descriptor_proto.extend(files)
        else:
            reply.error_response.error_code = Status.NOT_FOUND.value
            reply.error_response.error_message = "there are no extensions"
    # In the reply and not as the call's error: the next question of the stream is still answered.
    except KeyError:
        reply.error_response.error_code = Status.NOT_FOUND.value
        reply.error_response.error_message = "not found"
    return reply


def _with_dependencies(file: Any, seen: set[str]) -> Iterator[Any]:
    """A file, then all that it imports, each once."""
    if file.name in seen:
        return
    seen.add(file.name)
    yield file
    # A client adds the files to a pool of its own, which refuses one whose import is missing.
    for one in file.dependencies:
        yield from _with_dependencies(one, seen)


def _serialized(file: Any) -> bytes:
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    return bytes(proto.SerializeToString())
