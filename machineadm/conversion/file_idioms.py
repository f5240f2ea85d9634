"""What people do by files, and commands that make a program read them, and which field of ours it is.

A file becomes a field only where all that it says is understood, and where something before kubeadm makes it count, as our field does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from machineadm.conversion.account import View
from machineadm.conversion.fields import Setting
from machineadm.conversion.idioms import loaded
from machineadm.conversion.shell import Script

_SUDO: Final = r"(?:sudo\s+)?"
_CONTAINERD: Final = "/etc/containerd"
_CONFIG: Final = f"{_CONTAINERD}/config.toml"
# containerd's word for what a host may be asked for; others end in an error of its own.
_RIGHTS: Final = ("pull", "resolve", "push")
_HOSTS: Final = rf"{_CONTAINERD}/certs\.d/([^/]+)/hosts\.toml"
_TRUST: Final = ("ca", "client", "skip_verify", "header")
"""How a host is trusted, and what it is shown."""

_PROXY_TARGETS: Final = {"containerd": "containerRuntime", "kubelet": "kubelet"}
# Drop-ins below /etc only: below /usr/lib they come with a package.
_PROXY_PATH: Final = r"/etc/systemd/system/(containerd|kubelet)\.service\.d/[^/]+\.conf"
_OPTIONS: Final = r"(?:-\S+[ \t]+)*"
_RELOADED: Final = (
    rf"\bsystemctl[ \t]+{_OPTIONS}(?:daemon-reload|enable|disable|reenable|preset|mask|unmask)\b"
)
"""What has systemd read its files again; enabling and its like do so as well (systemctl(1))."""

_RESTARTED: Final = rf"\b(?:systemctl[ \t]+{_OPTIONS}(?:restart|try-restart|reload-or-restart|try-reload-or-restart)[ \t]+(?:[^\n;&|]*[ \t])?containerd(?:\.service)?(?![\w.-])|service[ \t]+containerd[ \t]+restart\b)"
# Without $, % and backslash: systemd expands specifiers and unquotes, and the value would be
# another one.
_VARIABLE: Final = r"Environment=\s*((?:\"[^\"\\$%]*\"|'[^'\\$%]*'|[^\s\"'\\$%]+)(?:\s+(?:\"[^\"\\$%]*\"|[^\s\"'\\$%]+))*)"
_VARIABLES: Final = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "NO_PROXY": "noProxy"}
# Debian and its kin; Red Hat and its kin.
_ANCHORS: Final = (
    (
        r"/usr/local/share/ca-certificates/[^/]+\.crt",
        rf"{_SUDO}update-ca-certificates(?:\s+--fresh|\s+-f)?",
    ),
    (r"/etc/pki/ca-trust/source/anchors/[^/]+", rf"{_SUDO}update-ca-trust(?:\s+extract)?"),
)
_ALWAYS: Final = r"(?:net\.(?:ipv4|ipv6|core)|vm|kernel|fs)[./][a-zA-Z0-9_./-]+"
"""Parameters that a kernel has without a module."""

# Only these of net.bridge are there as soon as br_netfilter is.
_BRIDGE: Final = r"net\.bridge\.bridge-nf-call-(?:ip6?|arp)tables"
# Directories that chrony includes: its own file is the distribution's.
_SERVERS: Final = (
    r"/etc/chrony/(?:conf\.d/[^/]+\.conf|sources\.d/[^/]+\.sources)",
    r"/etc/chrony\.d/[^/]+\.conf",
)
_TIMESYNCD: Final = r"/etc/systemd/timesyncd\.conf\.d/[^/]+\.conf"
_TIME_COMMANDS: Final = (
    rf"{_SUDO}systemctl\s+(?:restart|reload-or-restart|try-restart|start|enable(?:\s+--now)?)\s+(?:chrony|chronyd|systemd-timesyncd)(?:\.service)?",
    rf"{_SUDO}chronyc\s+reload\s+sources",
    rf"{_SUDO}timedatectl\s+set-ntp\s+(?:true|yes|1|on)",
)
_APPENDED: Final = rf"echo\s+[\"']?((?:server|pool)\s+[A-Za-z0-9.:-]+(?:\s+iburst|\s+prefer)*)[\"']?\s*(?:>>|\|\s*{_SUDO}tee\s+-a)\s*/etc/chrony(?:/chrony)?\.conf(?:\s*>\s*/dev/null)?"
# One command, one file below /etc, and nothing else in the line.
_HEREDOC: Final = rf"(?:cat\s*<<-?\s*(['\"]?)(\w+)\1\s*(?:>|\|\s*{_SUDO}tee)\s*(/etc/\S+)(?:\s*>\s*/dev/null)?|cat\s*>\s*(/etc/\S+)\s*<<-?\s*(['\"]?)(\w+)\5)\n(.*\n)(?:\2|\6)\s*"


class Typed(Struct, kw_only=True):
    """What files and commands do that is a field of ours."""

    files: dict[int, tuple[str, str]] = {}
    """The files, by their place: our field, and what it was."""

    commands: dict[int, tuple[str, str]] = {}
    """The commands, likewise."""

    machine: dict[str, Any] = {}
    """Fields below `machine`."""

    linux: dict[str, Any] = {}
    """Fields below `machine.linuxConfiguration`."""


class _File(Struct, frozen=True):
    """A file that somebody writes, by a field or by a command."""

    path: str
    content: str
    at: int
    command: bool


def typed(spec: View, setting: Setting) -> Typed:
    """Find files and commands that are fields of ours.

    Args:
        spec: The KubeadmConfigSpec.
        setting: Of the document.
    """
    found = Typed()
    if setting.windows:
        return found
    commands = [
        (item.text or "").strip()
        for item in _items(spec.get("preKubeadmCommands"))
        if item.text is not None
    ]
    # By commands alone at first: a list for later boots counts only together with them.
    modules = loaded(commands)
    files = [*_plain(spec.get("files"), setting), *_written(commands)]
    _modules(files, modules, found)
    # Parameters of a module are judged by whether it is loaded, by a command or by a field.
    there = {*modules, *found.linux.get("kernelModules", ())}
    _sysctls(files, commands, there, found)
    _proxies(files, commands, setting, found)
    _authorities(files, commands, found)
    _registries(files, commands, found)
    # With a field of its own the files would be a second word about the clock.
    if spec.get("ntp") is None:
        _time(files, commands, found)
    return found


def _items(view: View | None) -> Iterator[View]:
    if view is not None:
        yield from view.items()


def _plain(view: View | None, setting: Setting) -> Iterator[_File]:
    """Files whose whole text is known."""
    for index, item in enumerate(_items(view)):
        path, content = item.get("path"), item.get("content")
        if path is None or content is None or path.text is None or content.text is None:
            continue
        others = [item.get(name) for name in ("encoding", "append", "contentFrom", "contentFormat")]
        # What is appended, encoded or filled in elsewhere is not all of the file.
        if any(one is not None and one.text not in ("", "false") for one in others):
            continue
        read = setting.machine.read(content.text)
        if not read.references and read.trouble is None:
            # A doubled slash names the same file, and the patterns below have single ones.
            yield _File(re.sub("/+", "/", path.text), content.text, index, command=False)


def _written(commands: Sequence[str]) -> Iterator[_File]:
    """Files that a command writes, from a here-document without anything to expand."""
    for index, command in enumerate(commands):
        here = re.fullmatch(_HEREDOC, command, re.DOTALL)
        if here is None:
            continue
        content = here[7]
        # Unquoted here-documents expand these three, and Jinja its own; without them the text is
        # what is written.
        if not re.search(r"[$`\\]|\{\{", content):
            yield _File(here[3] or here[4], content, index, command=True)


def _gone(found: Typed, file: _File, to: str, was: str) -> None:
    # Whatever wrote the file goes with it.
    (found.commands if file.command else found.files)[file.at] = (to, was)


def _lines(content: str) -> list[str]:
    """What counts in a file of settings."""
    stripped = (line.strip() for line in content.splitlines())
    # Comments of chrony (!), sysctl and systemd (; and #).
    return [line for line in stripped if line and line[0] not in "#;!"]


def _modules(files: Sequence[_File], loaded: Sequence[str], found: Typed) -> None:
    """A list for later boots of what commands load now."""
    names: list[str] = []
    for file in files:
        if not re.fullmatch(r"/etc/modules-load\.d/[^/]+\.conf", file.path):
            continue
        lines = _lines(file.content)
        # Only modules that a command loads now as well: our field does both, and a list for later
        # boots alone was meant so.
        if lines and all(re.fullmatch("[A-Za-z0-9_-]+", one) and one in loaded for one in lines):
            names += lines
            to = "machine.linuxConfiguration.kernelModules"
            _gone(found, file, to, "a list of modules for later boots")
    if names:
        # Two files may name one module.
        found.linux["kernelModules"] = list(dict.fromkeys(names))


def _sysctls(
    files: Sequence[_File], commands: Sequence[str], modules: set[str], found: Typed
) -> None:
    """A file of kernel parameters that a command has the kernel read."""
    # One of these has all files read, whatever their names.
    everything = any(
        re.fullmatch(
            rf"{_SUDO}(?:sysctl\s+(?:-q\s+)?--system(?:\s+-q)?(?:\s*>\s*/dev/null)?|systemctl\s+restart\s+systemd-sysctl(?:\.service)?)",
            one,
        )
        for one in commands
    )
    chosen: list[tuple[_File, dict[str, str], int | None]] = []
    # sysctl --system reads files by their names (sysctl.d(5)).
    for file in sorted(files, key=lambda one: one.path):
        # /etc/sysctl.conf is the distribution's, and stays a file.
        if not re.fullmatch(r"/etc/sysctl\.d/[^/]+\.conf", file.path):
            continue
        own = next(
            (
                index
                for index, one in enumerate(commands)
                if re.fullmatch(rf"{_SUDO}sysctl\s+-p\s*{re.escape(file.path)}", one)
            ),
            None,
        )
        pairs = _parameters(file.content, modules)
        # A file that nothing reads counts only from the next boot on; our field sets it now.
        if pairs and (everything or own is not None):
            chosen.append((file, pairs, own))
    names = [name for _, pairs, _ in chosen for name in pairs]
    if len(names) != len(set(names)):
        return  # which one counts depends on more than their names
    to = "machine.linuxConfiguration.sysctls"
    for file, pairs, own in chosen:
        found.linux.setdefault("sysctls", {}).update(pairs)
        _gone(found, file, to, "a file of kernel parameters")
        if own is not None:
            found.commands[own] = (to, "kernel parameters read from a file")


def _parameters(content: str, modules: set[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for line in _lines(content):
        pair = re.fullmatch(r"([a-zA-Z0-9_./-]+)\s*=\s*(\S+(?:[ \t]+\S+)*)", line)
        # A pattern sets what the machine happens to have, which a field by name cannot say.
        if pair is None or "*" in pair[1] or pair[1] in found:
            return None
        # These parameters exist only once the module is loaded; our step loads modules before it
        # sets parameters.
        bridged = re.fullmatch(_BRIDGE, pair[1]) and "br_netfilter" in modules
        if not bridged and not re.fullmatch(_ALWAYS, pair[1]):
            return None
        found[pair[1]] = pair[2]
    return found


def _proxies(
    files: Sequence[_File], commands: Sequence[str], setting: Setting, found: Typed
) -> None:
    """Drop-ins that say nothing but which proxy is used, of a unit that takes them before kubeadm."""
    entries: list[dict[str, Any]] = []
    for file in files:
        unit = re.fullmatch(_PROXY_PATH, file.path)
        settings = _proxy(file.content) if unit is not None else None
        if unit is None or settings is None:
            continue
        # Our field restarts the unit, so a drop-in that waits for the next boot there stays a file.
        if not setting.ignition and not _takes_drop_ins(unit[1], commands):
            continue
        target = _PROXY_TARGETS[unit[1]]
        # systemd reads several drop-ins of a unit; which of two proxies wins depends on their
        # names.
        if any(target in one["targets"] for one in entries):
            continue
        # One entry for both users of a proxy, as people mean it.
        same = [one for one in entries if {**one, "targets": []} == {**settings, "targets": []}]
        if same:
            same[0]["targets"].append(target)
        else:
            entries.append({"targets": [target], **settings})
        _gone(found, file, "machine.systemProxies", f"a drop-in of {unit[1]} with its proxy")
    if entries:
        found.machine["systemProxies"] = entries


def _takes_drop_ins(unit: str, commands: Sequence[str]) -> bool:
    """Whether a unit that runs already has read its drop-ins when kubeadm starts."""
    if unit == "kubelet":
        return True  # kubeadm reloads systemd and starts the kubelet itself (its initsystem.go)
    code = Script("\n".join(commands)).code
    reloaded = re.search(_RELOADED, code)
    return reloaded is not None and bool(re.search(_RESTARTED, code[reloaded.end() :]))


def _proxy(content: str) -> dict[str, Any] | None:
    head, *lines = _lines(content) or [""]
    if head != "[Service]" or not lines:
        return None
    values: dict[str, str] = {}
    for line in lines:
        given = re.fullmatch(_VARIABLE, line)
        if given is None:
            return None
        for word in re.findall(r"\"([^\"]*)\"|'([^']*)'|(\S+)", given[1]):
            name, sign, value = "".join(word).partition("=")
            if not sign or name.upper() not in _VARIABLES:
                return None
            # Both spellings with two values: programs would use different proxies.
            if values.setdefault(name.upper(), value) != value:
                return None
    found: dict[str, Any] = {}
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        if address := values.get(name):
            # Without a scheme Go, curl and Python take it for http.
            url = address if "://" in address else f"http://{address}"
            # A login in the URL must become a Secret, which only a person can make.
            if not re.fullmatch(r"(?:http|https|socks5)://[^@/\s\"]+/?", url):
                return None
            found[_VARIABLES[name]] = url
    if not found:
        return None
    direct = [one.strip() for one in values.get("NO_PROXY", "").split(",") if one.strip()]
    if not all(re.fullmatch("[A-Za-z0-9*.:/_-]+", one) for one in direct):
        return None
    if direct:
        found["noProxy"] = list(dict.fromkeys(direct))
    # There NO_PROXY was all that was reached directly; adding to it would change where traffic
    # goes.
    found["noProxyAuto"] = False
    return found


def _authorities(files: Sequence[_File], commands: Sequence[str], found: Typed) -> None:
    """Certificates where the distribution's program looks for them, and that program."""
    to = "machine.systemTrustCertificateAuthorities"
    contents: list[str] = []
    for path, program in _ANCHORS:
        runs = [index for index, one in enumerate(commands) if re.fullmatch(program, one)]
        anchors = [file for file in files if re.fullmatch(path, file.path)]
        # Without the program nothing trusted them, and with our field they would be trusted.
        if not runs or not anchors or not all(_is_authority(file.content) for file in anchors):
            continue
        for file in anchors:
            _gone(found, file, to, "a certificate in the store of the distribution's program")
            # One form, so that the same certificate in two files is one entry.
            contents.append(file.content.strip() + "\n")
        found.commands |= dict.fromkeys(runs, (to, "the program of the trust store"))
    if contents:
        found.machine["systemTrustCertificateAuthorities"] = [
            {"content": content} for content in dict.fromkeys(contents)
        ]


