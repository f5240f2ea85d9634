"""Google Compute Engine's metadata service.

https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

from typing import ClassVar, Final

from machineadm.host.instance.files import text_of
from machineadm.host.instance.model import UnknownError, as_text, short_host
from machineadm.host.instance.platforms.service import LINK_LOCAL, Service
from machineadm.host.ports import Host

_ROOT: Final = "/computeMetadata/v1/"
_FLAVOR: Final = {"Metadata-Flavor": "Google"}

_PATHS: Final = {
    "v1.instance_id": "instance/id",
    "v1.local_hostname": "instance/hostname",
    "v1.availability_zone": "instance/zone",
    "v1.region": "instance/zone",
    "ds.meta_data.instance_id": "instance/id",
    "ds.meta_data.local_hostname": "instance/hostname",
    "ds.meta_data.availability_zone": "instance/zone",
    "ds.meta_data.name": "instance/name",
    "ds.meta_data.project_id": "project/project-id",
}
"""cloud-init's names, and two that a provider id is made of. Attributes are not among them: they hold credentials of others."""


class Gce:
    """The source.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "GCE"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")

    def __init__(self, host: Host) -> None:
        self._service = Service(host)

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        if name in ("v1.cloud_name", "v1.cloud_id", "v1.platform"):
            return "gce"
        if name == "v1.subplatform":
            return f"metadata ({LINK_LOCAL})"
        path = _PATHS.get(name.replace("-", "_"))
        if path is None:
            raise UnknownError("has no such name")
        # The request's header proves that no browser was tricked into it, the answer's that the
        # service itself has answered.
        answer = self._service.get(_ROOT + path, timeout, headers=_FLAVOR)
        if answer.headers.get("metadata-flavor") != "Google":
            # The documentation tells clients to check it: without this header something else has answered.
            raise UnknownError(
                "answered without Metadata-Flavor: Google, so it is not the metadata service"
            )
        text = as_text(text_of(answer.body, path).strip())
        if path == "instance/zone":
            text = text.rpartition("/")[2]  # projects/NUMBER/zones/ZONE
        if name == "v1.region":
            return text.rpartition("-")[0]
        return short_host(text) if name == "v1.local_hostname" else text
