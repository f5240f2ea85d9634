"""The tables by which the agent judges what it passes on to Kubernetes, from Kubernetes' own Go modules.

Two programs of ours read them (programs/): `source` reads types and feature gates as they are written, `names` is built of each
release and asks it for its flags, plugins and phases. modules/MINOR pins what they read; go.sum has its digests. What they print of
each minor version is merged here: an entry says from which minor version to which it is there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "modules"
PROGRAMS: Final = HERE / "programs"
TABLES: Final = HERE.parents[1] / "machineadm/config/upstream"
MINORS: Final = tuple(sorted(int(each.name.partition(".")[2]) for each in MODULES.glob("1.*")))

PROGRAM_NAMES: Final = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubeadm",
)

_APISERVER: Final = "k8s.io/apiserver/pkg/apis"
_PLUGINS: Final = "k8s.io/apiserver/pkg/admission/plugin"
_OTHER_PLUGINS: Final = "k8s.io/kubernetes/plugin/pkg/admission"
_VERSIONS: Final = ("v1", "v1beta1", "v1alpha1")


def _roots() -> dict[str, tuple[str, str]]:
    """By Go type: the apiVersion and kind of its documents."""
    found = {
        f"{_APISERVER}/audit/v1.Policy": ("audit.k8s.io/v1", "Policy"),
        f"{_OTHER_PLUGINS}/eventratelimit/apis/eventratelimit/v1alpha1.Configuration": (
            "eventratelimit.admission.k8s.io/v1alpha1",
            "Configuration",
        ),
        f"{_OTHER_PLUGINS}/podtolerationrestriction/apis/podtolerationrestriction/v1alpha1.Configuration": (
            "podtolerationrestriction.admission.k8s.io/v1alpha1",
            "Configuration",
        ),
        # These two are read without apiVersion and kind; the plugin's name says what they are.
        f"{_OTHER_PLUGINS}/imagepolicy.AdmissionConfig": ("", "ImagePolicyWebhook"),
        f"{_OTHER_PLUGINS}/podnodeselector.pluginConfig": ("", "PodNodeSelector"),
        f"{_PLUGINS}/webhook/config/apis/webhookadmission/v1.WebhookAdmission": (
            "apiserver.config.k8s.io/v1",
            "WebhookAdmissionConfiguration",
        ),
        f"{_PLUGINS}/webhook/config/apis/webhookadmission/v1alpha1.WebhookAdmission": (
            "apiserver.config.k8s.io/v1alpha1",
            "WebhookAdmission",
        ),
        f"{_PLUGINS}/resourcequota/apis/resourcequota/v1.Configuration": (
            "apiserver.config.k8s.io/v1",
            "ResourceQuotaConfiguration",
        ),
        "k8s.io/kubelet/config/v1beta1.KubeletConfiguration": (
            "kubelet.config.k8s.io/v1beta1",
            "KubeletConfiguration",
        ),
        "k8s.io/kube-proxy/config/v1alpha1.KubeProxyConfiguration": (
            "kubeproxy.config.k8s.io/v1alpha1",
            "KubeProxyConfiguration",
        ),
        "k8s.io/api/core/v1.Pod": ("v1", "Pod"),
        "k8s.io/client-go/tools/clientcmd/api/v1.Config": ("v1", "Config"),
    }
    for version in _VERSIONS:
        for kind in (
            "AuthenticationConfiguration",
            "AuthorizationConfiguration",
            "AdmissionConfiguration",
        ):
            if version == "v1alpha1" and kind != "AdmissionConfiguration":
                continue  # behind a gate, and gone where the beta one came
            found[f"{_APISERVER}/apiserver/{version}.{kind}"] = (
                f"apiserver.config.k8s.io/{version}",
                kind,
            )
        found[f"k8s.io/pod-security-admission/admission/api/{version}.PodSecurityConfiguration"] = (
            f"pod-security.admission.config.k8s.io/{version}",
            "PodSecurityConfiguration",
        )
        if version != "v1":
            found[f"{_PLUGINS}/resourcequota/apis/resourcequota/{version}.Configuration"] = (
                f"resourcequota.admission.k8s.io/{version}",
                "Configuration",
            )
    return found


ROOTS: Final = _roots()

COMPLETE: Final = frozenset(
    {
        "Level",
        "Stage",
        "ContainerRestartPolicy",
        "ContainerRestartRuleAction",
        "ContainerRestartRuleOnExitCodesOperator",
        "OSName",
        "PodSELinuxChangePolicy",
        "RecursiveReadOnlyMode",
        "ResourceResizeRestartPolicy",
        "LabelSelectorOperator",
        "LimitType",
        "KubeletAuthorizationMode",
        "ImagePullCredentialsVerificationPolicy",
        "MemoryReservationPolicy",
        "ResourceChangeDetectionStrategy",
        "ExecInteractiveMode",
    }
)
"""Enumerations that do not say so (`+enum`), but whose values Kubernetes' validation takes for all there are."""

