"""Endpoints, names in certificates, and PEM: the small judgements that rules share."""

from __future__ import annotations

import base64

import pytest

from machineadm.config.rules.names import endpoint_problem, is_subject_name
from machineadm.config.rules.pem import CERTIFICATE, PRIVATE_KEY, pem_problem


@pytest.mark.parametrize(
    "endpoint",
    ["api.example.com:6443", "10.0.0.1:1", "[fd00::1]:65535", "localhost:6443"],
)
def test_an_endpoint_with_host_and_port_is_one(endpoint: str) -> None:
    assert endpoint_problem(endpoint, port_required=True) == ""
    assert endpoint_problem(endpoint, port_required=False) == ""


@pytest.mark.parametrize("endpoint", ["api.example.com", "10.0.0.1", "fd00::1"])
def test_a_host_alone_is_an_endpoint_only_where_the_port_may_be_absent(endpoint: str) -> None:
    assert endpoint_problem(endpoint, port_required=False) == ""
    assert endpoint_problem(endpoint, port_required=True) != ""


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("API.example.com:6443", "lower case"),
        ("a_b:6443", "lower case"),
        ("api.example.com:0", "between 1 and 65535"),
        ("api.example.com:65536", "between 1 and 65535"),
        ("[10.0.0.1]:6443", "not an IPv6 address"),
        ("[fd00::1%eth0]:6443", "not an IPv6 address"),
        ("[fd00::1]", "no port"),
        ("a:b:c", "not host:port"),
        (":6443", "lower case"),
    ],
)
def test_what_kubeadm_would_refuse_is_no_endpoint(endpoint: str, problem: str) -> None:
    assert problem in endpoint_problem(endpoint, port_required=False)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("a.example.com", True),
        ("*.example.com", True),
        ("192.0.2.1", True),
        ("fd00::1", True),
        ("*", False),
        ("A", False),
        ("a.*.com", False),
        ("a_b", False),
        ("a..b", False),
        ("a" * 64, False),
        ("fd00::1%eth0", False),
    ],
)
def test_a_certificate_bears_dns_names_and_addresses(name: str, good: bool) -> None:
    assert is_subject_name(name) is good


def armoured(der: bytes, label: str = "CERTIFICATE", end: str = "") -> str:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {end or label}-----\n"


SHORT = b"\x30\x03abc"
LONG = b"\x30\x82\x01\x00" + b"x" * 256


@pytest.mark.parametrize("der", [SHORT, LONG])
def test_pem_of_a_whole_sequence_is_taken_with_text_around_it(der: bytes) -> None:
    text = f"Subject: example\n{armoured(der)}\nand more"

    assert pem_problem(text, CERTIFICATE, what="a certificate", single=True) == ""


def test_pem_with_lines_of_windows_is_taken() -> None:
    text = armoured(LONG).replace("\n", "\r\n")

    assert pem_problem(text, CERTIFICATE, what="a certificate", single=True) == ""


def test_the_curve_before_a_key_is_passed_over() -> None:
    text = armoured(b"\x06\x01a", "EC PARAMETERS") + armoured(SHORT, "EC PRIVATE KEY")

    assert pem_problem(text, PRIVATE_KEY, what="a private key", single=True) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no PEM block"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n", "has no PEM block"),
        (armoured(SHORT, "PUBLIC KEY"), "holds PUBLIC KEY, not a certificate"),
        (armoured(SHORT, "ENCRYPTED PRIVATE KEY"), "holds ENCRYPTED PRIVATE KEY"),
        (armoured(SHORT, end="PRIVATE KEY"), "damaged"),
        (armoured(LONG[:-1]), "damaged"),
        (armoured(LONG + b"x"), "damaged"),
        (armoured(b""), "damaged"),
        (armoured(b"\x31\x00"), "damaged"),
        ("-----BEGIN CERTIFICATE-----\nM\n-----END CERTIFICATE-----\n", "damaged"),
        ("-----BEGIN CERTIFICATE-----\nMAMö\n-----END CERTIFICATE-----\n", "damaged"),
        (armoured(SHORT) * 2, "holds 2 blocks"),
    ],
)
def test_what_is_no_certificate_is_told_without_showing_it(text: str, problem: str) -> None:
    assert problem in pem_problem(text, CERTIFICATE, what="a certificate", single=True)