def _is_authority(content: str) -> bool:
    from machineadm.config.rules.certificate_facts import certificates_in
    from machineadm.config.rules.pem import certificates_problem

    # Our rule refuses what is not an authority; the file may stay what it is.
    try:
        return not certificates_problem(content) and all(
            one.is_authority for one in certificates_in(content)
        )
    except ValueError:
        return False


def _registries(files: Sequence[_File], commands: Sequence[str], found: Typed) -> None:
    """hosts.toml of registries, and what has containerd look for them."""
    by_path = {file.path: file for file in files}
    switches = [file for file in files if _is_switch(file)]
    # People append a snippet to the distribution's configuration, as TOML lets tables stand in any
    # order.
    appends = {
        index: file
        for index, one in enumerate(commands)
        for file in switches
        if re.fullmatch(rf"{_SUDO}cat\s+{re.escape(file.path)}\s*>>\s*{re.escape(_CONFIG)}", one)
    }
    # Ours is laid over the distribution's configuration and not over somebody else's.
    if _CONFIG in by_path or any(
        _CONFIG in one for index, one in enumerate(commands) if index not in appends
    ):
        return  # somebody else's configuration of containerd
    if any(file.path in " ".join(commands) for file in switches if file not in appends.values()):
        return
    # containerd reads its configuration when it starts, and our field would restart it.
    if appends and not re.search(_RESTARTED, Script("\n".join(commands)).code):
        return
    entries: list[dict[str, Any]] = []
    hosts: list[_File] = []
    authorities: set[str] = set()
    reached: dict[str, dict[str, Any]] = {}
    asked: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        host = re.fullmatch(_HOSTS, file.path)
        if host is None:
            continue
        entry = _registry(host[1], file.content, by_path, authorities, reached, asked)
        # All or nothing: half of the registries as fields and half as files would be two owners of
        # one directory.
        if entry is None:
            return
        entries.append(entry)
        hosts.append(file)
    if not entries or len({one["host"] for one in entries}) != len(entries):
        return
    # Ours are by host: one that is reached so in one file and otherwise in another stays in files.
    if any(own != reached.get(name, {}) for name, own in asked):
        return
    # What others may read, or a command names, is not taken away; a field may have it already.
    gone = {file.path for file in files if not file.command and file.at in found.files}
    if any(
        path not in gone and (not path.startswith(_CONTAINERD) or path in "\n".join(commands))
        for path in authorities
    ):
        return
    # A mirror with TLS or a login of its own is a registry here, whose own hold for its mirrors, too.
    for name, own in reached.items():
        same = next((one for one in entries if one["host"] == name), None)
        if same is None:
            entries.append({"host": name, **own})
        else:
            same.update(own)
    entries = [{key: value for key, value in one.items() if value} for one in entries]
    to = "machine.containerRuntime.containerd.registries"
    for file in hosts:
        _gone(found, file, to, "hosts.toml of a registry")
    for path in authorities:
        _gone(found, by_path[path], to, "the authority of a registry")
    for index, file in appends.items():
        _gone(found, file, to, "what has containerd read hosts.toml")
        found.commands[index] = (to, "what has containerd read hosts.toml")
    found.machine["containerRuntime"] = {"containerd": {"registries": entries}}


