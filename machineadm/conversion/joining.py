"""The role of a machine, and how it finds its cluster."""

from __future__ import annotations

from typing import Final

from machineadm.conversion.account import View
from machineadm.conversion.fields import Setting, boolean, put, seconds, strings, text
from machineadm.conversion.halves import HalvesDifferError


def role(
    init: View | None, join: View | None, setting: Setting, cluster: View | None = None
) -> dict[str, object]:
    """The role with what only it has; empty: left open, and the manager chooses.

    Args:
        init: The InitConfiguration.
        join: The JoinConfiguration.
        setting: Of the document.
        cluster: The ClusterConfiguration.
    """
    if setting.role == "Initialize":
        _leave(
            join, ("discovery", "caCertPath", "controlPlane"), "is for another role than Initialize"
        )
        return {"type": "Initialize", **_initialize(init, setting)}
    # A worker joins even where the role is left open for the manager.
    if setting.role is not None or setting.worker:
        _leave(
            init, ("bootstrapTokens", "certificateKey"), "is for the first control plane machine"
        )
        name = setting.role or "JoinWorker"
        found = _joining(join, setting, name)
        # Without anything to say the role stays open: the manager fills it in for each machine.
        return {"type": name, **found} if found or setting.role is not None else {}
    _tokens(init, setting)
    _open_discovery(join, cluster)
    controls = join.get("controlPlane") if join is not None else None
    if controls is not None and controls.is_empty:
        controls.default("what joins is a control plane machine")
    return {}


def _leave(view: View | None, names: tuple[str, ...], note: str) -> None:
    for name in names:
        part = view.get(name) if view is not None else None
        if part is not None:
            part.nothing(note)


def _initialize(init: View | None, setting: Setting) -> dict[str, object]:
    found: dict[str, object] = {}
    if init is None:
        return found
    put(found, "bootstrapTokens", _listed_tokens(init.get("bootstrapTokens"), setting))
    to = "kubernetes.role.certificateKey"
    put(found, "certificateKey", text(init.get("certificateKey"), to, setting))
    return found


