"""Amazon's web services for plugins: requests signed by Signature Version 4, with a key of the settings or the machine's own role.

account = Account(web, settings)
headers = account.signed("POST", "https://kms.eu-central-1.amazonaws.com/", body, service="kms")

Written from docs.aws.amazon.com: "Signature calculations for the Authorization header", "Use the Instance Metadata Service",
"Container credential provider".
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.web import Web, require_url

# Link-local, and in the clear: the service has no certificate, and no router passes its address
# on.
METADATA: Final = "http://169.254.169.254"
"""An instance's own metadata service."""

CONTAINERS: Final = "http://169.254.170.2"
"""Where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is looked up."""

SETTINGS: Final[dict[str, Any]] = {
    "region": {"type": "string", "description": "such as eu-central-1"},
    "accessKeyId": {"type": "string", "description": "absent: the role of the machine"},
    "secretAccessKey": {"type": "string", "description": "belongs to accessKeyId"},
    "sessionToken": {"type": "string", "description": "belongs to accessKeyId"},
    "metadataEndpoint": {
        "type": "string",
        "description": f"of the instance's metadata; default {METADATA}; http://[fd00:ec2::254] by IPv6",
    },
    "credentialsURL": {
        "type": "string",
        "description": "where a container's credentials are, such as http://169.254.170.23/v1/credentials; https, or http of this machine's links",
    },
    "credentialsTokenFile": {
        "type": "string",
        "description": "a file whose content is the Authorization header for credentialsURL",
    },
}
"""JSON Schema of the settings that an `Account` understands; all are strings, and region must be there."""

BYTES: Final = {"content-type": "application/octet-stream"}
"""Headers of an object that is put; without one urllib calls it a form."""

_LOCAL: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "127.0.0.1", "::1")
"""Where a container's credentials may be asked for without TLS, as Amazon's own SDKs do."""

# Amazon has new credentials at least five minutes before the old ones end.
_MARGIN: Final = datetime.timedelta(minutes=5)
# Amazon's rule for names of buckets: they become part of a host's name.
_LOCATION: Final = r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})"


class Credentials(NamedTuple):
    """Who asks, until when."""

    key: str
    secret: str
    token: str = ""
    until: datetime.datetime | None = None


