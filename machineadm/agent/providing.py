"""Values from provider plugins: inputs checked, ordered, asked; in a plan only described."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

import msgspec

from machineadm.agent.references import Answers, Value
from machineadm.config.references import Reference
from machineadm.errors import InternalError, MachineadmError, PluginError
from machineadm.host.effects import AskPlugin
from machineadm.host.ports import Ask, Host, Providers
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Outcome, Phase, Work, digest_of
from machineadm.redaction import Secret

UNKNOWN: Final = "<known when its provider has been asked>"
"""In place of a value in a plan."""

# The form of a bootstrap token, for fields that take nothing else.
_UNKNOWN_WORD: Final = "unknwn.unknownunknownun"
_UNKNOWN_OBJECT: Final = (
    '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "unknown"}, "spec": {}}'
)
_MARKS: Final = (UNKNOWN, _UNKNOWN_WORD, '"name":"unknown"', "name: unknown")
# A schema can refuse each of a hundred inputs, and a message is read by a person.
_WORST: Final = 20
"""Problems of one provider's inputs that are shown."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would ask a provider."""

    path: str
    """Of the reference."""

    kind: str = "provider"
    """Or `handler`."""

    provider: str
    """Its name."""

    what: str
    """In the provider's words; empty if it does not say."""


class ProviderValues:
    """The Resolver of `provider`.

    Args:
        providers: Who is asked.
        ahead: For a plan: no provider is executed, and each is asked what it would do.
    """

    field: ClassVar[str] = "provider"

    def __init__(self, providers: Providers, *, ahead: bool) -> None:
        self._providers = providers
        self._ahead = ahead
        # Collected here, since a plan asks in the same order as a run would.
        self.described: list[Described] = []
        """In a plan: what a run would ask."""

    def resolve(self, wanted: Sequence[Reference]) -> Answers:
        """See `Resolver.resolve`. The providers' processes have ended when it returns."""
        try:
            return self._resolve(wanted)
        finally:
            self._providers.end()

    def _resolve(self, wanted: Sequence[Reference]) -> Answers:
        answers: dict[str, Value | MachineadmError] = {}
        asks: dict[str, Ask] = {}
        for one in wanted:
            ask = _ask(one)
            try:
                # By the provider's own schema, which needs no execution.
                if wrong := self._providers.judge(ask):
                    raise _unfit(one, ask, wrong)
            except PluginError as error:
                answers[one.path] = _at(one, error)
            else:
                asks[one.path] = ask
        # All wrong inputs at once, before any provider is executed.
        if answers:
            return answers
        by_path = {one.path: one for one in wanted}
        results: dict[str, Any] = {}
        try:
            # A dependency may be named by an input of any provider, so the order of the
            # configuration is not enough.
            order = _ordered({path: self._needs(ask, asks) for path, ask in asks.items()})
        except PluginError as error:
            return {wanted[0].path: error}
        for path in order:
            one, ask = by_path[path], asks[path]
            try:
                answers[path] = self._answer(one, ask, results)
            except PluginError as error:
                # Later ones may depend on it; and once a run has failed, no further provider should be executed: that may have
                # effects, such as a token that is issued.
                return {path: _at(one, error)}
        return answers

    def _needs(self, ask: Ask, asks: Mapping[str, Ask]) -> tuple[str, ...]:
        """Paths of the references whose providers must be asked first."""
        names = self._providers.dependencies(ask)
        return tuple(path for path, other in asks.items() if other.provider in names)

    def _answer(self, one: Reference, ask: Ask, results: dict[str, Any]) -> Value:
        origin = f"provider {ask.provider}"
        # A plan has no effects, and executing a provider may have some.
        if self._ahead:
            what = self._providers.what_if(ask)
            self.described.append(Described(path=one.path, provider=ask.provider, what=what))
            return Value(value=_placeholder(one), origin=origin, secret=False, known=False)
        needed = self._providers.dependencies(ask)
        context = {name: results[name] for name in needed if name in results}
        found = self._providers.value(msgspec.structs.replace(ask, results=context))
        # If one provider is asked several times, those that depend on it get its first result.
        results.setdefault(ask.provider, found)
        # Always a secret: nobody knows what a provider gives, and masking too much is the smaller
        # harm.
        return Value(value=_text(one, ask, found), origin=origin, secret=True)


def _ask(one: Reference) -> Ask:
    reference = one.source.provider
    assert reference is not None  # noqa: S101 - the resolver is given these alone
    # Only here, on the way to the plugin; they are masked in what it logs.
    secrets = {name: value.reveal() for name, value in reference.secret_inputs.items()}
    return Ask(provider=reference.name, inputs={**reference.inputs, **secrets})