def _is_switch(file: _File) -> bool:
    """Whether a file only tells containerd where hosts.toml are."""
    lines = [re.sub(r"\s+", "", line) for line in _lines(file.content)]
    return file.path.startswith(f"{_CONTAINERD}/") and lines in (
        [
            '[plugins."io.containerd.grpc.v1.cri".registry]',
            f'config_path="{_CONTAINERD}/certs.d"',
        ],
        [
            "[plugins.'io.containerd.cri.v1.images'.registry]",
            f"config_path='{_CONTAINERD}/certs.d'",
        ],
    )


def _registry(
    name: str,
    content: str,
    files: dict[str, _File],
    authorities: set[str],
    reached: dict[str, dict[str, Any]],
    asked: list[tuple[str, dict[str, Any]]],
) -> dict[str, Any] | None:
    tables = _toml(content)
    if tables is None or tables.keys() - {"server", "host", *_TRUST}:
        return None
    # What stands above the hosts is for the registry itself, where none of them answers.
    itself = _own(tables, files, authorities)
    if itself is None or (itself and name == "_default"):
        return None
    if itself and reached.setdefault(name, itself) != itself:
        return None
    # containerd's default, where hosts.toml names none.
    server = str(tables.get("server", f"https://{name}"))
    # Docker's registry answers under another name than the one in references.
    known = {name, {"docker.io": "registry-1.docker.io"}.get(name, name)}
    if name != "_default" and (_host(server) not in known or server.startswith("http://")):
        return None
    mirrors: list[dict[str, Any]] = []
    hosts = tables.get("host", {})
    if not isinstance(hosts, dict):
        return None
    for url, given in hosts.items():
        if not isinstance(given, dict):
            return None
        # What our field cannot say (other headers, certificates that are elsewhere) keeps the whole
        # file a file.
        if given.keys() - {"capabilities", "override_path", *_TRUST}:
            return None
        own = _own(given, files, authorities)
        if own is None or not re.fullmatch(r"https?://[^\s@]+", url):
            return None
        asked.append((_host(url), own))
        if own and reached.setdefault(_host(url), own) != own:
            return None
        mirror: dict[str, Any] = {"url": url}
        if "capabilities" in given:
            rights = given["capabilities"]
            if not isinstance(rights, list) or any(one not in _RIGHTS for one in rights):
                return None
            mirror["capabilities"] = given["capabilities"]
        if given.get("override_path"):
            mirror["overridePath"] = True
        mirrors.append(mirror)
    return {"host": name, "mirrors": mirrors}