_SHORT: Final = (
    ("k8s.io/api/core/v1.", "core."),
    ("k8s.io/apimachinery/pkg/apis/meta/v1.", "meta."),
    ("k8s.io/kubelet/config/v1beta1.", "kubelet."),
    ("k8s.io/kube-proxy/config/v1alpha1.", "proxy."),
    ("k8s.io/client-go/tools/clientcmd/api/v1.", "clientcmd."),
    (f"{_APISERVER}/apiserver/", "apiserver/"),
    (f"{_APISERVER}/", ""),
    ("k8s.io/component-base/", ""),
    (f"{_PLUGINS}/", "plugin/"),
    (f"{_OTHER_PLUGINS}/", "plugin/"),
    ("k8s.io/", ""),
)


def short(kind: str) -> str:
    """A kind with the path of its Go package cut down; `[]` and `{}` stay."""
    containers = kind[: len(kind) - len(kind.lstrip("[]{}"))]
    name = kind[len(containers) :]
    for prefix, instead in _SHORT:
        if name.startswith(prefix):
            return containers + instead + name.removeprefix(prefix)
    return kind


def ranges(minors: Iterable[int], among: Iterable[int]) -> list[int | None] | None:
    """From which minor version to which something is there; None where it always is.

    Args:
        minors: Those that have it.
        among: Those that could have it.

    Returns:
        First and last, again and again where it went and came back; the last is None where it has not gone.

    Raises:
        ValueError: Nothing has it.
    """
    have, could = sorted(minors), sorted(among)
    if have == could:
        return None
    found: list[int | None] = []
    for minor in have:
        if found and found[-1] == minor - 1:
            found[-1] = minor
        else:
            found += [minor, minor]
    if not found:
        raise ValueError("nothing has it")
    if found[-1] == MINORS[-1]:
        found[-1] = None
    return found


def source(minor: int) -> str:
    """The release that the facts about a minor version come from: `1.34.4`."""
    text = (MODULES / f"1.{minor}/go.mod").read_text()
    (release,) = re.findall(r"^(?:require |\t)k8s\.io/kubernetes v(\S+)$", text, re.M)
    return str(release)


def fields_table(facts: Mapping[int, Any]) -> dict[str, Any]:
    """What `source types` printed of each minor version, as one table."""
    kinds: dict[str, dict[str, Any]] = {}
    for go_type, (api_version, kind) in ROOTS.items():
        have = [minor for minor, each in facts.items() if go_type in each["roots"]]
        if have:
            kinds.setdefault(kind, {})[api_version] = [short(go_type), ranges(have, facts)]
    types: dict[str, Any] = {}
    enums: dict[str, Any] = {}
    for name in sorted(_reached(facts)):
        have = [minor for minor, each in facts.items() if name in each["structs"]]
        types[short(name)] = {
            _written(field, name): _kinds_of(name, field, have, facts)
            for field in sorted({f for m in have for f in facts[m]["structs"][name]})
        }
    for name in sorted({name for each in facts.values() for name in each["enums"]}):
        have = [minor for minor, each in facts.items() if name in each["enums"]]
        if not _complete(name, facts[have[-1]]["enums"][name]):
            continue
        enums[short(name)] = {
            value: ranges([m for m in have if value in facts[m]["enums"][name]["values"]], have)
            for value in sorted({v for m in have for v in facts[m]["enums"][name]["values"]})
        }
    return {"sources": _sources(facts), "kinds": kinds, "types": types, "enums": enums}


