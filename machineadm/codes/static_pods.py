"""Static pods, and other Kubernetes objects in a string."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1410": Code(
        "a value that is not a Kubernetes object",
        "`manifestFrom` refers to a key of a Secret or ConfigMap whose text is not one Kubernetes object in "
        "YAML or JSON. Nothing was rendered.",
        "The message names the line of the value. `kubectl get -o yaml` shows what the key holds.",
    ),
}
