"""Texts with `$(name)` references: which names exist, and how a text is read.

Pure: `machineadm.host.instance` looks up the values on a machine. NAMES is the only table of names; docs/instance-data.md is
tested against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

NAMES: Final[dict[str, str]] = {
    # Names and meaning are cloud-init's, so that templates can be taken over (its instance-data
    # page).
    "v1.instance_id": "the id that the platform knows the machine by",
    "v1.local_hostname": "the machine's host name, without a domain",
    "v1.region": "the region that it runs in",
    "v1.availability_zone": "the zone that it runs in",
    "v1.cloud_name": "the cloud: `aws`, `openstack`, `gce`, `azure`, `vmware`",
    "v1.cloud_id": "as `v1.cloud_name`; where a cloud has several, the one: `aws-china`",
    "v1.platform": "the platform below the cloud: `ec2`",
    "v1.subplatform": "how the data came: `metadata (http://169.254.169.254)`",
    "v1.distro": "the distribution: `debian`",
    "v1.distro_release": "its release by name: `bookworm`",
    "v1.distro_version": "its release by number: `12`",
    "v1.kernel_release": "the kernel: `6.1.0-18-amd64`",
    "v1.machine": "the processor: `x86_64`",
    "v1.system_platform": "kernel, processor and C library in one text",
    "v1.variant": "what cloud-init takes the distribution for",
    # Ours from here on: what any machine knows, without a cloud.
    "host.name": "the running host name",
    "host.shortName": "the running host name up to the first dot",
    "host.fqdn": "the host name with its domain, by /etc/hosts or the name service",
    "host.machineID": "what /etc/machine-id says",
    "net.primaryIPv4": "the IPv4 address that packets to the default route leave from",
    "net.primaryIPv6": "the IPv6 address that packets to the default route leave from",
}
"""Names that stand for one thing each, and what that is. Those of `v1` are cloud-init's standardised ones."""

# Their last part is looked up on the machine; that it exists cannot be judged here.
OPEN_NAMES: Final[dict[str, str]] = {
    "ds.PATH": "what the platform itself calls it: `ds.meta_data.uuid`; a number picks an item of a list",
    "env.NAME": "a variable of /run/metadata/afterburn, /run/metadata/coreos or /run/metadata/flatcar: `env.COREOS_EC2_HOSTNAME`",
    "net.INTERFACE.ipv4": "the first IPv4 address of an interface: `net.eth1.ipv4`",
    "net.INTERFACE.ipv6": "the first global IPv6 address of an interface",
    "net.INTERFACE.mac": "the hardware address of an interface: `52:54:00:12:34:56`",
}
"""Names with a part that is the machine's own, and what they stand for."""

FUNCTIONS: Final[dict[str, Callable[[str], str]]] = {
    # Few on purpose: whoever needs more writes a command, and no language has to be kept.
    "short": lambda text: text.partition(".")[0],
    "lower": str.lower,
}
"""What may stand behind a name."""

# A slash separates as a dot does: paths of EC2's service are written with slashes.
_DATASOURCE: Final = r"ds\.[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_:-]+)*"
_OPEN: Final = (
    _DATASOURCE,
    r"env\.[A-Za-z_][A-Za-z0-9_]*",
    r"net\.[A-Za-z0-9_.:@-]{1,32}\.(?:ipv4|ipv6|mac)",
)
# Not by a list of what is allowed: below ds. every platform has its own tree.
_PRIVATE: Final = r"(?i)ds\.(?:[^./]+[./])*(?:user[_-]?data|custom[_-]?data|vendor[_-]?data2?|security[_-]credentials|merged_cfg)(?:[./].*)?"
"""What holds secrets of others; cloud-init keeps the same out of the file that everybody may read."""

