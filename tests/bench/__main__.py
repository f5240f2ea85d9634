"""`make bench`: what the agent costs, beside what cannot be avoided. Asserts nothing."""

import os
import shutil
import sys
from pathlib import Path

from tests.bench.harness import Case, command, compare

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
            Case("checkout", command([sys.executable, "-m", "machineadm", *ours]), limit=2),
            Case("packed agent", command([sys.executable, "-IS", str(agent), *ours]), limit=2),
        ],
        rounds=ROUNDS,
    )


def start(agent: Path) -> None:
    """`version` beside an interpreter that does nothing."""
    compare(
        "version",
        [
            Case("reference: python -I -S -c pass", command([sys.executable, "-IS", "-c", "pass"])),
            Case("checkout", command([sys.executable, "-m", "machineadm", "version"])),
            Case("packed agent", command([sys.executable, "-IS", str(agent), "version"])),
        ],
        rounds=ROUNDS,
    )


def main() -> None:
    """Measure everything, with the agent that the command line names."""
    agent = ROOT / sys.argv[1]
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    os.environ["MACHINEADM_CACHE"] = str(SCRATCH / "cache")
    start(agent)
    validate(agent)
    shutil.rmtree(SCRATCH)


if __name__ == "__main__":
    main()
