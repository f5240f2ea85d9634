"""Feature gates by program and version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from machineadm.api.finding import Finding
from machineadm.config import upstream
from machineadm.config.paths import child
from machineadm.config.rules.model import finding
from machineadm.nearest import suggest


def state(name: str, program: str, minor: int) -> str:
    """Return a gate's state in a version: `+` or `-` for its default, `=` if it is locked to that, and its stage.

    Returns:
        An empty string if the version does not have it.
    """
    entry = upstream.names()["gates"][_owner(program)].get(name)
    return "" if entry is None else upstream.at(entry, minor) or ""


def problems(given: Mapping[str, Any], path: str, program: str, minor: int) -> Iterator[Finding]:
    """Find gates that a component does not have, or that are locked to another value: it would not start.

    Args:
        given: Gates and their values.
        path: Of the map, or of the argument, that contains them.
        program: `kubelet`, `kube-apiserver`.
        minor: The minor version of Kubernetes 1.
    """
    for name, on in given.items():
        if isinstance(name, str):
            yield from problem(name, on, child(path, name), program, minor)


def unmet(
    given: Mapping[str, Any], whole: Mapping[str, Any], path: str, program: str, minor: int
) -> Iterator[Finding]:
    """Find gates that are on without those that they need: from 1.35 on a component does not start.

    Args:
        given: Gates and their values, here.
        whole: The same with what the component is told elsewhere.
        path: Of the map that contains them.
        program: `kubelet`, `kube-apiserver`.
        minor: The minor version of Kubernetes 1.
    """
    # Defaults of a release fit each other.
    if not given:
        return
    wanting: dict[str, list[str]] = {}
    stages: dict[str, list[str]] = {}
    for name, entry in upstream.names()["needs"].items():
        needed = upstream.at(entry, minor)
        if needed is None or not is_on(name, program, minor, whole):
            continue
        missing = [each for each in needed.split(",") if not is_on(each, program, minor, whole)]
        # Told at the gate that was asked for; what it needs is named.
        if missing and name in given:
            words = " and ".join(missing)
            yield finding("MA1442", child(path, name), f"{name} needs {words}, which is off")
            continue
        for each in missing:
            # The other way round: a gate that was turned off, and others that are on by default
            # need it.
            if each in given:
                wanting.setdefault(each, []).append(name)
        # A whole stage turned it on, and not what it needs, which is of another one.
        if (
            missing
            and not set(missing) & set(given)
            and (stage := _stage(name, program, minor)) in given
        ):
            stages.setdefault(stage, []).append(f"{name} needs {' and '.join(missing)}")
    for stage, needs in stages.items():
        more = f", and {len(needs) - 1} more" if len(needs) > 1 else ""
        message = f"turns on what needs a gate that is off: {needs[0]}{more}"
        yield finding("MA1442", child(path, stage), message)
    for each, names in wanting.items():
        words, verb = " and ".join(names), "is" if len(names) == 1 else "are"
        need = "needs" if len(names) == 1 else "need"
        message = f"{words} {verb} on and {need} {each}"
        yield finding("MA1442", child(path, each), message, f"turn {words} off as well")


def problem(name: str, on: object, path: str, program: str, minor: int) -> Iterator[Finding]:
    """As `problems`, of one gate at a path."""
    gates = upstream.names()["gates"][_owner(program)]
    found = state(name, program, minor)
    if not found and name in gates:
        wanted = upstream.versions_of(gates[name])
        yield finding(
            "MA1442",
            path,
            f"{name} is a gate of Kubernetes {wanted}, this machine asks for 1.{minor}",
        )
    elif not found:
        known = [each for each, entry in gates.items() if upstream.at(entry, minor) is not None]
        meant = suggest(name, known)
        guess = f'; did you mean "{meant}"?' if meant else ""
        yield finding("MA1442", path, f"no such feature gate in Kubernetes 1.{minor}{guess}")
    # Locked gates may be named with their own value.
    elif "=" in found and isinstance(on, bool) and found.startswith("+") != on:
        word = "on" if found.startswith("+") else "off"
        yield finding("MA1442", path, f"{name} is locked to {word} in 1.{minor}", "leave it out")


def _owner(program: str) -> str:
    # One table for all components: they register each other's gates and accept them.
    return program if program == "kubeadm" else "components"


def is_on(name: str, program: str, minor: int, given: Mapping[str, Any]) -> bool:
    """Whether a gate is on, by the configuration or by the version's default.

    A removed gate counts as on: its feature has become part of the program.
    """
    if isinstance(given.get(name), bool):
        return bool(given[name])
    found = state(name, program, minor)
    if found:
        # AllAlpha and AllBeta switch whole stages on or off; a gate that is named itself has the
        # last word, and was looked at above.
        stage = given.get(_stage(name, program, minor))
        return stage if isinstance(stage, bool) and "=" not in found else found.startswith("+")
    entry = upstream.names()["gates"][_owner(program)].get(name)
    return entry is None or _has_gone(entry, minor)


def _stage(name: str, program: str, minor: int) -> str:
    """The gate that turns on the whole stage of another one; empty if there is none."""
    word = state(name, program, minor).lstrip("+-=")
    return {"ALPHA": "AllAlpha", "BETA": "AllBeta"}.get(word, "")


def _has_gone(entry: Any, minor: int) -> bool:
    lasts = [last for _word, ranges in entry for last in ranges[1::2]]
    # Gone from all versions up to this one, and not yet to come.
    return all(last is not None and last < minor for last in lasts)
