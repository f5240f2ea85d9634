"""What compliance profiles set where a configuration says nothing, and where it says something else.

A profile gives defaults: whatever the configuration sets itself stays, and is a conflict where a control asks for something
else, unless the control is among the profile's exceptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.cluster import Argument, ClusterConfig, EtcdConfig, LocalEtcd
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfiguration, MachineConfigurationSpec
from machineadm.config.catalogues import (
    Control,
    Rule,
    Setting,
    catalogue,
    compared,
    levels_of,
    text_of,
)
from machineadm.config.machine_paths import UNITS, parameter_file
from machineadm.config.paths import child

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.compliance import ComplianceProfile

_ARGUMENTS: Final = ("apiServer", "controllerManager", "scheduler", "etcd")
_AUDIT_FLAGS: Final = {
    "path": "audit-log-path",
    "maxAge": "audit-log-maxage",
    "maxBackups": "audit-log-maxbackup",
    "maxSize": "audit-log-maxsize",
}
"""Fields of the audit log, and the API server's flag for each."""

_KUBEADM_PLUGIN: Final = "NodeRestriction"
"""kubeadm turns it on, and an argument of the configuration replaces kubeadm's."""

_CONTRADICTS: Final = {
    "is": "must be {}",
    "isNot": "must not be {}",
    "has": "must have {}",
    "hasAll": "must have {}",
    "lacks": "must not have {}",
    "atLeast": "must be at least {}",
    "lasts": "must be {} or longer",
    "only": "must be among {}",
    "unset": "must not be set",
    "set": "must not be empty",
}


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a profile has set."""

    path: str
    """Below spec: of the field."""
    value: str
    profile: str
    controls: tuple[str, ...]


class Hardened(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration with what its profiles set."""

    spec: MachineConfigurationSpec
    filled: tuple[Filled, ...] = ()
    conflicts: tuple[Finding, ...] = ()
    """Paths are relative to spec."""


class _Given(msgspec.Struct, frozen=True):
    """What the configuration says already."""

    path: str
    value: str | None
    """None: it comes from elsewhere, and is judged when it has come."""


def with_profile(configuration: MachineConfiguration, name: str) -> MachineConfiguration:
    """The configuration as if it named a profile, too."""
    from machineadm.api.v1alpha1.compliance import ComplianceProfile

    spec = configuration.spec
    linux = spec.machine.linux_configuration or LinuxConfiguration()
    if any(one.name == name for one in linux.compliance_profiles):
        return configuration
    profiles = (*linux.compliance_profiles, ComplianceProfile(name=name))  # type: ignore[arg-type]  # one of the command line's choices
    linux = replace(linux, compliance_profiles=profiles)
    return replace(
        configuration,
        spec=replace(spec, machine=replace(spec.machine, linux_configuration=linux)),
    )


def exceptions_of(profile: ComplianceProfile) -> dict[str, str]:
    """The reason of each exception, by its control; empty where there is none."""
    parts = (one.partition("=") for one in profile.exceptions)
    return {id_.strip(): reason.strip() for id_, _, reason in parts}


def controls_of(profile: ComplianceProfile) -> Iterator[Control]:
    """The controls that a profile sees to: of its level, and no exceptions."""
    excepted = exceptions_of(profile)
    for control in catalogue(profile.name).controls:
        # Categories are the STIG's; what CIS calls levels is not in the catalogue's source.
        if control.id not in excepted and (
            profile.name != "stig" or control.category <= profile.level
        ):
            yield control


def modes_of(profiles: Sequence[ComplianceProfile]) -> dict[str, int]:
    """The modes that profiles ask for, by path; of two for one path the narrower."""
    found: dict[str, int] = {}
    for profile in profiles:
        for control in controls_of(profile):
            for setting in control.sets:
                if setting.of == "mode":
                    mode = int(setting.value, 8)
                    found[setting.name] = found.get(setting.name, mode) & mode
    return found


def harden(spec: MachineConfigurationSpec) -> Hardened:
    """Fill in what the profiles of a configuration set.

    Args:
        spec: Decoded; with something that could not be decoded, `PrunedError` comes of it.
    """
    linux = spec.machine.linux_configuration
    if linux is None or not linux.compliance_profiles:
        return Hardened(spec=spec)
    draft = _Draft(spec)
    for profile in linux.compliance_profiles:
        controls = list(controls_of(profile))
        for control in controls:
            draft.judge(profile.name, control)
        # The policy first: without one there is no audit log to give a size.
        settings = [(control, setting) for control in controls for setting in control.sets]
        settings.sort(key=lambda one: one[1].of != "auditPolicy")
        for control, setting in settings:
            draft.set(profile.name, control, setting)
    return Hardened(
        spec=draft.spec, filled=tuple(draft.filled.values()), conflicts=tuple(draft.conflicts)
    )


