"""What people do by commands because a KubeadmConfig has no field for it, and which field of ours it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from machineadm.conversion.shell import Script
from machineadm.conversion.texts import Machine

# The second is that of older releases of Cluster API; which of them is there tells a script its
# role.
INIT_FILES: Final = ("/run/kubeadm/kubeadm.yaml", "/tmp/kubeadm.yaml")  # noqa: S108 # where others put it
JOIN_FILES: Final = ("/run/kubeadm/kubeadm-join-config.yaml", "/tmp/kubeadm-join-config.yaml")  # noqa: S108
# One file for both roles with Ignition.
IGNITION_FILE: Final = "/etc/kubeadm.yml"
TOUCHES_KUBEADM: Final = (
    "reads or changes the file that kubeadm is given, which is not there",
    "set the field that it changes: docs/kubeadmconfig.md lists them",
    "if it only reads: `commands.kubeadmFile` names a copy that it may read",
)
READS_KUBEADM: Final = (
    "reads the file that kubeadm is given: `commands.kubeadmFile` has a copy written there, whose content changes with versions",
    "keep `commands.kubeadmFile`, if what it reads may change without notice",
    "take the value from a variable instead (`env`, MACHINEADM_ROLE, MACHINEADM_NODE_NAME), and remove `commands.kubeadmFile`",
)
KUBEADM_FILES: Final = (*INIT_FILES, *JOIN_FILES, IGNITION_FILE)

_INTO: Final = "|".join(map(re.escape, (*INIT_FILES, IGNITION_FILE)))
# A here-document behind kubeadm's own documents, which kubeadm reads beside them.
_APPENDED: Final = rf"(?:cat\s*<<\s*(['\"]?)(\w+)\1\s*(?:>>|\|\s*(?:sudo\s+)?tee\s+-a)\s*(?:{_INTO})(?:\s*>\s*/dev/null)?|cat\s*>>\s*(?:{_INTO})\s*<<\s*(['\"]?)(\w+)\3)\n(---\n.*\n)(?:\2|\4)\s*"
_COMPONENTS: Final = {
    "KubeletConfiguration": ("kubelet.config.k8s.io/v1beta1", "kubernetes.cluster.kubelet"),
    "KubeProxyConfiguration": ("kubeproxy.config.k8s.io/v1alpha1", "kubernetes.cluster.proxyAddon"),
}
"""What kubeadm reads there beside its own kinds: version, and the field of ours."""

_METADATA: Final = r"\$?\$\{?((?:COREOS|AFTERBURN)_[A-Z0-9_]+)\}?"
"""A variable of the files that Afterburn and Flatcar write."""

# Flatcar's metadata is in variables of a file, and Ignition fills nothing in: people run envsubst
# over kubeadm's file.
_ENVSUBST: Final = rf"(?:cat\s+{re.escape(IGNITION_FILE)}\s*\|\s*)?envsubst\b[^;&|]*{re.escape(IGNITION_FILE)}[^;&|]*(?:&&\s*mv\s+\S+\s+{re.escape(IGNITION_FILE)})?"
# envsubst cannot write to the file that it reads, so a second entry often moves the result back.
_MOVE: Final = rf"mv\s+(?:-f\s+)?\S+\s+{re.escape(IGNITION_FILE)}"
# Cut at the first dot (%%.*), because Kubernetes wants short names for some clouds.
_EXPORT: Final = r"(?:export\s+)?((?:COREOS|AFTERBURN)_[A-Z0-9_]+)=\"?\$?\$\{((?:COREOS|AFTERBURN)_[A-Z0-9_]+)(%%?\.\*)?\}\"?"
_TOKEN: Final = rf"sed\s+-i\s+(?:-e\s+)?([\"'])s([/|#,])(@@[A-Z_]+@@)\2\$\((.*)\)\2g?\1\s+({'|'.join(map(re.escape, KUBEADM_FILES))})"
# Its instance metadata service, by jq; cloud-init keeps the same document below ds.meta_data.imds.
_AZURE: Final = r"curl\b.*169\.254\.169\.254/metadata/instance\?[^|]*\|\s*jq\s+-r\s+['\"]?\.(compute(?:\.[A-Za-z]+)+)['\"]?\s*"

_ASKED: Final = r"[\"']?\$\(\s*curl\s+(?:-[a-zA-Z]+\s+|--[a-z-]+(?:[= ]\d+)?\s+)*[\"']?http://169\.254\.169\.254/(?:latest|[0-9-]+)/meta-data/((?:local-|public-)?hostname)[\"']?\s*\)[\"']?"
"""What EC2's service calls a machine, asked for by a command; cloud-init has it by the same name."""

