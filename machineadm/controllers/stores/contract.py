"""A store of a kind that is not ours: it gets a Secret of its own for each machine, and answers in its status.

docs/infrastructure-contract.md is what its authors read.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec

from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.meta import KeyReference
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin, Reporting
from machineadm.controllers.capi.types import Condition, Metadata, OwnerReference, time_of
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.resources import MACHINE_BOOTSTRAPS, SECRETS
from machineadm.controllers.runtime.store import Cached, Key
from machineadm.controllers.stores.port import LARGEST_REPORT, NEVER, StoreError, named
from machineadm.documents.decoding import decode_kinds

# A type and a label of our own, by which a store's controller watches these Secrets and no others.
SECRET_TYPE: Final = "machineadm.x-k8s.io/configuration"  # noqa: S105 - the type of a Secret, and none itself
STORE_LABEL: Final = "machineadm.x-k8s.io/configuration"
SHA256_ANNOTATION: Final = "machineadm.x-k8s.io/sha256"
STORE_OF_SECRET: Final = "machineadm.x-k8s.io/store"  # noqa: S105 - the name of an annotation
LARGEST: Final = 1_000_000
"""Bytes of a configuration: a Secret holds 1,048,576."""

_AGAIN: Final = 10.0
_SUFFIX: Final = "-configuration"
_LONGEST_NAME: Final = 253
_KIND: Final = ("bootstrap.cluster.x-k8s.io/v1alpha1", "ConfigurationReference")
# Those of spec.url of a ConfigurationReference: another one would fail on the machine, where nobody
# sees it.
_SCHEMES: Final = ("https://", "http://", "file://")
_STAND_IN: Final = "https://configuration.invalid/"


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a store says of one machine's configuration: an item of `status.configurations`."""

    name: str
    """Of the MachineBootstrap."""

    sha256: str = ""
    """Of what is stored."""

    url: str = ""
    url_from: KeyReference | None = None
    # 32 headers and no more: each is a Secret that is read.
    headers_from: Annotated[dict[str, KeyReference], msgspec.Meta(max_length=32)] = {}
    ca_bundle: str = ""
    plugin: dict[str, str] = {}
    expires: str = ""
    """RFC 3339; empty: never."""

    message: str = ""
    """Why it is not stored."""

    report: msgspec.Raw = msgspec.Raw(b"")

    def references(self) -> Iterator[KeyReference]:
        """The keys of Secrets that it refers to."""
        if self.url_from is not None:
            yield self.url_from
        yield from self.headers_from.values()

    @property
    def until(self) -> int:
        """When it expires, in seconds since 1970."""
        return int(time_of(self.expires).timestamp()) if self.expires else NEVER


class ContractObject(Cached, frozen=True, kw_only=True):
    """Such a store, as far as it is read here."""

    group: str
    kind: str
    deleted: bool
    generation: int
    ready: tuple[str, str] = ("", "")
    """Status and message of its condition `Ready`; empty where it has none."""

    reporting: str = ""
    """Name of the plugin by which machines report to it; empty: they do not."""

    retention: StoreRetention = StoreRetention()
    answers: dict[str, bytes] = msgspec.field(default_factory=dict)
    """By name of the MachineBootstrap, as JSON."""

    problem: str = ""
    """What is wrong with it as a whole."""

    def answer(self, name: str) -> Answer | None:
        """What it says of one machine.

        Raises:
            StoreError: It says nothing that can be read.
        """
        # Decoded one by one when asked for: an object that answers for thousands is not decoded
        # whole at each of their looks.
        data = self.answers.get(name)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=Answer)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            message = f"{self.kind} {self.name}: status.configurations of {name}: {error}"
            raise StoreError("StoreNotReady", message) from None

    def differs_in_answers_alone(self, new: ContractObject) -> bool:
        """Whether nothing else changed."""
        same = msgspec.structs.replace(self, version=new.version, answers=new.answers)
        return same == new

    def new_answers(self, new: ContractObject) -> Iterable[str]:
        """Names of the machines of which something else is said now."""
        # Bytes are compared: whether they mean the same is for the machine's own look to find out.
        names = self.answers.keys() | new.answers.keys()
        return sorted(n for n in names if self.answers.get(n) != new.answers.get(n))


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Plugin(msgspec.Struct, frozen=True):
    plugin: str = ""


class _Status(msgspec.Struct):
    configurations: list[msgspec.Raw] = []
    conditions: tuple[Condition, ...] = ()
    reporting: _Plugin = _Plugin()


class _Spec(msgspec.Struct):
    retention: StoreRetention = StoreRetention()


class _Object(msgspec.Struct):
    metadata: Metadata
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


class _Secret(msgspec.Struct):
    metadata: Metadata
    data: dict[str, str] = {}


