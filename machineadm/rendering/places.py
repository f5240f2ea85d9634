"""Find the places of findings in the files of a stream: those of a template in the ConfigMap or Secret that holds it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrapTemplate
from machineadm.documents.model import Document, Problem, problem_at
from machineadm.documents.nodes import Mapping, Node, Scalar
from machineadm.rendering.objects import ConfigMapObject, SecretObject, is_within, text_of
from machineadm.rendering.realise import TEMPLATE_KEY
from machineadm.rendering.render import TemplateFinding

# Not binaryData: base64 has no lines of a template in it.
_TEXTS: Final = ("stringData", "data")


def placed(finding: Finding, main: Document, documents: Sequence[Document]) -> Problem:
    """A finding as a problem at its place.

    Args:
        finding: About a MachineBootstrap.
        main: Its document, or that of the template that it is made from.
        documents: All documents of the stream.
    """
    if isinstance(finding, TemplateFinding):
        for document in documents:
            if _holds(document, finding, main) and (problem := _in_block(document, finding)):
                return problem
    # Rules know MachineBootstraps only; in a template the same spec lies two levels deeper.
    if isinstance(main.value, MachineBootstrapTemplate) and finding.path.startswith("spec"):
        finding = replace(finding, path=f"spec.template.{finding.path}")
    return problem_at(main, finding)


def _holds(document: Document, finding: TemplateFinding, main: Document) -> bool:
    value = document.value
    if not isinstance(value, SecretObject | ConfigMapObject):
        return False
    kind = "Secret" if isinstance(value, SecretObject) else "ConfigMap"
    own = text_of(main.value.metadata, "namespace")
    named = (kind, text_of(value.metadata, "name")) == (finding.kind, finding.name)
    return named and is_within(text_of(value.metadata, "namespace"), own)


def _in_block(document: Document, finding: TemplateFinding) -> Problem | None:
    """Return the exact line and column if the template is a block whose lines are unchanged in the file."""
    for field in _TEXTS:
        node = _below(_below(document.root, field), TEMPLATE_KEY)
        # In every other style of scalar lines are joined or escaped, so a line of the template is
        # no line of the file.
        if isinstance(node, Scalar) and document.source.text.startswith("|", node.at):
            path = f"{field}.{TEMPLATE_KEY}"
            # The path first, for the name of the file and its document; line and column are then
            # made exact.
            problem = problem_at(document, replace(finding, path=path))
            line, _ = document.source.position(node.at)
            # A block is indented by spaces only (YAML 1.2, 6.1), so columns of the template move by
            # one number.
            column = _indentation(document.source.text, node.at) + finding.column
            return replace(problem, line=line + finding.line, column=column)
    return None


def _below(node: Node | None, name: str) -> Node | None:
    if isinstance(node, Mapping):
        for key, value in node.entries():
            if isinstance(key, Scalar) and key.text == name:
                return value
    return None


def _indentation(text: str, at: int) -> int:
    """Of the first line of a block that is not empty; `at` is where its header begins."""
    # A literal block's indentation is that of its first line with content (YAML 1.2, 8.1.1.1). An
    # indicator such as `|2` is rare and would move the column only.
    found = re.compile(r"[^\n]*\n(?:[ ]*\r?\n)*([ ]*)").match(text, at)
    return len(found[1]) if found else 0
