"""What is allowed in a MachineBootstrap or its template, but better otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.agent_source import AgentDownload, AgentSource
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrapSpec
from machineadm.config.secrets import secrets_of
from machineadm.rendering.inspection import Written
from machineadm.rendering.realise import Realised
from machineadm.rendering.template import Piece

CONFIGURATION: Final = "the configuration"
SCRIPT: Final = "the fetch script with its headers"

_READ_ONLY: Final = "/usr/"


def of_spec(
    spec: MachineBootstrapSpec, agent: AgentSource | None, format_: str
) -> tuple[Finding, ...]:
    """Warnings about a MachineBootstrap.

    Args:
        spec: It.
        agent: Its agent without references.
        format_: As of the template.
    """
    return tuple(_of_spec(spec, agent, format_))


def _of_spec(
    spec: MachineBootstrapSpec, agent: AgentSource | None, format_: str
) -> Iterator[Finding]:
    download = agent.download if agent is not None else None
    destination = download.destination if download is not None else None
    if format_ == "ignition" and (destination or "").startswith(_READ_ONLY):
        yield Finding(
            code="MA1630",
            path="spec.agent.download.destination",
            message="/usr is read-only on Flatcar",
            hint="/opt/bin/machineadm, the default with format ignition, can be written",
        )
    # Only between slashes is it a directory of a release; `machineadm-{version}.pyz` is named as
    # its mirror likes it.
    if download is not None and not download.version.startswith("v") and _asks_version(download):
        yield Finding(
            code="MA1635",
            path="spec.agent.download.version",
            message=f"{{version}} in a URL becomes {download.version}; releases are below v{download.version}",
            hint=f"write v{download.version}, if the mirror is laid out like a release",
        )
    if download is not None and download.headers and spec.encryption is not None:
        yield Finding(
            code="MA1631",
            path="spec.agent.download",
            message="its headers are in clear text in the user data: the script that sends them runs before anything can be decrypted",
            hint="use a header that only allows fetching the agent",
        )
    if spec.infrastructure_ref is not None:
        yield Finding(
            code="MA1632",
            path="spec.infrastructureRef",
            message="this user data contains the configuration; the manager would put it into the store",
        )


def _asks_version(download: AgentDownload) -> bool:
    return any("/{version}/" in url for url in download.urls)


def of_template(
    files: Sequence[Written], pieces: Sequence[Piece], realised: Realised
) -> tuple[Finding, ...]:
    """Warnings about a template of one's own.

    Args:
        files: What the user data has the machine write.
        pieces: What the user data is made of.
        realised: What was rendered.
    """
    return tuple(_of_template(files, pieces, realised))


def _of_template(
    files: Sequence[Written], pieces: Sequence[Piece], realised: Realised
) -> Iterator[Finding]:
    path = realised.template_path
    names = frozenset[str]().union(*(piece.names for piece in pieces))
    # A warning and no error: a template may fetch its configuration from elsewhere.
    if "machine_config" not in names:
        message = "the template does not use machine_config: the machine gets no configuration"
        yield Finding(code="MA1633", path=path, message=message)
    download = realised.agent is not None and realised.agent.download is not None
    if download and "agent_fetch" not in names:
        message = "the template does not use agent_fetch: nothing fetches the agent of spec.agent.download"
        yield Finding(code="MA1633", path=path, message=message)
    # What is encrypted may be read by anybody; that is what it is encrypted for.
    open_ = bool(secrets_of(realised.configuration)) and realised.passphrase is None
    for file in files:
        if file.holds and file.exposed:
            what = file.holds
            if what == CONFIGURATION and open_:
                what += ", secrets included,"
            message = f"the template writes {what} to {file.path}, {file.exposed}"
            hint = "write it below /run/machineadm, owned by root, with permissions 0600"
            yield Finding(code="MA1634", path=path, message=message, hint=hint)