def _host(url: str) -> str:
    return re.sub(r"^https?://|/.*$", "", url)


def _own(
    given: dict[str, Any], files: dict[str, _File], authorities: set[str]
) -> dict[str, Any] | None:
    tls, login = _tls(given, files, authorities), _login(given.get("header", {}))
    if tls is None or login is None:
        return None
    return {name: part for name, part in (("tls", tls), ("auth", login)) if part}


def _tls(
    given: dict[str, Any], files: dict[str, _File], authorities: set[str]
) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if given.get("skip_verify"):
        found["insecureSkipVerify"] = True
    from machineadm.config.rules.pem import PRIVATE_KEY, certificates_problem, pem_problem

    ca, client = given.get("ca"), given.get("client")
    if ca is not None:
        texts = _texts(ca if isinstance(ca, list) else [ca], files, authorities)
        # What is not PEM is refused in our field, and nobody's matter in a file.
        if not texts or any(map(certificates_problem, texts)):
            return None
        found["ca"] = "".join(texts)
    if client is not None:
        # One pair in a list: containerd takes other forms for certificates that hold their key.
        pair = client[0] if isinstance(client, list) and len(client) == 1 else None
        texts = _texts(pair, files, authorities) if isinstance(pair, list) else []
        if len(texts) != 2 or certificates_problem(texts[0]):
            return None
        if pem_problem(texts[1], PRIVATE_KEY, what="a private key", single=True):
            return None
        found["cert"], found["key"] = texts
    return found


