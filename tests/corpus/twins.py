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
OLDER: Final = "bookworm-twin-cloud"
DISK: Final = "/dev/twin-disk"
BORN: Final = "/var/lib/.born"
HAS_DISK: Final = f"""\
#!/bin/sh
# Before systemd: the machine's second disk.
set -e
: > {BORN}
truncate -s 64M /var/cache/twin.img
ln -s "$(losetup --find --show /var/cache/twin.img)" {DISK}
exec /sbin/stage-init
"""
HAS_IGNITION: Final = f"""\
#!/bin/sh
# Before systemd: what the initramfs of an image with Ignition does.
[ -e {BORN} ] || : > {BORN}
exec /ignition/first-boot
"""
FIRST_BOOT: Final = Path(__file__).parents[1] / "machine/ignition.sh"
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
born = min(os.stat(path).st_ctime for path in ("/var/lib/.seeded", "/var/lib/.born") if os.path.exists(path)) - 5
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
    r"/etc/sudoers\.d(/90-cloud-init-users|/ops)?": "rules of sudo are in another file: compared as rules",
    BORN: "a mark of this test",
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
    r"/opt/twin(/.*)?|/usr/bin/kubeadm|/ignition(/.*)?|/etc/cloud/cloud-init\.disabled": "what this test brings",
    r"/root/\.cache(/.*)?": "of programs that run",
    r"/home/debian(/.*)?": "`users` replaces the distribution's default user there",
}  # fmt: skip
"""Paths that may differ, and why."""

OF_IGNITION: Final = {
    r"/etc/kubeadm\.(sh|yml)": "the script around kubeadm, and kubeadm's file: what they do is compared",
    r"/etc/systemd/system/(multi-user\.target\.wants/)?kubeadm\.service(\.d.*)?": "the unit that runs that script; its drop-ins order it",
    r"/etc/(systemd/system-preset(/20-ignition\.preset)?|\.ignition-result\.json)|/run/(ignition(/.*)?|machine-id)": "Ignition's own",
}  # fmt: skip
"""Further ones where Ignition set the machine up."""

_UNITS_OF_IGNITION: Final = r"kubeadm\.service|chrony"
"""The unit that runs kubeadm's script there; a time service that nobody set up, and that finds no server."""

_DEFAULT_USER: Final = "debian"
_FIRST: Final = 1000
"""The first number of a person's account."""

_OPTIONS: Final = ("comment=cloudconfig", "x-machineadm")
_ORDER: Final = r"x-systemd\.after=cloud-init.*|x-systemd\.requires=cloud-init.*|_netdev"
"""cloud-init has mounts wait for itself, and for the network that it may bring up."""

_OF_DEFAULT_USER: Final = "netdev"
"""A group that cloud-init makes for the distribution's default user."""

# sshd has no keys on this stage: it is started again and again.
_OWN_UNITS: Final = r"(opt-twin|ssh|cloud-|machineadm|systemd-(tmpfiles|random|update|hostnamed|timedated|localed|journal|hwdb|firstboot|sysusers|machine-id)|user[@-]|session|dev-|sys-|run-|init\.scope|dbus|getty|apt-|dpkg-|man-db|e2scrub|fstrim|logrotate|exim|phpsessionclean|polkit|modprobe@|kmod|ldconfig|emergency|rescue|initrd|system)"


class Case(NamedTuple):
    """A spec as a machine of one role."""

    spec: Spec
    machine: Machine
    flavour: str
    has_disk: bool

    @property
    def ignition(self) -> bool:
        """Whether Ignition sets the machine up, and not cloud-init."""
        return self.spec.spec.get("format") == "ignition"


class Ended(NamedTuple):
    """What a machine has become."""

    look: dict[str, Any]
    said: str
    """How its road ended, for whoever looks into a failure."""


