"""Whether one control holds, by what a machine shows."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from machineadm.actions.compliance.looking import Machine
from machineadm.config.catalogues import compared, levels_of
from machineadm.host.ports import FileKind

_MOST_SHOWN: Final = 3


class Answer(NamedTuple):
    """How a control stands."""

    state: Literal["holds", "fails", "manual", "notHere", "excepted", "unknown"]
    where: str
    found: str


def judged(
    of: str, names: tuple[str, ...], must: str, value: str, machine: Machine, *, unset: bool
) -> Answer:
    """Judge a test.

    Args:
        of: What is looked at.
        names: Of files, flags or fields.
        must: What must be so.
        value: The value that it is compared with.
        machine: Shows what there is.
        unset: Whether it holds where nobody has set it.
    """
    if of == "files":
        return _files(names, must, value, machine)
    if of == "encryption":
        return _encryption(names[0], value, machine)
    if of in ("auditPolicy", "admission"):
        return _file_of_flag(of, names[0], must, value, machine)
    if of == "authorities":
        return _authorities(names[0], machine)
    answers = [_setting(of, name, must, value, machine, unset=unset) for name in names]
    return next((one for one in answers if one.state == "fails"), answers[0])


def _files(names: tuple[str, ...], must: str, value: str, machine: Machine) -> Answer:
    there, wrong = 0, []
    for name in names:
        for path in machine.paths(name):
            stat = machine.stat(path)
            if stat is None or (must == "mode" and _has_no_mode(stat.kind, name)):
                continue
            there += 1
            if must == "mode":
                if stat.mode & ~int(value, 8):
                    wrong.append(f"{path} {stat.mode:04o}")
            elif not _belongs(stat.uid, stat.gid, value, machine):
                wrong.append(f"{path} {stat.uid}:{stat.gid}")
    if not there:
        return Answer("notHere", ", ".join(names), "there is none")
    if not wrong:
        one = "1 file" if there == 1 else f"{there} files"
        return Answer(
            "holds", ", ".join(names), f"{one}: {'at most ' if must == 'mode' else ''}{value}"
        )
    more = f" and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
    return Answer("fails", ", ".join(names), f"{', '.join(wrong[:_MOST_SHOWN])}{more}, not {value}")


def _has_no_mode(kind: FileKind, name: str) -> bool:
    """Whether a mode says nothing: of a link, and of a directory where files are asked for."""
    return kind is FileKind.LINK or (kind is FileKind.DIRECTORY and "*" in name)


def _belongs(uid: int, gid: int, owner: str, machine: Machine) -> bool:
    user, _, group = owner.partition(":")
    accounts = machine.host.accounts
    return (uid, gid) == (accounts.uid(user), accounts.gid(group))


def _setting(of: str, name: str, must: str, value: str, machine: Machine, *, unset: bool) -> Answer:
    if of == "kubelet":
        now, where = machine.kubelet(name)
    else:
        now, where = _flag(of, name, machine), f"--{name} in {machine.manifest(of)}"
    found = "not set" if now is None else now
    holds = (must == "unset" or unset) if now is None else compared(now, must, value)
    return Answer("holds" if holds else "fails", where, found)


def _flag(component: str, name: str, machine: Machine) -> str | None:
    flags = machine.flags(component)
    configured = flags.get("authorization-config")
    if name == "authorization-mode" and name not in flags and configured:
        # kubeadm then leaves the flag out: the file has the modes.
        authorizers = machine.document(configured).get("authorizers")
        kinds = [one.get("type") for one in authorizers or () if isinstance(one, dict)]
        return ",".join(str(kind) for kind in kinds)
    return flags.get(name)


def _encryption(flag: str, value: str, machine: Machine) -> Answer:
    """What encrypts stored objects is the first provider of each entry: the others only read."""
    path = machine.flags("apiServer").get(flag)
    where = f"--{flag} in {machine.manifest('apiServer')}"
    if not path:
        return Answer("fails", where, "not set")
    resources = machine.document(path).get("resources")
    first = [
        next(iter(providers[0]), "")
        for one in resources or ()
        if isinstance(one, dict)
        and (providers := one.get("providers"))
        and isinstance(providers[0], dict)
    ]
    weak = [name for name in first if name not in value.split(",")]
    if not first or weak:
        return Answer("fails", path, ", ".join(weak) or "no provider")
    return Answer("holds", path, ", ".join(first))


def _file_of_flag(of: str, flag: str, must: str, value: str, machine: Machine) -> Answer:
    """What is in the file that a flag of the API server names: levels of audit, or plugins that are configured."""
    path = machine.flags("apiServer").get(flag)
    if not path:
        return Answer("fails", f"--{flag} in {machine.manifest('apiServer')}", "not set")
    document = machine.document(path)
    if of == "auditPolicy":
        found = levels_of(document)
    else:
        plugins = document.get("plugins")
        found = ",".join(
            name
            for one in (plugins if isinstance(plugins, list) else ())
            # Nothing else is made a text: aliases of YAML would become gigabytes.
            if isinstance(one, dict) and isinstance(name := one.get("name"), str)
        )
    return Answer("holds" if compared(found, must, value) else "fails", path, found or "nothing")


def _authorities(flag: str, machine: Machine) -> Answer:
    path = machine.flags("etcd").get(flag)
    other = machine.flags("apiServer").get("client-ca-file")
    where = f"--{flag} in {machine.manifest('etcd')}"
    if not path:
        return Answer("fails", where, "not set")
    sums = [machine.host.files.sha256(one) for one in (path, other) if one]
    if len(sums) == 2 and sums[0] is not None and sums[0] == sums[1]:
        return Answer("fails", where, f"{path} is the authority of the API server's clients, too")
    return Answer("holds", where, path)
