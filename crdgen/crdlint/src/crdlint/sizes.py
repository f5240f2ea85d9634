"""How large a CustomResourceDefinition is to those that store it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from crdlint.envelope import ANNOTATION_LIMIT
from crdlint.model import Findings

# etcd's --max-request-bytes by default, 1.5 MiB.
ETCD_LIMIT: Final = 1_572_864


def check_sizes(raw: Mapping[str, Any], found: Findings, *, are_ours: bool) -> None:
    """Check the size of the JSON that is sent and stored.

    Args:
        raw: The CustomResourceDefinition as it was read.
        found: Where violations go.
        are_ours: Whether too large is an error.
    """
    tell = found.error if are_ours else found.warning
    size = len(
        # As kubectl sends it: compact, in UTF-8.
        json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )
    if size > ETCD_LIMIT:
        tell("CRD302", "", f"{size} bytes of JSON: etcd refuses more than {ETCD_LIMIT} by default")
    # kubectl's last-applied-configuration; its own key and quotes take a little more, so a
    # definition just below fails sooner.
    elif size > ANNOTATION_LIMIT:
        tell(
            "CRD301",
            "",
            f"{size} bytes of JSON: a client-side kubectl apply keeps a copy in an annotation and fails above "
            f"{ANNOTATION_LIMIT}; use kubectl apply --server-side",
        )
