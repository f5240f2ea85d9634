"""Static pods, and other objects of Kubernetes' own that a text holds."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1410": Code(
        "a value that is not the object it must be",
        "A key of a Secret or a ConfigMap is to become an object of Kubernetes' own (`manifestFrom`), and its text is not "
        "YAML or JSON with one map in it. Nothing was rendered.",
        "The message names the line of the value. `kubectl get -o yaml` shows what the key holds.",
    ),
}
