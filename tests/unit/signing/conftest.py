"""A home for keys and releases that differs from test to test."""

from pathlib import Path

import pytest

from tests import releases


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key as it should lie there."""
    return releases.write_key(tmp_path / "release.pem")


@pytest.fixture
def public(tmp_path: Path) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(releases.public_key().pem())
    return path


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    return releases.build_release(tmp_path)


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    return releases.signed_release(tmp_path)