def _texts(paths: list[Any], files: dict[str, _File], authorities: set[str]) -> list[str]:
    # They must be known whole, since our fields have their text and not a path.
    if not all(isinstance(one, str) and one in files and not files[one].command for one in paths):
        return []
    authorities.update(paths)
    return [files[one].content.strip() + "\n" for one in paths]


def _login(header: Any) -> dict[str, Any] | None:
    """User name and password of a header, which here the registry is given when it asks for a login."""
    from base64 import b64decode

    if header == {}:
        return {}
    if not isinstance(header, dict) or {name.lower() for name in header} != {"authorization"}:
        return None
    (value,) = header.values()
    # Each value may be a list of values.
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    basic = re.fullmatch(r"Basic\s+([A-Za-z0-9+/=]+)", value) if isinstance(value, str) else None
    if basic is None:
        return None
    try:
        name, sign, password = b64decode(basic[1], validate=True).decode().partition(":")
    except ValueError:
        return None
    if not sign or not re.fullmatch(r"[ -~]+", name) or not re.fullmatch(r"[ -~]+", password):
        return None
    return {"username": name, "password": password}


def _toml(content: str) -> dict[str, Any] | None:
    from machineadm.config.rules.toml import read_toml

    try:
        return read_toml(content)
    except ValueError:
        return None


