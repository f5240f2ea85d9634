"""The same machine twice: booted by cloud-init from what Cluster API's provider renders, and by us from what `convert` wrote.

Both are the same image with real cloud-init and the same metadata, and both find a recorder in kubeadm's place. What is
compared at the end: every path with its kind, mode, owner and content, accounts, sudo, fstab, mounts, units, the host name, and what
kubeadm was given. What differs on purpose is listed in DIFFERENCES, with the reason.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.corpus import comparing, trying
from tests.corpus.specs import Spec
from tests.corpus.trying import Machine
from tests.judges import judges
from tests.machine import machine as stage

OWN: Final = Path(__file__).parent / "own"
FLAVOUR: Final = "trixie-twin-cloud"
RECORD: Final = "/var/lib/kubeadm.record"
SUCCESS: Final = "/run/cluster-api/bootstrap-success.complete"

KUBEADM: Final = """\
#!/bin/sh
# Stands for kubeadm: keeps what it is given and what it sees, and makes a node by one file.
case "$1" in
version) echo @VERSION; exit ;;
init|join) ;;
*) exit 0 ;;
esac
verb=$1
for word; do
  case "$before" in --config) config=$word ;; --v) verbosity=$word ;; esac
  case "$word" in --config=*) config=${word#*=} ;; --v=*) verbosity=${word#*=} ;; esac
  before=$word
done
cp "$config" @RECORD; chmod 600 @RECORD
{
  echo "$verb $verbosity"; hostname; cat /etc/hostname /etc/hosts; env | grep -io '^[a-z]*_proxy=.*'
  cat /proc/swaps; ls -A /etc/kubernetes /etc/kubernetes/manifests 2>/dev/null
} > @RECORD.seen
mkdir -p /etc/kubernetes
echo 'client-certificate-data: x' > /etc/kubernetes/kubelet.conf
"""

LOOK: Final = r"""
import base64, grp, hashlib, json, os, pwd, stat, subprocess, sys
def user(number):
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return number
def group(number):
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return number
born = os.stat("/var/lib/.seeded").st_ctime - 5
devices = {os.stat(path).st_dev for path in ("/", "/run", "/tmp")}
found = {}
for top in ("/",):
    for directory, directories, files in os.walk(top):
        kept = []
        for name in [*directories, *files]:
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                if os.stat(path).st_dev in devices and path not in ("/proc", "/sys", "/dev"):
                    kept.append(name)
            entry = [stat.filemode(status.st_mode), user(status.st_uid), group(status.st_gid)]
            if stat.S_ISLNK(status.st_mode):
                entry.append(os.readlink(path))
            elif stat.S_ISREG(status.st_mode) and status.st_ctime >= born:
                with open(path, "rb") as file:
                    data = file.read(4 << 20)
                entry.append(base64.b64encode(data).decode() if len(data) < 65536 else hashlib.sha256(data).hexdigest())
            found[path] = entry
        directories[:] = kept
def told(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
def read(path):
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []
sudo = [line for name in sorted(os.listdir("/etc/sudoers.d")) for line in read(f"/etc/sudoers.d/{name}")] if os.path.isdir("/etc/sudoers.d") else []
json.dump({
    "tree": found,
    "passwd": read("/etc/passwd"), "group": read("/etc/group"), "shadow": read("/etc/shadow"), "gshadow": read("/etc/gshadow"),
    "sudo": sudo, "fstab": read("/etc/fstab"), "hostname": told("hostname") + read("/etc/hostname"),
    "mounts": told("findmnt", "--real", "--raw", "--noheadings", "--output", "TARGET,FSTYPE,OPTIONS"),
    "tmpfs": told("findmnt", "--types", "tmpfs", "--raw", "--noheadings", "--output", "TARGET,OPTIONS"),
    "files": told("systemctl", "list-unit-files", "--no-legend", "--plain", "--no-pager"),
    "units": told("systemctl", "list-units", "--all", "--no-legend", "--plain", "--no-pager", "--type=service,timer,swap,mount"),
    "swaps": read("/proc/swaps"),
    "seen": read("@RECORD.seen"),
    "kubeadm": read("@RECORD"),
}, sys.stdout)
"""

DIFFERENCES: Final = {
    # What each road leaves of itself.
    r"/var/lib/cloud(/.*)?": "cloud-init's own: its user data is another one",
    r"/run/cloud-init(/.*)?": "cloud-init's own",
    r"/var/log(/.*)?": "what happened when",
    r"/run/(systemd|udev|log|dbus|user|credentials|lock|initctl|mount|blkid|chrony|utmp|screen|sudo|sshd|containerd|runc|agetty\.reload|motd\.dynamic|cloud\.|reboot-required)(.*)?": "of the running system",
    r"/run/kubeadm(/.*)?": "kubeadm's file is elsewhere here, and gone when kubeadm has ended: commands.kubeadmFile",
    r"/run/cluster-api/placeholder": "a file that only makes its directory",
    r"/run/cluster-api": "made readable to all by write_files",
    r"/(etc|run|var/lib)/machineadm(/.*)?": "the agent's own records",
    r"/etc/systemd/system/(.*/)?machineadm[^/]*": "the agent's own units",
    r"/etc/(sudoers\.d|sysctl\.d|modules-load\.d|chrony)/[^/]*machineadm[^/]*": "what the agent owns has a file of its own",
    r"/etc/sudoers\.d(/90-cloud-init-users)?": "rules of sudo are in another file: compared as rules",
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?": "compared as accounts",
    r"/etc/fstab": "compared as mounts: what owns a line is said in its options",
    r"/etc/\.pwd\.lock": "a lock",
    r"/run/cluster-api/bootstrap-success\.complete": "`success`, with a newline there",
    r"/etc/chrony/(chrony\.conf(\.dist)?|conf\.d/90-machineadm\.conf)": "servers replace the distribution's there, and come before them here",
    r"/etc/systemd/system/swap\.target": "swap is kept off by its target",
    RECORD + ".*": "compared as documents",
    # The same software, another moment.
    r"/etc/(machine-id|ssh/ssh_host_.*)": "of each machine",
    r"/var/(cache|backups|spool|tmp)(/.*)?": "of programs that run",
    r"/var/lib/(systemd|dbus|containerd|chrony|private|dpkg|apt|sudo)(/.*)?": "of programs that run",
    r"/tmp/.*": "of programs that run",
    r"/(usr|var|opt|root)/.*(__pycache__.*|\.pyc)": "what Python keeps",
    r"/opt/twin(/.*)?": "how this test brings the agent",
    r"/root/\.cache(/.*)?": "of programs that run",
    r"/home/debian(/.*)?": "`users` replaces the distribution's default user there",
}  # fmt: skip
"""Paths that may differ, and why."""

_DEFAULT_USER: Final = "debian"
_FIRST: Final = 1000
"""The first number of a person's account."""

_OPTIONS: Final = ("comment=cloudconfig", "x-machineadm")
# sshd has no keys on this stage: it is started again and again.
_OWN_UNITS: Final = r"(opt-twin|ssh|cloud-|machineadm|systemd-(tmpfiles|random|update|hostnamed|timedated|localed|journal|hwdb|firstboot|sysusers|machine-id)|user[@-]|session|dev-|sys-|run-|init\.scope|dbus|getty|apt-|dpkg-|man-db|e2scrub|fstrim|logrotate|exim|phpsessionclean|polkit|modprobe@|kmod|ldconfig|emergency|rescue|initrd|system)"


class Case(NamedTuple):
    """A spec as a machine of one role."""

    spec: Spec
    machine: Machine


class Ended(NamedTuple):
    """What a machine has become."""

    look: dict[str, Any]
    said: str
    """How its road ended, for whoever looks into a failure."""


def case(spec: Spec, role: str) -> Case:
    """A spec in one of its roles; it must be valid.

    Raises:
        LookupError: It is refused in this role, or does not have it.
    """
    for machine in trying.machines(spec):
        if machine.role == role:
            if machine.problems:
                raise LookupError(f"{spec.name} as {role}: {machine.problems}")
            return Case(spec, machine)
    raise LookupError(f"{spec.name} is not for {role}")


def metadata(machine: Machine) -> str:
    """What the platform tells: a value for each name that the configuration refers to."""
    names = trying.instance_data(machine.text).get("ds", {}).get("meta_data", {})
    names.pop("local_hostname", None)
    names.pop("instance_id", None)
    name = names.get("hostname", "twin-1.example.com")
    return yaml.safe_dump({"instance-id": "i-first", "local-hostname": name, **names})


def by_cloud_init(one: Case, directory: Path) -> Ended:
    """Boot it as Cluster API's provider would."""
    (verdict,) = judges.cluster_api_render([comparing.request(one.spec, one.machine)])
    assert "error" not in verdict, verdict
    return _boot(one, directory / "theirs", verdict["userData"], {})


def by_us(one: Case, directory: Path, agent: Path) -> Ended:
    """Boot it from the converted configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "machine.yaml"
    configuration.write_text(one.machine.text)
    run = ["python3", "/opt/twin/agent.pyz", "bootstrap", "--path", "/opt/twin/machine.yaml"]
    user_data = "#cloud-config\n" + yaml.safe_dump({"runcmd": [run]})
    mounts = {"/opt/twin/agent.pyz": agent, "/opt/twin/machine.yaml": configuration}
    return _boot(one, directory / "ours", user_data, mounts)


def _boot(one: Case, directory: Path, user_data: str, mounts: dict[str, Path]) -> Ended:
    seed = directory / "seed"
    seed.mkdir(parents=True)
    (seed / "meta-data").write_text(metadata(one.machine))
    (seed / "user-data").write_text(user_data)
    kubeadm = directory / "kubeadm"
    kubeadm.write_text(KUBEADM.replace("@VERSION", one.machine.version).replace("@RECORD", RECORD))
    kubeadm.chmod(0o755)
    given = {"/var/lib/cloud/seed/nocloud": seed, "/usr/bin/kubeadm": kubeadm, **mounts}
    with stage.Machine("twin", flavour=FLAVOUR, mounts=given, may_fail=True) as machine:
        status = machine.exec("cloud-init", "status", "--wait", "--long", check=False)
        look = machine.exec("python3", "-c", LOOK.replace("@RECORD", RECORD))
        output = machine.exec("tail", "-n", "60", "/var/log/cloud-init-output.log", check=False)
    return Ended(_named_alike(look.stdout, machine.name), status.stdout + output.stdout)


def _named_alike(look: str, name: str) -> dict[str, Any]:
    """What a machine looks like, without the name that the stage gave it."""
    found: dict[str, Any] = json.loads(look.replace(name, "twin"))
    hosts = found["tree"].get("/etc/hosts", [])
    if len(hosts) > 3:
        content = base64.b64decode(hosts[3]).replace(name.encode(), b"twin")
        hosts[3] = base64.b64encode(content).decode()
    return found


def differences(one: Case, theirs: Ended, ours: Ended) -> Iterator[str]:
    """What is not the same and not in the list, a line each."""
    there, here = theirs.look, ours.look
    if not there["kubeadm"] or not here["kubeadm"]:
        yield f"kubeadm was not run: there {bool(there['kubeadm'])}, here {bool(here['kubeadm'])}"
        return
    yield from _tree(there["tree"], here["tree"], typed_paths(one))
    for name, read in (
        ("passwd", _accounts),
        ("group", _members),
        ("shadow", _shadow),
        ("gshadow", _members),
        ("sudo", _rules),
        ("fstab", _fstab),
        ("mounts", _lines),
        ("tmpfs", _tmpfs),
        ("files", _unit_files),
        ("units", _units),
        ("swaps", _lines),
    ):
        yield from (f"{name}: {line}" for line in _compared(read(there[name]), read(here[name])))
    for name in ("hostname", "seen"):
        if there[name] != here[name]:
            yield f"{name}: {there[name]} there, {here[name]} here"
    spec = yaml.safe_load(one.machine.text)["spec"]
    documents = [part for part in yaml.safe_load_all("\n".join(there["kubeadm"])) if part]
    yield from comparing.kubeadm_differences(
        documents, "\n".join(here["kubeadm"]), spec.get("kubernetes", {})
    )


def typed_paths(one: Case) -> set[str]:
    """Files that are other fields here, as the account says; what they say is compared by `comparing`."""
    found = set()
    for leaf in one.machine.leaves:
        at = re.search(r"\.files\[(\d+)\]\.path$", leaf.path)
        if at is not None and leaf.note.startswith("was "):
            found.add(str(one.spec.spec["files"][int(at[1])]["path"]))
    return found


def _tree(there: dict[str, Any], here: dict[str, Any], typed: set[str]) -> Iterator[str]:
    for path in sorted(there.keys() | here.keys()):
        if there.get(path) == here.get(path) or re.fullmatch("|".join(DIFFERENCES), path):
            continue
        if path in typed or (path not in here and _is_without_keys(path, there)):
            continue
        if _same_script(there.get(path, []), here.get(path, [])):
            continue
        yield f"{path}: {_shown(there.get(path))} there, {_shown(here.get(path))} here"


def _same_script(there: list[Any], here: list[Any]) -> bool:
    """Whether two files differ in nothing but how they find out the role."""
    if there[:3] != here[:3] or len(there) != 4 or len(here) != 4:
        return False
    try:
        one, other = (base64.b64decode(entry[3]).decode() for entry in (there, here))
    except ValueError:
        return False
    return comparing.roles(one) == comparing.roles(other)


def _is_without_keys(path: str, tree: dict[str, Any]) -> bool:
    """cloud-init makes the file of a user's keys where there are none, too."""
    keys = tree.get(f"{path.removesuffix('/authorized_keys')}/authorized_keys", ["", "", "", "-"])
    return path.endswith(("/.ssh", "/.ssh/authorized_keys")) and keys[3:] == [""]


def _shown(entry: list[Any] | None) -> str:
    if entry is None:
        return "nothing"
    text = " ".join(map(str, entry[:3]))
    if len(entry) > 3:
        try:
            text += f" {base64.b64decode(entry[3])[:600]!r}"
        except ValueError:
            text += f" {entry[3]}"
    return text


def _compared(there: set[str], here: set[str]) -> Iterator[str]:
    yield from (f"only there: {line}" for line in sorted(there - here))
    yield from (f"only here: {line}" for line in sorted(here - there))


def _lines(lines: list[str]) -> set[str]:
    return {line for line in lines if not line.startswith((f"{_DEFAULT_USER}:", "/opt/twin"))}


def _accounts(lines: list[str]) -> set[str]:
    """Without numbers: the default user has the first one, where there is one."""
    found = set()
    for line in _lines(lines):
        name, _, number, group, *rest = line.split(":")
        of_system = [number, group] if int(number) < _FIRST else []
        found.add(":".join([name, *of_system, *rest]))
    return found


def _members(lines: list[str]) -> set[str]:
    """A group without the default user, who is in several."""
    found = set()
    for line in _lines(lines):
        *head, members = line.split(":")
        if head[-1].isdigit() and int(head[-1]) >= _FIRST:
            head.pop()
        kept = sorted(name for name in members.split(",") if name and name != _DEFAULT_USER)
        found.add(":".join([*head, ",".join(kept)]))
    return found


def _shadow(lines: list[str]) -> set[str]:
    """Without the day of the last change."""
    return {":".join([*line.split(":")[:2], *line.split(":")[3:]]) for line in _lines(lines)}


def _rules(lines: list[str]) -> set[str]:
    rules = (" ".join(line.split()) for line in lines if line.strip() and line[0] != "#")
    return {rule for rule in rules if not rule.startswith(f"{_DEFAULT_USER} ")}


def _fstab(lines: list[str]) -> set[str]:
    found = set()
    for line in lines:
        if line.strip() and not line.startswith("#"):
            columns = line.split()
            options = [one for one in columns[3].split(",") if one not in _OPTIONS]
            found.add(" ".join([*columns[:3], ",".join(options), *columns[4:]]))
    return found


def _tmpfs(lines: list[str]) -> set[str]:
    return {
        line for line in lines if not line.startswith(("/run", "/dev", "/sys", "/tmp", "/proc"))
    }


def _unit_files(lines: list[str]) -> set[str]:
    found = (line.split()[:2] for line in lines if line.split())
    return {
        " ".join(one) for one in found if not re.match(r"machineadm|cloud-|swap\.target", one[0])
    }


def _units(lines: list[str]) -> set[str]:
    found = (line.split()[:4] for line in lines if line.split())
    return {" ".join(one) for one in found if not re.match(_OWN_UNITS, one[0])}


def own() -> list[Spec]:
    """The repository's own specs, for where there is no corpus."""
    from tests.corpus.specs import specs_of

    return [spec for path in sorted(OWN.glob("*.yaml")) for spec in specs_of(path)]
