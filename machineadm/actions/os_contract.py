"""What docs/os-contract.md asks of an operating system, row by row, and whether it holds here. Queries only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from machineadm.errors import MachineadmError
from machineadm.host.facts import os_release
from machineadm.host.ports import FileKind, Host

_TIMEOUT: Final = 10.0
_ARCHITECTURES: Final = ("amd64", "arm64")
# As the agent's start checks it: compiled libraries are packed for these.
_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 10), (3, 14)
# That of manylinux2014, for which the wheels are built.
_OLDEST_LIBC: Final = (2, 17)
_OLDEST_CONTAINERD: Final = (1, 6)
_OLDEST_SYSTEMD: Final = 244
_PASSPHRASES: Final = "/etc/machineadm/passphrases"
_ASK_PYTHON: Final = (
    'import os, sys; print("%d.%d.%d" % sys.version_info[:3], os.confstr("CS_GNU_LIBC_VERSION"))'
)


class Answer(msgspec.Struct, frozen=True):
    """Whether a part holds, and what was found."""

    holds: bool
    found: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the contract's table."""

    row: str
    """How its first cell begins, without marks: a test compares them with the page."""
    needed_for: str
    required: bool
    """Every configuration needs it."""
    ask: Callable[[Host], Answer]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A part, and its answer."""

    part: Part
    answer: Answer


def held(host: Host) -> Iterator[Held]:
    """Yield each part of the contract with its answer, in the order of the page."""
    for part in PARTS:
        try:
            answer = part.ask(host)
        # A question that cannot be asked is a part that does not hold; the other rows still count.
        except MachineadmError as error:
            answer = Answer(False, error.message)
        yield Held(part=part, answer=answer)


def _python(host: Host) -> Answer:
    if host.architecture not in _ARCHITECTURES:
        return Answer(False, f"the processor is {host.architecture or 'not known'}")
    # That one and not this process's: units and the fetch script start it by its path.
    output = _asked(host, "/usr/bin/python3", "-I", "-S", "-c", _ASK_PYTHON)
    words = output.split()
    if len(words) != 3:
        return Answer(False, "no /usr/bin/python3 that answers, or a C library other than glibc")
    python, libc = _numbers(words[0]), _numbers(words[2])
    fits = _OLDEST_PYTHON <= python[:2] <= _NEWEST_PYTHON and libc[:2] >= _OLDEST_LIBC
    return Answer(fits, f"Python {words[0]}, glibc {words[2]}, {host.architecture}")


def _writable(host: Host) -> Answer:
    mounts = [line.split() for line in _text(host, "/proc/self/mounts").splitlines()]
    told = []
    for path in ("/var/lib", "/run"):
        stat = host.files.stat(path)
        if stat is None or stat.kind not in (FileKind.DIRECTORY, FileKind.LINK):
            return Answer(False, f"there is no {path}")
        # The last line of a path counts: file systems lie above each other.
        over = [
            one
            for one in mounts
            if len(one) > 3 and (one[1] == "/" or path == one[1] or path.startswith(f"{one[1]}/"))
        ]
        longest = max((len(one[1]) for one in over), default=0)
        options = [one[3].split(",") for one in over if len(one[1]) == longest]
        # By the mount and not by a try: nothing is written by a check.
        if options and "ro" in options[-1]:
            return Answer(False, f"{path} is on a file system that is mounted read-only")
        told.append(path)
    return Answer(True, f"{' and '.join(told)} can be written")


def _systemd(host: Host) -> Answer:
    if host.files.stat("/run/systemd/system") is None:
        return Answer(False, "systemd does not run this system")
    return Answer(True, f"systemd {_systemd_version(host) or 'of an unknown version'}")


def _newer_systemd(host: Host) -> Answer:
    version = _systemd_version(host)
    return Answer(version >= _OLDEST_SYSTEMD, f"systemd {version}" if version else "no systemd")


def _systemd_version(host: Host) -> int:
    # The major number alone; distributions put their own behind it.
    found = re.search(r"^systemd (\d+)", _asked(host, "systemctl", "--version"))
    return int(found[1]) if found else 0


def _machine_id(host: Host) -> Answer:
    # machine-id(5): `uninitialized` is what an image has until its first boot.
    text = _text(host, "/etc/machine-id").strip()
    if re.fullmatch("[0-9a-f]{32}", text):
        return Answer(True, "it has one")
    return Answer(
        False, "it is empty or missing" if text in ("", "uninitialized") else "it is none"
    )


def _kubernetes(host: Host) -> Answer:
    missing = [name for name in ("kubeadm", "kubelet") if _find(host, name) is None]
    # Any of them will do: kubeadm asks for a socket and not for a program.
    runtimes = [name for name in ("containerd", "crio", "cri-dockerd") if _find(host, name)]
    if not runtimes:
        missing.append("container runtime")
    version = _asked(host, "kubeadm", "version", "-o", "short").strip() if not missing else ""
    return Answer(
        not missing,
        f"there is no {', no '.join(missing)}" if missing else f"kubeadm {version}, {runtimes[0]}",
    )


def _passphrases(host: Host) -> Answer:
    # Judged as sources/passphrases.py judges them, or a machine would pass here and fail at its
    # first boot.
    names = host.files.list(_PASSPHRASES)
    if not names:
        return Answer(False, f"there is none in {_PASSPHRASES}")
    for name in names:
        stat = host.files.stat(f"{_PASSPHRASES}/{name}")
        if stat is not None and (stat.uid != 0 or stat.mode & 0o077):
            return Answer(False, f"{_PASSPHRASES}/{name} is not root's alone")
    return Answer(True, f"for {', '.join(names)}")


def _fetching(host: Host) -> Answer:
    # What fetch.sh looks for, in its order.
    pairs = [("curl", "wget"), ("openssl", "sha256sum"), ("mktemp", "busybox")]
    found = [next((name for name in pair if _find(host, name)), None) for pair in pairs]
    missing = [" or ".join(pair) for pair, one in zip(pairs, found, strict=True) if one is None]
    if missing:
        return Answer(False, f"there is no {', no '.join(missing)}")
    return Answer(True, ", ".join(name for name in found if name))


def _modprobe(host: Host) -> Answer:
    return _program(host, "modprobe")


def _trust(host: Host) -> Answer:
    distribution = host.distribution(os_release(host))
    if distribution is None:
        return Answer(False, "the distribution is not known by /etc/os-release")
    return _program(host, distribution.trust.update[0])


def _containerd(host: Host) -> Answer:
    found = re.search(r"\bv?(\d+)\.(\d+)\.\d+", _asked(host, "containerd", "--version"))
    if found is None:
        return Answer(False, "there is no containerd")
    version = f"containerd {found[1]}.{found[2]}"
    if (int(found[1]), int(found[2])) < _OLDEST_CONTAINERD:
        return Answer(False, version)
    missing = [] if _find(host, "ctr") else ["ctr"]
    units = (
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        "/usr/local/lib/systemd/system",
    )
    if not any(host.files.stat(f"{unit}/containerd.service") for unit in units):
        missing.append("containerd.service")
    crictl = ", crictl" if _find(host, "crictl") else ", no crictl"
    return Answer(
        not missing, f"{version}, no {', no '.join(missing)}" if missing else f"{version}{crictl}"
    )


def _packages(host: Host) -> Answer:
    distribution = host.distribution(os_release(host))
    if distribution is None or not distribution.packages:
        return Answer(False, "the distribution has none that is known")
    return _program(host, "apt-get" if distribution.packages == "apt" else distribution.packages)


def _selinux(host: Host) -> Answer:
    if host.files.stat("/etc/selinux/config") is None:
        return Answer(False, "there is no /etc/selinux/config")
    return _program(host, "setenforce")


def _proc(host: Host) -> Answer:
    missing = [
        path
        for path in ("/proc/sys/kernel/ostype", "/proc/self/mounts", "/sys/kernel")
        if host.files.stat(path) is None
    ]
    return Answer(not missing, f"there is no {missing[0]}" if missing else "they are there")


def _program(host: Host, name: str) -> Answer:
    path = _find(host, name)
    return Answer(path is not None, path or f"there is no {name}")


def _find(host: Host, name: str) -> str | None:
    return host.queries.find(name) if host.queries is not None else None


def _asked(host: Host, *argv: str) -> str:
    """What a program prints; empty where there is none, or it fails."""
    # Looked up first: a program that is not there is an answer and no error.
    if host.queries is None or (not argv[0].startswith("/") and _find(host, argv[0]) is None):
        return ""
    answer = host.queries.ask(argv, timeout=_TIMEOUT)
    return answer.output if answer.exit_code == 0 else ""


def _text(host: Host, path: str) -> str:
    return (host.files.read(path) or b"").decode(errors="replace")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


PARTS: Final = (
    Part(row="CPython 3.10 to 3.14", needed_for="the agent", required=True, ask=_python),
    Part(row="root, a writable /var/lib and /run", needed_for="state, reports", required=True, ask=_writable),
    Part(row="systemd", needed_for="resuming by itself, boot commands at later boots", required=False, ask=_systemd),
    Part(row="/etc/machine-id", needed_for="telling a machine from its copies", required=True, ask=_machine_id),
    Part(row="kubeadm, kubelet and a container runtime", needed_for="the phase kubeadm, unless packages, archives, files or commands bring them", required=False, ask=_kubernetes),
    Part(row="/etc/machineadm/passphrases/PROVIDER", needed_for="encrypted documents", required=False, ask=_passphrases),
    Part(row="curl or GNU wget", needed_for="fetching the agent at boot", required=False, ask=_fetching),
    Part(row="modprobe", needed_for="linuxConfiguration.kernelModules", required=False, ask=_modprobe),
    Part(row="update-ca-certificates", needed_for="systemTrustCertificateAuthorities", required=False, ask=_trust),
    Part(row="containerd 1.6 or later", needed_for="containerRuntime, images", required=False, ask=_containerd),
    Part(row="systemd 244 or later", needed_for="systemProxies with credentials for the host", required=False, ask=_newer_systemd),
    Part(row="apt, dnf or zypper", needed_for="linuxConfiguration.packages, packageRepositories", required=False, ask=_packages),
    Part(row="/etc/selinux/config and setenforce", needed_for="linuxConfiguration.selinux", required=False, ask=_selinux),
    Part(row="procfs and sysfs", needed_for="sysctls, kernelModules", required=True, ask=_proc),
)  # fmt: skip
"""The rows of the page, in its order."""