def _listed_tokens(view: View | None, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for item in view.items() if view is not None else ():
        # kubeadm fills these in when it defaults its configuration.
        if item.get("token") is None:
            _generated(item)
            continue
        token: dict[str, object] = {}
        to = f"kubernetes.role.bootstrapTokens[{len(found)}]"
        for name in ("token", "description", "expires", "ttl"):
            put(token, name, text(item.get(name), f"{to}.{name}", setting))
        put(token, "ttl", seconds(item.get("ttlSeconds"), f"{to}.ttl"))
        for name in ("usages", "groups"):
            put(token, name, strings(item.get(name), f"{to}.{name}", setting))
        found.append(token)
    if view is not None and view.is_empty:
        view.default("an empty list is the same as none")
    return found


def _generated(item: View) -> None:
    """A token that kubeadm makes up itself: without any other, it makes one that is valid for a day."""
    ttl, groups, usages = item.get("ttl"), item.get("groups"), item.get("usages")
    usual = ttl is None or ttl.text in ("24h", "24h0m0s")
    for given, expected in ((groups, {_GROUP}), (usages, {"signing", "authentication"})):
        if given is not None:
            usual = usual and {one.text for one in given.items()} == expected
    # An own ttl or group is a wish that a generated token would not keep.
    if usual and {name for name, _ in item.entries()} <= {"ttl", "groups", "usages"}:
        item.account.say(
            item.path, "same by default", note="is the token that kubeadm makes", anew=True
        )
    else:
        item.decide(
            "has no token: kubeadm makes one up",
            "write a token: `kubeadm token generate` prints one",
            "leave it out: kubeadm makes one that is valid for a day",
            to="kubernetes.role.bootstrapTokens",
        )


_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"


def _tokens(init: View | None, setting: Setting) -> None:
    """Tokens of a template whose role is open: only the first machine may have them.

    Raises:
        HalvesDifferError: There are some.
    """
    tokens = init.get("bootstrapTokens") if init is not None else None
    if tokens is None:
        return
    if tokens.is_empty:
        tokens.default("an empty list is the same as none")
    else:
        raise HalvesDifferError("kubernetes.role.bootstrapTokens")


def _open_discovery(join: View | None, cluster: View | None) -> None:
    """What only joining machines may have.

    Raises:
        HalvesDifferError: There is something that the manager does not find itself.
    """
    discovery = join.get("discovery") if join is not None else None
    path = join.get("caCertPath") if join is not None else None
    if path is not None:
        # `kubeadm config print` writes defaults out, and people copy that.
        if path.text in ("", "/etc/kubernetes/pki/ca.crt"):
            path.default("kubeadm's own default")
        else:
            raise HalvesDifferError("kubernetes.role.caCertPath")
    if discovery is None:
        return
    if discovery.is_empty:
        discovery.default("the manager finds the cluster for every machine")
        return
    endpoint = discovery.at("bootstrapToken.apiServerEndpoint")
    own = cluster.get("controlPlaneEndpoint") if cluster is not None else None
    # The manager takes the cluster's endpoint for every machine, so nothing is lost.
    if endpoint is not None and own is not None and endpoint.text == own.text:
        endpoint.default("is the cluster's own endpoint, which the manager takes")
    skip = discovery.at("bootstrapToken.unsafeSkipCAVerification")
    if skip is not None and skip.value is False:
        skip.default("false is the default")
    # Whatever is left (a token, hashes, a file) is one cluster's, and cannot be in a template for
    # both roles.
    if not discovery.account.is_said(discovery.path):
        raise HalvesDifferError("kubernetes.role.discovery")


def _joining(join: View | None, setting: Setting, name: str) -> dict[str, object]:
    found: dict[str, object] = {}
    if join is None:
        return found
    controls = join.get("controlPlane")
    if controls is not None:
        # Asked for by --role: the document describes another machine.
        if name == "JoinWorker":
            controls.nothing("is for control plane machines")
        elif controls.is_empty:
            controls.converted("kubernetes.role")
        key = controls.get("certificateKey")
        if name == "JoinControlPlane" and key is not None:
            put(found, "certificateKey", text(key, "kubernetes.role.certificateKey", setting))
    put(
        found,
        "caCertPath",
        text(join.get("caCertPath"), "kubernetes.role.caCertPath", setting) or None,
    )
    discovery = join.get("discovery")
    if discovery is None:
        return found
    if discovery.is_empty:
        discovery.default("the manager finds the cluster for every machine")
        return found
    token = text(discovery.get("tlsBootstrapToken"), "kubernetes.role.tlsBootstrapToken", setting)
    put(found, "tlsBootstrapToken", token or None)
    by_token, by_file = discovery.get("bootstrapToken"), discovery.get("file")
    # kubeadm refuses both; the file is looked at first because it has more in it.
    if by_file is not None:
        put(found, "discovery", _file(by_file, setting))
    elif by_token is not None:
        put(found, "discovery", _token(by_token, setting))
    return found


def _token(view: View, setting: Setting) -> dict[str, object]:
    to = "kubernetes.role.discovery"
    endpoint = view.get("apiServerEndpoint")
    if endpoint is None:
        for _, part in view.entries():
            part.default("without an address, the manager fills in all of it")
        if view.is_empty:
            view.default("the manager finds the cluster for every machine")
        return {}
    found: dict[str, object] = {"type": "Token"}
    put(found, "token", text(view.get("token"), f"{to}.token", setting) or None)
    put(found, "endpoint", text(endpoint, f"{to}.endpoint", setting))
    put(found, "caCertHashes", strings(view.get("caCertHashes"), f"{to}.caCertHashes", setting))
    skip = boolean(view.get("unsafeSkipCAVerification"), f"{to}.unsafeSkipCAVerification")
    put(found, "unsafeSkipCAVerification", skip)
    return found


def _file(view: View, setting: Setting) -> dict[str, object]:
    to = "kubernetes.role.discovery"
    found: dict[str, object] = {"type": "File"}
    config = view.get("kubeConfig")
    path = view.get("kubeConfigPath")
    # Cluster API can write the kubeconfig itself; kubeadm only knows a path.
    if config is None:
        put(found, "path", text(path, f"{to}.path", setting))
        return found
    if path is not None:
        path.nothing("the agent writes the kubeconfig where kubeadm finds it")
    kubeconfig: dict[str, object] = {}
    to = f"{to}.kubeconfig"
    for name in ("server", "tlsServerName", "proxyURL"):
        put(kubeconfig, name, text(config.at(f"cluster.{name}"), f"{to}.{name}", setting) or None)
    skip = config.at("cluster.insecureSkipTLSVerify")
    put(kubeconfig, "insecureSkipTLSVerify", boolean(skip, f"{to}.insecureSkipTLSVerify"))
    authority = config.at("cluster.certificateAuthorityData")
    if authority is not None and authority.text:
        put(kubeconfig, "certificateAuthority", _pem(authority, f"{to}.certificateAuthority"))
    put(kubeconfig, "user", _user(config.get("user"), f"{to}.user", setting))
    found["kubeconfig"] = kubeconfig
    return found


def _pem(view: View, to: str) -> str:
    from base64 import b64decode
    from binascii import Error

    given = view.text or ""
    view.converted(to, "decoded")
    try:
        # Cluster API has it as bytes, in base64; ours is PEM as people read it.
        return b64decode(given, validate=True).decode()
    except (Error, ValueError):
        view.converted(to)
        return given


def _user(view: View | None, to: str, setting: Setting) -> dict[str, object]:
    found: dict[str, object] = {}
    if view is None:
        return found
    plugin, provider = view.get("exec"), view.get("authProvider")
    if plugin is not None:
        one: dict[str, object] = {}
        for name in ("command", "apiVersion"):
            put(one, name, text(plugin.get(name), f"{to}.exec.{name}", setting))
        put(one, "args", strings(plugin.get("args"), f"{to}.exec.args", setting))
        variables = []
        listed = plugin.get("env")
        for item in listed.items() if listed is not None else ():
            variable = {
                name: given
                for name in ("name", "value")
                if (given := text(item.get(name), f"{to}.exec.env.{name}", setting)) is not None
            }
            variables.append(variable)
        put(one, "env", variables)
        informed = boolean(plugin.get("provideClusterInfo"), f"{to}.exec.provideClusterInfo")
        put(one, "provideClusterInfo", informed)
        found["exec"] = one
    if provider is not None:
        one = {}
        put(one, "name", text(provider.get("name"), f"{to}.authProvider.name", setting))
        settings = provider.get("config")
        pairs = settings.entries() if settings is not None else ()
        put(
            one,
            "config",
            {key: text(value, f"{to}.authProvider.config", setting) for key, value in pairs},
        )
        found["authProvider"] = one
    return found
