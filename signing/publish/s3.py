"""Amazon S3, or whatever speaks its protocol.

Credentials and region come from boto3's own chain (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a
container's or machine's role). Requests sign their body (SHA-256), so the store refuses a damaged one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, NoReturn

from signing.publish.stores import (
    Held,
    Item,
    brief,
    fail,
    fail_absent,
    fail_refused,
    fail_unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import ClientError

_REFUSED: Final = frozenset(
    ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
)
# 409: another conditional write of the same object is under way.
_PASSING: Final = frozenset((408, 409, 429, 500, 502, 503, 504))


class S3:
    """A prefix of a bucket.

    Args:
        bucket: The bucket's name.
        prefix: What all names begin with: empty, or ending in a slash.
        endpoint: Base URL of another server; None: Amazon's of the region.
    """

    # Quoted, as ETags are (RFC 9110, 8.8.3); no content has the MD5 of zeros for all practical
    # purposes.
    stale_mark = '"00000000000000000000000000000000"'
    promise = "conditional writes (If-None-Match, If-Match)"

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None = None) -> None:
        self._where = f"s3://{bucket}"
        self._bucket = bucket
        self._prefix = prefix
        self._endpoint = endpoint
        self._opened: Any = None

    def list(self, prefix: str) -> frozenset[str]:
        """All names that begin so.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        with self._telling():
            pages = self._client().get_paginator("list_objects_v2")
            found = (
                entry["Key"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                # An empty page has no `Contents`.
                for entry in page.get("Contents", ())
            )
            return frozenset(name.removeprefix(self._prefix) for name in found)

    def read(self, name: str) -> Held | None:
        """The object of that name, if there is one.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        with self._telling():
            client = self._client()
            try:
                answer = client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except client.exceptions.NoSuchKey:
                return None
            return Held(answer["Body"].read(), answer["ETag"])

    def create(self, name: str, item: Item) -> bool:
        """Write what must not exist yet; False: it does.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        return self._put(name, item, {"IfNoneMatch": "*"})

    def replace(self, name: str, item: Item, mark: str) -> bool:
        """Write over what still has that ETag; False: it has another.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        return self._put(name, item, {"IfMatch": mark})

    def _put(self, name: str, item: Item, condition: dict[str, str]) -> bool:
        from botocore.exceptions import ClientError

        # x-amz-checksum-sha256: the store compares what arrived and refuses the rest with 400.
        digest = base64.b64encode(hashlib.sha256(item.data).digest()).decode()
        with self._telling():
            # Twice at most: with the condition, and without it for a store that has none.
            for conditions in (condition, {}):
                try:
                    self._client().put_object(
                        Bucket=self._bucket,
                        Key=self._prefix + name,
                        Body=item.data,
                        ContentType=item.media_type,
                        CacheControl=item.cache_control,
                        ChecksumSHA256=digest,
                        **conditions,
                    )
                except ClientError as error:
                    # A condition that does not hold (RFC 9110, 15.5.13): somebody else was first.
                    if _status(error) == 412:
                        return False
                    if _status(error) == 501 and conditions:
                        continue  # a store without conditional writes; `_excludes` of the publisher detects that
                    raise
                return True
        raise AssertionError("the second try returns or raises")

    def _client(self) -> Any:  # the library is untyped
        if self._opened is None:
            import boto3
            from botocore.config import Config

            # In the host name, as `auto` has it, the bucket would need a wildcard name of the
            # store's own.
            style = "path" if self._endpoint else "auto"
            config = Config(
                # Short, and once: how long to go on is the budget's to say.
                connect_timeout=10,
                read_timeout=60,
                retries={"total_max_attempts": 1},  # retrying.py does it
                s3={"addressing_style": style, "payload_signing_enabled": True},
                # Only the checksum given above: older S3-compatible stores refuse the ones that boto3 adds by itself.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            session = boto3.Session()
            # boto3 signs nothing without a region; other stores do not look at it.
            region = session.region_name or "us-east-1"
            self._opened = session.client(
                "s3", endpoint_url=self._endpoint, region_name=region, config=config
            )
        return self._opened

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what the library raises into our errors.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        from botocore import exceptions as boto
        from urllib3.exceptions import HTTPError

        try:
            yield
        except boto.ClientError as error:
            self._tell(error)
        except boto.SSLError as error:
            fail(self._where, f"TLS: {brief(error)}")
        except (
            boto.ConnectionError,
            boto.HTTPClientError,
            boto.IncompleteReadError,
            HTTPError,
            HTTPException,
            OSError,
        ) as error:
            fail_unreachable(self._where, type(error).__name__)
        except (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ProfileNotFound,
        ) as error:
            fail_refused(self._where, f"no credentials ({type(error).__name__})")
        except (boto.BotoCoreError, ValueError) as error:
            fail(self._where, brief(error))

    def _tell(self, error: ClientError) -> NoReturn:
        code, status = _code(error), _status(error)
        said = f"{status} {brief(code)}"
        # By code as well: stores differ in the status that they give to an expired token.
        if code in _REFUSED or status in (401, 403):
            fail_refused(self._where, said)
        if code == "NoSuchBucket":
            fail_absent(self._where)
        if status in _PASSING:
            fail_unreachable(self._where, said)
        fail(self._where, said)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