def _ordered(needs: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The references, each after those it needs, otherwise in the configuration's order.

    Raises:
        PluginError: MA7229: Some need each other.
    """
    done: dict[str, None] = {}
    for start in needs:
        # Not recursive: a chain can be as long as the configuration, and Python's stack is not.
        path: list[tuple[str, Iterator[str]]] = []
        if start not in done:
            path.append((start, iter(needs[start])))
        while path:
            name, rest = path[-1]
            below = next((one for one in rest if one not in done), None)
            if below is None:
                done[name] = None
                path.pop()
            elif any(below == one for one, _ in path):
                circle = [one for one, _ in path]
                circle = [*circle[circle.index(below) :], below]
                raise PluginError(
                    "MA7229",
                    f"providers need each other in a circle: {' -> '.join(circle)}",
                    hint="an input of one of them must not depend on the others",
                )
            else:
                path.append((below, iter(needs[below])))
    return iter(done)


def _text(one: Reference, ask: Ask, found: Any) -> str:
    """A result in the form that its field takes.

    Raises:
        PluginError: MA7228: It has no such field, or cannot become a string.
    """
    reference = one.source.provider
    output = (reference.output if reference else None) or ""
    # Dots as in paths of the configuration; a key with a dot in it cannot be named.
    for name in output.split(".") if output else ():
        found = _member(found, name, ask, output)
    if isinstance(found, str):
        return found
    # Numbers and booleans have one way to be written, and lists and maps have not.
    if found is None or (isinstance(found, (dict, list)) and one.target != "object"):
        kind = "nothing" if found is None else "a list" if isinstance(found, list) else "an object"
        hint = "output says which field of the result is wanted"
        if isinstance(found, dict) and found:
            hint += f"; there are {', '.join(sorted(map(str, found))[:_WORST])}"
        message = f"provider {ask.provider} gives {kind}, but a string is needed"
        raise PluginError("MA7228", message, hint=hint)
    return msgspec.json.encode(found).decode()


def _member(found: Any, name: str, ask: Ask, output: str) -> Any:
    if isinstance(found, dict) and name in found:
        return found[name]
    # At most six digits, so that int() has no work with what a configuration says.
    if isinstance(found, list) and re.fullmatch("[0-9]{1,6}", name) and int(name) < len(found):
        return found[int(name)]
    there = ", ".join(sorted(map(str, found))[:_WORST]) if isinstance(found, dict) else ""
    message = f"the result of provider {ask.provider} has no {output}: there is no {name!r}"
    raise PluginError("MA7228", message, hint=f"there are {there}" if there else "")


def _unfit(one: Reference, ask: Ask, wrong: Sequence[str]) -> PluginError:
    del one
    listed = "; ".join(wrong[:_WORST])
    return PluginError(
        "MA7227",
        f"provider {ask.provider} does not take these inputs: {listed}",
        hint="`machineadm plugin` and the provider's author say which it takes",
    )


def _at(one: Reference, error: PluginError) -> PluginError:
    """An error with the place of the reference in its message."""
    found = PluginError(error.code, f"{one.path}: {error.message}", hint=error.hint())
    # The plugin's last lines belong to the error; they are kept nowhere else.
    found.log_tail = error.log_tail
    return found


def _placeholder(one: Reference) -> str:
    """The placeholder for a value in a plan, in a form that passes the validation of its field."""
    if one.target == "object":
        return _UNKNOWN_OBJECT
    return _UNKNOWN_WORD if one.fills.endswith(".token") else UNKNOWN


class _Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A step that exists only in a plan: a run asks before it plans."""

    name: str
    described: tuple[Described, ...]
    phase: Phase = Phase.BOOT
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, _host: Host) -> Work:
        """See `Step.check`."""
        return Work(
            effects=tuple(
                AskPlugin(whom=f"{one.kind} {one.provider}", what=one.path, note=one.what)
                for one in self.described
            ),
            summary=_counted(len(self.described)),
        )

    def apply(self, _host: Host, _work: Work) -> Outcome:
        """Never called: a run has asked before it makes its plan.

        Raises:
            InternalError: Always.
        """
        raise InternalError("MA9001", "providers are asked before a plan is made")


def looked_at(described: Sequence[Described], looks: Sequence[Look]) -> tuple[Look, ...]:
    """A plan that begins with what a run would ask, and says which steps depend on it.

    Args:
        described: What a run would ask.
        looks: The steps, with placeholders for what is not known.
    """
    step = _Asking(name="providers/ask", described=tuple(described))
    marked = [_marked(look) for look in looks]
    return (Look(step=step, standing=Standing.TO_DO, work=step.check(None)), *marked)  # type: ignore[arg-type]


def _counted(count: int) -> str:
    return f"asks for {count} value{'s' if count > 1 else ''}, not known before"


def _marked(look: Look) -> Look:
    if look.standing is not Standing.TO_DO or not holds_unknown(look.step):
        return look
    work = look.work
    summary = f"{work.summary}; not known before its providers are asked"
    return msgspec.structs.replace(look, work=msgspec.structs.replace(work, summary=summary))


def holds_unknown(value: Any) -> bool:
    """Whether there is a placeholder anywhere in a step."""
    # A placeholder may stand in the place of a secret.
    if isinstance(value, Secret):
        value = value.reveal()
    if isinstance(value, bytes):
        return any(mark.encode() in value for mark in _MARKS)
    if isinstance(value, str):
        return any(mark in value for mark in _MARKS)
    if isinstance(value, msgspec.Struct):
        return any(holds_unknown(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return any(holds_unknown(item) for pair in value.items() for item in pair)
    return isinstance(value, (list, tuple)) and any(map(holds_unknown, value))
