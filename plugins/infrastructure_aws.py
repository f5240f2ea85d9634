"""Infrastructure `aws`: configurations and reports in S3, at `s3://BUCKET/KEY`, as the machine's own role or with a key of the settings.

Requests are signed by Signature Version 4 (docs.aws.amazon.com, "Signature calculations for the Authorization header").
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlsplit

from machineadm.plugins.sdk import CallError, Infrastructure, serve
from machineadm.plugins.sdk.web import AbsentError, Web, all_of, require_url

METADATA = "http://169.254.169.254/latest"
MOST = 64 << 20
"""Bytes that are stored."""

_LOCATION = r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})"
_KEYS = {"region", "bucket", "prefix", "endpoint", "accessKeyId", "secretAccessKey", "sessionToken"}


class Credentials(NamedTuple):
    """Who asks, until when."""

    key: str
    secret: str
    token: str = ""
    until: datetime.datetime | None = None


class Aws(Infrastructure):
    """Objects of buckets."""

    version = "0.1.0"
    description = "configurations and reports in S3"
    settings_schema: ClassVar = {
        "type": "object",
        "required": ["region"],
        "properties": {
            "region": {"type": "string", "description": "such as eu-central-1"},
            "bucket": {"type": "string", "description": "where Store puts what it is given"},
            "prefix": {"type": "string", "description": "before the names that are stored"},
            "endpoint": {"type": "string", "description": "of an S3 that is not Amazon's"},
            "accessKeyId": {"type": "string", "description": "absent: the role of the machine"},
            "secretAccessKey": {"type": "string", "description": "belongs to accessKeyId"},
            "sessionToken": {"type": "string", "description": "belongs to accessKeyId"},
        },
    }

    def __init__(self) -> None:
        self._web = Web()
        self._region = self._bucket = self._prefix = self._endpoint = ""
        self._given: Credentials | None = None
        self._role: Credentials | None = None

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - _KEYS:
            raise CallError(f"there is no setting {min(unknown)!r}")
        if odd := [name for name, value in settings.items() if not isinstance(value, str)]:
            raise CallError(f"{odd[0]} must be a string")
        if not re.fullmatch(r"[a-z0-9-]{1,32}", settings.get("region", "")):
            raise CallError("region must be one, such as eu-central-1")
        if ("accessKeyId" in settings) != ("secretAccessKey" in settings):
            raise CallError("accessKeyId and secretAccessKey belong together")
        endpoint = settings.get("endpoint", "")
        if endpoint:
            require_url(endpoint)
        self._region = settings["region"]
        self._endpoint = endpoint.rstrip("/")
        self._bucket, self._prefix = settings.get("bucket", ""), settings.get("prefix", "")
        if "accessKeyId" in settings:
            key, secret = settings["accessKeyId"], settings["secretAccessKey"]
            self._given = Credentials(key, secret, settings.get("sessionToken", ""))

    def fetch(self, location: str) -> Iterator[bytes]:
        """See `Infrastructure`."""
        url = self._url(location)
        yield from self._web.pieces(url, headers=self._signed("GET", url, b""))

    def report(self, location: str, status: bytes) -> None:
        """See `Infrastructure`; the object is replaced."""
        self._ask("PUT", location, status)

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See `Infrastructure`."""
        location = self._location(name)
        self._ask("PUT", location, all_of(data, MOST))
        return location

    def locate(self, name: str) -> str | None:
        """See `Infrastructure`."""
        location = self._location(name)
        try:
            self._ask("HEAD", location)
        except AbsentError:
            return None
        return location

    def delete(self, location: str) -> None:
        """See `Infrastructure`."""
        try:
            self._ask("DELETE", location)
        except AbsentError:
            pass

    def _ask(self, method: str, location: str, data: bytes | None = None) -> None:
        url = self._url(location)
        headers = self._signed(method, url, data or b"")
        self._web.ask(method, url, data, headers=headers).close()

    def _url(self, location: str) -> str:
        """Where an object is: by the name of its bucket, or below it where a certificate would not cover that.

        Raises:
            CallError: It is not a location, or the region is missing.
        """
        found = re.fullmatch(_LOCATION, location)
        if found is None:
            raise CallError(f"{location[:100]!r} is not s3://BUCKET/KEY")
        if not self._region:
            raise CallError("the setting region is missing")
        bucket, key = found[1], quote(found[2], safe="/-_.~")
        if self._endpoint:
            return f"{self._endpoint}/{bucket}/{key}"
        host = f"s3.{self._region}.amazonaws.com"
        return (
            f"https://{host}/{bucket}/{key}" if "." in bucket else f"https://{bucket}.{host}/{key}"
        )

    def _location(self, name: str) -> str:
        if not self._bucket:
            raise CallError("the setting bucket says where things are stored, and is missing")
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def _signed(self, method: str, url: str, data: bytes) -> dict[str, str]:
        now = datetime.datetime.now(datetime.timezone.utc)
        return signature(method, url, data, self._credentials(now), self._region, now)

    def _credentials(self, now: datetime.datetime) -> Credentials:
        """The key of the settings, or that of the machine's role, renewed five minutes before its end."""
        if self._given is not None:
            return self._given
        margin = datetime.timedelta(minutes=5)
        if self._role is None or self._role.until is None or self._role.until - margin < now:
            self._role = self._from_metadata()
        return self._role

    def _from_metadata(self) -> Credentials:
        """Ask the instance's metadata, by a session (IMDSv2).

        Raises:
            CallError: There is no role.
        """
        session = self._told("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        headers = {"X-aws-ec2-metadata-token": session}
        role = self._told("GET", "meta-data/iam/security-credentials/", headers).split("\n")[0]
        text = self._told("GET", f"meta-data/iam/security-credentials/{quote(role)}", headers)
        try:
            found = json.loads(text)
            until = datetime.datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%S%z")
            return Credentials(
                found["AccessKeyId"], found["SecretAccessKey"], found["Token"], until
            )
        except (ValueError, KeyError, TypeError):
            raise CallError("the instance's metadata gives no credentials") from None

    def _told(self, method: str, path: str, headers: dict[str, str]) -> str:
        url = f"{METADATA}/{path}"
        with closing(self._web.ask(method, url, headers=headers, plain=True)) as answer:
            return answer.read(65536).decode("ascii", "replace").strip()


def signature(
    method: str, url: str, data: bytes, who: Credentials, region: str, now: datetime.datetime
) -> dict[str, str]:
    """The headers that sign a request to S3.

    Args:
        method: Such as GET.
        url: Encoded already; it has no query.
        data: The body.
        who: Signs.
        region: Of the bucket.
        now: When.
    """
    parts = urlsplit(url)
    digest = hashlib.sha256(data).hexdigest()
    time = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
    if who.token:
        headers["x-amz-security-token"] = who.token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{parts.path}\n\n{lines}\n{names}\n{digest}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{who.secret}".encode()
    for word in (time[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}".encode()
    signed = hmac.new(key, text, hashlib.sha256).hexdigest()
    credential = f"Credential={who.key}/{scope},SignedHeaders={names},Signature={signed}"
    sent = {name: value for name, value in headers.items() if name != "host"}
    return {**sent, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


if __name__ == "__main__":
    serve(Aws())
