"""`make fuzz SECONDS=60`: damaged inputs for every reader of what others write; ends with 1 if one breaks its reader."""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz import fuzzing
from tests.fuzz.fuzzing import Finding
from tests.fuzz.targets import targets

OUTPUT = Path("dist/fuzz")


def one(name: str, seed: int, seconds: float) -> tuple[str, int, list[Finding]]:
    """Fuzz a target in a process of its own."""
    tried, found = fuzzing.fuzz(name, targets()[name], seed=seed, seconds=seconds)
    return name, tried, found


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", default="", help="targets whose name has this")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    names = [name for name in targets() if options.target in name]
    broken = 0
    # A target a process: what one leaves in memory is not the next one's.
    with get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        jobs = [pool.apply_async(one, (name, options.seed, options.seconds)) for name in names]
        for job in jobs:
            name, tried, found = job.get()
            print(f"{name:16} {tried:8} inputs, {len(found)} break it", flush=True)
            for finding in found:
                path = fuzzing.keep(OUTPUT, name, finding)
                print(f"  {path}\n    " + finding.why.strip().replace("\n", "\n    "))
            broken += len(found)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