# From the command that says all to those that set a half: name now, name at later boots.
_HOSTNAME: Final = (
    rf"(?:sudo\s+)?hostnamectl\s+set-hostname\s+({_ASKED})",
    r"(?:sudo\s+)?hostnamectl\s+(?:--static\s+)?(?:set-hostname|hostname)\s+(?:--static\s+)?([^\s'\"]+|\"[^\"]*\"|'[^']*'|\{\{[^{}]*\}\})(?:\s*&&\s*hostname\s+-F\s+/etc/hostname)?",
    r"(?:sudo\s+)?hostname\s+(\"[^\"$`\\]*\"|'[^']*'|\{\{[^{}]*\}\})",
    r"echo\s+(\"[^\"$`\\]*\"|'[^']*'|\{\{[^{}]*\}\})\s*>\s*/etc/hostname",
)
_HOSTS: Final = r"echo\s+(\"[^\"$`\\]*\"|'[^']*')\s*(>>?)\s*/etc/hosts"
# Now, and at later boots by a comment in /etc/fstab; the spellings are those of Kubernetes' old
# instructions.
_SWAP: Final = (
    r"(?:sudo\s+)?swapoff\s+-a",
    r"(?:sudo\s+)?sed\s+-r?i\s+(?:-r\s+|-e\s+)?(['\"])/(?: |\\s)?swap(?: |\\s)?/\s*(?:d|s/\^(?:#\?)?/#/|s/\^\\\(\.\*\\\)\$/#\\1/g)\1\s+/etc/fstab",
)
_SYSCTL: Final = r"(?:sudo\s+)?sysctl\s+(?:-w|--write)\s+([a-z0-9_][a-zA-Z0-9_./-]*)=([\"']?)([A-Za-z0-9_.:-]+)\2"
MODULE: Final = r"(?:sudo\s+)?modprobe\s+([a-z0-9_-]+)"


class Kubeadm(Struct, frozen=True, kw_only=True):
    """What commands put into kubeadm's file."""

    variables: dict[str, str] = {}
    """By name, the reference that stands for it."""

    typed: dict[int, str] = {}
    """The commands that do it, by their place, and what they were."""

    appended: dict[int, str] = {}
    """The commands that append documents, by their place, and the field of ours."""

    components: dict[str, dict[str, Any]] = {}
    """These documents, by their kind."""


class Typed(Struct, kw_only=True):
    """What commands do that is a field of ours."""

    typed: dict[int, tuple[str, str]] = {}
    """The commands, by their place: our field, and what it was."""

    hostname: tuple[str, object] | None = None
    hosts: dict[str, object] | None = None
    swap: bool = False
    modules: list[str] = []
    sysctls: dict[str, str] = {}


def into_kubeadm(commands: Sequence[str], document: str, *, joins: bool) -> Kubeadm:
    """Find what commands put into kubeadm's file before kubeadm reads it.

    Args:
        commands: Those before kubeadm.
        document: The text that they stand in, where the variables are referred to.
        joins: The machine only ever joins, and kubeadm is given another file.
    """
    variables: dict[str, str] = {}
    typed: dict[int, str] = {}
    appended: dict[int, str] = {}
    components: dict[str, dict[str, Any]] = {}
    substituted = False
    for index, command in enumerate(commands):
        stripped = command.strip()
        documents = {} if joins else _appended(stripped)
        # One document of a kind: which of two kubeadm takes is no field of ours.
        if documents and not documents.keys() & components.keys():
            components |= documents
            appended[index] = ", ".join(_COMPONENTS[kind][1] for kind in documents)
            continue
        # A move alone is understood only together with an envsubst.
        if re.fullmatch(_ENVSUBST, stripped) or re.fullmatch(_MOVE, stripped):
            substituted = substituted or "envsubst" in stripped
            typed[index] = "envsubst over kubeadm's file"
        elif (export := re.fullmatch(_EXPORT, stripped)) and export[1] == export[2]:
            variables[export[1]] = f"env.{export[2]}" + ("|short" if export[3] else "")
            cut = ": takes what is before the first dot, as `|short` does" if export[3] else ""
            typed[index] = f"a variable of the machine's metadata{cut}"
        elif (token := re.fullmatch(_TOKEN, stripped)) and (
            azure := re.fullmatch(_AZURE, token[4])
        ):
            variables[token[3]] = f"ds.meta_data.imds.{azure[1]}"
            typed[index] = "sed over kubeadm's file, with a value of the metadata service"
    # All of kubeadm's file, and so every variable in it.
    if substituted:
        for found in re.finditer(_METADATA, document):
            variables.setdefault(found[1], f"env.{found[1]}")
    # Variables that nothing puts into the file are for the commands, and stay theirs.
    elif typed and not any(name.startswith("@@") for name in variables):
        variables, typed = {}, {}
    return Kubeadm(variables=variables, typed=typed, appended=appended, components=components)


