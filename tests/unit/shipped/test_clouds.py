"""`aws` and `gcs`, as far as no store is needed: signatures and credentials as documented, locations, settings."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest

from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk.aws import Account, Credentials, object_url, signature
from machineadm.plugins.sdk.testing import mock_host
from machineadm.plugins.sdk.web import Web
from plugins.encryption_provider_aws import Aws as Kms
from plugins.infrastructure_aws import Aws
from plugins.infrastructure_gcs import Gcs
from tests.servers.metadata import CONTAINER_TOKEN, EC2, MetadataService

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc)


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
    assert object_url(location, "eu-central-1") == url


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
        (Aws, {"region": "x", "bucket": 1}),
        (Aws, {"region": "x", "metadataEndpoint": "ftp://169.254.169.254"}),
        (Aws, {"region": "x", "credentialsURL": "http://example.com/credentials"}),
        (Kms, {}),
        (Kms, {"region": "x", "kmsEndpoint": "http://example.com"}),
        (Kms, {"region": "x", "endpoint": "http://example.com"}),
        (Kms, {"region": "x", "passphrases": ["a"]}),
        (Kms, {"region": "x", "passphrases": {"vault": "no base64"}}),
        (Kms, {"region": "x", "passphrases": {"vault": ""}}),
        (Kms, {"region": "x", "passphrases": {"../vault": "YQ=="}}),
        (Kms, {"region": "x", "key": "a"}),
        (Gcs, {"metadataEndpoint": "ftp://example.com"}),
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


def test_an_instance_asks_as_its_role_by_a_session() -> None:
    with MetadataService("EC2") as service:
        account = Account(Web(), {"region": "x", "metadataEndpoint": service.url})
        found = account.credentials(NOW)
        account.credentials(NOW)

    assert found[:3] == ("ASIAOFTHEROLE", "hunter2", "token-of-the-role")
    # Kept until their end, and asked for by a token alone: IMDSv2 may be all that there is.
    assert [(one.method, one.path) for one in service.requests] == [
        ("PUT", "/latest/api/token"),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/latest/meta-data/iam/security-credentials/role"),
    ]


def test_credentials_are_renewed_before_their_end() -> None:
    with MetadataService("EC2") as service:
        account = Account(Web(), {"region": "x", "metadataEndpoint": service.url})
        end = account.credentials(NOW).until
        assert end is not None
        for left, requests in ((6, 3), (4, 6)):
            account.credentials(end - datetime.timedelta(minutes=left))
            assert len(service.requests) == requests


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("", "no role"),
        ('{"Code": "AssumeRoleUnauthorizedAccess"}', "AssumeRoleUnauthorizedAccess"),
        ("<html>", "no credentials"),
        ("[]", "no credentials"),
        ('{"AccessKeyId": "a", "Expiration": "2099-11-30T18:00:00Z"}', "no credentials"),
        (
            '{"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c\\r\\nd", "Expiration": "2099-11-30T18:00:00Z"}',
            "more than one line",
        ),
    ],
)
def test_an_instance_without_credentials_is_told_so(
    monkeypatch: pytest.MonkeyPatch, role: str, message: str
) -> None:
    which = "iam/security-credentials/" if not role else "iam/security-credentials/role"
    monkeypatch.setitem(EC2, which, role)
    with MetadataService("EC2") as service:
        account = Account(Web(), {"region": "x", "metadataEndpoint": service.url})
        with pytest.raises(CallError, match=message):
            account.credentials(NOW)


@pytest.mark.parametrize("fault", ["missing", "redirect", "huge"])
def test_a_metadata_service_that_misbehaves_gives_no_credentials(fault: str) -> None:
    with MetadataService("EC2", fault) as service:
        account = Account(Web(timeout=0.5), {"region": "x", "metadataEndpoint": service.url})
        with pytest.raises(CallError):
            account.credentials(NOW)


def test_a_task_asks_where_its_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with MetadataService("Containers") as service:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/8f2c")
        monkeypatch.setattr("machineadm.plugins.sdk.aws.CONTAINERS", service.url)
        found = Account(Web(), {"region": "x"}).credentials(NOW)

    assert found[:3] == ("ASIAOFTHETASK", "hunter2", "token-of-the-task")
    assert "authorization" not in service.requests[0].headers


@pytest.mark.parametrize("by", ["settings", "environment", "variable"])
def test_a_pod_asks_with_the_token_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    token = tmp_path / "token"
    token.write_text("an earlier one\n")
    with MetadataService("Containers") as service:
        url = f"{service.url}/v1/credentials"
        settings = {"region": "x"}
        if by == "settings":
            settings |= {"credentialsURL": url, "credentialsTokenFile": str(token)}
        else:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        if by == "environment":
            monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        if by == "variable":
            monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN)
        account = Account(Web(), settings)
        if by != "variable":
            with pytest.raises(CallError, match="answers 401"):
                account.credentials(NOW)
        # The file is replaced while the plugin runs.
        token.write_text(f"{CONTAINER_TOKEN}\n")
        assert account.credentials(NOW).key == "ASIAOFTHETASK"


@pytest.mark.parametrize("content", [None, "two\nlines", "\xfc"])
def test_a_token_file_that_is_unfit_is_refused(tmp_path: Path, content: str | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_text(content, "latin-1")
    settings = {"credentialsURL": "http://127.0.0.1:9/", "credentialsTokenFile": str(token)}
    with pytest.raises(CallError, match="token"):
        Account(Web(), {"region": "x", **settings}).credentials(NOW)


def test_an_instance_of_google_asks_as_its_service_account() -> None:
    with MetadataService("GCE") as service:
        gcs = Gcs()
        gcs.configure({"metadataEndpoint": service.url})
        headers = [gcs._headers() for _ in range(2)]

    assert headers == [{"Authorization": "Bearer ya29.hunter2"}] * 2
    assert [one.path for one in service.requests] == [
        "/computeMetadata/v1/instance/service-accounts/default/token"
    ]


@pytest.mark.parametrize("fault", ["missing", "redirect", "huge"])
def test_a_metadata_server_of_google_that_misbehaves_gives_no_token(fault: str) -> None:
    with MetadataService("GCE", fault) as service:
        gcs = Gcs()
        gcs._web = Web(timeout=0.5)
        gcs.configure({"metadataEndpoint": service.url})
        with pytest.raises(CallError):
            gcs._headers()


def test_the_key_of_the_settings_comes_first() -> None:
    with MetadataService("EC2") as service:
        settings = {"region": "x", "accessKeyId": "a", "secretAccessKey": "b"}
        account = Account(Web(), {**settings, "metadataEndpoint": service.url})
        assert account.credentials(NOW) == Credentials("a", "b")
    assert service.requests == []


@pytest.mark.parametrize(
    ("settings", "call", "message"),
    [
        ({}, "fetch", "neither passphrases nor a bucket"),
        ({"bucket": "some-bucket"}, "store", "keyId"),
        ({"keyId": "k"}, "store", "bucket"),
        ({}, "delete", "bucket"),
        ({"keyId": "k", "passphrases": {"vault": "YQ=="}}, "store", "in the settings"),
        ({"bucket": "some-bucket", "passphrases": {"vault": "YQ=="}}, "delete", "in the settings"),
    ],
)
def test_what_the_settings_do_not_allow_is_told_before_anybody_is_asked(
    settings: dict[str, Any], call: str, message: str
) -> None:
    kms = Kms()
    kms.configure({"region": "x", "accessKeyId": "a", "secretAccessKey": "b", **settings})
    arguments = ("vault", b"word") if call == "store" else ("vault",)
    with pytest.raises(CallError, match=message):
        getattr(kms, f"{call}_passphrase")(*arguments)


@pytest.mark.parametrize("size", [0, 4097])
def test_what_kms_would_not_encrypt_is_refused(size: int) -> None:
    kms = Kms()
    kms.configure({"region": "x", "bucket": "some-bucket", "keyId": "k"})
    with pytest.raises(CallError, match="1 to 4096 bytes"):
        kms.store_passphrase("vault", bytes(size))


def test_ciphertext_of_the_settings_is_what_is_decrypted() -> None:
    kms = Kms()
    text = base64.b64encode(b"sealed").decode()
    kms.configure({"region": "x", "passphrases": {"vault": text}})
    assert kms._passphrases == {"vault": b"sealed"}
