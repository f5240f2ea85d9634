"""Find in one pass all problems of a configuration that involve more than one field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED, PrunedError
from machineadm.api.v1alpha1.machine import MachineConfiguration, MachineConfigurationSpec
from machineadm.config.concerns import asked_for
from machineadm.config.model import Mode
from machineadm.config.paths import holds_pruned, structs_in
from machineadm.config.rules import whole
from machineadm.config.rules.declared import declared
from machineadm.config.rules.model import Context, Rule, Rules


def check(
    configuration: MachineConfiguration,
    *,
    mode: Mode = "provisioning",
    kubernetes_version: str | None = None,
    deadline: float | None = None,
    read: Callable[[str], tuple[list[Any], str]] | None = None,
    allow_unknown_version: bool = False,
) -> list[Finding]:
    """Return every finding of every rule, in the order of the configuration's fields.

    Args:
        configuration: As decoded. What could not be decoded is `PRUNED` in it; a rule that needs it
            finds nothing.
        mode: `preparation` needs no Kubernetes.
        kubernetes_version: A version to judge by instead of `spec.kubernetes.version`: "v1.34.4".
        deadline: Seconds that the command line gives the run, instead of `spec.deadline`.
        read: `documents.decoding.read_values`; without it, texts that hold YAML are not judged.
        allow_unknown_version: The command line allows a Kubernetes that is newer than this release knows.
    """
    context = Context(
        configuration=configuration,
        mode=mode,
        kubernetes_version=kubernetes_version,
        deadline=deadline,
        read=read,
        allow_unknown_version=allow_unknown_version,
    )
    # In the order of the fields: findings come in the order in which a reader meets their places.
    structs = list(structs_in(configuration.spec, "spec"))
    # Only the rules of what the configuration has: importing all of them would be a large part of a
    # cold start.
    chosen = tables(configuration.spec, {type(value).__module__ for value, _ in structs})
    if _may_hold_placeholders(configuration):
        from machineadm.config.rules.placeholders import warnings

        # Any text may hold a placeholder, so this one rule looks at every type that the
        # configuration has.
        chosen.append({type(value): (_asked(warnings),) for value, _ in structs})
    # Once by type: a configuration has a hundred files and one FileConfig.
    rules = {type(value): _rules_of(type(value), chosen) for value, _ in structs}
    return [
        finding
        for value, path in structs
        for rule in rules[type(value)]
        for finding in _run(rule, value, path, context)
    ]


def _rules_of(type_: type[msgspec.Struct], chosen: list[Rules]) -> tuple[Rule, ...]:
    """Return the rules for a type: its own declarations, then those of the concerns."""
    return (
        _declared,
        *(
            rule
            for table in chosen
            # By name where a concern judges a type of another: its module need not be loaded for
            # that.
            for key in (type_, type_.__name__)
            for rule in table.get(key, ())
        ),
    )


def tables(spec: MachineConfigurationSpec, modules: set[str]) -> list[Rules]:
    """Return the rules that may apply, by the type that each looks at.

    Args:
        spec: Decides which concerns are asked for.
        modules: Modules of the types that the configuration has.
    """
    found: list[Rules] = [whole.RULES]
    # Plugins are no concern of their own: any field may name one.
    if modules & _OF_PLUGINS:
        found.append(import_module("machineadm.config.rules.plugins").RULES)
    for concern in asked_for(spec):
        found.append(concern.RULES)
        all_parts = getattr(concern, "PARTS", {}).items()
        # Several modules may lead to the same part: its rules must run once only.
        asked = dict.fromkeys(
            part for types, parts in all_parts if types in modules for part in parts
        )
        found += (import_module(part).RULES for part in asked)
    return found


_OF_PLUGINS: Final = {
    "machineadm.api.meta",  # references to providers and handlers; a configuration without plugins has nothing else of it
    "machineadm.api.v1alpha1.plugins",
    # A report may go to a plugin.
    "machineadm.api.v1alpha1.reporting",
}

_SIGNS: Final = (b"{{", b"{%", b"${", b"%{", b"<%", b"$COREOS_", b"$AFTERBURN_")


def _may_hold_placeholders(configuration: MachineConfiguration) -> bool:
    """Whether to load the code that looks for placeholders: one pass of msgspec over all texts is enough to know."""
    # Secrets revealed and then dropped: a placeholder in a password is one, too.
    try:
        data = msgspec.json.encode(configuration.spec, enc_hook=_revealed)
    except (PrunedError, TypeError):  # a key of a map is pruned
        return True
    return any(sign in data for sign in _SIGNS)


def _revealed(value: Any) -> str | None:
    return None if value is PRUNED else str(value.reveal())


def _asked(ask: Callable[[msgspec.Struct], Iterator[Finding]]) -> Rule:
    return lambda value, _context: ask(value)


def _declared(value: msgspec.Struct, _context: Context) -> Iterator[Finding]:
    return declared(value)


def _run(rule: Rule, value: msgspec.Struct, path: str, context: Context) -> Iterator[Finding]:
    """Yield a rule's findings with absolute paths, until it meets something pruned.

    Raises:
        TypeError: The rule itself is wrong; nothing is pruned.
    """
    try:
        for finding in rule(value, context):
            yield replace(finding, path=_join(path, finding.path))
    except PrunedError:
        # A rule that needs what could not be read has nothing to say; the decoder has told.
        return
    except TypeError:
        # Functions written in C raise TypeError for PRUNED, as for any object of a wrong type.
        if not holds_pruned(context.configuration):
            raise


def _join(path: str, relative: str) -> str:
    # An index follows its list without a dot.
    return path + relative if relative.startswith("[") or not relative else f"{path}.{relative}"
