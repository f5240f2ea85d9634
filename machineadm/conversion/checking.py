"""Judge a draft as the agent will: what it would refuse whatever the placeholders become is a decision, never a surprise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from machineadm.config.validation import check
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR
from machineadm.conversion import placeholders
from machineadm.conversion.account import Account
from machineadm.conversion.fields import Role, Setting
from machineadm.conversion.standing_in import stand_in
from machineadm.conversion.writing import write
from machineadm.documents.decoding import decode, read_values
from machineadm.documents.model import Document, Problem, problem_at

NAME: Final = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
"""As the API server names objects."""

# Spread over what is supported, so that a field that came or went with a version meets one that has
# it early.
_LIKELY: Final = (34, 30, 36, 32)
"""Minor versions that are tried first for a version that is a placeholder."""

# Codes of findings that another version of Kubernetes may not have: fields, flags, gates, plugins.
_OF_VERSIONS: Final = ("MA131", "MA1412", "MA144")

# Valid, and nobody's: 192.0.2.0/24 is for documentation (RFC 5737). A draft is judged as if a
# cluster were known.
_DISCOVERY: Final = {
    "type": "Token",
    "token": "abcdef.0123456789abcdef",
    "endpoint": "192.0.2.1:6443",
    "caCertHashes": [f"sha256:{'0' * 64}"],
}
# Two ways, always: to change the source and convert again, or to go on by hand with what was
# written.
_WAYS: Final = (
    "change it there, and convert again",
    "change it in what was written",
)


def decide(
    draft: dict[str, Any],
    remarks: dict[str, tuple[str, ...]],
    accounts: Sequence[Account],
    setting: Setting,
) -> None:
    """Have somebody decide about everything in a draft that the agent would refuse.

    Args:
        draft: What is written below spec.
        remarks: Lines above its fields.
        accounts: Those of the documents that it was made of.
        setting: Of the document.
    """
    for problem in (*_problems(draft, setting), *_references(draft, "")):
        path = problem.path.removeprefix("spec.")
        note = f"{problem.code}: {problem.message}"
        # The problem is in what we wrote, and a person fixes what they wrote: the leaf that it came
        # from.
        (_, leaf), account = max(
            ((one.nearest(path), one) for one in accounts), key=lambda near: near[0][0]
        )
        account.say(
            leaf,
            "needs a decision",
            to=path,
            note=note,
            ways=(problem.hint, _WAYS[0]) if problem.hint else _WAYS,
        )
        # The remark is written above a field, so it needs one that is there.
        where = _existing(draft, path)
        remarks[where] = (*remarks.get(where, ()), f"decide: {note}")


def _problems(draft: dict[str, Any], setting: Setting) -> list[Problem]:
    found: dict[tuple[str, str], Problem] = {}
    # By each role that a machine may take: a field may be wrong for one of them only.
    for role in _roles(draft, setting):
        for one in _judged(draft, role):
            # What stands for the value of a Secret says nothing about that value.
            source = f"{one.path.removeprefix('spec.')}From"
            # What has a xFrom beside it is not known yet.
            if _existing(draft, source) != source:
                found.setdefault((one.path, one.message), one)
    return list(found.values())


def _references(value: Any, path: str) -> Iterator[Problem]:
    """Names of Secrets that the API server would not take: `replace_me`, which a ClusterClass patches."""
    # In the draft and not among the findings: our types take such a name, and the API server that
    # holds the Secret does not.
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, f"{path}[{index}]")
    for key, item in value.items() if isinstance(value, dict) else ():
        where = f"{path}.{key}" if path else key
        if isinstance(item, dict) and isinstance(item.get("secret"), dict):
            name = str(item["secret"].get("name", ""))
            # Whoever fills the placeholder in decides about the name.
            if not placeholders.holds(name) and not re.fullmatch(NAME, name):
                yield Problem(
                    file="",
                    document=1,
                    line=1,
                    column=1,
                    code="MA1107",
                    path=f"{where}.secret.name",
                    message=f'"{name}" is not a name in lower-case letters, digits, hyphens and dots',
                )
        yield from _references(item, where)


def _roles(draft: dict[str, Any], setting: Setting) -> tuple[Role, ...]:
    kubernetes = draft.get("kubernetes", {})
    role = kubernetes.get("role", {}).get("type")
    if role is not None:
        return (role,)
    # As long as the role is open, a machine may become either, so both must be right.
    return ("JoinWorker",) if setting.worker else ("Initialize", "JoinControlPlane")


def _judged(draft: dict[str, Any], role: Role) -> list[Problem]:
    """What the agent says, of the version that suits the draft best where it names none."""
    version = str(draft.get("kubernetes", {}).get("version", ""))
    is_open = placeholders.holds(version)
    # As a MachineConfiguration, for which alone there are rules.
    document: dict[str, object] = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": _as_machine(draft, role, f"v1.{_LIKELY[0]}.0" if is_open else None),
    }

    seen: dict[str, list[Problem]] = {}

    def wrong(candidate: str) -> Iterable[int]:
        # Kept: the text that is chosen in the end has been judged already, and a judgement takes
        # most of the time.
        seen[candidate] = _said(_read(candidate), None)
        # What depends on the version says nothing about the value that stands in.
        return [one.line for one in seen[candidate] if not _depends([one])]

    text = stand_in(write(document, {}), wrong)
    read = _read(text)
    fewest = seen[text] if text in seen else _said(read, None)
    # A version that is written is the one that counts.
    if not is_open or not _depends(fewest):
        return fewest
    # A template for many clusters is right if one version takes it; only what none takes is a
    # decision.
    for minor in dict.fromkeys([*_LIKELY[1:], *range(NEWEST_MINOR, OLDEST_MINOR - 1, -1)]):
        problems = _said(read, f"v1.{minor}.0")
        if len(problems) < len(fewest):
            fewest = problems
        if not _depends(fewest):
            break
    return fewest


def _depends(problems: list[Problem]) -> bool:
    """Whether another version of Kubernetes may be what is missing."""
    return any(one.code.startswith(_OF_VERSIONS) for one in problems)


def _read(text: str) -> Document:
    # By the reader of the agent itself, so that the two cannot disagree.
    return decode(text.encode(), file="")[0]


def _said(document: Document, version: str | None) -> list[Problem]:
    if document.problems or document.value is None:
        return list(document.problems)
    return [
        problem_at(document, finding)
        for finding in check(document.value, read=read_values, kubernetes_version=version)
        # Warnings are for whoever validates the result: they stop nobody.
        if finding.severity == "error"
    ]


def _as_machine(draft: dict[str, Any], role: Role, version: str | None) -> dict[str, Any]:
    """The draft as a machine of a role would get it: with a cluster to join, and nothing that refers to a Secret."""
    # Copies: what is added here to make it whole is not part of what is written.
    kubernetes = dict(draft.get("kubernetes", {}))
    given = dict(kubernetes.get("role", {}))
    given["type"] = role
    if role != "Initialize":
        discovery = given.get("discovery", {})
        given["discovery"] = (
            {**_DISCOVERY, **discovery} if discovery.get("type", "Token") == "Token" else discovery
        )
        # The two exclude each other, and the hash is only our stand-in.
        if discovery.get("type") == "Token" and discovery.get("unsafeSkipCAVerification"):
            del given["discovery"]["caCertHashes"]
    if role == "JoinControlPlane":
        # The manager, or Cluster API, gives it when the machine is made.
        given.setdefault("certificateKey", "0" * 64)
    kubernetes["role"] = given
    if version is not None:
        kubernetes["version"] = version
    spec = {"machine": _without_secrets(draft.get("machine", {})), "kubernetes": kubernetes}
    return {key: value for key, value in spec.items() if value != {}}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if (
            isinstance(item, dict)
            and key.endswith("From")
            and ("secret" in item or "configMap" in item)
        ):
            # On a machine there is a value in the place of the reference; what it says nobody can
            # judge.
            found[key.removesuffix("From")] = "value"
        # A manager renders it; a machine never sees the field.
        elif (key, item) != ("contentFormat", "Template"):
            found[key] = _without_secrets(item)
    return found


def _existing(draft: Any, path: str) -> str:
    """The longest part of a path that is in the draft, so that the remark stands somewhere."""
    at, value = "", draft
    for name, index in re.findall(r"\.?([A-Za-z][A-Za-z0-9]*)|\[(\d+)\]", path):
        if name and isinstance(value, dict) and name in value:
            at, value = (f"{at}.{name}" if at else name), value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            at, value = f"{at}[{index}]", value[int(index)]
        else:
            break
    return at
