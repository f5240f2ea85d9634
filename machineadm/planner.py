"""From a configuration and facts to a plan: the only list of concerns and of their order.

Pure: opens no file, runs no command, reads no clock. What one concern must tell another (control plane files give kubeadm
arguments and mounts) passes through here as a value.

The order, and why:

1. Boot commands come first of all, as the first-boot tools of all systems have it.
2. The operating system: host name, disks and mounts before whatever is written below them, users (files belong to them), kernel modules
   before the parameters that they bring (`net.bridge.*`), name servers, the clock, proxies and the authorities that are trusted (a download
   needs them all), packages and archives (they bring accounts, and files of ours replace theirs), files.
3. What kubeadm will look for: control plane files, certificates, static pods. They come before the commands, as the
   commands of existing Cluster API users expect to find every file of theirs.
4. Commands before kubeadm, attestation, kubeadm, commands after kubeadm.

A concern that the configuration does not ask for is not loaded: a machine's first start compiles all that it loads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.actions.files import WriteFiles
from machineadm.config.references import references
from machineadm.plan.model import Phase, Plan, Step
from machineadm.steps.files import MakeLinks, plan_files

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.commands import Command
    from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
    from machineadm.api.v1alpha1.linux import LinuxConfiguration
    from machineadm.api.v1alpha1.machine import MachineConfig
    from machineadm.config.model import Configuration, Mode
    from machineadm.host.facts import Facts


def plan(
    configuration: Configuration,
    facts: Facts,
    *,
    mode: Mode,
    run_directory: str,
    node: tuple[tuple[str, str], ...] | None = None,
    refers: bool = True,
) -> Plan:
    """Make the plan.

    Args:
        configuration: Realised: defaulted and free of findings.
        facts: What is known of the machine.
        mode: `preparation` leaves out kubeadm and what follows it.
        run_directory: Where kubeadm's files are rendered.
        node: What commands are told of the node; None: as the configuration says (`node_variables`).
        refers: Whether there may be references; False saves the search for them.

    Raises:
        ConfigError: The configuration does not fit this machine (the version of kubeadm found on it).
    """
    machine, kubernetes = configuration.machine, configuration.kubernetes
    # Given for the boot commands of later boots: their configuration is a part of the first one and
    # does not name the node.
    node = node_variables(configuration, facts) if node is None else node
    # Only below another root: on the machine itself all references were resolved before, or the run
    # has failed.
    waiting = _awaiting(configuration) if facts.offline and refers else {}
    prepared, extras = _prepare(configuration, facts, waiting)
    attested: tuple[Step, ...] = ()
    if machine.attestation_plugin:
        # Here and below: a step's module is loaded when the configuration asks for it, since a
        # first run compiles all that it loads.
        from machineadm.steps.attestation import plan_attestation

        attested = plan_attestation(
            machine.attestation_plugin,
            # The digest before references were resolved, if there were any: it is the one that a
            # verifier can know.
            given=configuration.given or configuration.digest,
            machine_id=facts.machine_id,
            boot_id=facts.boot_id,
        )
    # Of the machine itself: an image that is a member would have every machine be the same one.
    if mode == "provisioning":
        prepared += _domain(machine, waiting)
    before = _commands(machine.commands.pre_kubeadm, Phase.PRE_KUBEADM, node)
    joining: tuple[Step, ...] = ()
    emptied: tuple[str, ...] = ()
    # kubeadm's files cannot be rendered without the values, but what follows kubeadm is still shown
    # by `plan`.
    if kubernetes is not None and mode == "provisioning" and _KUBEADM in waiting:
        joining = (
            _await(waiting, _KUBEADM, Phase.KUBEADM),
            *_compliance(machine),
            *_commands(machine.commands.post_kubeadm, Phase.POST_KUBEADM, node),
        )
    elif kubernetes is not None and mode == "provisioning":
        from machineadm.steps.kubeadm import emptied_by_reset, plan_kubeadm

        # The reset of a failed bootstrap keeps what commands have made in these.
        emptied = emptied_by_reset(kubernetes)

        files, run = plan_kubeadm(
            kubernetes,
            # Judged right before kubeadm runs, by the one that is there by then.
            replace(facts, kubeadm_version=None) if _declares_kubeadm(machine) else facts,
            extras,
            run_directory,
            # A machine without kubeadm is refused while planning, unless something in the plan may
            # bring it.
            may_be_installed=_may_install_kubeadm(machine),
            # Files that the configuration writes are there by then, although the machine does not
            # have them yet.
            declared=_written_by(prepared),
        )
        joining = (files, run)
        if machine.commands.kubeadm_file is not None:
            from machineadm.steps.kubeadm.shown import plan_shown

            show, judge, hide = plan_shown(machine.commands.kubeadm_file, files, before)
            # Around the commands, whose scripts may read the copy. One that changes it ends the
            # run, since kubeadm never reads it.
            before = (show, *before)
            joining = (judge, *joining, hide)
        # Before the commands, whose scripts may count on it.
        joining += _compliance(machine)
        joining += _commands(machine.commands.post_kubeadm, Phase.POST_KUBEADM, node)
    return Plan(
        steps=(
            *_commands(machine.commands.boot, Phase.BOOT, node),
            *prepared,
            *before,
            # Right before kubeadm: evidence is of the machine as it joins, after all that came
            # before has changed it. An image has nothing to attest.
            *(attested if mode == "provisioning" else ()),
            *joining,
        ),
        emptied=emptied,
        reboot=machine.reboot == "Allowed",
    )


def _prepare(
    configuration: Configuration, facts: Facts, waiting: dict[str, tuple[str, ...]]
) -> tuple[tuple[Step, ...], ControlPlaneExtras]:
    """The steps of the phase `prepare`, and what they ask of kubeadm's configuration."""
    machine, kubernetes = configuration.machine, configuration.kubernetes
    steps: list[Step] = []
    extras = ControlPlaneExtras()
    # First of the preparations: disks and mounts, users and kernel modules are what everything
    # below is put on.
    if machine.linux_configuration is not None:
        steps += _linux(machine.linux_configuration, facts)
    runtime = machine.container_runtime
    # Before the first thing that downloads: packages, archives, files with a source, images.
    if machine.system_proxies or (
        runtime is not None and runtime.containerd is not None and runtime.containerd.proxy
    ):
        from machineadm.steps.proxy import plan_proxy

        steps += plan_proxy(machine, kubernetes)
    # After the proxies and before downloads, which may be from a mirror with an authority of its
    # own.
    if machine.system_trust_certificate_authorities:
        from machineadm.steps.trust import plan_trust

        steps += plan_trust(
            machine.system_trust_certificate_authorities, facts.family, facts.distribution
        )
    if machine.linux_configuration is not None:
        # Packages before files: a package's own configuration is replaced by ours, and not the
        # other way round.
        steps += _programs(machine.linux_configuration, facts)
    # The others wait below another root ("files/later").
    known = [file for file in machine.files if file.content_from is None]
    steps += plan_files(known)
    # After files: a unit is started that a file of the configuration may be the program or the
    # settings of.
    if machine.linux_configuration is not None and machine.linux_configuration.systemd_units:
        from machineadm.steps.units import plan_units

        steps += plan_units(machine.linux_configuration)
    steps += (
        _await(waiting, name, Phase.PREPARE)
        for name in (
            "hostname/persist",
            "proxy/later",
            "trust/later",
            "packages/later",
            "files/later",
            _RUNTIME,
        )
        if name in waiting
    )
    # After packages and archives, which bring containerd, and after files, which may be its
    # certificates.
    if runtime is not None and _RUNTIME not in waiting:
        from machineadm.steps.containerd import plan_containerd

        steps += plan_containerd(runtime, kubernetes, configuration.registry_headers)
    # After the runtime is configured: images come through its mirrors, and its root may have moved.
    if machine.images or machine.kubernetes_images:
        from machineadm.steps.images import plan_images

        steps += plan_images(machine, kubernetes)
    if kubernetes is not None and kubernetes.control_plane is not None and _KUBEADM not in waiting:
        # What they ask of kubeadm (mounts, arguments) is returned: its configuration is made from
        # it.
        files, extras = _control_plane(kubernetes)
        steps += files
    return tuple(steps), extras