def _time(files: Sequence[_File], commands: Sequence[str], found: Typed) -> None:
    """Servers of chrony or systemd-timesyncd, and what has them asked."""
    servers: list[str] = []
    pools: list[str] = []
    sources: list[tuple[_File | int, str]] = []
    for file in files:
        chrony = any(re.fullmatch(path, file.path) for path in _SERVERS)
        if not chrony and not re.fullmatch(_TIMESYNCD, file.path):
            if re.match("/etc/chrony|/etc/systemd/timesyncd", file.path):
                return  # somebody else's configuration of it
            continue
        read = _sources(file.content) if chrony else _timesyncd(file.content)
        if read is None:
            return
        servers += read[0]
        pools += read[1]
        sources.append((file, "servers of the time service in a file"))
    for index, one in enumerate(commands):
        appended = re.fullmatch(_APPENDED, one)
        if appended is not None:
            read = _sources(appended[1])
            if read is None:
                return
            servers += read[0]
            pools += read[1]
            sources.append((index, "a server of chrony written by a command"))
    # Without a command that has the service read them, the files count only from the next boot on.
    runs = [
        index
        for index, one in enumerate(commands)
        if any(re.fullmatch(pattern, one) for pattern in _TIME_COMMANDS)
    ]
    if not runs or not sources or any(
        re.search(r"chrony|timesyncd|timedatectl", one)
        for index, one in enumerate(commands)
        if index not in runs and (index, "a server of chrony written by a command") not in sources
        and not any(isinstance(source, _File) and source.command and source.at == index for source, _ in sources)
    ):  # fmt: skip
        return
    to = "machine.linuxConfiguration.ntp"
    for source, was in sources:
        if isinstance(source, _File):
            _gone(found, source, to, was)
        else:
            found.commands[source] = (to, was)
    found.commands |= dict.fromkeys(runs, (to, "the time service started by a command"))
    found.linux["ntp"] = {"enabled": True}
    if servers:
        found.linux["ntp"]["servers"] = list(dict.fromkeys(servers))
    if pools:
        found.linux["ntp"]["pools"] = list(dict.fromkeys(pools))


def _sources(content: str) -> tuple[list[str], list[str]] | None:
    servers: list[str] = []
    pools: list[str] = []
    for line in _lines(content):
        given = re.fullmatch(r"(server|pool)\s+([A-Za-z0-9.:-]+)((?:\s+(?:iburst|prefer))*)", line)
        if given is None:
            return None
        (servers if given[1] == "server" else pools).append(given[2])
    return servers, pools


def _timesyncd(content: str) -> tuple[list[str], list[str]] | None:
    head, *lines = _lines(content) or [""]
    found: list[str] = []
    for line in lines:
        given = re.fullmatch(r"NTP\s*=\s*([A-Za-z0-9.: -]*)", line)
        if given is None:
            return None
        found += given[1].split()
    return (found, []) if head == "[Time]" and found else None
