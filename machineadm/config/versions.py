"""Which version of Kubernetes has what: every threshold that rules and steps share is here once."""

from __future__ import annotations

from typing import Final, Literal

from machineadm.semver import Semver

OLDEST_MINOR: Final = 29
"""The oldest minor version of Kubernetes 1 that this release writes kubeadm's configuration for."""

NEWEST_MINOR: Final = 37
"""The newest one that the tables of `config/upstream` hold; of later ones nothing but their name is known."""

V1BETA4_MINOR: Final = 31
"""The first one that is given kubeadm's API v1beta4."""

STRUCTURED_MINOR: Final = 30
"""The first one whose API server reads AuthenticationConfiguration and AuthorizationConfiguration."""

AUTHENTICATION_V1_MINOR: Final = 34
"""The first one that reads AuthenticationConfiguration as v1; those before read v1beta1 (KEP-3331)."""

AUTHORIZATION_V1_MINOR: Final = 32
"""The first one that reads AuthorizationConfiguration as v1; those before read v1beta1 (KEP-3221)."""

RELAXED_NAMES_MINOR: Final = 35
"""The first one whose kubelet takes any printable name of a variable in a static pod."""

FLUSHED_MINOR: Final = 35
"""The first one whose programs refuse to flush their logs without a pause."""

_APISERVER_CONFIG: Final = "apiserver.config.k8s.io"


def kubeadm_api(version: str) -> Literal["v1beta3", "v1beta4"]:
    """The version of kubeadm's API that a version of Kubernetes is given.

    Raises:
        ValueError: It is not a version, or older than this release writes for.
    """
    parsed = Semver.parse(version)
    if not parsed.has(OLDEST_MINOR):
        raise ValueError(f"{version} is older than 1.{OLDEST_MINOR}")
    # The newest that a kubeadm reads: v1beta3 is deprecated from 1.31 on, and has fewer fields.
    return "v1beta4" if parsed.has(V1BETA4_MINOR) else "v1beta3"


def authentication_api(version: str) -> str:
    """The newest apiVersion of AuthenticationConfiguration that a version of Kubernetes reads."""
    return _api_of_structured(version, AUTHENTICATION_V1_MINOR)


def authorization_api(version: str) -> str:
    """The newest apiVersion of AuthorizationConfiguration that a version of Kubernetes reads."""
    return _api_of_structured(version, AUTHORIZATION_V1_MINOR)


def _api_of_structured(version: str, first: int) -> str:
    return f"{_APISERVER_CONFIG}/{'v1' if Semver.parse(version).has(first) else 'v1beta1'}"


def judged_minor(version: Semver | None) -> int | None:
    """The minor version whose tables judge a configuration: 34.

    Returns:
        None where it is not a version, or one that the tables do not hold.
    """
    # Better nothing than guesses: rules that return on None leave such a version alone.
    if version is None or not version.has(OLDEST_MINOR) or version.has(NEWEST_MINOR + 1):
        return None
    return version.minor
