"""`python -m tests.verdict_table`: many cases of every kind, judged by us and by each version's own code; the table in docs/verdict.md.

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
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from machineadm.config.concerns.kubeadm.arguments import judge_arguments
from machineadm.config.passed_on import judged
from tests import drawn_arguments, drawn_documents, drawn_machines
from tests.drawn_arguments import PROGRAMS
from tests.drawn_documents import DOCUMENTS
from tests.judges import judges
from tests.upstream import tables

HERE: Final = Path(__file__).parent
COUNTS: Final = HERE / "verdict_table.json"
PAGE: Final = HERE.parent / "docs/verdict.md"
BEGIN, END = "<!-- verdicts -->\n", "<!-- end of verdicts -->\n"

MINORS: Final = (30, 31, 34, 36, 37)
"""Versions whose programs are asked."""

KINDS: Final = (*DOCUMENTS, *PROGRAMS, *drawn_machines.KINDS)
"""Kinds of cases."""

COUNT: Final = 5000
"""Cases of each kind, of each version."""

REFUSED_ON_PURPOSE: Final = {
    r"MA1324 .*: unknown field": "its reader goes on without the field, and only its log tells",
    r"MA1310 .*: needs Kubernetes": "the same, for a field of another version",
    r"MA1324 .*is not one of its values": "a word that means nothing to its reader",
    r"MA1440 .*spec\.schedulingGates": "a static pod has a node, with which gates do not go",
    r"MA1440 .*spec\.os\.name: machineadm": "the machine has Linux",
    r"MA1440 .*registerWithTaints\[\d+\]\.effect": "a node does not register with a taint without effect",
    r"MA1440 .*volumes\[\d+\]\.image: not together": "1.31 and 1.32 do not look at an image beside another source, unless a gate is on",
    r"MA1440 .*runOnce": "a node that runs its pods once is none",
    r"MA1440 .*(cpuManagerPolicy|memoryManagerPolicy|cgroupDriver|containerLogMaxFiles)": "the kubelet ends at them later",
    r"MA1440 .*mode: is not one of its values": "kube-proxy of Linux has no such mode",
    r"MA1440 .*(tlsCipherSuites|tlsMinVersion|Reserved|eviction|containerLogMaxSize)": "the same",
    r"MA1412 .*": "its program ends at the value later",
}  # fmt: skip
"""What we refuse and Kubernetes takes: how our refusal begins, with the reason."""

ACCEPTED_ON_PURPOSE: Final = {
    "no such file or directory": "a file that may come later",
    "error loading file": "a file that may come later",
    "compilation failed": "expressions are judged on a workstation",
    "cgroup v1": "the judge's own machine",
    "show-hidden-metrics-for-version": "a judge without a version of its own",
    "loaded illegal policy with 0 rules": "told by the rule of our own field",
    "must match public address family": "told by the rule that sees the service network, too",
    "disallowed by cluster policy": "the kubelet allows privileged pods",
    "strict decoding error: unknown field": "told by us as a field of another version",
}
"""What Kubernetes refuses and we take: a part of its message, with the reason."""

OF_MACHINES_REFUSED: Final = {
    r"MA1310 .*\.target": "kubeadm goes on without a patch for a target that it does not have",
    r"MA1432 .*spec must stay": "kubeadm passes it on, and the API server refuses it",
    r"MA1432 .*spec of a \w+ has no field": "kubeadm drops the field without a word, and nothing is patched",
    r"MA1432 .*the new root is neither a map nor a list": "1.34 ignores the operation without a word, and 1.37 refuses it",
    r"MA1107 .*\.resources": "a resource has a name in lower-case letters, digits and hyphens, or `*` alone",
    r"MA1107 .*\.issuerURL": "an issuer without a host issues nothing",
    r"MA1109 .*\.issuerURL": "an issuer has a host that all programs read alike",
    r"MA1110 .*\.keys": "of two keys of one name nobody can tell which one encrypted what",
    r"MA1312 .*\.ttl": "kubeadm is given whole seconds",
    r"MA1107 .*\.endpoint: .unix://[^/]": "a socket without a path is none, and of unix://run/a.sock the API server would read /a.sock",
    r"MA1322 .*\.endpoint": "the API server would read another path than the one that stands there, or one that cannot be mounted",
    r"MA1323 .*\.providers: ": "with identity alone, nothing is encrypted",
    r"MA1323 .*\.requiredClaims": "the API server would look for another claim",
    r"MA1430 .*\.extraVolumes\[\d+\]\.name": "a volume would take the place of one that machineadm adds, and the files of a field be gone",
    r"MA1430 .*\.log\.path": "the same, seen from the field whose place is taken",
    r"MA1431 .*\.extraEnv\[0\]\.valueFrom": "kubeadm takes the last of two variables of one name, but the first is a mistake all the same",
    r"MA1431 .*\.valueFrom\.(secretKeyRef|configMapKeyRef)": "up to 1.33 the kubelet takes it, and waits for an API server that waits for it",
    r"MA1432 .*\.command\[\d+\]": "nobody means a null among arguments, which Kubernetes takes for an empty one",
    r"MA1432 .*: (apiVersion|kind) must stay": "kubeadm does not look, but an object without a kind is none",
    r"MA1432 .*a merge patch is a map": "what is no map takes the place of the whole object, and nothing is left of that",
    r"MA1432 .*: unknown field": "its reader goes on without the field, and only its log tells",
}  # fmt: skip
"""What we refuse and Kubernetes takes: how our refusal begins, with the reason."""

OF_MACHINES_ACCEPTED: Final[dict[str, str]] = {}
"""What Kubernetes refuses and we cannot know: a part of its message, with the reason."""


class Case(NamedTuple):
    """What is judged."""

    what: Any
    """The document, the arguments or the specification."""

    refusals: list[str]
    """Ours."""

    wanted: bool
    """Whether our refusals are all on purpose."""

    request: dict[str, Any]
    """What the judge is asked."""


class Compared(NamedTuple):
    """What came of the cases of a kind."""

    counts: dict[str, int]
    differing: list[tuple[str, Any, list[str]]]
    """How the verdicts differ, the case, and the reasons of who refuses; none that differs on purpose."""


def is_refused_on_purpose(refusals: Iterable[str]) -> bool:
    """Whether each of our refusals is one that we want beyond Kubernetes'."""
    return all(any(re.match(known, each) for known in REFUSED_ON_PURPOSE) for each in refusals)


