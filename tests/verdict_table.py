"""`python -m tests.verdict_table`: many cases of every kind, judged by us and by Kubernetes' own code; the table in docs/verdict.md.

Where the two verdicts differ on purpose, a list says why. The counts are kept in verdict_table.json; the test of the table
reads them, and `make verdicts` makes them anew.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from machineadm.config.passed_on import judged
from tests import drawn_machines
from tests.drawn_documents import DOCUMENTS, drawn
from tests.drawn_machines import ours
from tests.judges import judges

HERE: Final = Path(__file__).parent
COUNTS: Final = HERE / "verdict_table.json"
PAGE: Final = HERE.parent / "docs/verdict.md"
BEGIN, END = "<!-- verdicts -->\n", "<!-- end of verdicts -->\n"

MINOR: Final = 34
"""That of the judges."""

COUNT: Final = 5000
"""Documents of each kind."""

MACHINES: Final = 1000
"""Machines of each kind: each is rendered, and judged by four programs."""

REFUSED_ON_PURPOSE: Final = {
    r"MA1324 .*: unknown field": "its reader goes on without the field, and only its log tells",
    r"MA1310 .*: needs Kubernetes": "the same, for a field of another version",
    r"MA1324 .*is not one of its values": "a word that means nothing to its reader",
    r"MA1440 .*spec\.schedulingGates": "a static pod has a node, with which gates do not go",
    r"MA1440 .*spec\.os\.name: machineadm": "the machine has Linux",
    r"MA1440 .*registerWithTaints\[\d+\]\.effect": "a node does not register with a taint without effect",
    r"MA1440 .*runOnce": "a node that runs its pods once is none",
    r"MA1440 .*(cpuManagerPolicy|memoryManagerPolicy|cgroupDriver)": "the kubelet ends at them later",
    r"MA1440 .*mode: is not one of its values": "kube-proxy of Linux has no such mode",
    r"MA1440 .*(tlsCipherSuites|tlsMinVersion|Reserved|eviction|containerLogMaxSize)": "the same",
    r"MA1412 .*": "its program ends at the value later",
}  # fmt: skip
"""What we refuse and Kubernetes takes: how our refusal begins, with the reason."""

ACCEPTED_ON_PURPOSE: Final = {
    "error loading file": "a file that may come later",
    "compilation failed": "expressions are judged on a workstation",
    "cgroup v1": "the judge's own machine",
    "show-hidden-metrics-for-version": "a judge without a version of its own",
    "loaded illegal policy with 0 rules": "told by the rule of our own field",
    "disallowed by cluster policy": "the kubelet allows privileged pods",
    "strict decoding error: unknown field": "told by us as a field of another version",
}
"""What Kubernetes refuses and we take: a part of its message, with the reason."""

OF_MACHINES_REFUSED: Final = {
    r"MA1107 .*\.resources": "a resource has a name in lower-case letters, digits and hyphens, or `*` alone",
    r"MA1107 .*\.issuerURL": "an issuer without a host issues nothing",
    r"MA1109 .*\.issuerURL": "an issuer has a host that all programs read alike",
    r"MA1110 .*\.keys": "of two keys of one name nobody can tell which one encrypted what",
    r"MA1312 .*\.ttl": "kubeadm is given whole seconds",
    r"MA1107 .*\.endpoint: .unix://\?": "a socket without a path is none",
    r"MA1322 .*\.endpoint": "the API server would read another path than the one that stands there, or one that cannot be mounted",
    r"MA1323 .*\.providers: ": "with identity alone, nothing is encrypted",
    r"MA1323 .*\.requiredClaims": "the API server would look for another claim",
    r"MA1430 .*\.extraVolumes\[\d+\]\.name": "a volume would take the place of one that machineadm adds, and the files of a field be gone",
    r"MA1430 .*\.log\.path": "the same, seen from the field whose place is taken",
    r"MA1431 .*\.extraEnv\[0\]\.valueFrom": "kubeadm takes the last of two variables of one name, but the first is a mistake all the same",
    r"MA1432 .*\.command\[\d+\]": "nobody means a null among arguments, which Kubernetes takes for an empty one",
    r"MA1432 .*: (apiVersion|kind) must stay": "kubeadm does not look, but an object without a kind is none",
    r"MA1432 .*: unknown field": "its reader goes on without the field, and only its log tells",
}  # fmt: skip
"""What we refuse and Kubernetes takes: how our refusal begins, with the reason."""

OF_MACHINES_ACCEPTED: Final[dict[str, str]] = {}
"""What Kubernetes refuses and we cannot know: a part of its message, with the reason."""


def is_refused_on_purpose(refusals: Iterable[str]) -> bool:
    """Whether each of our refusals is one that we want beyond Kubernetes'."""
    return all(any(re.match(known, each) for known in REFUSED_ON_PURPOSE) for each in refusals)


