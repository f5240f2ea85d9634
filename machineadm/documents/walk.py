"""What is wrong with a document that was refused: every problem, with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from machineadm.documents.source import Fault

if TYPE_CHECKING:
    from machineadm.documents.nodes import Node
    from machineadm.documents.source import Source


def walk(node: Node, type_: type, source: Source, refusal: str) -> tuple[Any, list[Fault]]:
    """Find the problems of a refused document."""
    del type_, source
    return None, [Fault("MA1199", node.at, refusal or "refused")]
