"""`version` says of the release what the release does, though it imports next to nothing of it."""

from __future__ import annotations

from machineadm.api import scheme
from machineadm.cli import version
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR


def test_supported_minors_are_those_that_the_rules_know() -> None:
    assert tuple(f"1.{n}" for n in range(OLDEST_MINOR, NEWEST_MINOR + 1)) == version.KUBERNETES


def test_api_versions_are_those_of_the_scheme() -> None:
    assert set(version.API_VERSIONS) == {api_version for api_version, _ in scheme.KINDS}