def is_accepted_on_purpose(problems: Iterable[str]) -> bool:
    """Whether nobody but the running system can know any of its reasons."""
    return all(any(known in each for known in ACCEPTED_ON_PURPOSE) for each in problems)


def is_refused_machine(refusals: Iterable[str]) -> bool:
    """Whether one of our refusals of a whole machine is one that we want beyond Kubernetes'."""
    return any(re.match(known, each) for each in refusals for known in OF_MACHINES_REFUSED)


def cases(kind: str, minor: int, count: int, seed: int = 0) -> list[Case]:
    """Cases of a kind, with our verdict and what the judge of a version is asked."""
    if kind in DOCUMENTS:
        return _documents(kind, minor, count, seed)
    if kind in PROGRAMS:
        return _arguments(kind, minor, count, seed)
    return _machines(kind, minor, count, seed)


def _documents(kind: str, minor: int, count: int, seed: int) -> list[Case]:
    found = []
    for document in drawn_documents.drawn(kind, count, minor, seed):
        refusals = [
            f"{each.code} {each.path}: {each.message}"
            for each in judged(document, "", kind, minor)
            if each.severity == "error"
        ]
        request = {"judge": "document", "text": json.dumps(document)}
        found.append(Case(document, refusals, is_refused_on_purpose(refusals), request))
    return found


def _arguments(program: str, minor: int, count: int, seed: int) -> list[Case]:
    found = []
    for pairs in drawn_arguments.arguments(program, count, minor, seed):
        given = [SimpleNamespace(name=name, value=value) for name, value in pairs]
        refusals = [
            f"{each.code} {program} {given[int(re.sub(r'[^0-9]', '', each.path))].name}: {each.message}"
            for each in judge_arguments(given, "", program, minor)
            if each.severity == "error"
        ]
        args = [f"--{name}={value}" for name, value in pairs]
        request = {"judge": "flags", "program": program, "args": args}
        found.append(Case(" ".join(args), refusals, is_refused_on_purpose(refusals), request))
    return found


def _machines(kind: str, minor: int, count: int, seed: int) -> list[Case]:
    found = []
    version = f"v{tables.source(minor)}"
    for drawn in drawn_machines.drawn(kind, count, seed):
        verdict = drawn_machines.ours({**drawn, "kubernetes.version": version})
        if verdict.machine is None:
            continue
        refusals = [" ".join(each) for each in verdict.refusals]
        request = {
            "judge": "machine",
            "config": verdict.machine.config,
            "files": dict(verdict.machine.files),
            "patches": dict(verdict.machine.patches),
        }
        found.append(Case(verdict.spec, refusals, is_refused_machine(refusals), request))
    return found


