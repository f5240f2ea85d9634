"""Infrastructure `aws` and `gcs`, as far as no store is needed: signatures as documented, locations, settings."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk.testing import mock_host
from plugins.infrastructure_aws import Aws, Credentials, signature
from plugins.infrastructure_gcs import Gcs


def test_a_request_is_signed_as_amazon_documents_it() -> None:
    """Amazon's own example, PUT of test$file.text, but for the headers that we do not send, recomputed by botocore."""
    botocore = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Theirs

    now = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)
    url = "https://examplebucket.s3.us-east-1.amazonaws.com/a/test%24file.text"
    who = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "a-token")
    ours = signature("PUT", url, b"Welcome", who, "us-east-1", now)
    request = AWSRequest("PUT", url, data=b"Welcome")
    request.context["timestamp"] = "20130524T000000Z"
    theirs = botocore.S3SigV4Auth(Theirs(*who[:3]), "s3", "us-east-1")
    request.headers["X-Amz-Security-Token"] = who.token
    request.headers["X-Amz-Content-SHA256"] = ours["x-amz-content-sha256"]
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    canonical = theirs.canonical_request(request)
    text = theirs.string_to_sign(request, canonical)

    assert ours["Authorization"].endswith(f"Signature={theirs.signature(text, request)}")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("s3://bucket/a/b c.yaml", "https://bucket.s3.eu-central-1.amazonaws.com/a/b%20c.yaml"),
        ("s3://with.dots/a", "https://s3.eu-central-1.amazonaws.com/with.dots/a"),
    ],
)
def test_an_object_of_amazons_has_its_address(location: str, url: str) -> None:
    aws = Aws()
    aws.configure({"region": "eu-central-1"})

    assert aws._url(location) == url


@pytest.mark.parametrize(
    "location", ["", "bucket/key", "s3://", "s3://b/", "s3://UP/key", "gs://bucket", "s3://a b/key"]
)
def test_what_is_no_location_is_refused(location: str) -> None:
    aws = Aws()
    aws.configure({"region": "eu-central-1"})
    for one in (aws, Gcs()):
        with pytest.raises(CallError):
            b"".join(one.fetch(location))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Aws, {}),
        (Aws, {"region": "eu central"}),
        (Aws, {"region": "x", "accessKeyId": "a"}),
        (Aws, {"region": "x", "endpoint": "http://example.com"}),
        (Aws, {"region": "x", "buckets": "a"}),
        (Aws, {"region": 1}),
        (Gcs, {"endpoint": "http://example.com"}),
        (Gcs, {"bucket": 1}),
        (Gcs, {"region": "x"}),
    ],
)
def test_unfit_settings_are_refused(kind: Any, settings: dict[str, Any]) -> None:
    with mock_host(kind()) as host, pytest.raises(CallError):
        host.configure(settings)


@pytest.mark.parametrize("one", [Aws(), Gcs()], ids=["aws", "gcs"])
def test_without_a_bucket_nothing_is_stored(one: Any) -> None:
    with pytest.raises(CallError, match="bucket"):
        one.store("x", iter([b""]))