class Account:
    """Signs requests in a region.

    Credentials are, in this order: the key of the settings; a container's, at `credentialsURL` or where the environment says
    (AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI); the instance's role, by IMDSv2.

    Args:
        web: Asks the metadata services.
        settings: Those of `SETTINGS`; others are not looked at.

    Raises:
        CallError: They are unfit.
    """

    def __init__(self, web: Web, settings: Mapping[str, Any]) -> None:
        # The rest is the plugin's own: it says itself what it does not know.
        mine = {name: value for name, value in settings.items() if name in SETTINGS}
        if odd := [name for name, value in mine.items() if not isinstance(value, str)]:
            raise CallError(f"{odd[0]} must be a string")
        if not re.fullmatch(r"[a-z0-9-]{1,32}", mine.get("region", "")):
            raise CallError("region must be one, such as eu-central-1")
        if ("accessKeyId" in mine) != ("secretAccessKey" in mine):
            raise CallError("accessKeyId and secretAccessKey belong together")
        self.region: str = mine["region"]
        self._web = web
        # Plain, as the service itself is.
        self._metadata: str = mine.get("metadataEndpoint", METADATA).rstrip("/")
        require_url(self._metadata, plain=True)
        self._url: str = mine.get("credentialsURL", "") or _of_environment()
        if self._url:
            host = urlsplit(self._url).hostname
            # By the list and not by the network: credentials must not cross one in the clear,
            # whoever set the variable.
            require_url(self._url, plain=host in _LOCAL)
        self._token_file: str = mine.get("credentialsTokenFile", "") or os.environ.get(
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""
        )
        self._given: Credentials | None = None
        self._role: Credentials | None = None
        if "accessKeyId" in mine:
            key, secret = mine["accessKeyId"], mine["secretAccessKey"]
            self._given = Credentials(key, secret, mine.get("sessionToken", ""))

    def signed(
        self,
        method: str,
        url: str,
        data: bytes,
        *,
        service: str,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Return the headers of a request, signed.

        Args:
            method: Such as GET.
            url: Encoded already; it has no query.
            data: The body.
            service: Such as s3.
            headers: Further ones, in lower case; they are signed, too.

        Raises:
            CallError: There are no credentials.
        """
        # Amazon refuses a signature that is older than minutes: a clock that is wrong at first
        # boot shows as a refusal.
        now = datetime.datetime.now(datetime.timezone.utc)
        who = self.credentials(now)
        return signature(method, url, data, who, self.region, now, service=service, headers=headers)

    def credentials(self, now: datetime.datetime) -> Credentials:
        """Return who asks; what is not of the settings is renewed five minutes before its end.

        Raises:
            CallError: There are none.
        """
        # What the settings name never ends here: a session token's end is not in it, and Amazon's
        # refusal tells.
        if self._given is not None:
            return self._given
        if self._role is None or self._role.until is None or self._role.until - _MARGIN < now:
            self._role = self._of_container() if self._url else self._of_instance()
        return self._role

    def _of_container(self) -> Credentials:
        """Ask the service that a container is given.

        Raises:
            CallError: It gives none, or the token for it cannot be read.
        """
        token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if self._token_file:
            # Read each time: it is replaced before it ends.
            try:
                with open(self._token_file, encoding="ascii") as file:
                    token = file.read(65536).strip()
            except (OSError, UnicodeDecodeError):
                raise CallError(f"{self._token_file} cannot be read") from None
        if not token.isprintable():
            raise CallError("the token for the container's credentials has more than one line")
        # As it is, without a scheme: the service chose it.
        headers = {"Authorization": token} if token else {}
        return _read(self._told("GET", self._url, headers), "the container's credentials service")

    def _of_instance(self) -> Credentials:
        """Ask the instance's metadata, by a session (IMDSv2).

        Raises:
            CallError: There is no role.
        """
        base = f"{self._metadata}/latest"
        # A session first (IMDSv2): an instance may be set to refuse requests without one.
        session = self._told(
            "PUT", f"{base}/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        headers = {"X-aws-ec2-metadata-token": session}
        listed = f"{base}/meta-data/iam/security-credentials/"
        # An instance has one role; the answer is a list all the same.
        role = self._told("GET", listed, headers).split("\n")[0]
        if not role:
            raise CallError("the instance has no role")
        text = self._told("GET", f"{listed}{quote(role)}", headers)
        return _read(text, "the instance's metadata")

    def _told(self, method: str, url: str, headers: dict[str, str]) -> str:
        # plain: where the URL may be plain was judged when it was set. 64 KiB, where credentials
        # have one or two.
        told = self._web.whole(method, url, headers=headers, plain=True)
        return told.decode("ascii", "replace").strip()


def object_url(location: str, region: str, endpoint: str = "") -> str:
    """Where an object of S3 is: by the name of its bucket, or below it where a certificate would not cover that.

    Args:
        location: `s3://BUCKET/KEY`.
        region: Of the bucket.
        endpoint: Of an S3 that is not Amazon's; empty: Amazon's.

    Raises:
        CallError: It is not a location.
    """
    found = re.fullmatch(_LOCATION, location)
    if found is None:
        raise CallError(f"{location[:100]!r} is not s3://BUCKET/KEY")
    bucket, key = found[1], quote(found[2], safe="/-_.~")
    if endpoint:
        return f"{endpoint}/{bucket}/{key}"
    host = f"s3.{region}.amazonaws.com"
    # The certificate is of *.s3.REGION.amazonaws.com, and a star stands for one label.
    return f"https://{host}/{bucket}/{key}" if "." in bucket else f"https://{bucket}.{host}/{key}"


def signature(
    method: str,
    url: str,
    data: bytes,
    who: Credentials,
    region: str,
    now: datetime.datetime,
    *,
    service: str = "s3",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers that sign a request, the given ones among them.

    Args:
        method: Such as GET.
        url: Encoded already; it has no query.
        data: The body.
        who: Signs.
        region: Of the service.
        now: When.
        service: Such as s3.
        headers: Further ones, in lower case.
    """
    parts = urlsplit(url)
    # The body is signed, too (not UNSIGNED-PAYLOAD): then it cannot be changed on a proxy that
    # ends TLS.
    digest = hashlib.sha256(data).hexdigest()
    time = now.strftime("%Y%m%dT%H%M%SZ")
    said = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
    said |= headers or {}
    # Signed with the rest: left out, Amazon refuses credentials of a role.
    if who.token:
        said["x-amz-security-token"] = who.token
    names = ";".join(sorted(said))
    lines = "".join(f"{name}:{said[name]}\n" for name in sorted(said))
    # In just this order and form: Amazon builds the same text from what arrives, and compares. The
    # empty line is the query, which none of ours has.
    request = f"{method}\n{parts.path or '/'}\n\n{lines}\n{names}\n{digest}"
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    # A key for a day, a region and a service: what leaks of it is good for no other.
    key = f"AWS4{who.secret}".encode()
    for word in (time[:8], region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashed}".encode()
    signed = hmac.new(key, text, hashlib.sha256).hexdigest()
    credential = f"Credential={who.key}/{scope},SignedHeaders={names},Signature={signed}"
    # urllib writes Host itself, from the same URL.
    sent = {name: value for name, value in said.items() if name != "host"}
    return {**sent, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _of_environment() -> str:
    full = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    # The relative one first, as in Amazon's own SDKs.
    relative = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
    return f"{CONTAINERS}{relative}" if relative.startswith("/") else full


def _read(text: str, where: str) -> Credentials:
    """Read credentials as both metadata services write them.

    Raises:
        CallError: They are unfit.
    """
    try:
        found = json.loads(text)
        # Instances answer 200 with a code where their role is not usable; containers send none.
        if found.get("Code", "Success") != "Success":
            raise CallError(f"{where} gives no credentials: {str(found['Code'])[:100]}")
        # With its zone: Amazon writes Z, and a time without one could not be compared.
        until = datetime.datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%S%z")
        key, secret, token = (
            str(found[name]) for name in ("AccessKeyId", "SecretAccessKey", "Token")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CallError(f"{where} gives no credentials") from None
    # They become headers, where a second line would be another one.
    if not (key + secret + token).isprintable():
        raise CallError(f"{where} gives credentials with more than one line")
    return Credentials(key, secret, token, until)
