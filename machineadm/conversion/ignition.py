"""`additionalConfig` of a KubeadmConfig: a Container Linux Config, or Butane's flatcar variant.

What the agent can do as well as Ignition becomes typed. What must be there before the agent is (whatever comes before the
switch of the root: disks, system extensions, units that the agent waits for) is written as Ignition 3.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from machineadm.conversion import ignition_storage, placeholders
from machineadm.conversion.account import View
from machineadm.conversion.fields import Setting, boolean
from machineadm.conversion.ignition_storage import elsewhere, mode
from machineadm.conversion.placeholders import Bare
from machineadm.documents.decoding import read_values
from machineadm.documents.encoding import quoted

# Read by systemd-sysext and systemd-confext before any unit of ours runs.
_EARLY: Final = ("/etc/extensions/", "/opt/extensions/", "/etc/sysupdate", "/etc/confexts/")
# They write what `env.` references read.
_BEFORE_THE_AGENT: Final = ("coreos-metadata.service", "afterburn.service")
# The unit in which Cluster API runs kubeadm with Ignition.
_OWN_UNIT: Final = "kubeadm.service"
_AGENT_UNIT: Final = "machineadm-bootstrap.service"
_VERSION: Final = "3.4.0"
_OF_CONTENTS: Final = ("verification", "compression", "http_headers")

Map = dict[str, Any]


class _Parts:
    """What was made of it."""

    def __init__(self, envsubst: bool) -> None:
        self.envsubst = envsubst
        self.files: list[dict[str, object]] = []
        self.units: list[dict[str, object]] = []
        self.users: list[dict[str, object]] = []
        self.groups: list[dict[str, object]] = []
        self.early: Map = {}
        self.waits: list[str] = []
        self.notes: list[str] = []
        self.decisions: list[str] = []


def convert(
    view: View | None,
    out: dict[str, object],
    setting: Setting,
    remarks: dict[str, tuple[str, ...]],
) -> None:
    """Convert the `ignition` of a spec.

    Args:
        view: It.
        out: The draft; what is typed is added to its machine.
        setting: Of the document.
        remarks: On the draft.
    """
    if view is None:
        return
    # It asks ct whether warnings are errors; there is no ct here.
    strict = view.at("containerLinuxConfig.strict")
    if strict is not None and boolean(strict, "") is not None:
        strict.nothing("Ignition judges what is rendered, always")
    config = view.at("containerLinuxConfig.additionalConfig")
    if config is None or config.text is None:
        return
    values, refusal = read_values(config.text)
    if refusal or len(values) != 1 or not isinstance(values[0], dict):
        config.decide(
            f"is not a map in YAML: {refusal or 'there is no map in it'}",
            "fix it, or fill in its placeholders first (`--values`)",
            "remove it",
        )
        return
    parts = _Parts(setting.envsubst)
    _read(values[0], parts)
    _wait(parts)
    _write(config, out, parts, setting, remarks)


def _wait(parts: _Parts) -> None:
    """Let the agent wait for what kubeadm waited for, unless the agent starts it itself and so waits for it."""
    # The agent waits for what it starts by itself.
    started = {unit["name"] for unit in parts.units if "state" in unit}
    waits = [line for line in dict.fromkeys(parts.waits) if line.partition("=")[2] not in started]
    if waits:
        drop_in = {"name": "10-converted.conf", "contents": "\n".join(["[Unit]", *waits, ""])}
        # As a drop-in of Ignition's, since the agent's unit starts before the agent could write
        # one.
        units = parts.early.setdefault("systemd", {}).setdefault("units", [])
        units.append({"name": _AGENT_UNIT, "dropins": [drop_in]})
        parts.notes.append("the agent's unit waits for what kubeadm's waited for")


def _write(
    view: View,
    out: dict[str, object],
    parts: _Parts,
    setting: Setting,
    remarks: dict[str, tuple[str, ...]],
) -> None:
    machine = out["machine"]
    if not isinstance(machine, dict):
        raise TypeError("a machine is a map")
    linux = machine.setdefault("linuxConfiguration", {})
    for there, key, items in (
        (machine, "files", parts.files),
        (linux, "systemdUnits", parts.units),
        (linux, "users", parts.users),
        (linux, "groups", parts.groups),
    ):
        if items:
            there[key] = [*there.get(key, ()), *items]
    if not linux:
        del machine["linuxConfiguration"]
    # Ignition has run when a machine reads its MachineConfiguration.
    if parts.early and setting.inlined:
        parts.decisions.append(
            "has parts that are needed before the agent, so a MachineConfiguration is too late for them"
        )
    elif parts.early:
        out["ignition"] = {
            # As JSON: Ignition reads nothing else, and a manager merges it as it is.
            "additionalConfig": _json({"ignition": {"version": _VERSION}, **parts.early}) + "\n"
        }
    # One leaf holds the whole text, so there is one decision with all that is in it.
    if parts.decisions:
        note = "; ".join(parts.decisions)
        view.decide(
            note,
            "write these parts as fields of machine, or into spec.ignition.additionalConfig",
            "leave them out, if nothing needs them",
        )
        remarks["machine.linuxConfiguration"] = (f"decide: additionalConfig {note}",)
        return
    homes = [
        name
        for name, items in (
            ("machine.files", parts.files),
            ("machine.linuxConfiguration.systemdUnits", parts.units),
            ("machine.linuxConfiguration.users", parts.users),
            ("machine.linuxConfiguration.groups", parts.groups),
            ("ignition.additionalConfig", parts.early),
        )
        if items
    ]
    note = "; ".join(dict.fromkeys(parts.notes))
    if homes:
        view.converted(", ".join(homes), note)
    else:
        view.nothing(note or "there is nothing in it")


def _read(config: Map, parts: _Parts) -> None:
    for name, value in config.items():
        # Butane's head; a section that is empty asks for nothing.
        if name in ("variant", "version") or not value:
            continue
        if name == "systemd" and isinstance(value, dict):
            for unit in _maps(value.get("units")):
                _unit(unit, parts)
            _others(value, ("units",), "systemd", parts)
        elif name == "storage" and isinstance(value, dict):
            _storage(value, parts)
        elif name == "passwd" and isinstance(value, dict):
            for user in _maps(value.get("users")):
                _user(user, parts)
            for group in _maps(value.get("groups")):
                _group(group, parts)
            _others(value, ("users", "groups"), "passwd", parts)
        elif name == "kernel_arguments" and isinstance(value, dict):
            _kernel_arguments(value, parts)
        elif name == "networkd" and isinstance(value, dict):
            for unit in _maps(value.get("units")):
                _network(unit, parts)
            _others(value, ("units",), "networkd", parts)
        else:
            parts.decisions.append(f"has {name!r}, which is not converted")


def _kernel_arguments(value: Map, parts: _Parts) -> None:
    names = {"should_exist": "shouldExist", "should_not_exist": "shouldNotExist"}
    found = {ours: value[theirs] for theirs, ours in names.items() if value.get(theirs)}
    if found:
        parts.early["kernelArguments"] = found
    _others(value, tuple(names), "kernel_arguments", parts)


def _network(unit: Map, parts: _Parts) -> None:
    """A file of systemd-networkd, which has read it before the agent is there."""
    name = str(unit.get("name", ""))
    path = f"/etc/systemd/network/{name}"
    texts = {path: unit.get("contents")}
    for one in _maps(unit.get("dropins")):
        texts[f"{path}.d/{one.get('name', '')}"] = one.get("contents")
    for place, text in texts.items():
        if not text:
            continue
        entry = {"path": place, "overwrite": True, "mode": 0o644}
        entry["contents"] = _source({}, place, str(text), parts)
        parts.early.setdefault("storage", {}).setdefault("files", []).append(entry)
    _others(unit, ("name", "contents", "dropins"), f"networkd unit {name}", parts)


def _others(value: Map, known: tuple[str, ...], where: str, parts: _Parts) -> None:
    parts.decisions += [
        f"has '{where}.{name}', which is not converted" for name in value if name not in known
    ]


def _maps(value: object) -> Iterator[Map]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _unit(unit: Map, parts: _Parts) -> None:
    name = str(unit.get("name", ""))
    if name == _OWN_UNIT:
        for drop_in in _maps(unit.get("dropins")):
            _own_drop_in(str(drop_in.get("contents", "")), parts)
        # Replacing the unit that runs kubeadm is a way to do something that nobody here can guess.
        if "contents" in unit:
            parts.decisions.append(f"replaces {name}, which is not there")
        return
    known = ("name", "enabled", "enable", "mask", "contents", "dropins")
    _others(unit, known, f"unit {name}", parts)
    # One of their own making: without contents it is the distribution's, which is there already.
    if name in _BEFORE_THE_AGENT and "contents" in unit:
        parts.early.setdefault("systemd", {}).setdefault("units", []).append(_early_unit(unit))
        parts.notes.append(f"{name} is needed before the agent, which waits for it")
        return
    found: dict[str, object] = {"name": name}
    if unit.get("contents"):
        found["contents"] = str(unit["contents"])
    drop_ins = [
        {"name": str(one.get("name", "")), "contents": str(one.get("contents", ""))}
        for one in _maps(unit.get("dropins"))
    ]
    if drop_ins:
        found["dropIns"] = drop_ins
    mask = _boolean(unit.get("mask"))
    if mask is not None:
        found["masked"] = mask
    # `enable` is ct's old name for it.
    enabled = _boolean(unit.get("enabled", unit.get("enable")))
    if enabled is not None:
        found["enabled"] = enabled
    # Ignition enables before the first boot, so an enabled unit also runs.
    if enabled is True and "@." not in name:
        found["state"] = "Restarted" if drop_ins else "Started"
    parts.units.append(found)


def _early_unit(unit: Map) -> Map:
    found: Map = {"name": str(unit.get("name", ""))}
    for theirs, ours in (("contents", "contents"), ("enabled", "enabled"), ("mask", "mask")):
        if theirs in unit:
            given = _boolean(unit[theirs])
            found[ours] = unit[theirs] if given is None else given
    drop_ins = [
        {"name": str(one.get("name", "")), "contents": str(one.get("contents", ""))}
        for one in _maps(unit.get("dropins"))
    ]
    if drop_ins:
        found["dropins"] = drop_ins
    return found


def _own_drop_in(contents: str, parts: _Parts) -> None:
    """What people add to the unit that runs kubeadm there."""
    for line in contents.splitlines():
        key, _, value = line.strip().partition("=")
        if not key or key.startswith(("#", ";", "[")):
            continue
        # What kubeadm waited for there is what the agent waits for here.
        if key in ("Requires", "After", "Wants", "BindsTo"):
            for name in value.split():
                if name == "containerd.service":
                    if not any(unit["name"] == name for unit in parts.units):
                        parts.units.append({"name": name, "state": "Started"})
                elif name in _BEFORE_THE_AGENT:
                    parts.notes.append(
                        "the agent's unit comes after the machine's metadata where something refers to it"
                    )
                # The agent's unit has these by itself.
                elif name not in ("network.target", "network-online.target"):
                    parts.waits.append(f"{key}={name}")
        elif key == "EnvironmentFile" and value.lstrip("-").startswith("/run/metadata/"):
            parts.notes.append(
                "commands get the variables of the machine's metadata that they name"
            )
        elif key in ("StandardOutput", "StandardError"):
            parts.notes.append("the agent writes its log to the journal")
        else:
            parts.decisions.append(f"sets {key} for {_OWN_UNIT}, which is not there")


def _storage(value: Map, parts: _Parts) -> None:
    early = parts.early
    for file in _maps(value.get("files")):
        _file(file, parts)
    for link in _maps(value.get("links")):
        _link(link, parts)
    found = ignition_storage.convert(value)
    if found.sections:
        early.setdefault("storage", {}).update(found.sections)
    if found.units:
        early.setdefault("systemd", {}).setdefault("units", []).extend(found.units)
    parts.decisions += found.decisions
    _others(value, ("files", "links", *ignition_storage.SECTIONS), "storage", parts)


def _link(link: Map, parts: _Parts) -> None:
    path, target = str(link.get("path", "")), str(link.get("target", ""))
    if elsewhere(link):
        parts.decisions.append(f"has {path} in the file system {elsewhere(link)!r}")
    # linkTo makes symbolic links only.
    if link.get("hard") is True or path.startswith(_EARLY):
        entry: Map = {"path": path, "target": target, "overwrite": True}
        if link.get("hard") is True:
            entry["hard"] = True
        parts.early.setdefault("storage", {}).setdefault("links", []).append(entry)
    else:
        parts.files.append({"path": path, "linkTo": target})


def _file(file: Map, parts: _Parts) -> None:
    path = str(file.get("path", ""))
    contents = file.get("contents")
    contents = contents if isinstance(contents, dict) else {}
    inline = contents.get("inline")
    if inline is None and isinstance(contents.get("source"), str):
        inline = _of_data_url(contents)
    permissions = mode(file.get("mode"))
    if elsewhere(file):
        # A path there is below that file system, wherever it is mounted.
        parts.decisions.append(f"has {path} in the file system {elsewhere(file)!r}")
        return
    known = ("path", "contents", "mode", "filesystem", "user", "group", "append", "overwrite")
    _others(file, known, f"file {path}", parts)
    # All other contents are fetched by Ignition, which needs no digest: ours would refuse them.
    if isinstance(inline, str) and not path.startswith(_EARLY):
        # The file is written by the agent, after envsubst and not by it.
        found: dict[str, object] = {"path": path, "content": inline}
        if permissions is not None:
            found["permissions"] = f"{permissions:04o}"
        owner = _owner(file)
        if owner:
            found["owner"] = owner
        if file.get("append") is True:
            found["append"] = True
        elif file.get("append"):
            parts.decisions.append(f"appends to {path}, which is not converted")
        parts.files.append(found)
        return
    if file.get("append"):
        parts.decisions.append(f"appends to {path}, which is not converted")
    # Ignition refuses a path that is there already without this.
    entry: Map = {"path": path, "overwrite": True}
    source = _source(contents, path, inline, parts)
    if source:
        entry["contents"] = source
    elif contents:
        return
    entry["mode"] = 0o644 if permissions is None else permissions
    parts.early.setdefault("storage", {}).setdefault("files", []).append(entry)


def _source(contents: Map, path: str, inline: object, parts: _Parts) -> Map:
    """`contents` as Ignition has it."""
    remote = contents.get("remote")
    if isinstance(inline, str):
        if placeholders.holds(inline):
            parts.decisions.append(
                f"has a placeholder in {path}, which must be filled in first (`--values`)"
            )
        return {"source": _data_url(inline)}
    if isinstance(remote, dict) and remote.get("url"):
        given = {**remote, "source": remote["url"]}
        _others(remote, ("url", *_OF_CONTENTS), f"contents of {path}", parts)
    elif isinstance(contents.get("source"), str):
        given = contents
        _others(contents, ("source", *_OF_CONTENTS), f"contents of {path}", parts)
    else:
        parts.decisions.append(f"has contents of {path} that are neither in line nor remote")
        return {}
    found: Map = {"source": str(given["source"])}
    if given.get("compression"):
        found["compression"] = str(given["compression"])
    if given.get("http_headers"):
        found["httpHeaders"] = given["http_headers"]
    verification = given.get("verification")
    hashed = verification.get("hash") if isinstance(verification, dict) else None
    if isinstance(hashed, dict):
        found["verification"] = {
            # Container Linux Config has two fields, Ignition one text.
            "hash": f"{hashed.get('function', 'sha512')}-{hashed.get('sum', '')}"
        }
    elif isinstance(hashed, str):
        found["verification"] = {"hash": hashed}
    return found


def _of_data_url(contents: Map) -> str | None:
    """The text that a data URL holds, if it is text (RFC 2397)."""
    from binascii import Error, a2b_base64
    from urllib.parse import unquote_to_bytes

    found = re.fullmatch(r"data:[^,]*?(;base64)?,(.*)", contents["source"], re.DOTALL)
    if found is None or contents.get("compression") or placeholders.holds(found[2]):
        return None
    try:
        data = unquote_to_bytes(found[2])
        return (a2b_base64(data) if found[1] else data).decode()
    except (Error, ValueError):
        return None


def _owner(file: Map) -> str:
    names = []
    for part in ("user", "group"):
        given = file.get(part)
        given = given if isinstance(given, dict) else {}
        names.append(str(given.get("name", given.get("id", "root"))))
    return "" if names == ["root", "root"] else ":".join(names)


_ACCOUNT: Final = {
    "name": "name",
    "gecos": "gecos",
    "home_dir": "homeDir",
    "primary_group": "primaryGroup",
    "shell": "shell",
    "password_hash": "passwordHash",
    "groups": "groups",
    "ssh_authorized_keys": "sshAuthorizedKeys",
    "system": "system",
}
"""What an account of ours has as well."""

_ONLY_THERE: Final = {
    "uid": "uid",
    "no_create_home": "noCreateHome",
    "no_user_group": "noUserGroup",
    "no_log_init": "noLogInit",
    "should_exist": "shouldExist",
}


def _user(user: Map, parts: _Parts) -> None:
    if any(user.get(name) not in (None, False, "") for name in _ONLY_THERE):
        # What ours cannot say stays an account of Ignition's, all of it: one account has one maker.
        names = {**_ACCOUNT, **_ONLY_THERE}
        entry = {names[name]: value for name, value in user.items() if name in names}
        parts.early.setdefault("passwd", {}).setdefault("users", []).append(entry)
        _others(user, tuple(names), f"user {user.get('name', '')}", parts)
        return
    found: dict[str, object] = {"name": str(user.get("name", ""))}
    for theirs, ours in (
        ("gecos", "gecos"),
        ("home_dir", "homeDir"),
        ("primary_group", "primaryGroup"),
        ("shell", "shell"),
        ("password_hash", "passwordHash"),
    ):
        if user.get(theirs):
            found[ours] = str(user[theirs])
    for theirs, ours in (("groups", "groups"), ("ssh_authorized_keys", "sshAuthorizedKeys")):
        if isinstance(user.get(theirs), list):
            found[ours] = [str(one) for one in user[theirs]]
    # A hash that is given is meant to log in with; accounts are locked here by default.
    if "password_hash" in user:
        found["lockPassword"] = False
    if user.get("system") is True:
        found["system"] = True
    _others(user, (*_ACCOUNT, *_ONLY_THERE), f"user {found['name']}", parts)
    parts.users.append(found)


def _group(group: Map, parts: _Parts) -> None:
    found: dict[str, object] = {"name": str(group.get("name", ""))}
    if isinstance(group.get("gid"), int):
        found["gid"] = group["gid"]
    if group.get("system") is True:
        found["system"] = True
    _others(group, ("name", "gid", "system"), f"group {found['name']}", parts)
    parts.groups.append(found)


def _boolean(value: object) -> bool | Bare | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and placeholders.is_whole(value):
        return Bare(value.strip())
    return None


def _data_url(text: str) -> str:
    from urllib.parse import quote

    # RFC 2397. Everything that is not plain is percent-encoded, so no placeholder of a template can
    # be in it.
    return "data:," + quote(text, safe="/:;,=+@$!*'()~")


def _json(value: object) -> str:
    """JSON in which a placeholder for something else than text stays without quotes."""
    if isinstance(value, Bare):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{quoted(str(key))}:{_json(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return str(value)
    return quoted(str(value))
