"""Find the type of a document."""

from __future__ import annotations

from machineadm.documents.nodes import Mapping, Node, Scalar, Unread
from machineadm.documents.source import Fault

Kinds = dict[tuple[str, str], type]


def identity(root: Node | None) -> tuple[str, str]:
    """A document's apiVersion and kind as written; empty where missing or not a string."""
    found = {"apiVersion": "", "kind": ""}
    if isinstance(root, Mapping):
        for key, value in root.entries():
            if isinstance(key, Scalar) and key.text in found and isinstance(value, Scalar):
                # The last one of a name counts, as to most readers of JSON; the walk tells that
                # there are two.
                found[key.text] = value.text if isinstance(value.value, str) else ""
    return found["apiVersion"], found["kind"]


def identify(root: Node, kinds: Kinds) -> type | list[Fault]:
    """The type of a document.

    Args:
        root: The document.
        kinds: The known types, by apiVersion and kind.

    Returns:
        The type, or what is wrong with apiVersion or kind.
    """
    # A tag on the whole document: the reader's own words say more than "not a map".
    if isinstance(root, Unread) and root.fault:
        return [root.fault]
    if not isinstance(root, Mapping):
        what = "a list" if not isinstance(root, Scalar) else "a single value"
        message = f"the document is {what}, not a map with apiVersion, kind and spec"
        return [Fault("MA1013", root.at, message)]
    api_version, kind = identity(root)
    known = kinds.get((api_version, kind))
    return known or _unknown(root, api_version, kind, kinds)


def guess(root: Node, kinds: Kinds) -> type | None:
    """Guess the intended type of a document whose apiVersion or kind is mistyped; None if it is not clear.

    Args:
        root: The document; `identify` has refused it.
        kinds: The types that there are, by apiVersion and kind.
    """
    from machineadm.nearest import suggest

    if not isinstance(root, Mapping):
        return None
    names = [key.text for key, _ in root.entries() if isinstance(key, Scalar)]
    # Of the outermost names alone: what is below depends on the type, which is just being guessed.
    meant = {name: suggest(name, ("apiVersion", "kind", "spec")) for name in names}
    given = {
        meant[key.text]: value.text
        for key, value in root.entries()
        if isinstance(key, Scalar) and isinstance(value, Scalar) and meant[key.text]
    }
    versions = {version for version, _ in kinds}
    version = given.get("apiVersion", "")
    # Another program's document: problems by our types would be nonsense.
    if version and not (suggest(version, versions) or _of_group(version, versions)):
        return None
    if "kind" not in given:
        # Only the kind that people write by hand is worth a guess.
        main = [type_ for (_, kind), type_ in kinds.items() if kind in _MAIN]
        # Parts of spec at the top are a spec that was forgotten.
        named = "spec" in meant.values() or bool({"machine", "kubernetes"} & meant.keys())
        return main[0] if len(main) == 1 and named else None
    # Without a kind that is near, what is below spec cannot be judged either.
    kind = suggest(given["kind"], [kind for _, kind in kinds])
    return next((type_ for (_, each), type_ in kinds.items() if each == kind), None)


_MAIN = ("MachineConfiguration", "MachineBootstrap")


def _unknown(root: Mapping, api_version: str, kind: str, kinds: Kinds) -> list[Fault]:
    from machineadm.nearest import suggest

    # Before any guess: KubeadmConfig is near to nothing of ours, and what to do with it is known.
    if known := _foreign(root, api_version, kind, kinds):
        return [known]
    versions = {version for version, _ in kinds}
    # With an apiVersion of ours its own kinds only; with an unknown one any kind may be meant.
    names = {
        each for version, each in kinds if version == api_version or api_version not in versions
    }
    faults = []
    for name, given, choices in (("apiVersion", api_version, versions), ("kind", kind, names)):
        place = _place(root, name)
        if place is None:
            faults.append(_missing(root, name, choices))
            place, given = _misnamed(root, name)
        if place is not None and given not in choices:
            # `bootstrap.cluster.x-k8s.io/v1beta1` is far from v1alpha1 in letters, and still the
            # likely mistake.
            best = suggest(given, choices) or _of_group(given, choices)
            # Of a document with another program's apiVersion the kind is another program's too, and no second mistake.
            if not faults or best:
                meant = f'; did you mean "{best}"?' if best else ""
                hint = "" if best else f"read here: {', '.join(sorted(choices))}"
                faults.append(Fault("MA1202", place, f"unknown {name}{meant}", hint, name))
    return faults


def _of_group(api_version: str, choices: set[str]) -> str:
    """The apiVersion that is read of the same group; empty if there is none."""
    group, slash, _ = api_version.rpartition("/")
    return next((each for each in sorted(choices) if slash and each.startswith(f"{group}/")), "")


def _foreign(root: Mapping, api_version: str, kind: str, kinds: Kinds) -> Fault | None:
    """Recognize a document for other programs: what it is, and what to do with it here."""
    from machineadm.documents.foreign_kinds import known_by_keys, way_out

    if not api_version and not kind:
        names = {key.text for key, _ in root.entries() if isinstance(key, Scalar)}
        if found := known_by_keys(names):
            return Fault("MA1202", root.at, f"{found[0]} is not read here", found[1])
    place = _place(root, "kind")
    hint = way_out(api_version, kind, frozenset(each for _, each in kinds))
    if place is None or not hint:
        return None
    return Fault("MA1202", place, f"{kind} is not read here", hint, "kind")


def _missing(root: Mapping, name: str, choices: set[str]) -> Fault:
    from machineadm.nearest import suggest

    for key, _ in root.entries():
        # `apiversion` instead of "apiVersion is missing", which makes people look for a second time
        # at a line that is there.
        if isinstance(key, Scalar) and suggest(key.text, [name]):
            message = f'unknown field; did you mean "{name}"?'
            return Fault("MA1203", key.at, message, "", key.text)
    hint = "write " + " or ".join(f"{name}: {choice}" for choice in sorted(choices))
    return Fault("MA1201", root.at, f"{name} is missing", hint, name)


def _misnamed(root: Mapping, name: str) -> tuple[int | None, str]:
    """Find the value below a mistyped name: a capitalized `Kind` often has a mistyped kind as well."""
    from machineadm.nearest import suggest

    for key, value in root.entries():
        if isinstance(key, Scalar) and suggest(key.text, [name]) and isinstance(value, Scalar):
            return value.at, value.text
    return None, ""


def _place(root: Mapping, name: str) -> int | None:
    for key, value in root.entries():
        if isinstance(key, Scalar) and key.text == name:
            return value.at
    return None
