"""`make crds`; and `crdlint` of Cluster API's largest CRD, beside the API server's own code on the same file."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.harness import Case, command, compare
from tests.judges import judges

_CLUSTER_API = "sigs.k8s.io/cluster-api@v1.12.0"
_LARGEST = (
    "controlplane/kubeadm/config/crd/bases/controlplane.cluster.x-k8s.io_kubeadmcontrolplanes.yaml"
)


def generate(rounds: int, directory: Path) -> None:
    """Measure what `make crds` runs: all kinds, with the writing of each file.

    Args:
        rounds: How often.
        directory: Where it may write.
    """

    def whole(number: int) -> float:
        return command([sys.executable, "-m", "crdgen", str(directory / str(number))])(number)

    compare(
        "python -m crdgen, all files written; goal: 500 ms more than the reference",
        [
            Case("reference: python -c pass", command([sys.executable, "-c", "pass"])),
            Case("crdgen", whole),
        ],
        rounds=rounds,
    )


_THREE = """\
import sys
from pathlib import Path
from crdgen.generate.definitions import definition, file_name
from crdgen.generate.docstrings import Docs
from crdgen.generate.yaml_text import dump
from machineadm.api.resources import RESOURCES, RULES
docs, names = Docs(), ("encrypteddata", "httpbootstrapstores", "s3bootstrapstores")
for resource in RESOURCES:
    if resource.plural in names:
        text = dump(definition(resource, docs, RULES))
        Path(sys.argv[1], file_name(resource)).write_text(text, encoding="utf-8")
"""


def controller_gen(rounds: int, directory: Path) -> None:
    """Measure the definitions of three kinds beside controller-gen, whose Go types say the same of them.

    Args:
        rounds: How often.
        directory: Where it may write.
    """
    if shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin") is None:
        print("controller-gen: not measured, Go is missing\n")
        return

    def theirs(number: int, **environment: str) -> float:
        start = time.perf_counter()
        judges.controller_gen(directory, **environment)
        return time.perf_counter() - start

    def theirs_cold(number: int) -> float:
        return theirs(number, GOCACHE=str(directory / f"go-{number}"))

    def ours_cold(number: int) -> float:
        cache = ["-X", f"pycache_prefix={directory / f'python-{number}'}"]
        return command([sys.executable, *cache, "-c", _THREE, str(directory)])(number)

    judges.program("controller-gen")
    compare(
        "definitions of three kinds, from types that say the same",
        [
            Case("reference: controller-gen", theirs),
            Case("crdgen", command([sys.executable, "-c", _THREE, str(directory)]), limit=0.6),
            Case("of which python -c pass", command([sys.executable, "-c", "pass"])),
        ],
        rounds=rounds,
    )
    compare(
        "the same where nothing has been compiled yet, as in a fresh clone",
        [Case("reference: controller-gen", theirs_cold), Case("crdgen", ours_cold, limit=0.3)],
        rounds=min(rounds, 3),
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
        print("crdlint: not measured, Go is missing\n")
        return
    path = Path(json.loads(run.stdout)["Dir"]) / _LARGEST
    compare(
        f"crdlint, {path.stat().st_size} bytes of YAML; goal: 500 ms more than the reference",
        [
            Case("reference: python -c pass", command([sys.executable, "-c", "pass"])),
            Case("crdlint", command([sys.executable, "-m", "crdlint", str(path)])),
            Case("the API server's own code", command([str(judges.crd()), str(path)])),
        ],
        rounds=rounds,
    )
