"""`make stress`: runs that users of the machine race, for as many minutes as asked; prints what they gained."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.stress.harness import Race, Shared, outside, race

ROOT = Path(__file__).parents[2]
USERS = 2
"""At once: as many as most machines have processors beside the agent's."""


def main() -> int:
    """Run it; 1 if anybody gained anything."""
    parser = argparse.ArgumentParser(prog="tests.stress", description=__doc__)
    parser.add_argument("agent", type=Path, help="the packed agent")
    parser.add_argument("--minutes", type=float, default=10, help="how long")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first run")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="machineadm-stress-", dir="/var/tmp") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        races = run(
            options.agent.resolve(),
            debian(),
            scratch,
            seed=options.seed,
            until=time.monotonic() + 60 * options.minutes,
        )
    codes = Counter(f"{one.code} {one.error}".strip() for one in races)
    wrong = [one for one in races if one.wrong]
    print(
        f"{len(races)} runs raced by {USERS} users each, {len(wrong)} wrong; exit codes "
        + ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
        + f"; the longest took {max(one.seconds for one in races):.1f} s"
    )
    return int(bool(wrong))


def debian() -> Path:
    """The root that machines of the tests are made of."""
    build = subprocess.run(
        [ROOT / "tests/machine/machine.sh", "build"], capture_output=True, text=True, check=True
    )
    return Path(build.stdout.split()[-1])


def run(
    agent: Path,
    root: Path,
    scratch: Path,
    *,
    seed: int,
    until: float = float("inf"),
    most: int = sys.maxsize,
    until_wrong: bool = False,
) -> list[Race]:
    """Race runs, each on a machine of its own.

    Args:
        agent: The packed agent, or what stands for it.
        root: A Debian root.
        scratch: A scratch directory.
        seed: Of the first run; each user has the next.
        until: By `time.monotonic`.
        most: So many runs.
        until_wrong: The first that is wrong is the last.
    """
    first = Shared(scratch / "first", agent, root, None)
    assert first.run().returncode == 0
    quiet, cache = outside(first), first.upper / "root/cache"
    found: list[Race] = []
    while len(found) < most and (not found or time.monotonic() < until):
        machine = Shared(
            scratch / str(len(found)), agent, root, cache if cache.exists() else None, seed
        )
        one = race(machine, quiet, tuple(range(seed, seed + USERS)))
        seed += USERS
        for wrong in one.wrong:
            print(f"WRONG seeds {one.seeds}: {wrong}", flush=True)
        if one.seconds > 20:
            print("SLOW", one, flush=True)
        found.append(one)
        machine.remove()
        if until_wrong and one.wrong:
            break
    return found


if __name__ == "__main__":
    sys.exit(main())
