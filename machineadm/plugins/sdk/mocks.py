"""Plugins for tests of a host: one of each kind that answers from maps and notes what it was asked; none needs a process.

    with served(MockEncryptionProvider({"vault": b"word"})) as one:
        plugin = host.reattach(Reattach(name="mock", address=one.address, version=2, test=True))

An author asks one by `mock_host`, as any plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from machineadm.plugins.sdk.auth_handlers import AuthHandler, Login, Prompt, Status, Token
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.kinds import Attestation, EncryptionProvider, Evidence, Infrastructure
from machineadm.plugins.sdk.providers import HostClient, Identity, Output, Provider


class MockEncryptionProvider(EncryptionProvider):
    """Knows the passphrases of a map.

    Args:
        passphrases: By provider.
    """

    def __init__(self, passphrases: Mapping[str, bytes] | None = None) -> None:
        self.passphrases = dict(passphrases or {})
        # Noted before it is answered, so that a test sees a request that fails, too.
        self.asked: list[str] = []

    def fetch_passphrase(self, provider: str) -> bytes:
        """See the kind.

        Raises:
            CallError: The map has none.
        """
        self.asked.append(provider)
        if provider not in self.passphrases:
            raise CallError(f"there is no passphrase for {provider}")
        return self.passphrases[provider]

    def store_passphrase(self, provider: str, passphrase: bytes) -> None:
        """See the kind."""
        self.passphrases[provider] = passphrase

    def delete_passphrase(self, provider: str) -> None:
        """See the kind."""
        self.passphrases.pop(provider, None)


class MockInfrastructure(Infrastructure):
    """Keeps data in a map.

    Args:
        places: Data by location.
    """

    def __init__(self, places: Mapping[str, bytes] | None = None) -> None:
        self.places = dict(places or {})
        self.reported: list[tuple[str, bytes]] = []

    def fetch(self, location: str) -> Iterator[bytes]:
        """See the kind.

        Raises:
            CallError: The map has none.
        """
        if location not in self.places:
            raise CallError(f"there is nothing at {location}")
        # In one piece, as authors do: the SDK cuts it.
        yield self.places[location]

    def report(self, location: str, status: bytes) -> None:
        """See the kind."""
        self.reported.append((location, status))

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See the kind."""
        # A location that is not the name: a host that mixes the two up must fail its tests.
        self.places[f"mock:{name}"] = b"".join(data)
        return f"mock:{name}"

    def locate(self, name: str) -> str | None:
        """See the kind."""
        return f"mock:{name}" if f"mock:{name}" in self.places else None

    def delete(self, location: str) -> None:
        """See the kind."""
        self.places.pop(location, None)


class MockAttestation(Attestation):
    """Attests whatever it is asked, as one identity.

    Args:
        identity: That its evidence proves.
    """

    def __init__(self, identity: str = "mock") -> None:
        self.identity = identity
        self.challenges: list[bytes] = []

    def attest(self, challenge: bytes) -> Evidence:
        """See the kind."""
        self.challenges.append(challenge)
        # With the challenge in it, so that evidence of another one is refused as a real plugin
        # does.
        return Evidence("application/vnd.machineadm.mock", self.identity.encode() + challenge)

    def verify(self, challenge: bytes, evidence: Evidence) -> str:
        """See the kind.

        Raises:
            CallError: It is not of this challenge.
        """
        if evidence.evidence != self.identity.encode() + challenge:
            raise CallError("this is evidence for something else")
        return self.identity


class MockProvider(Provider):
    """Gives what a function makes of its inputs.

    Args:
        name: Its name.
        gives: Returns the result; what it raises, the provider fails with.
        schema: JSON Schema of its inputs.
    """

    def __init__(
        self,
        name: str = "mock",
        gives: Callable[[dict[str, Any]], Any] = lambda inputs: inputs,
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name  # type: ignore[misc] # a mock of any name, where an author's class has one
        self.schema = schema or {"type": "object"}  # type: ignore[misc] # likewise
        self.gives = gives
        self.executed: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {}

    def configure(self, settings: dict[str, Any]) -> None:
        """See the kind."""
        self.settings = settings

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        """See the kind."""
        del host
        self.executed.append(inputs)
        return Output(data=self.gives(inputs))

    def what_if(self, inputs: dict[str, Any]) -> str:
        """See the kind."""
        return f"would give {self.name} for {', '.join(sorted(inputs)) or 'nothing'}"


class MockAuthHandler(AuthHandler):
    """Gives one token for every scope, once somebody has logged in.

    Args:
        name: Its name.
        value: The token.
        who: As whom it is logged in; empty: not yet.
    """

    flows = ("device_code",)

    def __init__(self, name: str = "mock", value: str = "mock-token", who: str = "mock") -> None:
        self.name = name  # type: ignore[misc] # a mock of any name, where an author's class has one
        self.value = value
        self.who = who
        self.scopes: list[str] = []

    def token(
        self, scope: str, *, min_valid_for: int, force_refresh: bool, host: HostClient | None
    ) -> Token:
        """See the kind.

        Raises:
            CallError: Nobody is logged in.
        """
        del min_valid_for, force_refresh, host
        if not self.who:
            raise CallError("nobody is logged in")
        # After the refusal: it lists what was given.
        self.scopes.append(scope)
        return Token(self.value, scope=scope)

    def login(self, login: Login, prompt: Prompt) -> Status:
        """See the kind."""
        # Always with a prompt: a host that forgets to show it must fail its tests.
        prompt("MOCK-CODE", "https://mock.example/device", "")
        self.who = login.tenant_id or "mock"
        return self.status()

    def logout(self) -> None:
        """See the kind."""
        self.who = ""

    def status(self) -> Status:
        """See the kind."""
        return Status(authenticated=bool(self.who), identity=Identity(subject=self.who))
