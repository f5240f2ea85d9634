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

# Words of a message and keys of a map at once: render.py names by them what it looks for.
CONFIGURATION: Final = "the configuration"
SCRIPT: Final = "the fetch script with its headers"

# With the slash at its end: /usr-local is another directory.
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
    # A tuple, because a generator that nobody reads to its end would leave warnings out without a
    # sign.
    return tuple(_of_spec(spec, agent, format_))


def _of_spec(
    spec: MachineBootstrapSpec, agent: AgentSource | None, format_: str
) -> Iterator[Finding]:
    # By the agent after references were filled in: headersFrom has become headers, and that is what
    # MA1631 looks at.
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
    # Without encryption everything is in clear text and the author knows it; with it they rely on
    # it.
    if download is not None and download.headers and spec.encryption is not None:
        yield Finding(
            code="MA1631",
            path="spec.agent.download",
            message="its headers are in clear text in the user data: the script that sends them runs before anything can be decrypted",
            hint="use a header that only allows fetching the agent",
        )
    # Not refused: `machineadm render` is how one looks at it, and the reference only matters to the
    # manager.
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
    # By what the pieces were made of, and not by searching the template: a function may be named in
    # a branch that was not taken.
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
            # Changed below for the message only; the comparison needs the word itself.
            what = file.holds
            if what == CONFIGURATION and open_:
                what += ", secrets included,"
            message = f"the template writes {what} to {file.path}, {file.exposed}"
            hint = "write it below /run/machineadm, owned by root, with permissions 0600"
            yield Finding(code="MA1634", path=path, message=message, hint=hint)
