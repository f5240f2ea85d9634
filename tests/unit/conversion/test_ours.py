"""Documents that are ours already: what comes out is what was there, and converting it again changes nothing."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.conversion.converting import outcome

HEAD = (
    "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineBootstrap\nmetadata: {name: a}\n"
)
OURS = HEAD + "spec: {}\n"

DOCUMENTS = {
    "comments": "# above\n" + OURS + "# below\n",
    "an indented document": "".join(f"  {line}\n" for line in OURS.splitlines()),
    "a comment at the marker": f"--- # one\n{OURS}",
    "a comment above the marker": f"# above\n---\n{OURS}",
    "blanks at the end of a block text": HEAD + "spec:\n  a: |-\n    b  \n",
    "newlines at the end of a block text": HEAD + "spec:\n  a: |+\n    b\n\n\n",
    "no newline at the end": OURS.rstrip("\n"),
    "a document in JSON": '{"apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1", "kind": "MachineBootstrap", "spec": {"a": " "}}\n',
    "lines of Windows": OURS.replace("\n", "\r\n"),
    "two documents": f"{OURS}---\n{OURS}...\n---\n  {OURS.replace(chr(10), chr(10) + '  ')}\n",
    "a list of two": "apiVersion: v1\nkind: List\nitems:\n"
    + 2 * ("- " + OURS.replace("\n", "\n  ").rstrip(" ")),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_ours_says_the_same_afterwards(name: str) -> None:
    text = DOCUMENTS[name]
    there = [one for one in yaml.safe_load_all(text) if one]
    there = there[0].get("items", there)
    found = outcome(text)
    written = "---\n".join(result.text for result in found.results)

    assert found.problems == ()
    assert [one for one in yaml.safe_load_all(written) if one] == there
    again = outcome(written)
    assert "---\n".join(result.text for result in again.results) == written