def compared(cases: Sequence[Case], answers: Sequence[list[str]]) -> Compared:
    """Count, and find what differs.

    Args:
        cases: What we say.
        answers: What Kubernetes refuses of each.
    """
    counts = {"cases": len(cases), "refused": 0, "accepted_here": 0, "refused_here": 0}
    differing = []
    for case, problems in zip(cases, answers, strict=True):
        counts["refused"] += bool(problems and case.refusals)
        if problems and not case.refusals and not is_accepted_on_purpose(problems):
            counts["accepted_here"] += 1
            differing.append(("accepted here", case.what, problems))
        if case.refusals and not problems and not case.wanted:
            counts["refused_here"] += 1
            differing.append(("refused here", case.what, case.refusals))
    return Compared(counts, differing)


def asked(kind: str, minor: int, count: int, seed: int = 0) -> Compared:
    """Cases of a kind, judged by us and by the programs of a version."""
    drawn = cases(kind, minor, count, seed)
    return compared(drawn, judges.verdicts(minor, [case.request for case in drawn]))


def page_of(counts: dict[str, dict[str, dict[str, int]]]) -> str:
    """The table of the page."""
    lines = [
        f"| what | cases of each version | {' | '.join(f'1.{minor}' for minor in counts)} |",
        "| --- " * (2 + len(counts)) + "|",
    ]
    for kind in next(iter(counts.values()), {}):
        of_kind = [each[kind] for each in counts.values()]
        cells = " | ".join(
            f"{each['refused']:,} / {each['accepted_here']} / {each['refused_here']}"
            for each in of_kind
        )
        lines.append(f"| {kind} | {_cases(counts, kind)} | {cells} |")
    return "\n".join(lines) + "\n"


def _cases(counts: dict[str, dict[str, dict[str, int]]], kind: str) -> str:
    """How many there were: of most versions, and of the others by their names."""
    numbers = {minor: each[kind]["cases"] for minor, each in counts.items()}
    most = max(numbers.values(), key=list(numbers.values()).count)
    others = [f"1.{minor}: {number:,}" for minor, number in numbers.items() if number != most]
    return "; ".join([f"{most:,}", *others])


def page_with(counts: dict[str, dict[str, dict[str, int]]]) -> str:
    """The page with the table of these counts."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + page_of(counts) + END + rest.partition(END)[2]


def _keep(counts: dict[str, dict[str, dict[str, int]]]) -> None:
    """Write the counts of this run over those of the last one, and the page."""
    known = json.loads(COUNTS.read_text())
    whole: dict[str, dict[str, dict[str, int]]] = {}
    for minor in map(str, MINORS):
        both = {**known.get(minor, {}), **counts.get(minor, {})}
        whole[minor] = {kind: both[kind] for kind in KINDS if kind in both}
    COUNTS.write_text(json.dumps(whole, indent=1) + "\n")
    PAGE.write_text(page_with(whole))


def main() -> int:
    """Ask, print what differs, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="cases of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--minor", action="append", type=int)
    parser.add_argument("--keep", action="store_true", help="write the table, whatever the count")
    parser.add_argument("--judges", action="store_true", help="print the names of the judges")
    given = parser.parse_args()
    if given.judges:
        print(
            *(f"verdict-1.{minor}" for minor in MINORS),
            *sorted({f"etcdflags-{tables.ETCD[minor]}" for minor in MINORS}),
        )
        return 0
    counts: dict[str, dict[str, dict[str, int]]] = {}
    different = 0
    for minor in given.minor or MINORS:
        for kind in given.kind or KINDS:
            found, differing = asked(kind, minor, given.count, given.seed)
            counts.setdefault(str(minor), {})[kind] = found
            different += len(differing)
            print(f"1.{minor} {kind}: {found}", flush=True)
            for how, case, reasons in differing[:_SHOWN]:
                print(f"  {how}: {json.dumps(case)}\n    {'; '.join(reasons)[:600]}")
    if given.keep or (given.count, given.seed) == (COUNT, 0):
        _keep(counts)
    return 1 if different else 0


_SHOWN: Final = 20


if __name__ == "__main__":
    sys.exit(main())
