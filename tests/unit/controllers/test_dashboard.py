"""The dashboard asks for metrics that the controllers have, by labels that these have, and leaves none out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from machineadm.controllers.runtime.process import Process
from tests.controllers_world import world

ROOT: Final = Path(__file__).parents[3]
DASHBOARD: Final = ROOT / "deploy/monitoring/dashboard.json"
OF_PROMETHEUS: Final = {"job", "instance", "le"}
"""Labels that whoever asks adds, or histograms have."""

OF_THE_PROCESS: Final = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def there() -> dict[str, set[str]]:
    """Labels of each metric, by its name as it is asked for."""

    async def whole() -> dict[str, set[str]]:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            await one.machine("worker")
            await one.settle()
            metrics = one.client.metrics
            # What is counted by label has none before the first.
            metrics.look_ended("done", 0.1)
            metrics.event_ended("sent")
            metrics.report_ended("written")
            Process(one.controller, events=one.events, metrics=metrics)
            found: dict[str, set[str]] = {}
            for family in metrics.registry.collect():
                for sample in family.samples:
                    found.setdefault(sample.name, set()).update(sample.labels)
            return found

    return asyncio.run(whole())


def faults(expression: str, known: Mapping[str, set[str]]) -> list[str]:
    """What is wrong with a query."""
    names = set(re.findall(r"\b((?:machineadm|process)_\w+)", expression))
    wrong = [f"{name} is not a metric" for name in names - known.keys() - OF_THE_PROCESS]
    labels = {
        label.strip()
        for by in re.findall(r"\bby \(([^)]*)\)", expression)
        for label in by.split(",")
    }
    labels |= set(re.findall(r'(\w+)(?:=~|!=|!~|=)"', expression))
    has = set().union(OF_PROMETHEUS, *(known.get(name, set()) for name in names))
    wrong += [f"{label} is not a label of {sorted(names)}" for label in labels - has]
    if expression.count("(") != expression.count(")") or not names:
        wrong.append("it is not a query")
    return wrong


def targets() -> list[tuple[str, str]]:
    """Query and legend of each curve."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [(one["expr"], one["legendFormat"]) for panel in panels for one in panel["targets"]]


def test_every_curve_is_of_a_metric_and_of_labels_that_there_are_and_every_metric_has_one() -> None:
    known = there()
    for expression, legend in targets():
        assert not faults(expression, known), expression
        for label in re.findall(r"{{(\w+)}}", legend):
            assert label == "instance" or re.search(rf"by \([^)]*\b{label}\b", expression), legend
    asked = " ".join(expression for expression, _ in targets())
    bare = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in known}
    unseen = {name for name in bare if not re.search(rf"\b{name}(_bucket)?\b", asked)}
    assert unseen <= {"machineadm_build_info"}, "nobody sees it"


@pytest.mark.parametrize(
    "expression",
    [
        "sum(machineadm_leaders)",
        "sum by (reasons) (machineadm_bootstraps)",
        'sum(machineadm_bootstraps{status="False"})',
        "rate(machineadm_reconciles[5m])",
        "sum(machineadm_leader",
        "sum(up)",
    ],
)
def test_the_judge_finds_what_nobody_has(expression: str) -> None:
    assert faults(expression, there())


def test_panels_have_numbers_of_their_own_and_do_not_cover_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({one["id"] for one in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for one in panels:
        at = one["gridPos"]
        own = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & own, one["title"]
        assert max(x for x, _ in own) < 24
        cells |= own
