"""Google Cloud Storage, or whatever speaks its JSON API.

Credentials are Application Default Credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud's, the metadata
server's). STORAGE_EMULATOR_HOST is obeyed, as by all of Google's libraries. Over plain http no
credentials are sent: only an emulator answers there.
"""

from __future__ import annotations

import contextlib
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

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

_TIMEOUT: Final = (10.0, 60.0)  # seconds to connect, and between two bytes


class Gcs:
    """A prefix of a bucket.

    Args:
        bucket: The bucket's name.
        prefix: What all names begin with: empty, or ending in a slash.
        endpoint: Base URL of another server; None: Google's.
    """

    # Generations are times in microseconds, so no object has this one.
    stale_mark = "1"
    promise = "generation preconditions (ifGenerationMatch)"

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None = None) -> None:
        self._where = f"gs://{bucket}"
        self._prefix = prefix
        self._name = bucket
        self._endpoint = endpoint
        self._opened: Any = None

    def list(self, prefix: str) -> frozenset[str]:
        """All names that begin so.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        with self._telling():
            found = self._bucket().client.list_blobs(
                self._bucket(), prefix=self._prefix + prefix, timeout=_TIMEOUT, retry=None
            )
            return frozenset(blob.name.removeprefix(self._prefix) for blob in found)

    def read(self, name: str) -> Held | None:
        """The object of that name, if there is one; its CRC32C was compared.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        from google.api_core.exceptions import NotFound

        while True:
            with self._telling():
                # Twice: metadata for the generation, then the bytes of just that one.
                blob = self._bucket().get_blob(self._prefix + name, timeout=_TIMEOUT, retry=None)
                if blob is None:
                    return None
                mark = str(blob.generation)  # now: downloading sets what the answer's headers say
                with contextlib.suppress(NotFound):  # that generation is gone: there is a newer one
                    # raw: the bytes as they are stored, whatever their Content-Encoding says.
                    data = blob.download_as_bytes(raw_download=True, timeout=_TIMEOUT, retry=None)
                    return Held(data, mark)

    def create(self, name: str, item: Item) -> bool:
        """Write what must not exist yet; False: it does.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        # ifGenerationMatch=0: there must be no object.
        return self._upload(name, item, 0)

    def replace(self, name: str, item: Item, mark: str) -> bool:
        """Write over the generation of that mark; False: there is another.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        return self._upload(name, item, int(mark))

    def _upload(self, name: str, item: Item, generation: int) -> bool:
        from google.api_core.exceptions import PreconditionFailed

        with self._telling():
            blob = self._bucket().blob(self._prefix + name)
            blob.cache_control = item.cache_control
            try:
                blob.upload_from_string(
                    item.data,
                    content_type=item.media_type,
                    if_generation_match=generation,
                    checksum="crc32c",  # sent along: the store refuses what arrives otherwise
                    timeout=_TIMEOUT,
                    retry=None,
                )
            # So does a try of our own whose answer was lost; the publisher reads what is there.
            except PreconditionFailed:
                return False
            return True

    def _bucket(self) -> Any:  # the library is untyped
        if self._opened is None:
            from google.cloud.storage import Client

            # Plain http carries tokens in the clear, so the library is told to use none.
            plain = (self._endpoint or "").startswith("http:")
            options = {"api_endpoint": self._endpoint} if self._endpoint else None
            client = Client(
                project=None, client_options=options, use_auth_w_custom_endpoint=not plain
            )
            self._opened = client.bucket(self._name)
        return self._opened

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what the library raises into our errors.

        Raises:
            PassingError: MA1856.
            HostError: MA1855, MA1858 or MA1859.
        """
        import requests
        from google.api_core import exceptions as api
        from google.auth import exceptions as auth
        from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (api.Unauthorized, api.Forbidden) as error:
            fail_refused(self._where, f"{error.code} {brief(error.message)}")
        # A missing object was answered with None above; this is the bucket.
        except api.NotFound:
            fail_absent(self._where)
        # Both may pass: too many requests, and whatever is the server's own fault.
        except (api.TooManyRequests, api.ServerError) as error:
            fail_unreachable(self._where, f"{error.code} {brief(error.message)}")
        except (api.GoogleAPIError, InvalidResponse, ValueError) as error:
            fail(self._where, brief(error))
        except auth.TransportError:
            fail_unreachable(self._where, "no token can be fetched")
        except auth.GoogleAuthError as error:
            # Not quoted: it may repeat what a token server said.
            fail_refused(self._where, f"no credentials ({type(error).__name__})")
        except requests.exceptions.SSLError as error:
            fail(self._where, f"TLS: {brief(error)}")
        except (
            DataCorruption,
            HTTPError,
            HTTPException,
            requests.RequestException,
            OSError,
        ) as error:
            fail_unreachable(self._where, type(error).__name__)