def _reached(facts: Mapping[int, Any]) -> set[str]:
    """The types that a document can hold: not those whose fields are taken into others."""
    found = {root for each in facts.values() for root in each["roots"]}
    todo = list(found)
    while todo:
        name = todo.pop()
        for each in facts.values():
            for kind in each["structs"].get(name, {}).values():
                bare = kind.lstrip("[]{}")
                if bare in each["structs"] and bare not in found:
                    found.add(bare)
                    todo.append(bare)
    return found


def _written(field: str, type_: str) -> str:
    """The name as people write it, where Go reads it in any case: a type without names in JSON."""
    return field[0].lower() + field[1:] if type_.endswith("podnodeselector.pluginConfig") else field


def _complete(name: str, enum: Mapping[str, Any]) -> bool:
    return bool(enum["marked"]) or name.rpartition(".")[2] in COMPLETE


def _kinds_of(name: str, field: str, have: list[int], facts: Mapping[int, Any]) -> Any:
    """A kind, or a list of [kind, ranges] where it is not the same everywhere."""
    by_kind: dict[str, list[int]] = {}
    for minor in have:
        kind = facts[minor]["structs"][name].get(field)
        if kind is not None:
            bare = kind.lstrip("[]{}")
            enum = facts[minor]["enums"].get(bare)
            if enum is not None and not _complete(bare, enum):
                kind = kind.removesuffix(bare) + "string"
            by_kind.setdefault(short(kind), []).append(minor)
    if len(by_kind) == 1:
        ((kind, minors),) = by_kind.items()
        where = ranges(minors, have)
        return kind if where is None else [[kind, where]]
    return [[kind, ranges(minors, have)] for kind, minors in by_kind.items()]


ETCD: Final = {
    minor: etcd
    for etcd, minors in (("3.5", range(29, 34)), ("3.6", range(34, 37)), ("3.7", range(37, 38)))
    for minor in minors
}
"""The etcd that kubeadm of a minor version runs (DefaultEtcdVersion in cmd/kubeadm/app/constants)."""


