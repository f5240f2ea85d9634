"""`make torture`: every kill and every fault, on a machine and on trees; prints what was disturbed, and what does not hold."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.torture import harness
from tests.torture.harness import Outcome
from tests.torture.machines import Image, Machine

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def main() -> int:
    """Run it; 1 if anything does not hold."""
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument("agent", type=Path, help="the packed agent")
    parser.add_argument("--sample", type=int, default=0, help="so many a subject, instead of all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the sample")
    parser.add_argument("--only", default="", help="subjects whose name has this")
    parser.add_argument("--no-kills", action="store_true")
    parser.add_argument("--no-faults", action="store_true")
    options = parser.parse_args()
    agent = options.agent.resolve()
    print(f"seed {options.seed}")
    rc = 0
    with tempfile.TemporaryDirectory(prefix="machineadm-torture-", dir="/var/tmp") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        for subject, make in subjects(agent, scratch).items():
            if options.only not in subject:
                continue
            directory = scratch / subject
            directory.mkdir()
            started = time.monotonic()
            reference, outcomes = harness.run(
                make,
                directory,
                sample=options.sample,
                seed=options.seed,
                kills=not options.no_kills,
                faults=not options.no_faults,
                boots=subject == "machine",
                told=tell,
            )
            rc |= show(subject, len(reference.calls), outcomes, time.monotonic() - started)
    return rc


def subjects(agent: Path, scratch: Path) -> dict[str, harness.Make]:
    """What is tortured, by name."""
    cache = scratch / "cache"
    found: dict[str, harness.Make] = {path.stem: image(agent, path, cache) for path in EXAMPLES}
    build = subprocess.run(
        [ROOT / "tests/machine/machine.sh", "build"], capture_output=True, text=True, check=True
    )
    root = Path(build.stdout.split()[-1])
    text = (Path(__file__).parent / "configuration.yaml").read_text()
    first = Machine(scratch / "first", agent, root, text, None)
    assert first.run().returncode == 0
    kept = first.upper / "root/cache"
    found["machine"] = lambda directory: Machine(directory, agent, root, text, kept)
    found["machine-first-start"] = lambda directory: Machine(directory, agent, root, text, None)
    return found


def image(agent: Path, example: Path, cache: Path) -> harness.Make:
    """A tree that an example prepares."""
    text = example.read_text()
    return lambda directory: Image(directory, agent, text, cache)


def tell(outcome: Outcome) -> None:
    """Print what does not hold as soon as it is known."""
    if outcome.wrong:
        print(f"WRONG {outcome.disturbance}\n      {outcome.wrong}", flush=True)


def show(subject: str, calls: int, outcomes: list[Outcome], seconds: float) -> int:
    """Print a table; 1 if anything does not hold."""
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    reached = sum(outcome.reached for outcome in outcomes)
    print(
        f"{subject}: {calls} calls that change something, {len(outcomes)} disturbances, {reached} of which ended the run, "
        f"{wrong} wrong, {seconds:.0f} s"
    )
    names = Counter(outcome.disturbance.call.name for outcome in outcomes)
    print("  " + ", ".join(f"{name} {count}" for name, count in names.most_common()), flush=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
