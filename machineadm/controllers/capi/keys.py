"""The keys of clusters, for who only compares what was derived from them: read now and then, whatever is asked how often."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

import msgspec

from machineadm.controllers.capi.tokens import KEY_SIZE
from machineadm.controllers.runtime.client import Client
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.runtime.resources import SECRETS
from machineadm.controllers.runtime.store import Key

# A key is never changed in practice; a minute is how long a deleted one is still taken.
_FRESH: Final = 60.0
# A bound for the memory: whoever asks names the cluster, and may name any.
_MOST: Final = 1000


class _Data(msgspec.Struct):
    data: dict[str, str] = {}


def key_secret(cluster: str) -> str:
    """Name of the Secret that holds a cluster's key."""
    return f"{cluster}-machineadm-tokens"


class Keys:
    """Reads keys, a minute's worth at a time; that there is none is remembered for as long.

    Args:
        client: Of the management cluster.
        clock: Seconds that never go back.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._known = Recent[Key, tuple[bytes | None, float]](_MOST)

    async def of(self, cluster: Key) -> bytes | None:
        """The key of a cluster; None where it has none that can be used.

        Args:
            cluster: Its namespace and name.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        # None is remembered as well, or names that are not there would cost a request each.
        # Not locked: two questions at once cost two calls, and both answers are the same.
        key, until = self._known.get(cluster) or (None, 0.0)
        if self._clock() < until:
            return key
        namespace, name = cluster
        key = _key(await self._client.get(SECRETS, namespace, key_secret(name)))
        self._known.put(cluster, (key, self._clock() + _FRESH))
        return key


def _key(data: bytes | None) -> bytes | None:
    try:
        text = msgspec.json.decode(data or b"{}", type=_Data).data.get("key", "")
        key = base64.b64decode(text, validate=True)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    # A short key would be a guessable one.
    return key if len(key) == KEY_SIZE else None