class _Draft:
    """A configuration while profiles fill it.

    Args:
        given: As it was written.
    """

    def __init__(self, given: MachineConfigurationSpec) -> None:
        self.given, self.spec = given, given
        self.filled: dict[str, Filled] = {}
        self.conflicts: list[Finding] = []

    def judge(self, profile: str, control: Control) -> None:
        """Compare what was written with what a control asks for."""
        for path, problem in _contradictions(control, self.given):
            self.conflicts.append(_conflict(profile, control, path, problem))

    def set(self, profile: str, control: Control, setting: Setting) -> None:
        """Set what was not written."""
        path, value = _path(setting, self.given), text_of(setting.value)
        before = self.filled.get(path)
        if before is not None:
            # The same field by another control or profile: one value can satisfy both, or nobody
            # but the configuration's author can choose.
            if not _suffices(before, profile, setting, control.test):
                problem = f"{value} is wanted, but profile {before.profile} ({', '.join(before.controls)}) sets {before.value}"
                self.conflicts.append(_conflict(profile, control, path, problem))
            elif before.profile == profile:
                self.filled[path] = replace(before, controls=(*before.controls, control.id))
            return
        spec = _SETTERS[setting.of](self.spec, self.given, setting)
        if spec is not None:
            self.spec = spec
            self.filled[path] = Filled(
                path=path,
                # A whole policy is shown by the plan's diff.
                value="a policy of its own" if setting.of == "auditPolicy" else value,
                profile=profile,
                controls=(control.id,),
            )


def _suffices(before: Filled, profile: str, setting: Setting, test: Rule | None) -> bool:
    value = before.value
    if setting.of == "auditPolicy":
        # Within a profile any policy will do for a control that only asks for one. Of two
        # profiles each has a mind of what must not be in the log.
        return before.profile == profile and test is not None and test.must == "set"
    if setting.of == "mode":
        return not int(value, 8) & ~int(setting.value, 8)
    if test is not None and test.of != "files":
        return compared(value, test.must, test.value)
    return value == text_of(setting.value)


def _conflict(profile: str, control: Control, path: str, problem: str) -> Finding:
    return Finding(
        code="MA1450",
        path=path,
        message=f"profile {profile}, control {control.id} ({control.title}): {problem}",
        hint=f"change it, or say in the profile's `exceptions` why not: {control.id}=REASON",
    )


