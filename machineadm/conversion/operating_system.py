"""Files, users, time and disks of a KubeadmConfig."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from machineadm.conversion import placeholders
from machineadm.conversion.account import View
from machineadm.conversion.fields import Setting, boolean, integer, put, strings, text
from machineadm.conversion.idioms import (
    READS_KUBEADM,
    TOUCHES_KUBEADM,
    only_reads,
    touches_kubeadm,
    with_role,
)

# In the order of fstab(5).
_FSTAB: Final = ("source", "target", "type", "options", "dump", "pass")
_MANY: Final = (
    "put the value into the file by a command, from its environment",
    "write the file without it, if the braces were meant literally: then nothing is left to do",
)


def files(
    view: View, setting: Setting, typed: Mapping[int, tuple[str, str]]
) -> tuple[list[dict[str, object]], dict[str, tuple[str, ...]]]:
    """The files, and remarks on those that somebody has to decide about.

    Args:
        view: The list.
        setting: Of the document.
        typed: Those that are another field of ours, by their place, and what they were.
    """
    if view.is_empty:
        view.default("an empty list is the same as none")
    found: list[dict[str, object]] = []
    remarks: dict[str, tuple[str, ...]] = {}
    for index, item in enumerate(view.items()):
        if index in typed:
            to, was = typed[index]
            item.converted(to, f"was {was}")
            continue
        if not item.is_map or item.is_empty:
            continue
        path = f"machine.files[{len(found)}]"
        file: dict[str, object] = {}
        put(file, "path", _path(item.get("path"), f"{path}.path", setting))
        put(file, "owner", text(item.get("owner"), f"{path}.owner", setting))
        put(file, "permissions", _mode(item.get("permissions"), f"{path}.permissions", setting))
        put(file, "append", boolean(item.get("append"), f"{path}.append"))
        put(file, "encoding", text(item.get("encoding"), f"{path}.encoding", setting))
        put(file, "contentFormat", _format(item.get("contentFormat"), f"{path}.contentFormat"))
        # The default; `put` keeps False, since elsewhere it may say something.
        if file.get("append") is False:
            del file["append"]
        _content(item, file, path, setting, remarks)
        found.append(file)
    return found, remarks


def _path(view: View | None, to: str, setting: Setting) -> str | None:
    path = text(view, to, setting)
    if path is None or view is None or placeholders.holds(path) or setting.windows:
        return path
    plain = re.sub(r"/+", "/", path)
    # Our type refuses doubled slashes: two spellings of one path would be two files.
    if plain != path:
        view.converted(to, "written without doubled slashes")
    return plain


def _mode(view: View | None, to: str, setting: Setting) -> str | None:
    mode = text(view, to, setting)
    # An empty mode is none: cloud-init then takes its default, as ours does.
    return mode or None


def _format(view: View | None, to: str) -> str | None:
    if view is None or view.text is None:
        return None
    if view.text == "Template":
        view.converted(to)
        return "Template"
    if view.text == "Raw":
        view.default("Raw is the default")
    return None


def _content(
    item: View,
    file: dict[str, object],
    path: str,
    setting: Setting,
    remarks: dict[str, tuple[str, ...]],
) -> None:
    secret = item.at("contentFrom.secret")
    if secret is not None:
        _from_secret(secret, file, f"{path}.contentFrom.secret", setting)
        return
    view = item.get("content")
    if view is None:
        file["content"] = ""
        return
    if view.text is None:
        return
    content = view.text
    # Encoded text cannot be a template, and Ignition has no Jinja.
    if "encoding" in file or setting.ignition:
        view.converted(f"{path}.content")
        file["content"] = content if "encoding" in file else _one_newline(content)
        return
    read = setting.machine.read(content)
    if read.trouble is not None:
        note = (
            f"{read.trouble.what} is more than a reference to instance data; it is copied unchanged"
        )
        view.decide(note, *_MANY, to=f"{path}.content")
        remarks[f"{path}.content"] = (f"decide: {note}",)
        file["content"] = _one_newline(content)
    elif read.references:
        view.converted(f"{path}.contentFrom.instanceData")
        file["contentFrom"] = {"instanceData": _one_newline(read.instance_data)}
    else:
        # Only in scripts: in any other file the same words are somebody's data.
        changed = with_role(content) if content.startswith("#!") else content
        note = (
            ""
            if changed == content
            else "finds out its role by MACHINEADM_ROLE, not by kubeadm's file"
        )
        view.converted(f"{path}.content", note)
        file["content"] = _one_newline(changed)
        if touches_kubeadm(changed):
            said = READS_KUBEADM if only_reads(changed) else TOUCHES_KUBEADM
            note = said[0]
            view.decide(*said, to=f"{path}.content")
            remarks[f"{path}.content"] = (f"decide: {note}",)


def _one_newline(content: str) -> str:
    """A text as it arrives on the machine: Cluster API writes it as a block, which ends in just one newline."""
    # A literal block of YAML with clipping (`|`) is how the provider writes it.
    return content.rstrip("\n") + "\n" if content.strip("\n") else ""


def _from_secret(secret: View, file: dict[str, object], to: str, setting: Setting) -> None:
    name, key = secret.get("name"), secret.get("key")
    if name is None or key is None or name.text is None or key.text is None:
        return
    if not setting.inlined:
        put(file, "contentFrom.secret.name", text(name, f"{to}.name", setting))
        put(file, "contentFrom.secret.key", text(key, f"{to}.key", setting))
        return
    # On a machine nothing can look it up, so it must be in the stream.
    value = setting.secret(name.text, key.text)
    if value is None:
        for each in (name, key):
            each.decide(
                "a MachineConfiguration has no references to Secrets",
                "add the Secret to the documents: its value is written here",
                "convert to a MachineBootstrap, which may refer to it",
            )
        file["content"] = ""
        return
    for each in (name, key):
        each.converted(to.removesuffix("From.secret"), "the Secret's value")
    file["content"] = value
    # It came from a Secret: no log may show it.
    file["sensitive"] = True


def users(view: View, setting: Setting) -> list[dict[str, object]]:
    """The users; groups become a list."""
    if view.is_empty:
        view.default("an empty list is the same as none")
    found: list[dict[str, object]] = []
    for item in view.items():
        if not item.is_map or item.is_empty:
            continue
        path = f"machine.linuxConfiguration.users[{len(found)}]"
        user: dict[str, object] = {}
        for name in ("name", "gecos", "homeDir", "primaryGroup", "shell", "sudo"):
            put(user, name, text(item.get(name), f"{path}.{name}", setting))
        # useradd's own syntax, which cloud-init passes on.
        groups = text(item.get("groups"), f"{path}.groups", setting)
        put(user, "groups", [part for part in re.split(r"[\s,]+", groups or "") if part])
        for name in ("inactive", "lockPassword"):
            put(user, name, boolean(item.get(name), f"{path}.{name}"))
        put(user, "passwordHash", text(item.get("passwd"), f"{path}.passwordHash", setting))
        secret = item.at("passwdFrom.secret")
        if secret is not None:
            _password(secret, user, f"{path}.passwordHashFrom.secret", setting)
        keys = strings(item.get("sshAuthorizedKeys"), f"{path}.sshAuthorizedKeys", setting)
        put(user, "sshAuthorizedKeys", list(dict.fromkeys(keys)))
        found.append(user)
    return found


def _password(secret: View, user: dict[str, object], to: str, setting: Setting) -> None:
    held: dict[str, object] = {}
    _from_secret(secret, held, to, setting)
    if "contentFrom" in held:
        user["passwordHashFrom"] = held["contentFrom"]
    elif held.get("content"):
        user["passwordHash"] = held["content"]


def ntp(view: View, setting: Setting) -> dict[str, object]:
    """The clock."""
    to = "machine.linuxConfiguration.ntp"
    found: dict[str, object] = {}
    if view.is_empty:
        view.default("an empty map is the same as none")
        return found
    put(found, "enabled", boolean(view.get("enabled"), f"{to}.enabled"))
    put(
        found,
        "servers",
        list(dict.fromkeys(strings(view.get("servers"), f"{to}.servers", setting))),
    )
    return found


def storage(setup: View | None, mounts: View | None, setting: Setting) -> dict[str, object]:
    """Disks, file systems and mounts."""
    to = "machine.linuxConfiguration.storage"
    found: dict[str, object] = {}
    if setup is not None:
        if setup.is_empty:
            setup.default("an empty map is the same as none")
        # One list there; here the table and what is in it are two, since a disk has one table.
        disks, parts = _disks(setup.get("partitions"), to, setting)
        put(found, "disks", disks)
        put(found, "partitions", parts)
        put(found, "filesystems", _filesystems(setup.get("filesystems"), to, setting))
    if mounts is not None:
        put(found, "mounts", _mounts(mounts, to, setting))
    return found


def _disks(
    view: View | None, to: str, setting: Setting
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    disks: list[dict[str, object]] = []
    parts: list[dict[str, object]] = []
    if view is None:
        return disks, parts
    if view.is_empty:
        view.default("an empty list is the same as none")
    for item in view.items():
        if not item.is_map:
            continue
        disk: dict[str, object] = {}
        where = f"{to}.disks[{len(disks)}]"
        device = text(item.get("device"), f"{where}.device", setting)
        put(disk, "device", device)
        put(disk, "tableType", text(item.get("tableType"), f"{where}.tableType", setting))
        put(disk, "overwrite", boolean(item.get("overwrite"), f"{where}.overwrite"))
        parts += _partitions(item, device, f"{to}.partitions", len(parts), setting)
        disks.append(disk)
    return disks, parts


def _partitions(
    item: View, device: object, to: str, first: int, setting: Setting
) -> list[dict[str, object]]:
    """The partitions of one disk. Shares come before `layout`, and the last of them takes what is left, whatever it says."""
    layout, listed = item.get("layout"), item.get("diskLayout")
    shares = list(listed.items()) if listed is not None else []
    # The provider's Ignition renderer knows layout alone.
    if setting.ignition and listed is not None and shares:
        listed.nothing("the provider makes nothing of shares with Ignition: one partition, or none")
        shares = []
    if listed is not None and listed.is_empty:
        listed.default("an empty list is the same as none")
    if not shares:
        if layout is not None and boolean(layout, f"{to}[{first}].percentage") is True:
            return [{"device": device, "percentage": 100}]
        if layout is not None and layout.value is False:
            layout.default("no partition is made")
        return []
    if layout is not None and boolean(layout, f"{to}[{first}].percentage") is not None:
        layout.default("the shares of diskLayout are what counts")
    found: list[dict[str, object]] = []
    left = 100
    for number, share in enumerate(shares, start=1):
        part: dict[str, object] = {"device": device}
        at = f"{to}[{first + len(found)}]"
        given = share.get("percentage")
        percentage = integer(given, f"{at}.percentage")
        if isinstance(percentage, int):
            # sgdisk gets the end of the disk for the last one (cloud-init's partition code).
            rest = left if number == len(shares) and left > 0 else percentage
            if rest != percentage and given is not None:
                given.converted(f"{at}.percentage", "the last partition takes what is left")
            left -= percentage
            percentage = rest
        else:
            # A placeholder: what is left for the last one is not known.
            left = 0
        put(part, "percentage", percentage)
        put(part, "type", text(share.get("partitionType"), f"{at}.type", setting))
        found.append(part)
    return found


def _filesystems(view: View | None, to: str, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if view is None:
        return found
    if view.is_empty:
        view.default("an empty list is the same as none")
    for item in view.items():
        if not item.is_map:
            continue
        where = f"{to}.filesystems[{len(found)}]"
        one: dict[str, object] = {}
        for name in ("device", "filesystem", "label", "partition", "replaceFS"):
            put(one, name, text(item.get(name), f"{where}.{name}", setting))
        put(one, "overwrite", boolean(item.get("overwrite"), f"{where}.overwrite"))
        put(one, "extraOptions", strings(item.get("extraOpts"), f"{where}.extraOptions", setting))
        found.append(one)
    return found


def _mounts(view: View, to: str, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if view.is_empty:
        view.default("an empty list is the same as none")
    for item in view.items():
        where = f"{to}.mounts[{len(found)}]"
        mount: dict[str, object] = {}
        # Lines may end early, as in fstab itself.
        for name, column in zip(_FSTAB, item.items(), strict=False):
            if name in ("dump", "pass"):
                put(mount, name, integer(column, f"{where}.{name}"))
            else:
                put(mount, name, text(column, f"{where}.{name}", setting))
        options = mount.get("options")
        if isinstance(options, str):
            mount["options"] = [part for part in options.split(",") if part]
        # What cloud-init makes of a line without its last column.
        if not setting.ignition and mount.get("target") not in (None, "none"):
            mount.setdefault("pass", 2)
        found.append(mount)
    return found