def case(spec: Spec, role: str, flavour: str = FLAVOUR, *, has_disk: bool = False) -> Case:
    """A spec in one of its roles; it must be valid.

    Raises:
        LookupError: It is refused in this role, or does not have it.
    """
    for machine in trying.machines(spec):
        if machine.role == role:
            if machine.problems:
                raise LookupError(f"{spec.name} as {role}: {machine.problems}")
            return Case(spec, machine, flavour, has_disk)
    raise LookupError(f"{spec.name} is not for {role}")


def metadata(machine: Machine) -> str:
    """What the platform tells: a value for each name that the configuration refers to."""
    names = trying.instance_data(machine.text).get("ds", {}).get("meta_data", {})
    names.pop("local_hostname", None)
    names.pop("instance_id", None)
    name = names.get("hostname", "twin-1.example.com")
    return yaml.safe_dump({"instance-id": "i-first", "local-hostname": name, **names})


def by_cluster_api(one: Case, directory: Path) -> Ended:
    """Boot it from the user data of Cluster API's provider."""
    (verdict,) = judges.cluster_api_render([comparing.request(one.spec, one.machine)])
    assert "error" not in verdict, verdict
    if one.ignition:
        config = of_today(json.loads(verdict["userData"]))
        return _ignite(one, directory / "theirs", config, "kubeadm.service", {})
    return _boot(one, directory / "theirs", verdict["userData"], {})


def by_us(one: Case, directory: Path, agent: Path) -> Ended:
    """Boot it from the converted configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "machine.yaml"
    configuration.write_text(one.machine.text)
    run = ["python3", "/opt/twin/agent.pyz", "bootstrap", "--path", "/opt/twin/machine.yaml"]
    user_data = "#cloud-config\n" + yaml.safe_dump({"runcmd": [run]})
    mounts = {"/opt/twin/agent.pyz": agent, "/opt/twin/machine.yaml": configuration}
    if one.ignition:
        contents = (
            "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\n"
            f"ExecStart={' '.join(run)}\n[Install]\nWantedBy=multi-user.target\n"
        )
        name = "machineadm-twin.service"
        unit = {"name": name, "enabled": True, "contents": contents}
        config = {"ignition": {"version": "3.3.0"}, "systemd": {"units": [unit]}}
        return _ignite(one, directory / "ours", config, name, mounts)
    return _boot(one, directory / "ours", user_data, mounts)


def of_today(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of Ignition 2.3 as one of 3.3, which is the program that there is: the same, said otherwise.

    3.x has one file system (no `filesystem: root`), replaces a file only where it is told to, and takes each unit once.
    """
    storage = {
        name: [{key: value for key, value in one.items() if key != "filesystem"} for one in entries]
        for name, entries in config.get("storage", {}).items()
        if name in ("files", "directories", "links")
    }
    for file in storage.get("files", []):
        file["overwrite"] = True
    units: dict[str, dict[str, Any]] = {}
    for unit in config.get("systemd", {}).get("units", []):
        units.setdefault(unit["name"], {}).update(unit)
    return {
        "ignition": {"version": "3.3.0"},
        "passwd": config.get("passwd", {}),
        "storage": storage,
        "systemd": {"units": list(units.values())},
    }


def _ignite(
    one: Case, directory: Path, config: dict[str, Any], unit: str, mounts: dict[str, Path]
) -> Ended:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.ign").write_text(json.dumps(config))
    (directory / "disabled").write_text("")
    given = {
        "/ignition/ignition": judges.ignition(),
        "/ignition/config.ign": directory / "config.ign",
        "/ignition/first-boot": FIRST_BOOT,
        "/etc/cloud/cloud-init.disabled": directory / "disabled",
        "/usr/bin/kubeadm": _program(directory / "kubeadm", _recorder(one)),
        "/opt/twin/before": _program(directory / "before", HAS_IGNITION),
        **mounts,
    }
    init = "/opt/twin/before"
    with stage.Machine(
        "twin", flavour=one.flavour, mounts=given, init=init, may_fail=True
    ) as machine:
        # The machine runs when its first boot has ended, and that unit with it.
        said = machine.exec("journalctl", "--no-pager", "-u", unit, check=False)
        look = machine.exec("python3", "-c", LOOK.replace("@RECORD", RECORD))
    return Ended(_of_ignition(_named_alike(look.stdout, machine.name)), said.stdout)