def _appended(command: str) -> dict[str, dict[str, Any]]:
    """The documents that a command appends to kubeadm's file, by their kind; none where it does more than that."""
    from machineadm.documents.decoding import read_values

    here = re.fullmatch(_APPENDED, command, re.DOTALL)
    # Unquoted, the shell would expand these; Jinja has been at both.
    if here is None or re.search(r"[$`\\]|\{\{", here[5]):
        return {}
    documents, refusal = read_values(here[5])
    found: dict[str, dict[str, Any]] = {}
    for one in documents:
        kind = one.get("kind") if isinstance(one, dict) else None
        if not isinstance(kind, str) or kind not in _COMPONENTS or kind in found:
            return {}
        if one.get("apiVersion") != _COMPONENTS[kind][0]:
            return {}
        found[kind] = {
            name: value for name, value in one.items() if name not in ("apiVersion", "kind")
        }
    return {} if refusal else found


def metadata_of(script: str) -> tuple[str, ...]:
    """Variables of Afterburn's files that a script reads."""
    return tuple(dict.fromkeys(found[1] for found in re.finditer(_METADATA, script)))


def with_role(script: str) -> str:
    """Let a script find out its role by MACHINEADM_ROLE instead of by which file kubeadm is given."""
    for files, sign in ((INIT_FILES, "="), (JOIN_FILES, "!=")):
        opposite = {"=": "!=", "!=": "="}[sign]
        paths = "|".join(map(re.escape, files))
        # The negated form first, since the plain pattern would match within it.
        for negation, comparison in ((r"!\s+", opposite), ("", sign)):
            test = f'"$MACHINEADM_ROLE" {comparison} Initialize'
            script = re.sub(
                rf"\[\[?\s+{negation}-[efrs]\s+[\"']?(?:{paths})[\"']?\s+\]\]?",
                f"[ {test} ]",
                script,
            )
            script = re.sub(
                rf"\btest\s+{negation}-[efrs]\s+[\"']?(?:{paths})[\"']?",
                f"test {test}",
                script,
            )
    return script


def touches_kubeadm(script: str) -> bool:
    """Whether a script reads or changes the file that kubeadm is given."""
    return any(path in script for path in KUBEADM_FILES)


def file_to_read(scripts: Sequence[str]) -> str | None:
    """The path of kubeadm's file, if scripts read it, and nothing more than that."""
    found = dict.fromkeys(
        path for script in scripts if only_reads(script) for path in _paths(script)
    )
    # A copy is written at one path.
    return next(iter(found)) if len(found) == 1 else None


def only_reads(script: str) -> bool:
    """Whether a script reads kubeadm's file, at a path where `commands.kubeadmFile` may have a copy, and leaves it as it is."""
    paths = _paths(script)
    return len(paths) == 1 and not any(
        re.search(pattern.replace("PATH", re.escape(paths[0])), script) for pattern in _WRITES
    )


def _paths(script: str) -> list[str]:
    paths = [path for path in KUBEADM_FILES if path in script]
    # A copy of what has a token in it is kept out of /tmp and /etc.
    return paths if all(path.startswith("/run/") for path in paths) else []


# What would change a copy without effect: redirects, editors in place, and tools that take the
# file's place.
_WRITES: Final = (
    r">>?\s*[\"']?PATH",
    r"\b(?:sed|perl|yq)\b[^\n|;&]*\s(?:-[a-zA-Z]*i|--in-?place)\b[^\n]*PATH",
    r"\b(?:mv|cp|install|ln|tee|rm|truncate|chmod|chown|patch|ed|vi)\b[^\n|;&]*PATH",
    r"PATH\S*\.",
)


