"""`make bench`: what the agent costs, beside what cannot be avoided. Asserts nothing."""

import argparse
import ctypes
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import Host
from machineadm.plan.model import Phase
from tests.applying import apply
from tests.bench import conversion, crds, earlier, encrypted, engine, plugins, results, start
from tests.bench.harness import Case, command, compare
from tests.fakes.host import FakeAccounts, FakeClock, FakeState

ROOT = Path(__file__).parents[2]
SCRATCH = ROOT / ".run/bench"
ROUNDS = int(os.environ.get("MACHINEADM_BENCH_ROUNDS", "15"))

HEAD = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  kubernetes:
    version: v1.34.4
    role:
      type: Initialize
    cluster:
      name: bench
      controlPlaneEndpoint: 192.0.2.10:6443
  machine:
    files:
"""


def configuration(files: int, size: int) -> str:
    """A configuration of about `size` bytes, nearly all of it in the content of its files."""
    line = "          option.{:04d} = a plain line of some configuration file, {:04d}\n"
    header = 100  # what stands before the lines of one file
    lines = ((size - len(HEAD)) // files - header) // len(line.format(0, 0))
    text = HEAD
    for number in range(files):
        text += f"      - path: /etc/bench/{number}.conf\n"
        text += '        permissions: "0644"\n        owner: root:root\n        content: |\n'
        text += "".join(line.format(number, index) for index in range(lines))
    return text


def validate(agent: Path) -> None:
    """`validate` beside the imports and the parsing that it cannot do without."""
    path = SCRATCH / "64k.yaml"
    path.write_text(configuration(files=40, size=64 * 1024))
    bare = (
        "import sys, msgspec, yaml\n"
        "with open(sys.argv[1], 'rb') as file: list(yaml.load_all(file, yaml.CSafeLoader))"
    )
    ours = ["validate", "--path", str(path)]
    compare(
        f"validate, {path.stat().st_size} bytes of YAML with 40 files",
        [
            Case(
                "reference: import msgspec, yaml; CSafeLoader",
                command([sys.executable, "-c", bare, str(path)]),
            ),
            # No goal: with the linters' typing_extensions beside it msgspec takes longer to import.
            Case("checkout", command([sys.executable, "-m", "machineadm", *ours])),
            Case("packed agent", command([sys.executable, "-IS", str(agent), *ours]), limit=2),
        ],
        rounds=ROUNDS,
    )


FILES = {f"etc/bench/{n % 20}/{n}.conf": f"{n:<1023}\n".encode() for n in range(1000)}


def bare_loop(root: Path) -> None:
    """Write beside the final name, rename, and one flush of the file system at the end."""
    for directory in {os.path.dirname(path) for path in FILES}:
        os.makedirs(f"{root}/{directory}")
    for path, content in FILES.items():
        final = f"{root}/{path}"
        with open(f"{final}.tmp", "wb", buffering=0) as file:
            file.write(content)
        os.rename(f"{final}.tmp", final)
    descriptor = os.open(root, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
        raise OSError(ctypes.get_errno(), "syncfs")
    os.close(descriptor)


def step(root: Path) -> None:
    """The step that every concern's files go through: survey, group commit, owner and mode."""
    files = tuple(
        PlannedFile(path=f"/{path}", content=content, owner=f"{os.geteuid()}:{os.getegid()}")
        for path, content in FILES.items()
    )
    host = Host(
        files=LinuxFiles(Tree(str(root))),
        accounts=FakeAccounts(),
        clock=FakeClock(),
        state=FakeState(),
    )
    apply(WriteFiles(name="files", phase=Phase.PREPARE, files=files), host)


def in_fresh_root(work: Callable[[Path], None]) -> Callable[[int], float]:
    """A case's run that gives the work an empty root each time, and measures the work alone."""

    def run(number: int) -> float:
        root = SCRATCH / f"root-{work.__name__}-{number}"
        root.mkdir()
        os.sync()  # what others left to be written is not our time
        start = time.perf_counter()
        work(root)
        seconds = time.perf_counter() - start
        written = sum(len(files) for _, _, files in os.walk(root))
        if written != len(FILES):
            raise SystemExit(f"{work.__name__} wrote {written} files")
        shutil.rmtree(root)
        return seconds

    return run


def write_files() -> None:
    """1,000 files of 1 KB, durable, beside a bare loop."""
    compare(
        "1,000 files of 1 KB, durable",
        [
            Case("reference: write, rename, one sync at the end", in_fresh_root(bare_loop)),
            Case("the files step", in_fresh_root(step), limit=3),
        ],
        rounds=ROUNDS,
    )


def main() -> int:
    """Measure everything; 1 if something is slower than in the file that the command line names."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("agent", help="the packed agent, relative to the checkout")
    parser.add_argument("--json", type=Path, help="a file for the results")
    parser.add_argument("--compare", type=Path, help="results of an earlier run")
    options = parser.parse_args()
    # Read first: a file that is not there must not cost a run of minutes.
    before = results.read(options.compare).results if options.compare else None
    measure(ROOT / options.agent)
    if options.json:
        results.write(options.json, f"python -m tests.bench {options.agent}")
    if before is None:
        return 0
    lines = list(results.differences(before, results.KEPT))
    print("\n".join(lines) or f"nothing differs from {options.compare}")
    return int(any(line.startswith("SLOWER") for line in lines))


def measure(agent: Path) -> None:
    """Measure everything."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    crds.generate(ROUNDS, SCRATCH)
    crds.controller_gen(ROUNDS, SCRATCH)
    crds.check(ROUNDS)
    os.environ["MACHINEADM_CACHE"] = str(SCRATCH / "cache")
    write_files()
    engine.looks()
    engine.journal(ROUNDS)
    engine.ledger(ROUNDS)
    validate(agent)
    earlier.validate(agent, ROUNDS)
    conversion.measure(ROUNDS)
    start.measure(agent, SCRATCH / "64k.yaml", SCRATCH, ROUNDS)
    plugins.measure(ROUNDS)
    encrypted.plan(agent, SCRATCH, configuration(files=40, size=64 * 1024), ROUNDS)
    shutil.rmtree(SCRATCH)


if __name__ == "__main__":
    sys.exit(main())