def _of_ignition(look: dict[str, Any]) -> dict[str, Any]:
    """A machine without what Ignition only writes otherwise: a file of its own for keys, and `*` for no password."""
    own = "/.ssh/authorized_keys.d"
    tree = {path: entry for path, entry in look["tree"].items() if not path.endswith(own)}
    look["tree"] = {
        path.replace(f"{own}/ignition", "/.ssh/authorized_keys"): entry
        for path, entry in tree.items()
    }
    look["shadow"] = [re.sub(r"^(\w+):\*:", r"\1:!:", line) for line in look["shadow"]]
    for name in ("files", "units"):
        look[name] = [line for line in look[name] if not re.match(_UNITS_OF_IGNITION, line)]
    return look


def _recorder(one: Case) -> str:
    return KUBEADM.replace("@VERSION", one.machine.version).replace("@RECORD", RECORD)


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def _boot(one: Case, directory: Path, user_data: str, mounts: dict[str, Path]) -> Ended:
    seed = directory / "seed"
    seed.mkdir(parents=True)
    (seed / "meta-data").write_text(metadata(one.machine))
    (seed / "user-data").write_text(user_data)
    kubeadm = _program(directory / "kubeadm", _recorder(one))
    given = {"/var/lib/cloud/seed/nocloud": seed, "/usr/bin/kubeadm": kubeadm, **mounts}
    if one.has_disk:
        given["/opt/twin/before"] = _program(directory / "before", HAS_DISK)
    init = "/opt/twin/before" if one.has_disk else ""
    with stage.Machine(
        "twin", flavour=one.flavour, mounts=given, init=init, may_fail=True
    ) as machine:
        status = machine.exec("cloud-init", "status", "--wait", "--long", check=False)
        look = machine.exec("python3", "-c", LOOK.replace("@RECORD", RECORD))
        output = machine.exec("tail", "-n", "60", "/var/log/cloud-init-output.log", check=False)
        if one.has_disk:
            # The device is the host's.
            gone = f"umount /srv/data; losetup --detach $(readlink {DISK})"
            machine.exec("sh", "-c", gone, check=False)
    return Ended(_named_alike(look.stdout, machine.name), status.stdout + output.stdout)


def _named_alike(look: str, name: str) -> dict[str, Any]:
    """What a machine looks like, without the name that the stage gave it."""
    found: dict[str, Any] = json.loads(look.replace(name, "twin"))
    for path in ("/etc/hosts", "/etc/hostname"):
        entry = found["tree"].get(path, [])
        if len(entry) > 3:
            content = base64.b64decode(entry[3]).replace(name.encode(), b"twin")
            entry[3] = base64.b64encode(content).decode()
    return found


def differences(one: Case, theirs: Ended, ours: Ended) -> Iterator[str]:
    """What is not the same and not in the list, a line each."""
    there, here = theirs.look, ours.look
    if not there["kubeadm"] or not here["kubeadm"]:
        yield f"kubeadm was not run: there {bool(there['kubeadm'])}, here {bool(here['kubeadm'])}"
        return
    may_differ = "|".join([*DIFFERENCES, *(OF_IGNITION if one.ignition else ())])
    yield from _tree(there["tree"], here["tree"], typed_paths(one), may_differ)
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


def _tree(
    there: dict[str, Any], here: dict[str, Any], typed: set[str], may_differ: str
) -> Iterator[str]:
    for path in sorted(there.keys() | here.keys()):
        if there.get(path) == here.get(path) or re.fullmatch(may_differ, path):
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
        if head[0] == _OF_DEFAULT_USER:
            continue
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
            options = [
                one
                for one in columns[3].split(",")
                if one not in _OPTIONS and not re.fullmatch(_ORDER, one)
            ]
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
