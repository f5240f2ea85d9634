"""EC2's metadata service, version 2: a session's token first, then one request for each value.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

from typing import ClassVar, Final

from machineadm.host.instance.files import json_object
from machineadm.host.instance.model import UnknownError, as_text, at, short_host
from machineadm.host.instance.platforms.service import LINK_LOCAL, Service
from machineadm.host.ports import Host

_TOKEN: Final = "/latest/api/token"  # noqa: S105 - a path
_META: Final = "/latest/meta-data/"
_DOCUMENT: Final = "dynamic.instance_identity.document."

_PATHS: Final = {
    "v1.instance_id": "instance-id",
    "v1.local_hostname": "local-hostname",
    "v1.availability_zone": "placement/availability-zone",
    "v1.region": "placement/region",
}


class Ec2:
    """The source. Names in `ds` are the service's own paths: `ds.meta_data.placement.availability_zone`.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "EC2"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")

    def __init__(self, host: Host) -> None:
        self._service = Service(host)
        self._clock = host.clock
        self._token = ""

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        match name:
            case "v1.cloud_name":
                return "aws"
            case "v1.platform":
                return "ec2"
            case "v1.subplatform":
                return f"metadata ({LINK_LOCAL})"
            case "v1.cloud_id":
                return _cloud(self._text(_META + _PATHS["v1.region"], timeout))
            case "v1.local_hostname":
                return short_host(self._text(_META + _PATHS[name], timeout))
            case _:
                pass
        if name in _PATHS:
            return self._text(_META + _PATHS[name], timeout)
        if name.startswith("ds.meta_data."):
            # cloud-init writes the service's hyphens as underscores, since its names are used in
            # Jinja.
            path = name.removeprefix("ds.meta_data.").replace("_", "-").replace(".", "/")
            return self._text(_META + path, timeout)
        place = name.removeprefix("ds.").replace("-", "_")
        if place.startswith(_DOCUMENT):
            path = "/latest/dynamic/instance-identity/document"
            document = json_object(self._text(path, timeout, lines=True).encode(), path)
            return as_text(at(document, name.rpartition(".document.")[2]))
        raise UnknownError("has no such name")

    def _text(self, path: str, timeout: float, *, lines: bool = False) -> str:
        """The text at a path.

        Raises:
            UnknownError: There is none, or it is a list of the names below.
        """
        end = self._clock.monotonic() + timeout
        if not self._token:
            # Six hours, the longest: a run with all its retries is over by then.
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            # Always version 2: where version 1 is turned off (HttpTokens=required) a plain
            # request gets a 401.
            answer = self._service.get(_TOKEN, timeout, headers=headers, method="PUT")
            token = answer.body.decode("ascii", errors="replace").strip()
            # It goes into a header of the next request: a line break in it would add headers.
            if not token or not token.isprintable():
                raise UnknownError("returns no token for its version 2")
            self._token = token
        text = self._service.text(
            path,
            end - self._clock.monotonic(),
            headers={"X-aws-ec2-metadata-token": self._token},
        )
        if not lines and "\n" in text.rstrip("\n"):
            raise UnknownError(f"{path} is a list: name one of its parts")
        return as_text(text.rstrip("\n"))


def _cloud(region: str) -> str:
    for prefix, cloud in (("cn-", "aws-china"), ("us-gov-", "aws-gov")):
        if region.startswith(prefix):
            return cloud
    return "aws"
