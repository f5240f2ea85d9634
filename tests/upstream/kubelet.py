"""The definition of KubeletConfiguration, from the source of Kubernetes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEFINITIONS = HERE / "kubelet_definitions.json"

TYPE = "k8s.io/kubelet/config/v1beta1.KubeletConfiguration"
_NO_GO = 77


def definitions() -> dict[str, Any] | None:
    """What `tests/judges/kubeadm-1.34/openapi` prints, without texts and defaults; None where there is no Go.

    Raises:
        subprocess.CalledProcessError: It does not build, or failed; it has said why.
    """
    built = subprocess.run(
        [ROOT / "tests/judges/build.sh", "openapi"], stdout=subprocess.PIPE, text=True
    )
    if built.returncode == _NO_GO:
        return None
    built.check_returncode()
    program = built.stdout.split(maxsplit=1)[1].strip()
    printed = subprocess.run([program, TYPE], stdout=subprocess.PIPE, text=True, check=True).stdout
    schemas = json.loads(printed)["components"]["schemas"]
    (release,) = re.findall(
        r"^require k8s.io/kubernetes v(\S+)$",
        (ROOT / "tests/judges/kubeadm-1.34/go.mod").read_text(),
        re.M,
    )
    return {
        "openapi": "3.0.3",
        "info": {"title": f"Kubernetes {release}, from its Go module", "version": release},
        "paths": {},
        "components": {"schemas": {name: _plain(one) for name, one in sorted(schemas.items())}},
    }


def _plain(part: Any) -> Any:
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        key: {name: _plain(field) for name, field in value.items()}
        if key == "properties"
        else _plain(value)
        for key, value in part.items()
        if key not in ("description", "default", "required") and not key.startswith("x-")
    }