def contract_object(data: bytes, group: str, kind: str) -> ContractObject:
    """Project such a store. Raises `msgspec.ValidationError` where it is not an object at all."""
    read = msgspec.json.decode(data, type=_Object)
    meta, problem = read.metadata, ""
    status, spec, answers = _Status(), _Spec(), {}
    try:
        status = msgspec.json.decode(read.status, type=_Status)
        spec = msgspec.json.decode(read.spec, type=_Spec)
        for one in status.configurations:
            # Of two items of one name the last counts; a definition with a list of type map has no
            # two.
            answers[msgspec.json.decode(one, type=_Named).name] = bytes(one)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        # Another's object, and so hostile until shown otherwise: it is named, and holds up no other.
        problem = str(error)
    ready = next((one for one in status.conditions if one.type == "Ready"), None)
    return ContractObject(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        version=meta.resource_version,
        group=group,
        kind=kind,
        deleted=meta.deletion_timestamp is not None,
        generation=meta.generation,
        ready=("", "") if ready is None else (ready.status, ready.message),
        reporting=status.reporting.plugin,
        retention=spec.retention,
        answers=answers,
        problem=problem,
    )


class ContractStore:
    """Such a store, for one machine.

    Args:
        client: Of the management cluster.
        there: The object.
        answer: What it says of the machine; None: nothing yet.
        values: What the keys of Secrets hold that the answer refers to, by name and key.
    """

    def __init__(
        self,
        client: Client,
        there: ContractObject,
        *,
        answer: Answer | None,
        values: Mapping[tuple[str, str], str],
    ) -> None:
        if there.problem:
            message = f"{there.kind} {there.name}: {there.problem}"
            raise StoreError("StoreNotReady", message)
        self._client = client
        self._there = there
        self._answer = answer
        self._values = values

    @property
    def retention(self) -> StoreRetention:
        """See the port."""
        return self._there.retention

    async def put(self, key: Key, data: bytes) -> None:
        """See the port.

        Raises:
            StoreError: It is too large for a Secret, or another's Secret has its name.
            ApiError: The management cluster refuses or does not answer.
        """
        # Before the call: the API server's refusal names neither this limit nor what to do.
        if len(data) > LARGEST:
            message = f"the configuration is {len(data)} bytes, and a Secret takes {LARGEST}; fetch large files from a source"
            raise StoreError("StoreNotReady", message)
        namespace, name = key[0], secret_name(key[1])
        sha256 = hashlib.sha256(data).hexdigest()
        # By the server: with the uid of an earlier object of this name, the garbage collector would
        # take the Secret away at once.
        owner = await self._owner(key)
        there = await self._secret(key)
        value = {"value": base64.b64encode(data).decode()}
        metadata: dict[str, Any] = {
            "annotations": {
                SHA256_ANNOTATION: sha256,
                STORE_OF_SECRET: named(self._there.group, self._there.kind, self._there.name),
            }
        }
        if there is None:
            metadata |= {
                "name": name,
                "namespace": namespace,
                "labels": {STORE_LABEL: "true"},
                "ownerReferences": [owner],
            }
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": metadata,
                "type": SECRET_TYPE,
                "data": value,
            }
            try:
                await self._client.create(SECRETS, namespace, body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                there = await self._secret(key)
            else:
                return
        if there is None or not _is_controlled(there.metadata.owner_references, owner["uid"]):
            message = f"Secret {name} is there already and is not ours; it is never overwritten"
            raise StoreError("WriteFailed", message, again_after=_AGAIN)
        same = there.data == value and metadata["annotations"].items() <= (
            there.metadata.annotations.items()
        )
        if not same:
            # The spec was edited before anybody was referred to what it said before.
            metadata["resourceVersion"] = there.metadata.resource_version
            body = {"metadata": metadata, "data": value}
            await self._client.merge(SECRETS, namespace, name, body)

    async def probe(self, namespace: str) -> None:
        """See the port."""

    async def remove(self, key: Key) -> None:
        """See the port. Whoever stored it has a finalizer on the Secret, and forgets it now."""
        there = await self._secret(key)
        if there is None or there.metadata.deletion_timestamp is not None:
            return
        if any(
            one.controller and one.kind == MACHINE_BOOTSTRAPS.kind and one.name == key[1]
            for one in there.metadata.owner_references
        ):
            await self._client.delete(SECRETS, key[0], secret_name(key[1]), uid=there.metadata.uid)

    def reporting(self, key: Key, now: float) -> Reporting | None:
        """See the port."""
        if not self._there.reporting:
            return None
        # The machine's own name as location: the plugin's side knows by it whose report it is.
        plugin = InfrastructurePlugin(name=self._there.reporting, location="/".join(key))
        return Reporting(plugin=plugin)

    async def report(self, key: Key, known: str) -> tuple[bytes, str] | None:
        """See the port.

        Raises:
            StoreError: It is too large to be a report, or nothing that can be read.
        """
        # The poller opens a store for nobody in particular, and asks by name.
        answer = self._answer or self._there.answer(key[1])
        data = b"" if answer is None else bytes(answer.report)
        if not data:
            return None
        if len(data) > LARGEST_REPORT:
            message = f"{self._named}: a report larger than {LARGEST_REPORT} bytes"
            raise StoreError("WriteFailed", message)
        # The object has no tag for one report, and its resource version changes with everybody's.
        tag = hashlib.sha256(data).hexdigest()
        return None if tag == known else (data, tag)

    def located(self, key: Key, sha256: str) -> None:
        """See the port.

        Raises:
            StoreError: It has not answered for this content yet.
        """
        answer = self._answer
        # By the digest: an answer for what was stored before an edit would refer the machine to
        # other bytes.
        if answer is not None and answer.sha256 == sha256 and not answer.message:
            return
        message = (
            f"{self._named} has not said yet where the configuration is (status.configurations)"
        )
        if answer is not None and answer.message:
            message = f"{self._named}: {_line(answer.message)}"
        elif self._there.ready[0] == "False":
            message = f"{self._named} is not ready: {_line(self._there.ready[1])}"
        raise StoreError("WaitingForLocation", message)

    def expires(self, key: Key, now: float) -> int:
        """See the port."""
        return NEVER if self._answer is None else self._answer.until

    def renew_in(self, key: Key, expires: int, now: float) -> float | None:
        """See the port.

        Raises:
            StoreError: The location has expired, and there is no other.
        """
        # Also earlier than before: whoever gives a new location has withdrawn the old one.
        if self._answer is not None and self._answer.until != expires:
            return 0.0
        if expires >= NEVER:
            return None
        if expires > now:
            return expires - now
        raise StoreError("WaitingForLocation", f"{self._named} has not renewed the location")

    def reference(self, key: Key, sha256: str, now: float) -> ConfigurationReference:
        """See the port.

        Raises:
            StoreError: What it answers is not a reference.
        """
        answer = self._answer
        if answer is None or answer.sha256 != sha256 or answer.message:
            # Never published: `located` is asked before that.
            spec: dict[str, Any] = {"url": _STAND_IN, "sha256": sha256}
        else:
            spec = {"sha256": sha256, **self._where(answer)}
        whole = {"apiVersion": _KIND[0], "kind": _KIND[1], "spec": spec}
        # By the agent's own rules, before a machine depends on it: what others answer is checked
        # like what users write.
        (document,) = decode_kinds(
            msgspec.json.encode(whole), file="reference", kinds={_KIND: ConfigurationReference}
        )
        if document.problems or not isinstance(document.value, ConfigurationReference):
            # By place alone: a URL may be a secret.
            said = ", ".join(f"{one.path} ({one.code})" for one in document.problems[:3])
            message = f"{self._named}: what it says of {key[1]} is not a reference: {said}"
            raise StoreError("StoreNotReady", message)
        return document.value

    def _where(self, answer: Answer) -> dict[str, Any]:
        if len([one for one in (answer.url, answer.url_from, answer.plugin) if one]) != 1:
            message = f"{self._named}: of {answer.name} it says not exactly one of url, urlFrom and plugin"
            raise StoreError("StoreNotReady", message)
        spec: dict[str, Any] = {}
        if answer.url:
            spec["url"] = answer.url
        if answer.url_from is not None:
            spec["url"] = self._value(answer.url_from)
        if answer.plugin:
            spec["plugin"] = answer.plugin
        if answer.ca_bundle:
            spec["caBundle"] = answer.ca_bundle
        if "url" in spec and not spec["url"].startswith(_SCHEMES):
            message = f"{self._named}: the url of {answer.name} is not https, http or file"
            raise StoreError("StoreNotReady", message)
        headers = {name: self._value(one) for name, one in answer.headers_from.items()}
        return spec | ({"headers": headers} if headers else {})

    def _value(self, reference: KeyReference) -> str:
        return self._values[(reference.name, reference.key)]

    @property
    def _named(self) -> str:
        return f"{self._there.kind} {self._there.name}"

    async def _secret(self, key: Key) -> _Secret | None:
        data = await self._client.get(SECRETS, key[0], secret_name(key[1]))
        return None if data is None else msgspec.json.decode(data, type=_Secret)

    async def _owner(self, key: Key) -> dict[str, Any]:
        data = await self._client.get(MACHINE_BOOTSTRAPS, *key)
        if data is None:
            raise ApiError(404, "NotFound", f"MachineBootstrap {key[1]} is gone")
        uid = msgspec.json.decode(data, type=_Object).metadata.uid
        return {
            "apiVersion": MACHINE_BOOTSTRAPS.api_version,
            "kind": MACHINE_BOOTSTRAPS.kind,
            "name": key[1],
            "uid": uid,
            "controller": True,
        }


def secret_name(name: str) -> str:
    """Name of the Secret with the configuration of a MachineBootstrap."""
    if len(name) + len(_SUFFIX) <= _LONGEST_NAME:
        return name + _SUFFIX
    # Two long names that begin alike must not share a Secret.
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - len(_SUFFIX) - 17]}-{digest}{_SUFFIX}"


def _is_controlled(owners: Iterable[OwnerReference], uid: str) -> bool:
    return any(one.controller and one.uid == uid for one in owners)


def _line(text: str) -> str:
    """Another's words as one line that moves no terminal's cursor."""
    return "".join(one if one.isprintable() else " " for one in text)[:512]
