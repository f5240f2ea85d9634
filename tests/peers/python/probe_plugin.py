"""The test service as a plugin of ours: what tests/peers/go-plugin/plugin is in Go."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from grpclib.const import Status

from machineadm.plugins.sdk.logs import log_to_host
from machineadm.plugins.wire.blocking import Call, blocking_handlers
from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.plugins.wire.serving import Plugin, run
from tests.peers.probe import probe_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["Probe"]
METHODS = methods(SERVICE)
LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}
log = logging.getLogger("probe")


class Probe:
    """The service."""

    def __init__(self, broker: Broker | None) -> None:
        self.broker = broker
        self.cancelled = 0

    def functions(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in METHODS}

    def Echo(self, message: Any, call: Call) -> Any:  # noqa: N802 - a method of the service
        if message.status:
            raise RpcError(Status(message.status), message.text)
        if message.delay_milliseconds and call.cancelled.wait(message.delay_milliseconds / 1000):
            self.cancelled += 1
        return message

    def Count(self, request: Any, call: Call) -> Iterator[Any]:  # noqa: N802
        try:
            for _ in range(request.messages):
                yield pb.Message(data=bytes(request.size))
        finally:
            self.cancelled += call.cancelled.is_set()

    def Sum(self, messages: Iterator[Any], _: Call) -> Any:  # noqa: N802
        sizes = [len(message.data) for message in messages]
        return pb.Total(messages=len(sizes), bytes=sum(sizes))

    def Chat(self, messages: Iterator[Any], _: Call) -> Iterator[Any]:  # noqa: N802
        yield from messages

    def CallBack(self, request: Any, call: Call) -> Any:  # noqa: N802
        try:
            dialled = call.dial(request.broker_id)
        except OSError as error:
            raise RpcError(Status.UNKNOWN, str(error)) from error
        try:
            return dialled.call(METHODS["Echo"], request.message)
        finally:
            dialled.close()

    def Offer(self, _: Any, call: Call) -> Any:  # noqa: N802
        number = call.serve(blocking_handlers(SERVICE, {"Echo": Probe(None).Echo}, None))
        return pb.Offered(broker_id=number)

    def Print(self, request: Any, _: Call) -> Any:  # noqa: N802
        sys.stdout.write(request.stdout)
        sys.stderr.write(request.stderr)
        return pb.Message()

    def Log(self, request: Any, _: Call) -> Any:  # noqa: N802
        for number in range(request.records):
            log.log(LEVELS[request.level], request.text, extra={"n": number})
        return pb.Message()

    def Waiting(self, _: Any, __: Call) -> Any:  # noqa: N802
        return pb.Total(bytes=self.cancelled)

    def Die(self, total: Any, _: Call) -> Any:  # noqa: N802
        os._exit(total.messages)

    def Environment(self, _: Any, __: Call) -> Any:  # noqa: N802
        return pb.EnvironmentResponse(entries=[f"{k}={v}" for k, v in os.environ.items()])


def main() -> int:
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    versions = [word for word in sys.argv[1:] if not word.startswith("-")] or ["1"]
    log_to_host()
    plugin = Plugin(
        cookie=Cookie("MACHINEADM_TEST_PLUGIN", "probe"),
        versions=tuple(int(text) for word in versions for text in word.split(",")),
        services=lambda broker, _: blocking_handlers(SERVICE, Probe(broker).functions(), broker),
        network="tcp" if "-tcp" in options else "unix",
    )
    return run(plugin)


if __name__ == "__main__":
    sys.exit(main())
