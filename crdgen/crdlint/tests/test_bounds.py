"""Bounds by which other integers pass than they say."""

import pytest

from crd_corpus.bounds import BOUNDS, CRD
from crdlint.checking import check_file


@pytest.mark.parametrize("schema", BOUNDS)
def test_a_bound_that_the_api_server_takes_for_another_is_a_warning(schema: str) -> None:
    found = check_file(CRD.format(schema=schema).encode(), "crd.yaml")

    wanted = [("CRD502", "warning")] if BOUNDS[schema] else []
    assert [(one.code, one.severity) for one in found] == wanted
    assert all(one.line == 16 for one in found)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("maximum: 9223372036854775807", "none but -9223372036854775808 passes"),
        ("minimum: 9223372036854775807", "all pass"),
        ("minimum: 0.5", "0.5 for integers: 0 and more pass"),
        ("maximum: -0.5", "0 and less pass"),
        ("multipleOf: 0.5", "none passes"),
        ("multipleOf: 1.5", "multiples of 1 pass"),
    ],
)
def test_the_warning_says_what_passes(schema: str, said: str) -> None:
    (warning,) = check_file(CRD.format(schema=f"type: integer, {schema}").encode(), "crd.yaml")

    assert said in warning.message
    assert warning.path.startswith("spec.validation.openAPIV3Schema.properties[size].")
