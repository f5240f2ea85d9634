"""Rules for all tests."""

import pytest

from tests.requirements import ids_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A mistyped requirement id stops the run; it would otherwise vanish from the table."""
    for item in items:
        ids_of(item)