def _contradictions(control: Control, spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """Path and words of whatever a configuration sets that a control does not accept."""
    for path, value, test in _tested(control, spec):
        if not compared(value, test.must, test.value):
            yield path, f"{value or 'empty'}, {_CONTRADICTS[test.must].format(test.value)}"
    for setting in control.sets:
        if setting.of == "sysctl":
            given = _parameter(spec, setting.name)
            if given is not None and (given.value or "").split() != setting.value.split():
                yield given.path, f"{given.value}, must be {setting.value}"
        elif setting.of == "mode":
            yield from _modes(spec, setting)
        elif setting.of == "admission":
            plugins = _at(spec, "kubernetes", "control_plane", "admission", "plugins")
            if plugins is not None and setting.value in plugins.disabled:
                path = "kubernetes.controlPlane.admission.plugins.disabled"
                yield path, f"{setting.value} must be on"


def _tested(control: Control, spec: MachineConfigurationSpec) -> Iterator[tuple[str, str, Rule]]:
    """Path and value of each setting that a control's test is about, as far as the configuration has it."""
    test = control.test
    if test is None:
        return
    for name in test.names:
        found: _Given | None = None
        if test.of in _ARGUMENTS:
            found = _argument(spec, test.of, name)
            wants_plugin = test.must == "has" and name == "enable-admission-plugins"
            # One that neither the profile nor kubeadm turns on would be lacking without the
            # argument, too.
            if wants_plugin and not control.sets and test.value != _KUBEADM_PLUGIN:
                found = None
            # A field of ours that lacks a plugin is no contradiction: it is added.
            elif found is None and test.of == "apiServer" and not wants_plugin:
                found = _api_server_field(spec, name)
        elif test.of == "kubelet":
            found = _kubelet(spec, name)
        elif test.of == "auditPolicy":
            policy = _at(spec, "kubernetes", "control_plane", "audit_policy", "policy")
            if policy is not None:
                path = "kubernetes.controlPlane.auditPolicy.policy"
                found = _Given(path, levels_of(policy))
        if found is not None and found.value is not None:
            yield found.path, found.value, test


def _modes(spec: MachineConfigurationSpec, setting: Setting) -> Iterator[tuple[str, str]]:
    wanted = int(setting.value, 8)
    for index, file in enumerate(spec.machine.files):
        given = file.permissions if file.path == setting.name else None
        if given is not None and int(given, 8) & ~wanted:
            path = f"machine.files[{index}].permissions"
            yield path, f"{given}, must be at most {setting.value}"
    linux = spec.machine.linux_configuration
    for index, unit in enumerate(linux.systemd_units if linux is not None else ()):
        base = f"{UNITS}/{unit.name}"
        paths = [f"{base}.d/{one.name}" for one in unit.drop_ins]
        if setting.name in (*paths, *([base] if unit.contents is not None else ())):
            path = f"machine.linuxConfiguration.systemdUnits[{index}]"
            yield path, f"{setting.name} is written as 0644, must be at most {setting.value}"


def _at(value: Any, *names: str) -> Any:
    """What is at a path of attributes; None where a part of it is absent."""
    for name in names:
        value = getattr(value, name, None)
    return value


_PLACES: Final = {
    "apiServer": ("kubernetes.controlPlane.apiServer", ("control_plane", "api_server")),
    "controllerManager": (
        "kubernetes.controlPlane.controllerManager",
        ("control_plane", "controller_manager"),
    ),
    "scheduler": ("kubernetes.controlPlane.scheduler", ("control_plane", "scheduler")),
    "etcd": ("kubernetes.cluster.etcd.local", ("cluster", "etcd", "local")),
}


def _argument(spec: MachineConfigurationSpec, component: str, name: str) -> _Given | None:
    place, names = _PLACES[component]
    holder = _at(spec, "kubernetes", *names)
    return _last(holder.extra_args if holder is not None else (), f"{place}.extraArgs", name)


def _last(arguments: Sequence[Argument], path: str, name: str) -> _Given | None:
    found = None
    for index, one in enumerate(arguments):
        # The last one of a name counts, for kubeadm and for the component.
        if one.name == name:
            found = _Given(f"{path}[{index}].value", one.value)
    return found


def _api_server_field(spec: MachineConfigurationSpec, name: str) -> _Given | None:
    """What a field of ours gives the API server in the place of a flag."""
    control_plane = _at(spec, "kubernetes", "control_plane")
    path = "kubernetes.controlPlane"
    plugins = _at(control_plane, "admission", "plugins")
    if name in ("enable-admission-plugins", "disable-admission-plugins") and plugins is not None:
        field = "enabled" if name.startswith("enable") else "disabled"
        return _Given(f"{path}.admission.plugins.{field}", text_of(getattr(plugins, field)))
    authorization = _at(control_plane, "authorization")
    if name == "authorization-mode" and authorization is not None:
        if authorization.modes:
            return _Given(f"{path}.authorization.modes", text_of(authorization.modes))
        listed = (authorization.structured or {}).get("authorizers")
        kinds = [one.get("type") for one in listed or () if isinstance(one, dict)]
        return _Given(f"{path}.authorization.structured", text_of(kinds)) if kinds else None
    audit = _at(control_plane, "audit_policy")
    if name in _AUDIT_FLAGS.values() and _at(audit, "log") is not None:
        field = next(field for field, flag in _AUDIT_FLAGS.items() if flag == name)
        value = getattr(audit.log, _attribute(audit.log, field))
        return None if value is None else _Given(f"{path}.auditPolicy.log.{field}", text_of(value))
    return None


def _attribute(value: msgspec.Struct, field: str) -> str:
    """The attribute of a JSON name."""
    return value.__struct_fields__[value.__struct_encode_fields__.index(field)]


def _kubelet(spec: MachineConfigurationSpec, name: str) -> _Given | None:
    """What the configuration says of a setting of the kubelet: `FIELD|FLAG`, a flag winning."""
    field, _, flag = name.partition("|")
    node = _at(spec, "kubernetes", "node")
    if flag and (found := _last(_at(node, "extra_args") or (), "kubernetes.node.extraArgs", flag)):
        return found
    top, _, below = field.partition(".")
    kubelet, path = _at(node, "kubelet"), "kubernetes.node.kubelet"
    if kubelet is not None and top in kubelet.__struct_encode_fields__:
        value = getattr(kubelet, _attribute(kubelet, top))
        value = value.get(below) if below else value
        if value is not None and value != ():
            return _Given(
                child(f"{path}.{top}", below) if below else f"{path}.{top}", text_of(value)
            )
    for document, at in (
        (_at(kubelet, "config"), f"{path}.config"),
        (_at(spec, "kubernetes", "cluster", "kubelet"), "kubernetes.cluster.kubelet"),
    ):
        value = document
        for part in field.split(".") if field else ():
            value = value.get(part) if isinstance(value, Mapping) else None
        if field and value is not None:
            return _Given(f"{at}.{field}", text_of(value))
    return None


def _parameter(spec: MachineConfigurationSpec, name: str) -> _Given | None:
    linux = spec.machine.linux_configuration
    for given, value in (linux.sysctls if linux is not None else {}).items():
        # A pattern too: a name of ours beside it would win over it, and nobody would have said so.
        if fnmatchcase(parameter_file(name), parameter_file(given)):
            return _Given(child("machine.linuxConfiguration.sysctls", given), value)
    return None


def _path(setting: Setting, given: MachineConfigurationSpec) -> str:
    """Where a setting goes, below spec."""
    if setting.of in _ARGUMENTS:
        return f"{_PLACES[setting.of][0]}.extraArgs: {setting.name}"
    if setting.of == "auditLog":
        if _audits_by_flags(given):
            return f"{_PLACES['apiServer'][0]}.extraArgs: {_AUDIT_FLAGS[setting.name]}"
        return f"kubernetes.controlPlane.auditPolicy.log.{setting.name}"
    if setting.of == "auditPolicy":
        return "kubernetes.controlPlane.auditPolicy.policy"
    if setting.of == "admission":
        return f"kubernetes.controlPlane.admission.plugins.enabled: {setting.value}"
    if setting.of == "kubelet":
        from machineadm.api.v1alpha1.node import NodeKubelet

        field, _, _ = setting.name.partition("|")
        own = field in NodeKubelet.__struct_encode_fields__
        return f"kubernetes.node.kubelet.{'' if own else 'config.'}{field}"
    if setting.of == "sysctl":
        return child("machine.linuxConfiguration.sysctls", setting.name)
    return f"machine.files: {setting.name}: permissions"


def _role(spec: MachineConfigurationSpec) -> str:
    role = _at(spec, "kubernetes", "role")
    return "" if role is None else type(role).__name__


def _with_control_plane(spec: MachineConfigurationSpec, **fields: Any) -> MachineConfigurationSpec:
    from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig

    kubernetes = spec.kubernetes
    if kubernetes is None:
        return spec
    control_plane = replace(kubernetes.control_plane or ControlPlaneConfig(), **fields)
    return replace(spec, kubernetes=replace(kubernetes, control_plane=control_plane))


def _set_argument(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    # kubeadm keeps arguments in the cluster: a machine that joins takes them from there.
    kubernetes = spec.kubernetes
    if kubernetes is None or _role(spec) != "Initialize":
        return None
    if _argument(given, setting.of, setting.name) is not None:
        return None
    more = (Argument(name=setting.name, value=setting.value),)
    if setting.of == "etcd":
        cluster = kubernetes.cluster or ClusterConfig()
        etcd = cluster.etcd or EtcdConfig(local=LocalEtcd())
        # An etcd of somebody else's.
        if etcd.local is None:
            return None
        local = replace(etcd.local, extra_args=(*etcd.local.extra_args, *more))
        cluster = replace(cluster, etcd=replace(etcd, local=local))
        return replace(spec, kubernetes=replace(kubernetes, cluster=cluster))
    from machineadm.api.v1alpha1.control_plane import ApiServer, Component

    field = _PLACES[setting.of][1][-1]
    made: ApiServer | Component = ApiServer() if field == "api_server" else Component()
    holder = _at(kubernetes.control_plane, field) or made
    holder = replace(holder, extra_args=(*holder.extra_args, *more))
    return _with_control_plane(spec, **{field: holder})


def _set_kubelet(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    from machineadm.api.v1alpha1.node import NodeConfig, NodeKubelet

    kubernetes = spec.kubernetes
    if kubernetes is None or _kubelet(given, setting.name) is not None:
        return None
    field, _, _ = setting.name.partition("|")
    node = kubernetes.node or NodeConfig()
    kubelet = node.kubelet or NodeKubelet()
    value = tuple(setting.value) if isinstance(setting.value, list) else setting.value
    if field in kubelet.__struct_encode_fields__:
        kubelet = replace(kubelet, **{_attribute(kubelet, field): value})
    else:
        kubelet = replace(kubelet, config={**(kubelet.config or {}), field: setting.value})
    return replace(spec, kubernetes=replace(kubernetes, node=replace(node, kubelet=kubelet)))


def _audits_by_flags(spec: MachineConfigurationSpec) -> bool:
    """Whether auditing is set up by arguments: beside them, the field would be refused."""
    server = _at(spec, "kubernetes", "control_plane", "api_server")
    return any(one.name.startswith("audit-") for one in _at(server, "extra_args") or ())


def _set_audit_policy(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    from machineadm.api.v1alpha1.control_plane_files import AuditLog, AuditPolicy

    # Also where a control plane machine joins: arguments come from the cluster, files do not.
    if _role(spec) not in ("Initialize", "JoinControlPlane") or _audits_by_flags(given):
        return None
    if _at(given, "kubernetes", "control_plane", "audit_policy") is not None:
        return None
    audit = AuditPolicy(policy=setting.value, log=AuditLog())
    return _with_control_plane(spec, audit_policy=audit)


def _set_audit_log(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    from machineadm.api.v1alpha1.control_plane_files import AuditLog

    if _audits_by_flags(given):
        # Where to, and what, is said by flags, and not ours to choose.
        if setting.name == "path":
            return None
        flag = Setting(
            of="apiServer", name=_AUDIT_FLAGS[setting.name], value=text_of(setting.value)
        )
        return _set_argument(spec, given, flag)
    audit = _at(spec, "kubernetes", "control_plane", "audit_policy")
    if audit is None:
        return None
    log = audit.log or AuditLog()
    name = _attribute(log, setting.name)
    written = _at(given, "kubernetes", "control_plane", "audit_policy", "log")
    if written is not None and getattr(written, name) is not None:
        return None
    return _with_control_plane(
        spec, audit_policy=replace(audit, log=replace(log, **{name: setting.value}))
    )


def _set_admission(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    from machineadm.api.v1alpha1.control_plane_files import Admission, AdmissionPlugins

    if _role(spec) != "Initialize" or _argument(given, "apiServer", "enable-admission-plugins"):
        return None
    admission = _at(spec, "kubernetes", "control_plane", "admission") or Admission()
    plugins = admission.plugins or AdmissionPlugins()
    if setting.value in (*plugins.enabled, *plugins.disabled):
        return None
    plugins = replace(plugins, enabled=(*plugins.enabled, setting.value))
    return _with_control_plane(spec, admission=replace(admission, plugins=plugins))


def _set_parameter(
    spec: MachineConfigurationSpec, given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    linux = spec.machine.linux_configuration
    if linux is None or _parameter(given, setting.name) is not None:
        return None
    linux = replace(linux, sysctls={**linux.sysctls, setting.name: setting.value})
    return replace(spec, machine=replace(spec.machine, linux_configuration=linux))


def _set_mode(
    spec: MachineConfigurationSpec, _given: MachineConfigurationSpec, setting: Setting
) -> MachineConfigurationSpec | None:
    """Of a file of the configuration's own. All others are the step's."""
    files = tuple(
        replace(file, permissions=f"0{setting.value}")
        if file.path == setting.name and file.permissions is None
        else file
        for file in spec.machine.files
    )
    if files == spec.machine.files:
        return None
    return replace(spec, machine=replace(spec.machine, files=files))


_SETTERS: Final = {
    **dict.fromkeys(_ARGUMENTS, _set_argument),
    "kubelet": _set_kubelet,
    "auditPolicy": _set_audit_policy,
    "auditLog": _set_audit_log,
    "admission": _set_admission,
    "sysctl": _set_parameter,
    "mode": _set_mode,
}
"""What sets each kind, or gives None where it is set already or not this machine's."""