def typed(commands: Sequence[str], machine: Machine, taken: frozenset[str]) -> Typed:
    """Find commands that are fields of ours.

    Args:
        commands: Those before kubeadm, in order.
        machine: How texts are read.
        taken: Paths of files that the configuration has.
    """
    found = Typed()
    names: dict[int, tuple[str, object]] = {}
    lines: dict[int, tuple[str, str]] = {}
    for index, command in enumerate(commands):
        stripped = command.strip()
        if (name := _hostname(stripped, machine)) is not None:
            names[index] = name
        elif hosts := re.fullmatch(_HOSTS, stripped):
            lines[index] = (hosts[2], hosts[1][1:-1])
        elif _is_swap(stripped):
            found.typed[index] = (
                "machine.linuxConfiguration.swap.enabled",
                "swap turned off by commands",
            )
        else:
            _kernel(index, stripped, found)
    # The line in fstab alone leaves swap on until the next boot, which our field does not mean.
    found.swap = any(
        re.fullmatch(_SWAP[0], part) for index in found.typed for part in _parts(commands[index])
    )
    if not found.swap:
        found.typed = {
            index: said
            for index, said in found.typed.items()
            if not said[0].endswith("swap.enabled")
        }
    # Two different names: which one stays depends on the order, and is for a person.
    if names and len({str(value) for value in names.values()}) == 1:
        suffix, value = next(iter(names.values()))
        found.hostname = (suffix, value)
        for index in names:
            found.typed[index] = (
                f"machine.linuxConfiguration.hostname{suffix}",
                "the host name set by commands",
            )
    # Anything else that touches the file could undo or need these lines.
    others = [command for index, command in enumerate(commands) if index not in lines]
    if (
        lines
        and "/etc/hosts" not in taken
        and not any("/etc/hosts" in command for command in others)
    ):
        _hosts(lines, machine, found)
    return found


def loaded(commands: Sequence[str]) -> list[str]:
    """Modules that commands load, and do nothing else."""
    found = Typed()
    for index, command in enumerate(commands):
        _kernel(index, command.strip(), found)
    return found.modules


def _is_swap(command: str) -> bool:
    """Whether a line only turns swap off, now or at later boots."""
    # A look for the word first: to scan a script costs more.
    parts = _parts(command) if "swap" in command else []
    return bool(parts) and all(
        any(re.fullmatch(pattern, part) for pattern in _SWAP) for part in parts
    )


def _parts(command: str) -> list[str]:
    """The commands of a line in which each is run after the other: `a && b; c`."""
    script = Script(command)
    parts, begin = [], 0
    for sign in re.finditer(r"&&|;|\n", command):
        # In quotes or a here-document the same signs are text.
        if script.place(sign.start()) == "code":
            parts.append(command[begin : sign.start()].strip())
            begin = sign.end()
    return [part for part in [*parts, command[begin:].strip()] if part]


def _kernel(index: int, command: str, found: Typed) -> None:
    """A line that sets nothing but kernel parameters and modules."""
    parts = _parts(command) if re.search("modprobe|sysctl", command) else []
    parameters = [re.fullmatch(_SYSCTL, part) for part in parts]
    modules = [re.fullmatch(MODULE, part) for part in parts]
    # Every part must be understood, or the line stays a command as a whole.
    if not parts or not all(map(any, zip(parameters, modules, strict=True))):
        return
    for parameter in parameters:
        if parameter is not None:
            found.sysctls[parameter[1]] = parameter[3]
            to = "machine.linuxConfiguration.sysctls"
            found.typed[index] = (
                to,
                "a kernel parameter set by a command; set at later boots, too",
            )
    for module in modules:
        if module is not None:
            found.modules += [] if module[1] in found.modules else [module[1]]
            to = "machine.linuxConfiguration.kernelModules"
            found.typed[index] = (to, "modprobe; loaded at later boots, too")


def _hostname(command: str, machine: Machine) -> tuple[str, object] | None:
    for pattern in _HOSTNAME:
        if match := re.fullmatch(pattern, command):
            # cloud-init asks the same service before, and answers even where it is slow.
            if asked := re.fullmatch(_ASKED, match[1]):
                name = asked[1].replace("-", "_")
                return "From", {"instanceData": f"$(ds.meta_data.{name})"}
            name = match[1].strip("\"'").strip()
            read = machine.read(name)
            if (
                len(read.references) == 1
                # A name that is partly a reference would be lower-cased or cut by hostnamectl: it
                # stays a command.
                and not read.text[: read.references[0].begin]
                and not read.text[read.references[0].end :]
            ):
                return "From", {"instanceData": read.instance_data}
            if re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
                return "", name
    return None


def _hosts(lines: dict[int, tuple[str, str]], machine: Machine, found: Typed) -> None:
    # `>` starts the file over, so lines before the last one are gone.
    begins = [index for index, (sign, _) in lines.items() if sign == ">"]
    text = "".join(
        f"{line}\n" for index, (_, line) in lines.items() if not begins or index >= begins[-1]
    )
    read = machine.read(text)
    if read.trouble is not None:
        return
    file: dict[str, object] = {"path": "/etc/hosts"}
    if not begins:
        file["append"] = True
    if read.references:
        file["contentFrom"] = {"instanceData": read.instance_data}
    else:
        file["content"] = text
    found.hosts = file
    for index in lines:
        found.typed[index] = ("machine.files", "lines of /etc/hosts written by commands")