def is_accepted_on_purpose(problems: Iterable[str]) -> bool:
    """Whether nobody but the running system can know any of its reasons."""
    return all(any(known in each for known in ACCEPTED_ON_PURPOSE) for each in problems)


def is_refused_machine(refusals: Iterable[tuple[str, str]]) -> bool:
    """Whether one of our refusals of a whole machine is one that we want beyond Kubernetes'."""
    return any(
        re.match(known, " ".join(each)) for each in refusals for known in OF_MACHINES_REFUSED
    )


class Compared(NamedTuple):
    """What came of the cases of a kind."""

    counts: dict[str, int]
    differing: list[tuple[str, Any, list[str]]]
    """How the verdicts differ, the case, and the reasons of who refuses; none that differs on purpose."""


def compared(
    cases: Sequence[tuple[Any, list[str], bool]], answers: Sequence[list[str]]
) -> Compared:
    """Count, and find what differs.

    Args:
        cases: Each with our refusals, and whether they are all on purpose.
        answers: What Kubernetes refuses of each.
    """
    counts = {"cases": len(cases), "refused": 0, "accepted_here": 0, "refused_here": 0}
    differing = []
    for (case, refusals, wanted), problems in zip(cases, answers, strict=True):
        counts["refused"] += bool(problems)
        if problems and not refusals and not is_accepted_on_purpose(problems):
            counts["accepted_here"] += 1
            differing.append(("accepted here", case, problems))
        if refusals and not problems and not wanted:
            counts["refused_here"] += 1
            differing.append(("refused here", case, refusals))
    return Compared(counts, differing)


def of_documents(kind: str, count: int, seed: int = 0) -> Compared:
    """Documents of a kind, judged by the components' own decoding and validation."""
    cases, texts = [], []
    for document in drawn(kind, count, MINOR, seed):
        refusals = [
            f"{each.code} {each.path}: {each.message}"
            for each in judged(document, "", kind, MINOR)
            if each.severity == "error"
        ]
        cases.append((document, refusals, is_refused_on_purpose(refusals)))
        texts.append(json.dumps(document))
    answers: list[list[str]] = [[] for _ in cases]
    for problem in judges.component_validate("\n---\n".join(texts)):
        answers[problem.document].append(problem.message)
    return compared(cases, answers)


def of_machines(kind: str, count: int, seed: int = 0) -> Compared:
    """First control plane machines of a kind, judged by kubeadm, the kubelet and the API server."""
    verdicts = [
        one for one in map(ours, drawn_machines.drawn(kind, count, seed)) if one.machine is not None
    ]
    answers = judges.controlplane_validate(one.machine for one in verdicts if one.machine)
    cases = [
        (one.spec, [" ".join(each) for each in one.refusals], is_refused_machine(one.refusals))
        for one in verdicts
    ]
    return compared(cases, answers)


def page_of(counts: dict[str, dict[str, int]]) -> str:
    """The table of the page."""
    lines = [
        "| what | cases | refused by both | accepted here alone | refused here alone |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, found in counts.items():
        both = found["refused"] - found["accepted_here"]
        lines.append(
            f"| {kind} | {found['cases']:,} | {both:,} | {found['accepted_here']} | {found['refused_here']} |"
        )
    return "\n".join(lines) + "\n"


def page_with(counts: dict[str, dict[str, int]]) -> str:
    """The page with the table of these counts."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + page_of(counts) + END + rest.partition(END)[2]


def main() -> int:
    """Ask, print what differs, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append")
    given = parser.parse_args()
    counts, different = {}, 0
    for kind in given.kind or (*DOCUMENTS, *drawn_machines.KINDS):
        ask, usual = (of_documents, COUNT) if kind in DOCUMENTS else (of_machines, MACHINES)
        counts[kind], differing = ask(kind, given.count or usual, given.seed)
        different += len(differing)
        print(f"{kind}: {counts[kind]}", flush=True)
        for how, case, reasons in differing[:_SHOWN]:
            print(f"  {how}: {json.dumps(case)}\n    {'; '.join(reasons)[:600]}")
    if (given.count, given.seed, given.kind) == (None, 0, None):
        COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
        PAGE.write_text(page_with(counts))
    return 1 if different else 0


_SHOWN: Final = 20


if __name__ == "__main__":
    sys.exit(main())
