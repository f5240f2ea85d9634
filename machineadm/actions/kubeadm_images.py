"""The images that kubeadm wants, by its own word: a query that needs no network."""

from __future__ import annotations

from machineadm.errors import HostError
from machineadm.host.ports import Host

_TIMEOUT = 60.0


def kubeadm_images(version: str, repository: str, host: Host) -> tuple[str, ...]:
    """References of all images of a version; none where there is no kubeadm or it does not say.

    Args:
        version: `v1.34.4`.
        repository: Where they are, instead of kubeadm's default; empty: there.
        host: The machine.
    """
    if host.queries is None or not version or host.queries.find("kubeadm") is None:
        return ()
    # The version is given: without one kubeadm asks the internet for the newest, and waits ten
    # seconds where there is none.
    argv = ["kubeadm", "config", "images", "list", f"--kubernetes-version={version}"]
    if repository:
        argv.append(f"--image-repository={repository}")
    try:
        result = host.queries.ask(argv, timeout=_TIMEOUT)
    except HostError:
        return ()
    if result.exit_code != 0:
        return ()
    # Warnings of standard error stand between the lines; a reference has a tag and no blank.
    lines = [line.strip() for line in result.output.splitlines()]
    return tuple(line for line in lines if "/" in line and ":" in line and " " not in line)
