"""Make what clusterctl installs of the two providers, out of the definitions and of deploy/: files of a release."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from checkout import ROOT

CONTRACT: Final = "v1beta2"

# Which rights go with which provider's definitions.
_RIGHTS: Final = {
    "bootstrap": "deploy/bootstrap-controller.yaml",
    "infrastructure": "crds/role.yaml",
}


def components(version: str) -> dict[str, bytes]:
    """Make each provider's components, and what both have in common.

    Args:
        version: Of the release: `0.1.0`.

    Returns:
        Content by file name, as clusterctl looks for them in a directory or a bucket.
    """
    made = {f"{provider}-components.yaml": _of(provider) for provider in _RIGHTS}
    return made | {"metadata.yaml": _metadata(version)}


def _of(provider: str) -> bytes:
    # Sorted: the order of a directory is the file system's, and a release must be the same each
    # time.
    definitions = sorted(Path(ROOT, "crds").glob(f"{provider}.cluster.x-k8s.io_*.yaml"))
    files = [
        *definitions,
        ROOT / _RIGHTS[provider],
        ROOT / f"deploy/components/{provider}.yaml",
    ]
    return b"---\n".join(_documents(one) for one in files)


def _documents(file: Path) -> bytes:
    """A file's documents, without the remark above them."""
    text = file.read_text("utf-8")
    # Only the remark above the first document: it is about this repository, which whoever runs
    # clusterctl does not have.
    text = re.sub(r"\A(#[^\n]*\n)+(---\n)?", "", text)
    return text.encode()


def _metadata(version: str) -> bytes:
    # A series is major and minor: clusterctl looks for the one of the version that it installs,
    # and stops without.
    major, minor, _ = version.split(".", 2)
    return (
        "apiVersion: clusterctl.cluster.x-k8s.io/v1alpha3\n"
        "kind: Metadata\n"
        "releaseSeries:\n"
        f"- {{major: {major}, minor: {minor}, contract: {CONTRACT}}}\n"
    ).encode()
