"""kubeadm: what it is given of the machine's part in a cluster, and what it accepts.

One module for each part; those whose types the configuration does not have are not loaded.
"""

from typing import Final

from machineadm.config.rules.model import Rules

# Empty, because `tables` asks every concern for its own; this one has all rules in its parts.
RULES: Final[Rules] = {}

_TYPES: Final = "machineadm.api.v1alpha1"

PARTS: Final[dict[str, tuple[str, ...]]] = {
    f"{_TYPES}.kubernetes": (f"{__name__}.roles", f"{__name__}.versions"),
    f"{_TYPES}.discovery": (f"{__name__}.discovery",),
    # `arguments` is named four times and loaded once, by whichever type comes first.
    f"{_TYPES}.cluster": (f"{__name__}.cluster", f"{__name__}.arguments"),
    f"{_TYPES}.control_plane": (f"{__name__}.components", f"{__name__}.arguments"),
    f"{_TYPES}.control_plane_files": (f"{__name__}.arguments",),
    f"{_TYPES}.node": (f"{__name__}.node", f"{__name__}.arguments"),
}
"""Modules with rules, by the module of types that each is loaded for."""