_KUBEADM: Final = "kubeadm/config"
_RUNTIME: Final = "containerd/later"
_DOMAIN: Final = "domain/later"


def _awaiting(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """References that are left below another root, by the step that waits for them; commands wait there anyway."""
    found: dict[str, tuple[str, ...]] = {}
    for root, path in (
        (configuration.machine, "spec.machine"),
        (configuration.kubernetes, "spec.kubernetes"),
    ):
        for reference in references(root, path) if root is not None else ():
            # By the field: a reference's step must wait, and nothing else.
            if reference.path.startswith("spec.kubernetes."):
                name = _KUBEADM
            elif reference.path.startswith("spec.machine.files["):
                name = "files/later"
            elif reference.path.startswith("spec.machine.systemProxies["):
                name = "proxy/later"
            elif reference.path.startswith("spec.machine.containerRuntime."):
                name = _RUNTIME
            elif reference.path.startswith("spec.machine.systemTrustCertificateAuthorities["):
                name = "trust/later"
            elif reference.path.startswith("spec.machine.linuxConfiguration.packageRepositories["):
                name = "packages/later"
            elif reference.path.startswith("spec.machine.linuxConfiguration.domainJoin."):
                name = _DOMAIN
            # Commands do not run below another root anyway.
            elif reference.path.startswith("spec.machine.commands."):
                continue
            else:
                name = "hostname/persist"
            found[name] = (*found.get(name, ()), reference.path)
    return found


def _await(waiting: dict[str, tuple[str, ...]], name: str, phase: Phase) -> Step:
    from machineadm.actions.awaiting import AwaitValues

    return AwaitValues(name=name, phase=phase, references=waiting[name])


def _linux(configuration: LinuxConfiguration, facts: Facts) -> Iterator[Step]:
    from machineadm.steps.hostname import plan_hostname
    from machineadm.steps.modules import plan_modules
    from machineadm.steps.sysctl import plan_sysctl

    # First, since the name is what logs and certificates of everything after it say.
    yield from plan_hostname(configuration)
    # Before whatever is written below a mount: files put there earlier would be hidden by it.
    if configuration.storage is not None:
        from machineadm.steps.storage import plan_storage

        yield from plan_storage(configuration)
    # Before files, whose owners they are.
    if configuration.users or configuration.groups:
        from machineadm.steps.users import plan_users

        yield from plan_users(configuration)
    # net.bridge.bridge-nf-call-iptables exists once br_netfilter is loaded, so modules come before
    # parameters.
    yield from plan_modules(configuration)
    yield from plan_sysctl(configuration)
    if configuration.kernel_arguments:
        from machineadm.steps.kernel_arguments import plan_kernel_arguments

        yield from plan_kernel_arguments(configuration, boot_id=facts.boot_id)
    # The kubelet does not start with swap that it was not told of (failSwapOn).
    if configuration.swap is not None:
        from machineadm.steps.swap import plan_swap

        yield from plan_swap(configuration)
    # Before anything that resolves a name: downloads come after all of these.
    if configuration.resolver is not None:
        from machineadm.steps.resolver import plan_resolver

        yield from plan_resolver(configuration)
    if configuration.selinux is not None:
        from machineadm.steps.selinux import plan_selinux

        yield from plan_selinux(configuration)
    # Certificates and tokens have times, so a clock that is wrong fails downloads, and later the
    # join.
    if configuration.ntp is not None:
        from machineadm.steps.ntp import plan_ntp

        yield from plan_ntp(configuration)


def _programs(configuration: LinuxConfiguration, facts: Facts) -> Iterator[Step]:
    # Packages before archives, whose files of the same path win.
    if configuration.package_repositories or configuration.packages:
        from machineadm.steps.packages import plan_packages

        yield from plan_packages(configuration, facts.family, facts.distribution)
    if configuration.archives:
        from machineadm.steps.archives import plan_archives

        yield from plan_archives(configuration)


def _control_plane(kubernetes: KubernetesConfig) -> tuple[tuple[Step, ...], ControlPlaneExtras]:
    from machineadm.steps.certificates import plan_certificates
    from machineadm.steps.control_plane_files import plan_control_plane_files
    from machineadm.steps.static_pods import plan_static_pods

    # Certificates after the other files: kubeadm reuses a CA that it finds (certs phase) and makes
    # one that it does not.
    files, extras = plan_control_plane_files(kubernetes)
    return (*files, *plan_certificates(kubernetes), *plan_static_pods(kubernetes)), extras


def node_variables(configuration: Configuration, facts: Facts) -> tuple[tuple[str, str], ...]:
    """What every command is told of the node, as environment variables; empty where that is not said.

    Args:
        configuration: Realised.
        facts: For the name that the machine has where nobody gives the node one.
    """
    machine, kubernetes = configuration.machine, configuration.kubernetes
    linux = machine.linux_configuration
    # As kubeadm will name the node, so that commands can find it in the API.
    named = kubernetes.node if kubernetes is not None else None
    hostname = (linux.hostname if linux is not None else None) or facts.hostname
    return (
        (
            "MACHINEADM_ROLE",
            type(kubernetes.role).__name__ if kubernetes and kubernetes.role else "",
        ),
        ("MACHINEADM_KUBERNETES_VERSION", kubernetes.version if kubernetes is not None else ""),
        # kubeadm's own default: the host name in lower case.
        ("MACHINEADM_NODE_NAME", (named.name if named else None) or hostname.lower()),
        ("MACHINEADM_PROVIDER_ID", (named.provider_id if named else None) or ""),
    )


def _commands(
    commands: Sequence[Command], phase: Phase, node: tuple[tuple[str, str], ...]
) -> tuple[Step, ...]:
    if not commands:
        return ()
    from machineadm.steps.commands import plan_commands

    return plan_commands(commands, phase, node)


def _domain(machine: MachineConfig, waiting: dict[str, tuple[str, ...]]) -> tuple[Step, ...]:
    linux = machine.linux_configuration
    if linux is None or linux.domain_join is None:
        return ()
    if _DOMAIN in waiting:
        return (_await(waiting, _DOMAIN, Phase.PREPARE),)
    from machineadm.steps.domain import plan_domain

    return plan_domain(linux.domain_join)


def _compliance(machine: MachineConfig) -> tuple[Step, ...]:
    linux = machine.linux_configuration
    if linux is None or not linux.compliance_profiles:
        return ()
    from machineadm.steps.compliance import plan_compliance

    return plan_compliance(linux.compliance_profiles)


def _written_by(steps: Sequence[Step]) -> Iterator[str]:
    """The paths of the files that steps write."""
    for step in steps:
        if isinstance(step, WriteFiles):
            yield from (file.path for file in step.files)
        elif isinstance(step, MakeLinks):
            yield from (path for path, _ in step.links)


def _may_install_kubeadm(machine: MachineConfig) -> bool:
    """Whether something that comes before kubeadm may bring it: what a command does is not known."""
    # By the last part of the path: where PATH leads is the machine's matter.
    files = any(file.path.rpartition("/")[2] == "kubeadm" for file in machine.files)
    return (
        files
        or bool(machine.commands.boot or machine.commands.pre_kubeadm)
        or _declares_kubeadm(machine)
    )


def _declares_kubeadm(machine: MachineConfig) -> bool:
    """Whether packages or archives bring one: then the version of the one that is there says nothing."""
    linux = machine.linux_configuration
    if linux is None:
        return False
    members = (member.path or member.name for one in linux.archives for member in one.members)
    return any(one.name == "kubeadm" for one in linux.packages) or any(
        path.rpartition("/")[2] == "kubeadm" for path in members
    )
