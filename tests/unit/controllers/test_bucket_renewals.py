"""When URLs of buckets are renewed: as often as it helps, however soon the credentials end."""

from __future__ import annotations

import pytest

from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import SignedUrl, StoreFetch
from machineadm.controllers.stores.bucket import BucketStore
from machineadm.controllers.stores.signing import LONGEST

KEY = ("default", "worker")
EARLY = 900.0
"""Seconds before their end at which the manager has other credentials."""


class Sessions:
    """A bucket whose credentials live for an hour; None: for ever."""

    named = "S3BootstrapStore main"
    longest = LONGEST

    def __init__(self, lasts: float | None) -> None:
        self.lasts, self.until = lasts, lasts

    def at(self, now: float) -> None:
        if self.until is not None and self.lasts is not None and now > self.until - EARLY:
            self.until = now + self.lasts


@pytest.mark.parametrize("expiry", ["1h", "24h", "168h", "720h"])
@pytest.mark.parametrize("lasts", [None, 3600.0, 12 * 3600.0])
def test_a_url_is_renewed_before_its_end_and_never_in_a_loop(
    expiry: str, lasts: float | None
) -> None:
    bucket = Sessions(lasts)
    spec = S3BootstrapStoreSpec(
        bucket="bbb", fetch=StoreFetch(presigned_url=SignedUrl(expiry=expiry))
    )
    store = BucketStore(bucket, spec)  # type: ignore[arg-type]
    now, renewals = 0.0, 0
    expires = store.expires(KEY, now)
    while now < 24 * 3600:
        bucket.at(now)
        left = store.renew_in(KEY, expires, now)
        assert left is not None
        if left <= 0:
            expires, renewals = store.expires(KEY, now), renewals + 1
            assert (store.renew_in(KEY, expires, now) or 0) > 0
        now += 30
        assert expires > now

    assert renewals <= 24 * 3600 / 1500
