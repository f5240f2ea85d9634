"""Print what becomes of the corpus: `make corpus`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from tests.corpus import comparing, generated, specs, trying
from tests.corpus.specs import Spec
from tests.judges import judges

DRAWN = 500
"""How many further specs are drawn and compared."""


def main() -> int:
    """Convert, judge, plan and apply every spec; 1 if one of the goals is missed."""
    sums: Counter[str] = Counter()
    notes: list[str] = []
    asked: list[tuple[str, trying.Machine, str]] = []
    requests: list[dict[str, Any]] = []
    for spec in specs.specs():
        if spec.windows:
            sums["Windows"] += 1
            continue
        sums["specs"] += 1
        conversion = trying.whole(spec)
        if conversion.problems:
            sums["refused"] += 1
            notes.append(f"{spec.name}: refused: {conversion.problems[0].message}")
            continue
        decisions = [leaf for result in conversion.results for leaf in result.decisions]
        sums["with decisions" if decisions else "whole"] += 1
        notes += [f"{spec.name}: {leaf.path}: {leaf.note}" for leaf in decisions]
        _try(spec, sums, notes, asked, requests)
    _judge(sums, notes, asked, requests)
    drawn: Counter[str] = Counter()
    asked, requests = [], []
    for spec in generated.drawn(DRAWN):
        _try(spec, drawn, notes, asked, requests)
    _judge(drawn, notes, asked, requests)
    sums["not YAML before envsubst"] = len(specs.unreadable())
    for name in (
        "specs", "whole", "with decisions", "refused", "machines", "valid", "planned", "applied", "equal to the judge", "Windows",
        "not YAML before envsubst",
    ):  # fmt: skip
        print(f"{sums[name]:6} {name}")
    for name in ("machines", "valid", "planned", "applied", "equal to the judge"):
        print(f"{drawn[name]:6} {name}, of {DRAWN} drawn specs")
    print(f"{100 * sums['whole'] / max(1, sums['specs']):6.1f} % without a decision\n")
    print("\n".join(notes))
    missed = sums["refused"] or 10 * sums["whole"] < 9 * sums["specs"]
    missed = missed or drawn["equal to the judge"] != drawn["machines"]
    return 1 if missed else 0


def _try(
    spec: Spec,
    sums: Counter[str],
    notes: list[str],
    asked: list[tuple[str, trying.Machine, str]],
    requests: list[dict[str, Any]],
) -> None:
    """Make the machines of a spec, and what the judge is to be asked of each."""
    for machine in trying.machines(spec):
        sums["machines"] += 1
        if machine.problems:
            notes += [f"{spec.name} as {machine.role}: {one}" for one in machine.problems]
            continue
        sums["valid"] += 1
        tried = trying.planned_and_applied(machine)
        sums["planned"] += tried.planned
        sums["applied"] += tried.applied
        if tried.said:
            notes.append(f"{spec.name} as {machine.role}: {tried.said}")
        asked.append((spec.name, machine, tried.kubeadm))
        requests.append(comparing.request(spec, machine))


def _judge(
    sums: Counter[str],
    notes: list[str],
    asked: list[tuple[str, trying.Machine, str]],
    requests: list[dict[str, Any]],
) -> None:
    verdicts = judges.cluster_api_render(requests)
    for (spec, machine, kubeadm), verdict in zip(asked, verdicts, strict=True):
        found = list(comparing.differences(machine, kubeadm, verdict))
        sums["equal to the judge"] += not found
        notes += [f"{spec} as {machine.role}: judge: {one}" for one in found]


if __name__ == "__main__":
    sys.exit(main())