def names_table(
    facts: Mapping[int, Mapping[str, Any]],
    gates: Mapping[int, Mapping[str, Any]],
    etcd: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """What `names`, `source gates` and `source flags` (of etcd) printed of each version, as one table."""
    programs = [name for name in PROGRAM_NAMES if name != "kubeadm"]
    return {
        "sources": _sources(facts),
        "flags": {
            program: _merged({m: each[program]["flags"] for m, each in facts.items()}, _flag)
            for program in programs
        }
        | {"etcd": _merged({m: etcd[ETCD[m]] for m in facts}, _flag)},
        "gates": {
            who: _merged({m: each[who] for m, each in gates.items()}, _gate) for who in GATES
        },
        "needs": _merged({m: _needs(each["components"]) for m, each in gates.items()}, ",".join),
        "plugins": _merged(
            {m: each["kube-apiserver"]["plugins"] for m, each in facts.items()},
            lambda on: "on" if on else "off",
        ),
        "phases": {
            role: _merged({m: _phases(role, m, each) for m, each in facts.items()}, str)
            for role in HIDDEN_PHASES
        },
        "patches": _merged(
            {m: dict.fromkeys(each["kubeadm"]["patches"], "") for m, each in facts.items()}, str
        ),
    }


HIDDEN_PHASES: Final[dict[str, dict[str, tuple[int, int | None]]]] = {
    "init": {"wait-control-plane": (29, 33)},
    "join": {
        "check-etcd": (29, None),
        "control-plane-join/etcd": (35, 35),
        "etcd-join": (31, 32),
        "kubelet-wait-bootstrap": (31, 34),
    },
}
"""Phases that can be skipped though kubeadm has no command for them (`Hidden` in cmd/kubeadm/app/cmd/phases), first and last."""


def _phases(role: str, minor: int, facts: Mapping[str, Any]) -> dict[str, str]:
    hidden = [
        name
        for name, (first, last) in HIDDEN_PHASES[role].items()
        if first <= minor and (last is None or minor <= last)
    ]
    return dict.fromkeys([*facts["kubeadm"]["phases"][role], *hidden], "")


def _merged(by_minor: Mapping[int, Mapping[str, Any]], word: Any) -> dict[str, Any]:
    """By name: a list of [word, ranges], or the word alone where it is the same everywhere."""
    found: dict[str, Any] = {}
    for name in sorted({name for each in by_minor.values() for name in each}):
        words: dict[str, list[int]] = {}
        for minor, each in by_minor.items():
            if name in each:
                words.setdefault(word(each[name]), []).append(minor)
        pairs = [[each, ranges(minors, by_minor)] for each, minors in words.items()]
        found[name] = pairs[0][0] if len(pairs) == 1 and pairs[0][1] is None else pairs
    return found


def _flag(flag: Mapping[str, Any]) -> str:
    """The kind of its value; `?` behind it: it may stand without one; `!`: it is deprecated."""
    return f"{flag['type']}{'?' * bool(flag.get('bare'))}{'!' * bool(flag.get('deprecated'))}"


def _gate(gate: Mapping[str, Any]) -> str:
    """+ or - for the default, = where it is locked to it, and the stage: GA where it says none."""
    return (
        f"{'+' if gate['default'] else '-'}{'=' * bool(gate.get('locked'))}{gate['stage'] or 'GA'}"
    )


def _needs(gates: Mapping[str, Any]) -> dict[str, list[str]]:
    """The gates without which a gate must not be on, of those that have any."""
    return {name: sorted(gate["needs"]) for name, gate in gates.items() if gate.get("needs")}


def _sources(facts: Iterable[int]) -> dict[str, str]:
    return {str(minor): source(minor) for minor in facts}


def _environment(**more: str) -> dict[str, str]:
    return os.environ | {
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        **more,
    }


_READ: Final = (
    "api",
    "apiextensions-apiserver",
    "apimachinery",
    "apiserver",
    "client-go",
    "component-base",
    "controller-manager",
    "kube-proxy",
    "kubelet",
    "kubernetes",
    "pod-security-admission",
)

GATES: Final = {
    "components": (
        "k8s.io/kubernetes/pkg/features",
        "k8s.io/apiserver/pkg/features",
        "k8s.io/apiextensions-apiserver/pkg/features",
        "k8s.io/client-go/features",
        "k8s.io/component-base/logs/api/v1",
        "k8s.io/component-base/metrics/features",
        "k8s.io/component-base/zpages/features",
        "k8s.io/controller-manager/pkg/features",
    ),
    "kubeadm": ("k8s.io/kubernetes/cmd/kubeadm/app/features",),
}
"""The packages that declare gates. The components know each other's."""

OF_ALL_GATES: Final[dict[str, dict[str, Any]]] = {
    "components": {
        "AllAlpha": {"default": False, "stage": "ALPHA"},
        "AllBeta": {"default": False, "stage": "BETA"},
    },
    "kubeadm": {},
}
"""What k8s.io/component-base/featuregate adds by itself; kubeadm has gates of its own kind."""


def read_source(
    minors: Iterable[int] = MINORS,
) -> tuple[dict[int, Any], dict[int, dict[str, Any]]]:
    """Read types and gates of each minor version; the modules that are not there are downloaded.

    Raises:
        subprocess.CalledProcessError: Go failed, and has said why.
    """
    types: dict[int, Any] = {}
    gates: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        program = _source(folder)
        for minor in minors:
            modules = Path(folder, f"{minor}.json")
            names = [f"k8s.io/{name}" for name in _READ]
            modules.write_text(json.dumps(_directories(f"1.{minor}", names)))
            types[minor] = _printed([program, "types", modules, *ROOTS])
            gates[minor] = {
                who: OF_ALL_GATES[who]
                | _printed([program, "gates", modules, str(minor), *packages])
                for who, packages in GATES.items()
            }
    return types, gates


def read_etcd() -> dict[str, dict[str, Any]]:
    """Read the flags of each etcd, in whose source all of them are words.

    Raises:
        subprocess.CalledProcessError: Go failed, and has said why.
    """
    server = "go.etcd.io/etcd/server/v3"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        program = _source(folder)
        for version in sorted(set(ETCD.values())):
            modules = Path(folder, f"etcd-{version}.json")
            modules.write_text(json.dumps(_directories(f"etcd-{version}", [server])))
            packages = [f"{server}/embed", f"{server}/etcdmain"]
            found[version] = _printed([program, "flags", modules, *packages])
    return found


def _source(folder: str) -> Path:
    program = Path(folder, "source")
    subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=PROGRAMS / "source",
        env=_environment(),
        check=True,
    )
    return program


