"""Registries: certs.d/HOST/hosts.toml. containerd reads it at each pull, so nothing is restarted for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.containerd import Registry, RegistryMirror
from machineadm.config.machine_paths import CERTS_D
from machineadm.plan.model import Phase, Step
from machineadm.redaction import Secret
from machineadm.steps.containerd.tables import HEADER


def write_registries(
    registries: Sequence[Registry], headers: Mapping[str, Secret]
) -> tuple[Step, ...]:
    """One step for the files of all registries, or none.

    Args:
        registries: Free of findings.
        headers: Values of `Authorization`, by the registry's host.
    """
    if not registries:
        return ()
    # A mirror is often a registry of the same list: its certificates need be said once.
    known = {one.host: one for one in registries}
    files = tuple(file for one in registries for file in _files(one, known, headers))
    return (WriteFiles(name="containerd/registries", phase=Phase.PREPARE, files=files),)


def _files(
    registry: Registry, known: dict[str, Registry], headers: Mapping[str, Secret]
) -> Iterator[PlannedFile]:
    directory, tls = f"{CERTS_D}/{registry.host}", registry.tls
    hosts, secret = _hosts(registry, known, headers)
    mode = 0o600 if secret else 0o644
    yield PlannedFile(path=f"{directory}/hosts.toml", content=hosts, mode=mode, sensitive=secret)
    if tls is None:
        return
    if tls.ca is not None:
        yield PlannedFile(path=f"{directory}/ca.crt", content=_line(tls.ca))
    if tls.cert is not None:
        # The names are free, since hosts.toml has the paths; these are those of Docker's certs.d.
        yield PlannedFile(path=f"{directory}/client.cert", content=_line(tls.cert))
    if tls.key is not None:
        key = _line(tls.key.reveal())
        yield PlannedFile(path=f"{directory}/client.key", content=key, mode=0o600, sensitive=True)


def _line(text: str) -> bytes:
    return (text if text.endswith("\n") else f"{text}\n").encode()


def _hosts(
    registry: Registry, known: dict[str, Registry], headers: Mapping[str, Secret]
) -> tuple[bytes, bool]:
    """The file of a registry, and whether it holds a token."""
    import tomli_w

    tables: dict[str, Any] = {}
    if registry.host != "_default":
        # Docker Hub answers under another name than its images have.
        name = "registry-1.docker.io" if registry.host == "docker.io" else registry.host
        # Where no mirror answers: named here, it is asked with the certificates and the token of
        # this file.
        tables["server"] = f"https://{name}"
    tables.update(_trust(registry))
    tables.update(_token(registry.host, headers))
    hosts = {one.url.rstrip("/"): _mirror(one, known, headers) for one in registry.mirrors}
    # Also without a mirror: containerd 1.6 reads nothing of a file that lacks the table.
    tables["host"] = hosts
    secret = any("header" in one for one in (tables, *hosts.values()))
    return f"{HEADER}.\n{tomli_w.dumps(tables)}".encode(), secret


def _token(host: str, headers: Mapping[str, Secret]) -> dict[str, Any]:
    """What authenticates at a registry. Here and not in config.toml: a token changes, and containerd would be restarted."""
    header = headers.get(host)
    return {"header": {"Authorization": header.reveal()}} if header is not None else {}


def _mirror(
    mirror: RegistryMirror, known: dict[str, Registry], headers: Mapping[str, Secret]
) -> dict[str, Any]:
    tables: dict[str, Any] = {"capabilities": list(mirror.capabilities)}
    if mirror.override_path:
        tables["override_path"] = True
    # A mirror that is a registry of the configuration itself is reached as that one is.
    host = mirror.url.partition("://")[2].partition("/")[0]
    if (same := known.get(host)) is not None:
        tables.update(_trust(same))
        # A token goes over no connection that anybody on the way can read.
        if mirror.url.startswith("https:"):
            tables.update(_token(host, headers))
    return tables


def _trust(registry: Registry) -> dict[str, Any]:
    """How the certificate of a registry is judged, and which one it is shown."""
    directory, tls = f"{CERTS_D}/{registry.host}", registry.tls
    found: dict[str, Any] = {}
    if tls is None:
        return found
    if tls.ca is not None:
        found["ca"] = [f"{directory}/ca.crt"]
    if tls.cert is not None:
        # A list of pairs: containerd takes a single list for certificates that hold their key
        # themselves.
        found["client"] = [[f"{directory}/client.cert", f"{directory}/client.key"]]
    if tls.insecure_skip_verify:
        found["skip_verify"] = True
    return found
