"""Values that stand in for placeholders, so that a configuration can be judged before anybody has filled them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from machineadm.conversion.placeholders import default_of, filled

_PLACEHOLDER: Final = r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)[^{}]*\}"
# From what most fields take to what few do: each round is one judgement of the whole file.
CANDIDATES: Final = (
    "value",
    "1",
    "true",
    "v1.34.0",
    "192.0.2.1",
    "192.0.2.0/24",
    "192.0.2.1:6443",
    "https://192.0.2.1:6443",
    "30s",
    "1Gi",
    "/var/lib/value",
    "0644",
    "AllAlpha=false",
    "memory.available<100Mi",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl value",
    "abcdef.0123456789abcdef",
    "0" * 64,
    f"sha256:{'0' * 64}",
    "NoSchedule",
    "IfNotPresent",
    "gpt",
    "10",
    "2030-01-02T03:04:05Z",
)
"""What is tried, in this order: something that any field of ours takes is among them."""


def stand_in(text: str, judge: Callable[[str], Iterable[int]]) -> str:
    """Fill in every placeholder with a value that its field takes, if there is one.

    Args:
        text: A whole file.
        judge: Returns the lines, from 1, at which something is wrong with such a file.

    Returns:
        The text with stand-ins; no line has moved. What is wrong with it now is wrong whatever the values are.
    """
    found = [match for match in re.finditer(_PLACEHOLDER, text) if match[1]]
    if not found:
        return re.sub(r"\$\$\{", "${", text)
    # By line: a problem has one, and a line of ours holds one value.
    lines = [text.count("\n", 0, match.start()) + 1 for match in found]
    tried = [0] * len(found)
    # Each placeholder has a list of its own, its default in front.
    choices = [_choices(match[0], match[1]) for match in found]
    best, fewest = _with(text, found, choices, tried), None
    # All placeholders of wrong lines move on together: one by one would take hundreds of
    # judgements.
    for _ in range(max(map(len, choices))):
        current = _with(text, found, choices, tried)
        wrong = set(judge(current))
        # The best and not the last: a later candidate may be worse for another rule.
        if fewest is None or len(wrong) < fewest:
            best, fewest = current, len(wrong)
        moved = False
        for index, line in enumerate(lines):
            if line in wrong and tried[index] + 1 < len(choices[index]):
                tried[index] += 1
                moved = True
        if not moved:
            break
    return best


def _choices(placeholder: str, name: str) -> list[str]:
    default = default_of(placeholder)
    # Behind a backslash the quotes are text in quotes, which envsubst leaves there, and which no field takes.
    first = [] if default is None else [default.replace('\\"', "")]
    # What is behind the name is applied to the candidate, as envsubst would: a length or a cut
    # changes what fits.
    tail = placeholder[2 + len(name) : -1]
    values = (
        CANDIDATES
        if default is not None
        else [filled(f"${{{name}{tail}}}", {name: one}) for one in CANDIDATES]
    )
    return [*first, *(one for one in values if one and not one.startswith("${"))] or ["value"]


def _with(text: str, found: list[re.Match[str]], choices: list[list[str]], tried: list[int]) -> str:
    pieces, end = [], 0
    for index, match in enumerate(found):
        pieces += [text[end : match.start()].replace("$${", "${"), choices[index][tried[index]]]
        end = match.end()
    return "".join([*pieces, text[end:].replace("$${", "${")])
