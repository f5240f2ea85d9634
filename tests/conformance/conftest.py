"""What the real programs did not get to judge is told loudly, in one table at the end.

With MACHINEADM_REQUIRE_REAL=1 nothing may be missing: every skip is a failure.
"""

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.real import REQUIRED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip, whoever raised it, is a failure where the real parts are required."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"MACHINEADM_REQUIRE_REAL=1, but {item.name} skips: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests have counted; then one line for each reason, with the number of tests that it silenced."""
    counted: dict[str, Counter[str]] = {}
    for report in terminalreporter.stats.get("passed", ()):
        for what, count in report.user_properties:
            counted.setdefault(Path(report.fspath).stem, Counter())[what] += count
    for file, counts in counted.items():
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        terminalreporter.write_line(f"{file}: {said}")
    reasons = Counter(_reason(r) for r in terminalreporter.stats.get("skipped", ()))
    if not reasons:
        return
    terminalreporter.section(
        "NOT JUDGED: real parts that are missing", sep="!", red=True, bold=True
    )
    for reason, tests in reasons.most_common():
        terminalreporter.write_line(f"{tests:5d}  {reason}", red=True)
    terminalreporter.write_line("MACHINEADM_REQUIRE_REAL=1 makes each of these a failure.")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
