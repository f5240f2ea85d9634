"""The version of Kubernetes decides kubeadm's API, and which version of its own documents the API server reads."""

from __future__ import annotations

import pytest

from machineadm.config.versions import authentication_api, authorization_api, kubeadm_api


@pytest.mark.parametrize(
    ("version", "api"),
    [
        ("v1.29.0", "v1beta3"),
        ("v1.30.14", "v1beta3"),
        ("v1.31.0-alpha.0", "v1beta4"),
        ("v1.31.0", "v1beta4"),
        ("v1.34.4", "v1beta4"),
        ("v1.99.0", "v1beta4"),
    ],
)
def test_the_minor_version_decides_kubeadms_api(version: str, api: str) -> None:
    assert kubeadm_api(version) == api


@pytest.mark.parametrize("version", ["v1.28.15", "v0.30.0", "nonsense"])
def test_versions_older_than_the_oldest_are_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"older|not a version"):
        kubeadm_api(version)


@pytest.mark.parametrize(
    ("version", "authentication", "authorization"),
    [
        ("v1.30.0", "v1beta1", "v1beta1"),
        ("v1.31.9", "v1beta1", "v1beta1"),
        ("v1.32.0-rc.0", "v1beta1", "v1"),
        ("v1.33.4", "v1beta1", "v1"),
        ("v1.34.0", "v1", "v1"),
    ],
)
def test_structured_documents_have_the_newest_version_that_is_read(
    version: str, authentication: str, authorization: str
) -> None:
    assert authentication_api(version) == f"apiserver.config.k8s.io/{authentication}"
    assert authorization_api(version) == f"apiserver.config.k8s.io/{authorization}"
