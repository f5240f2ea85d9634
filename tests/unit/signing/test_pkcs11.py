"""PKCS#11 URIs: what is understood, and that no PIN passes over a command line."""

import pytest

from machineadm.errors import UsageError
from signing.pkcs11 import parse_uri

GOOD = "pkcs11:token=release;object=key?module-path=/m.so&pin-source=file:/pin"


def test_a_uri_is_read() -> None:
    uri = "pkcs11:token=my%20token;id=%01%ff;type=private?module-path=/m.so&pin-source=env:PIN"

    assert parse_uri(uri) == {
        "token": "my token",
        "id": "%01%ff",
        "type": "private",
        "module-path": "/m.so",
        "pin-source": "env:PIN",
    }


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:",
        GOOD.replace("token=release;", ""),
        GOOD.replace(";object=key", ""),
        GOOD.replace("module-path=/m.so&", ""),
        GOOD.replace("&pin-source=file:/pin", ""),
        GOOD.replace("object", "objekt"),
        GOOD.replace("object=key", "object"),
        f"{GOOD}&module-path=/other.so",
        GOOD.replace("object=key", "object=key;type=public"),
        GOOD.replace("?", "?module-name=softhsm2&"),
    ],
)
def test_a_uri_that_is_not_understood_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_uri(uri)

    assert caught.value.code == "MA1802"


def test_a_pin_in_the_uri_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="pin-value is not allowed") as caught:
        parse_uri(f"{GOOD}&pin-value=123456")

    assert "123456" not in f"{caught.value}{caught.value.hint()}"
