"""`make crds`; and `crdgen check` of Cluster API's largest CRD, beside the API server's own code on the same file."""

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.harness import Case, command, compare
from tests.judges import judges

_CLUSTER_API = "sigs.k8s.io/cluster-api@v1.12.0"
_LARGEST = (
    "controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_kubeadmcontrolplanes.yaml"
)


def generate(rounds: int, folder: Path) -> None:
    """Measure what `make crds` runs: all kinds, with the writing of each file.

    Args:
        rounds: How often.
        folder: Where it may write.
    """

    def whole(number: int) -> float:
        return command([sys.executable, "-m", "crdgen", str(folder / str(number))])(number)

    compare(
        "python -m crdgen, all files written; goal: 500 ms more than the reference",
        [
            Case("reference: python -c pass", command([sys.executable, "-c", "pass"])),
            Case("crdgen", whole),
        ],
        rounds=rounds,
    )


def check(rounds: int) -> None:
    """Measure it, where Go can fetch the file and build the judge.

    Args:
        rounds: How often.
    """
    try:
        run = subprocess.run(
            ["go", "mod", "download", "-json", _CLUSTER_API],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        print("crdgen check: not measured, Go is missing\n")
        return
    path = Path(json.loads(run.stdout)["Dir"]) / _LARGEST
    compare(
        f"crdgen check, {path.stat().st_size} bytes of YAML; goal: 500 ms more than the reference",
        [
            Case("reference: python -c pass", command([sys.executable, "-c", "pass"])),
            Case("crdgen check", command([sys.executable, "-m", "crdgen", "check", str(path)])),
            Case("the API server's own code", command([str(judges.crd()), str(path)])),
        ],
        rounds=rounds,
    )
