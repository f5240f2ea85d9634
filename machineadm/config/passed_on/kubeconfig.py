"""A kubeconfig that the API server is given (k8s.io/client-go, tools/clientcmd): its fields, then what its reader refuses.

It is a secret: messages have nothing of it but the names of its fields and the numbers of its items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    Once,
    is_absent,
    is_label,
    is_url,
    mapping,
    maps,
    refused,
    required,
    text,
)
from machineadm.config.paths import child
from machineadm.config.rules.model import finding

Read = Callable[[str], tuple[list[Any], str]]

_CHOSEN: Final = ("as-user-extra", "config", "extension")
"""Fields below which names are what people choose."""


def judge(content: str, field: str, minor: int | None, read: Read) -> Iterator[Finding]:
    """Find what is wrong with a kubeconfig.

    Args:
        content: The whole file.
        field: JSON name of the field that holds it.
        minor: The minor version of Kubernetes 1 that will read it; without one only its form is judged.
        read: Gives the documents of a text, or in words what is wrong with it.
    """
    documents, problem = read(content)
    if problem:
        # Only the place: the reader's message may quote the text, which is a secret.
        where = re.match(r"line [0-9]+(, column [0-9]+)?", problem)
        yield finding("MA1324", field, f"is not YAML{f' from {where[0]}' if where else ''}")
    elif len(documents) != 1 or not isinstance(documents[0], dict):
        yield finding("MA1313", field, "must be one kubeconfig")
    else:
        for each in _problems(documents[0], minor):
            where_ = _place(each.path)
            message = f"{where_}: {each.message}" if where_ else each.message
            yield finding(each.code, field, message, each.hint)


def _place(path: str) -> str:
    """A path without names that people choose."""
    parts = path.removeprefix(".").split(".")
    for index, part in enumerate(parts):
        if part in _CHOSEN:
            return ".".join(parts[: index + 1])
    return ".".join(parts)


def _problems(config: dict[str, Any], minor: int | None) -> Iterator[Finding]:
    # Both may be missing, client-go fills them in.
    for name, wanted in (("apiVersion", "v1"), ("kind", "Config")):
        if config.get(name) not in (None, wanted):
            yield finding("MA1313", name, f"must be {wanted}")
    if minor is None or config.get("kind") not in (None, "Config"):
        return
    from machineadm.config import upstream
    from machineadm.config.upstream.walk import Walk

    # A kubeconfig has one version for good.
    ((type_, _where),) = upstream.fields()["kinds"]["Config"].values()
    walk = Walk(minor)
    told = set()
    for each in walk.problems(config, type_, ""):
        told.add(each.path)
        yield each
    for each in _rules(config):
        if each.path not in told | walk.meant:
            yield each


def _rules(config: dict[str, Any]) -> Iterator[Finding]:
    clusters, users, contexts = (_named(config, name) for name in ("clusters", "users", "contexts"))
    for parts in ("clusters", "users", "contexts"):
        names = Once()
        # Its lists are maps by name to client-go, so a second one of a name replaces the first.
        for part, at in maps(config, parts, ""):
            yield from names.again(text(part, "name"), child(at, "name"))
    # A person can choose a context, a webhook client of the API server cannot.
    yield from required(config, "", "current-context")
    current = text(config, "current-context")
    if current and current not in contexts:
        yield refused("current-context", "is not the name of one of its contexts")
    for part, at in maps(config, "contexts", ""):
        context, below = mapping(part, "context"), child(at, "context")
        yield from required(part, at, "name")
        for field, known in (("cluster", clusters), ("user", users)):
            yield from required(context, below, field)
            if text(context, field) and text(context, field) not in known:
                yield refused(child(below, field), f"is not the name of one of its {field}s")
        if text(context, "namespace") and not is_label(text(context, "namespace")):
            yield refused(child(below, "namespace"), "is not the name of a namespace")
    for part, at in maps(config, "clusters", ""):
        yield from _cluster(mapping(part, "cluster"), child(at, "cluster"))
    for part, at in maps(config, "users", ""):
        yield from _user(mapping(part, "user"), child(at, "user"))


def _named(config: dict[str, Any], name: str) -> set[str]:
    return {text(part, "name") for part, _at in maps(config, name, "")}


def _cluster(cluster: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(cluster, path, "server")
    server = text(cluster, "server")
    if server and not is_url(server):
        yield refused(child(path, "server"), "is not a URL")
    proxy = text(cluster, "proxy-url")
    # The schemes that client-go's transport takes.
    if proxy and (not re.match(r"(https?|socks5)://", proxy) or not is_url(proxy)):
        yield refused(child(path, "proxy-url"), "must begin with http://, https:// or socks5://")
    # clientcmd refuses both, since the data would override the file.
    yield from _one_way(cluster, path, "certificate-authority")
    if cluster.get("insecure-skip-tls-verify") is True and not (
        is_absent(cluster, "certificate-authority")
        and is_absent(cluster, "certificate-authority-data")
    ):
        at = child(path, "insecure-skip-tls-verify")
        yield refused(at, "not together with a certificate authority")
    yield from _certificates(cluster, path, "certificate-authority-data")


def _user(user: dict[str, Any], path: str) -> Iterator[Finding]:
    for name in ("client-certificate", "client-key"):
        yield from _one_way(user, path, name)
    certificate = not (
        is_absent(user, "client-certificate") and is_absent(user, "client-certificate-data")
    )
    key = not (is_absent(user, "client-key") and is_absent(user, "client-key-data"))
    # A key without a certificate is ignored by client-go, so only this is refused.
    if certificate and not key:
        yield refused(child(path, "client-key-data"), "is required with a client certificate")
    yield from _certificates(user, path, "client-certificate-data")
    words = not (is_absent(user, "username") and is_absent(user, "password"))
    if words and not is_absent(user, "token"):
        yield refused(child(path, "token"), "not together with username and password")
    # Impersonation of somebody who has no name.
    if is_absent(user, "as"):
        for name in ("as-uid", "as-groups", "as-user-extra"):
            if not is_absent(user, name):
                yield refused(child(path, name), "needs as")
    # By its presence: an empty `exec` is a program without a command to client-go.
    if "exec" in user:
        yield from _program(mapping(user, "exec"), child(path, "exec"))
        if "auth-provider" in user:
            yield refused(child(path, "auth-provider"), "not together with exec")


_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def _program(program: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(program, path, "command", "apiVersion")
    version = text(program, "apiVersion")
    if version and version not in _VERSIONS:
        yield refused(child(path, "apiVersion"), f"must be {' or '.join(_VERSIONS)}")
    elif version == _VERSIONS[0]:
        # Those who ask by the older version are given a default.
        yield from required(program, path, "interactiveMode")
    for variable, at in maps(program, "env", path):
        yield from required(variable, at, "name")


def _one_way(value: dict[str, Any], path: str, name: str) -> Iterator[Finding]:
    if not is_absent(value, name) and not is_absent(value, f"{name}-data"):
        yield refused(child(path, name), f"not together with {name}-data")


def _certificates(value: dict[str, Any], path: str, name: str) -> Iterator[Finding]:
    import binascii

    from machineadm.config.rules.pem import certificates_problem

    try:
        data = binascii.a2b_base64(text(value, name)).decode()
    except ValueError:  # not base64, which is told, or not text
        data = "?" if text(value, name) else ""
    if data and (problem := certificates_problem(data)):
        yield refused(child(path, name), problem)
