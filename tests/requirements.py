"""The proposal's user stories (U) and requirements (R), and the tests that prove them.

`make requirements` runs this file: it collects every test and prints, for each id, those that carry
it in `@pytest.mark.requirement(...)`. Ids without a test say so.
"""

import contextlib
import io
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIRECTORIES = ("unit", "contract", "conformance", "e2e")

TITLES = {
    "U1": "boot processes other than cloud-init",
    "U2": "preparing a stock operating system at first boot",
    "U3": "joining a Windows or Linux machine to Active Directory",
    "U4": "clusters that pass the CIS benchmark",
    "U5": "clusters that follow the DISA STIG",
    "U6": "configuration shielded from changes of kubeadm's API",
    "U7": "new machines beside existing clusters, opted into",
    "U8": "air-gapped sites",
    "U9": "control plane files: audit, encryption, webhooks",
    "U10": "containerd's options: proxy, mirrors, certificates, cgroups",
    "U11": "authentication of the API server, with a static pod for it",
    "U12": "saying why a node failed to join, or that it succeeded",
    "R1": "MUST run kubeadm and report its outcome",
    "R2": "MUST configure Linux sysctl parameters",
    "R3": "COULD apply custom static pods on the control plane",
    "R4": "MUST NOT expose kubeadm's API to the user",
    "R5": "MUST work with the boot tool of the operating system",
    "R6": "MUST be verifiable when it is downloaded after boot",
    "R7": "MUST NOT rely on static pods to operate",
    "R8": "MUST enable a Windows node to join a domain",
    "R9": "MUST be opt-in and leave existing clusters alone",
    "R10": "SHOULD be downloadable from the management cluster",
    "R11": "MUST work without the internet or the management cluster",
    "R12": "MUST let the download location be configured",
    "R13": "MUST be downloadable from where no rate limit bites",
    "R14": "MUST configure containerd from structured input",
    "R15": "MUST publish a contract for maintainers of operating systems",
}


def ids_of(item: pytest.Item) -> list[str]:
    """The requirement ids that a test carries; an unknown one ends the collection."""
    ids = [str(name) for mark in item.iter_markers("requirement") for name in mark.args]
    unknown = sorted(set(ids) - set(TITLES))
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: unknown requirement {', '.join(unknown)}")
    return ids


class Collector:
    """A pytest plugin that counts, per id, the cases of each test function."""

    def __init__(self) -> None:
        self.tests: dict[str, Counter[str]] = {name: Counter() for name in TITLES}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for name in ids_of(item):
                self.tests[name][item.nodeid.partition("[")[0]] += 1


def table(tests: dict[str, Counter[str]]) -> str:
    """Lay out titles and tests, one id after the other."""
    lines = []
    for name, found in tests.items():
        lines.append(f"{name:<4} {TITLES[name]:<62} {'' if found else 'no test yet'}".rstrip())
        for test, cases in sorted(found.items()):
            lines.append(f"       {test}" + (f" ({cases} cases)" if cases > 1 else ""))
    covered = sum(1 for found in tests.values() if found)
    return "\n".join([*lines, "", f"{covered} of {len(tests)} ids carry tests"])


def main() -> int:
    collector = Collector()
    directories = [f"tests/{name}" for name in DIRECTORIES if (ROOT / "tests" / name).is_dir()]
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        outcome = pytest.main(["--collect-only", "-qq", *directories], plugins=[collector])
    if outcome not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        print(log.getvalue())
        return int(outcome)
    print(table(collector.tests))
    return 0


if __name__ == "__main__":
    sys.exit(main())
