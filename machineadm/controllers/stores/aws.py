"""Who the manager is at Amazon: keys of a Secret, or its pod's or machine's own role, and the role that these assume.

Looked for as Amazon's SDKs do: keys of the environment, a web identity (IRSA), a container's credentials (EKS Pod Identity), the
instance's role by IMDSv2. Written from docs.aws.amazon.com: "AssumeRole", "AssumeRoleWithWebIdentity", "Container credential provider",
"Use the Instance Metadata Service".
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from machineadm.api.infrastructure.v1alpha1.aws import AwsCredentials
from machineadm.controllers.capi.types import time_of
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.stores.answers import UnansweredError, ask
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.signing import Credentials, Signer, encoded

_METADATA: Final = "http://169.254.169.254"
_CONTAINERS: Final = "http://169.254.170.2"
_LOCAL: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "127.0.0.1", "::1")
"""Where a container's credentials may be asked for without TLS, as Amazon's own SDKs do."""

_TIMEOUT: Final = 10.0
_AGAIN: Final = 60.0
_MARGIN: Final = 900.0
"""Seconds before their end at which credentials are renewed: what they sign must live for a while."""

_LARGEST: Final = 65536
_MOST: Final = 100
"""Identities that are kept: of each only who last was asked for."""

_LASTS: Final = "3600"
_SESSION: Final = "machineadm"


class Identity:
    """Finds credentials, and keeps those that end until shortly before.

    Args:
        session: Makes the calls.
        now: Seconds since 1970.
        environment: Of the process.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        now: Callable[[], float],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._session = session
        self._now = now
        self._environment = environment
        self._known = Recent[tuple[object, ...], Credentials](_MOST)

    async def credentials(
        self, given: AwsCredentials | None, values: Mapping[str, str], region: str
    ) -> Credentials:
        """Find who asks.

        Args:
            given: What the store says of that; None: nothing.
            values: Of its Secret; empty where it names none.
            region: In which roles are assumed.

        Raises:
            StoreError: Nobody is found, or may assume the role.
        """
        role = given.role_arn if given is not None else None
        outside = given.external_id if given is not None else None
        kept = (region, role, outside, values.get("accessKeyID"), values.get("secretAccessKey"))
        found = self._known.get(kept)
        if found is None or found.until is None or found.until - _MARGIN < self._now():
            found = _of_secret(values) if values else await self._own(region)
            if role is not None:
                found = await self._assumed(found, role, outside, region)
            # Keys that do not end cost nothing to find again, and are not kept beyond their Secret.
            if found.until is not None:
                self._known.put(kept, found)
        return found

    async def _own(self, region: str) -> Credentials:
        there = self._environment
        if there.get("AWS_ACCESS_KEY_ID") and there.get("AWS_SECRET_ACCESS_KEY"):
            return Credentials(
                key=there["AWS_ACCESS_KEY_ID"],
                secret=there["AWS_SECRET_ACCESS_KEY"],
                token=there.get("AWS_SESSION_TOKEN", ""),
            )
        if there.get("AWS_WEB_IDENTITY_TOKEN_FILE") and there.get("AWS_ROLE_ARN"):
            token = await _file(there["AWS_WEB_IDENTITY_TOKEN_FILE"])
            query = {
                "Action": "AssumeRoleWithWebIdentity",
                "RoleArn": there["AWS_ROLE_ARN"],
                "WebIdentityToken": token,
            }
            return await self._sts(query, region, None)
        url = there.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        if relative := there.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""):
            url = f"{_CONTAINERS}{relative}"
        return await (self._of_container(url) if url else self._of_instance())

    async def _assumed(
        self, who: Credentials, role: str, outside: str | None, region: str
    ) -> Credentials:
        query = {"Action": "AssumeRole", "RoleArn": role}
        if outside is not None:
            query["ExternalId"] = outside
        return await self._sts(query, region, who)

    async def _sts(
        self, query: dict[str, str], region: str, who: Credentials | None
    ) -> Credentials:
        endpoint = self._environment.get("AWS_ENDPOINT_URL_STS", "")
        url = endpoint.rstrip("/") or f"https://sts.{region}.amazonaws.com"
        query |= {
            "Version": "2011-06-15",
            "DurationSeconds": _LASTS,
            "RoleSessionName": _SESSION,
        }
        data = encoded(query).encode()
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        if who is not None:
            now = datetime.fromtimestamp(self._now(), timezone.utc)
            signer = Signer(who=who, region=region, service="sts")
            headers = signer.headers("POST", f"{url}/", data, now, headers=headers)
        text = await self._told("POST", f"{url}/", headers, data)
        words = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        found = {word: re.search(rf"<{word}>\s*([^<>&\s]+)\s*</{word}>", text) for word in words}
        parts = {word: one[1] for word, one in found.items() if one is not None}
        return _read(
            {"Token" if word == "SessionToken" else word: one for word, one in parts.items()}
        )

    async def _of_container(self, url: str) -> Credentials:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise _failed("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine")
        token = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if file := self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""):
            token = await _file(file)
        return _json(await self._told("GET", url, {"Authorization": token} if token else {}))

    async def _of_instance(self) -> Credentials:
        if self._environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise _failed("there are no credentials in the environment, and no instance is asked")
        endpoint = self._environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "") or _METADATA
        base = f"{endpoint.rstrip('/')}/latest"
        lasts = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        headers = {"X-aws-ec2-metadata-token": await self._told("PUT", f"{base}/api/token", lasts)}
        listed = f"{base}/meta-data/iam/security-credentials/"
        role = (await self._told("GET", listed, headers)).partition("\n")[0]
        return _json(await self._told("GET", f"{listed}{quote(role)}", headers))

    async def _told(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None
    ) -> str:
        where = urlsplit(url).hostname
        try:
            answer = await ask(
                self._session,
                method,
                url,
                headers=headers,
                timeout=_TIMEOUT,
                most=_LARGEST,
                data=data,
            )
        except UnansweredError:
            raise _failed(f"{where} does not answer") from None
        if answer.status != 200:
            found = re.search(rb"<Code>([A-Za-z.]{1,64})</Code>", answer.data)
            code = f" {found[1].decode()}" if found else ""
            raise _failed(f"{where} answers with HTTP {answer.status}{code}")
        text = answer.data.decode(errors="replace").strip()
        # One line of it becomes a header, where a second would be another one.
        if not text.replace("\n", "").replace("\r", "").isprintable():
            raise _failed(f"{where} answers with something else")
        return text


def _of_secret(values: Mapping[str, str]) -> Credentials:
    key, secret = values.get("accessKeyID", ""), values.get("secretAccessKey", "")
    if not key or not secret:
        raise _failed("its Secret has no accessKeyID and secretAccessKey")
    return Credentials(key=key, secret=secret, token=values.get("sessionToken", ""))


def _json(text: str) -> Credentials:
    try:
        found: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    return _read(found if isinstance(found, dict) else {})


def _read(found: Mapping[str, Any]) -> Credentials:
    texts = [found.get(word) for word in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")]
    if not all(isinstance(one, str) and one and one.isprintable() for one in texts):
        raise _failed("the server that was asked for credentials did not send any")
    key, secret, token, until = map(str, texts)
    return Credentials(key=key, secret=secret, token=token, until=time_of(until).timestamp())


async def _file(path: str) -> str:
    try:
        return (await asyncio.to_thread(Path(path).read_text, "ascii")).strip()
    except (OSError, UnicodeDecodeError):
        raise _failed(f"{path} cannot be read") from None


def _failed(why: str) -> StoreError:
    return StoreError("StoreNotReady", f"no credentials at Amazon: {why}", again_after=_AGAIN)
