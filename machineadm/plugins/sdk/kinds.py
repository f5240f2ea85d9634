"""One base class for each kind: derive from it and write what the plugin can do; the rest is UNIMPLEMENTED."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from machineadm.plugins.proto import attestation_pb2, encryption_provider_pb2, infrastructure_pb2
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.wire.blocking import Call, Function

PIECE = 1 << 20
"""Bytes of a message that carries part of something larger; servers written in Go take 4 MiB at most."""


class Kind:
    """What all kinds share; derive from one of the others."""

    service: ClassVar[Any]
    kind: ClassVar[str]
    """Of what kind it is; each base class has its own."""

    version: ClassVar[str] = ""
    """Of the plugin, for `machineadm plugin describe`."""

    description: ClassVar[str] = ""
    """What it does, in a line."""

    settings_schema: ClassVar[dict[str, Any] | None] = None
    """JSON Schema of its settings; None if nothing is said about them."""

    _methods: ClassVar[dict[str, str]]

    def configure(self, settings: dict[str, Any]) -> None:
        """Take the settings of plugins.yaml, before any other call; write it if there can be any.

        Raises:
            CallError: They are unfit; its text says why.
        """
        raise NotImplementedError

    def functions(self) -> dict[str, Function]:
        """Return the functions of the methods that the derived class defines."""
        # Compared with the kind's own class: a method counts as written even if it comes from a
        # mixin between the two.
        base = next(cls for cls in type(self).__mro__ if "_methods" in vars(cls))
        return {
            method: getattr(self, f"_{name}")
            for method, name in self._methods.items()
            # One that is not written is left out, and gRPC answers UNIMPLEMENTED: a host learns by
            # that what a plugin does.
            if getattr(type(self), name) is not getattr(base, name)
        }


class EncryptionProvider(Kind):
    """Knows the passphrase that documents were encrypted with."""

    kind = "encryption-provider"
    service = encryption_provider_pb2.DESCRIPTOR.services_by_name["EncryptionProvider"]
    _methods: ClassVar = {
        "FetchPassphrase": "fetch_passphrase",
        "StorePassphrase": "store_passphrase",
        "DeletePassphrase": "delete_passphrase",
    }

    def fetch_passphrase(self, provider: str) -> bytes:
        """The passphrase of a provider, as in EncryptedData.spec.provider."""
        raise NotImplementedError

    def store_passphrase(self, provider: str, passphrase: bytes) -> None:
        """Keep a passphrase; the manager asks for this, no machine does."""
        raise NotImplementedError

    def delete_passphrase(self, provider: str) -> None:
        """Forget a passphrase, if it is there."""
        raise NotImplementedError

    def _fetch_passphrase(self, request: Any, _: Call) -> Any:
        passphrase = self.fetch_passphrase(request.provider)
        return encryption_provider_pb2.FetchPassphraseResponse(passphrase=passphrase)

    def _store_passphrase(self, request: Any, _: Call) -> Any:
        self.store_passphrase(request.provider, request.passphrase)
        return encryption_provider_pb2.StorePassphraseResponse()

    def _delete_passphrase(self, request: Any, _: Call) -> Any:
        self.delete_passphrase(request.provider)
        return encryption_provider_pb2.DeletePassphraseResponse()


class Infrastructure(Kind):
    """Brings configurations to machines, and their reports back."""

    kind = "infrastructure"
    service = infrastructure_pb2.DESCRIPTOR.services_by_name["Infrastructure"]
    _methods: ClassVar = {
        "Fetch": "fetch",
        "Report": "report",
        "Store": "store",
        "Locate": "locate",
        "Delete": "delete",
    }

    def fetch(self, location: str) -> Iterator[bytes]:
        """Yield the data at a location, in pieces of any size."""
        raise NotImplementedError

    def report(self, location: str, status: bytes) -> None:
        """Take a BootstrapStatus, as JSON."""
        raise NotImplementedError

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """Keep data under a name, and give its location; the manager asks for this, no machine does."""
        raise NotImplementedError

    def locate(self, name: str) -> str | None:
        """Return the location of a name's data; None if there is none."""
        raise NotImplementedError

    def delete(self, location: str) -> None:
        """Remove the data at a location, if there is any."""
        raise NotImplementedError

    def _fetch(self, request: Any, _: Call) -> Iterator[Any]:
        for data in self.fetch(request.location):
            # Cut here: an author yields what a library gives, and grpc-go refuses a message above
            # 4 MiB.
            for at in range(0, len(data), PIECE):
                yield infrastructure_pb2.FetchResponse(data=data[at : at + PIECE])

    def _report(self, request: Any, _: Call) -> Any:
        self.report(request.location, request.status)
        return infrastructure_pb2.ReportResponse()

    def _store(self, requests: Iterator[Any], _: Call) -> Any:
        # Only the first message has the name; the data is passed on as it comes, so that a plugin
        # need not hold it.
        first = next(requests)
        location = self.store(first.name, _data(first, requests))
        return infrastructure_pb2.StoreResponse(location=location)

    def _locate(self, request: Any, _: Call) -> Any:
        location = self.locate(request.name)
        # `found`, as proto3 has no way to say None.
        return infrastructure_pb2.LocateResponse(location=location, found=location is not None)

    def _delete(self, request: Any, _: Call) -> Any:
        self.delete(request.location)
        return infrastructure_pb2.DeleteResponse()


class Evidence(NamedTuple):
    """What proves a machine's identity."""

    format: str
    """What it is, such as `application/vnd.example.quote.v1`."""

    evidence: bytes


class Attestation(Kind):
    """Proves what a machine is, and judges such proofs."""

    kind = "attestation"
    service = attestation_pb2.DESCRIPTOR.services_by_name["Attestation"]
    _methods: ClassVar = {"Attest": "attest", "Verify": "verify"}

    def attest(self, challenge: bytes) -> Evidence:
        """Evidence for a challenge that is used once."""
        raise NotImplementedError

    def verify(self, challenge: bytes, evidence: Evidence) -> str:
        """The machine's identity; the manager asks for this, no machine does.

        Raises:
            CallError: The evidence proves nothing; its text says why.
        """
        raise NotImplementedError

    def _attest(self, request: Any, _: Call) -> Any:
        found = self.attest(request.challenge)
        return attestation_pb2.AttestResponse(format=found.format, evidence=found.evidence)

    def _verify(self, request: Any, _: Call) -> Any:
        try:
            identity = self.verify(request.challenge, Evidence(request.format, request.evidence))
        except CallError as failure:
            # An answer and not an error: that evidence proves nothing is what the manager asked.
            return attestation_pb2.VerifyResponse(trusted=False, reason=failure.text)
        return attestation_pb2.VerifyResponse(trusted=True, identity=identity)


def _data(first: Any, rest: Iterator[Any]) -> Iterator[bytes]:
    yield first.data
    for request in rest:
        yield request.data