# $( as in Kubernetes' own env expansion, $$( for a literal one; third, what looks like one and is
# not.
_REFERENCE: Final = r"\$\$\(|\$\(([^()$\n]*)\)|(\$\()"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A reference in a text."""

    name: str
    """`v1.local_hostname`."""

    functions: tuple[str, ...] = ()
    """What is done with the value, in order: `short`, `lower`."""

    def applied(self, value: str) -> str:
        """Apply the functions to a value."""
        for function in self.functions:
            value = FUNCTIONS[function](value)
        return value


def parse(text: str) -> tuple[str | Part, ...]:
    """Split a text into literal text and references, in order.

    Args:
        text: One in which `problems` finds nothing.
    """
    pieces: list[str | Part] = []
    end = 0
    for match in re.finditer(_REFERENCE, text):
        pieces.append(text[end : match.start()])
        pieces.append("$(" if match[1] is None else _part(match[1]))
        end = match.end()
    pieces.append(text[end:])
    # Empty pieces between two references say nothing.
    return tuple(piece for piece in pieces if piece != "")


def names(text: str) -> tuple[str, ...]:
    """Return the names that a text refers to, each once."""
    return tuple(dict.fromkeys(one.name for one in parse(text) if isinstance(one, Part)))


def rendered(text: str, values: dict[str, str]) -> str:
    """Replace the references in a text.

    Args:
        text: One in which `problems` finds nothing.
        values: By name; all that the text refers to.
    """
    return "".join(
        one.applied(values[one.name]) if isinstance(one, Part) else one for one in parse(text)
    )


def problems(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with a text: code, message, hint."""
    count = 0
    for match in re.finditer(_REFERENCE, text):
        if match[2] is not None:
            yield "MA1421", "$( does not begin a $(name)", "write $$( for a literal $("
        elif match[1] is not None:
            count += 1
            yield from _wrong(_part(match[1]))
    # A text without any reference is a mistake here: the plain field beside it is for that.
    if not count and "$(" not in text.replace("$$(", ""):
        known = text.strip()
        hint = f"write $({known})" if is_name(known) else "give the value itself"
        yield "MA1421", "refers to nothing: there is no $(name) in it", hint


def is_name(name: str) -> bool:
    """Whether a name may be used in a reference."""
    return name in NAMES or (
        any(re.fullmatch(pattern, name) for pattern in _OPEN) and not re.fullmatch(_PRIVATE, name)
    )


def _part(inside: str) -> Part:
    name, *functions = (piece.strip() for piece in inside.split("|"))
    return Part(name=name, functions=tuple(functions))


def _wrong(part: Part) -> Iterator[tuple[str, str, str]]:
    if re.fullmatch(_PRIVATE, part.name):
        hint = "give such a value in the configuration itself, or by a provider"
        yield "MA1422", f"{part.name} may hold secrets and is not read", hint
    elif not is_name(part.name):
        message = f"{part.name!r} is not a name of instance data" if part.name else "names nothing"
        yield "MA1422", message, _meant(part.name)
    for function in part.functions:
        if function not in FUNCTIONS:
            hint = f"there are {' and '.join(FUNCTIONS)}; a command can do more"
            yield "MA1421", f"there is no function {function!r}", hint


def _meant(name: str) -> str:
    """Guess what was meant by an unknown name."""
    from difflib import get_close_matches

    if name in _ALIASES:
        return f'did you mean "{_ALIASES[name]}"?'
    if re.fullmatch(r"(COREOS|AFTERBURN)_[A-Z0-9_]+", name):
        return f'did you mean "env.{name}"?'
    if name.startswith(("meta_data.", "metadata.")):
        return f'did you mean "ds.meta_data.{name.partition(".")[2]}"?'
    lower = {known.lower(): known for known in NAMES}
    # `hostname` and `instance-id` without their first part is how other tools write them.
    endings = {known.lower().partition(".")[2]: known for known in NAMES}
    stem = name.lower().replace("-", "_")
    for choices in (lower, endings):
        for near in get_close_matches(stem, choices, n=1, cutoff=0.75):
            return f'did you mean "{choices[near]}"?'
    return "there are v1.NAME, ds.PATH, env.NAME, host.NAME, net.NAME: see docs/instance-data.md"


_ALIASES: Final = {
    "hostname": "host.name",
    "host.hostname": "host.name",
    "host.shortname": "host.shortName",
    "host.machineId": "host.machineID",
    "v1.hostname": "v1.local_hostname",
    "v1.zone": "v1.availability_zone",
    "ds.local_hostname": "v1.local_hostname",
    "cloud": "v1.cloud_name",
    "ipv4": "net.primaryIPv4",
    "ipv6": "net.primaryIPv6",
}
"""What people call it elsewhere."""