def _printed(command: list[Any]) -> Any:
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _directories(version: str, names: Iterable[str]) -> dict[str, str]:
    """Where modules are, by what modules/VERSION pins; those that are not there are downloaded."""
    run = subprocess.run(
        ["go", "mod", "download", "-json", *names],
        cwd=MODULES / version,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    decoder, text, found = json.JSONDecoder(), run.stdout, {}
    while text.strip():
        one, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found[one["Path"]] = one["Dir"]
    return found


def read_names(minors: Iterable[int] = MINORS, *, optimized: bool = False) -> dict[int, Any]:
    """Build `names` of each minor version and ask it; some minutes each where nothing of it is cached.

    Args:
        minors: 34 for Kubernetes 1.34.
        optimized: Compile as the judges are compiled, whose packages are then taken from Go's cache. Without optimization a
            build from nothing takes half the time.

    Raises:
        subprocess.CalledProcessError: Go failed, and has said why.
    """
    found = {}
    for minor in minors:
        with tempfile.TemporaryDirectory() as folder:
            for each in (MODULES / f"1.{minor}").iterdir():
                shutil.copy(each, folder)
            for each in (PROGRAMS / "names").glob("*.go"):
                shutil.copy(each, folder)
            tags = "legacy" if minor < _GLOBAL_FLAGS_UNTIL else ""
            fast = [] if optimized else ["-gcflags", "all=-N -l"]
            command = ["go", "build", "-tags", tags, *fast, "-ldflags", "-s -w"]
            subprocess.run(
                [*command, "-o", "names", "."], cwd=folder, env=_environment(), check=True
            )
            found[minor] = {name: _printed([Path(folder, "names"), name]) for name in PROGRAM_NAMES}
    return found


_GLOBAL_FLAGS_UNTIL: Final = 34


def written(table: Mapping[str, Any]) -> str:
    """A table as it is checked in: an entry a line, so that a difference can be read."""
    lines = ["{"]
    for part, entries in table.items():
        lines.append(f"{json.dumps(part)}: {{")
        rows = [f" {json.dumps(name)}: {_compact(entry)}" for name, entry in entries.items()]
        lines += [",\n".join(rows), "},"]
    lines[-1] = "}"
    return "\n".join([*lines, "}"]) + "\n"


def _compact(entry: Any) -> str:
    return json.dumps(entry, separators=(",", ":"))


def main() -> None:
    """Write both tables."""
    types, gates = read_source()
    (TABLES / "fields.json").write_text(written(fields_table(types)))
    (TABLES / "names.json").write_text(written(names_table(read_names(), gates, read_etcd())))


if __name__ == "__main__":
    main()
