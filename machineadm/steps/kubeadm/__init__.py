"""The kubeadm concern: rendering its files per version, running it, reading its failures.

kubeadm and its API are an implementation detail: the configuration never shows them, and what its API version cannot say is
an error. Here: `render` (pure, what kubeadm reads), `config` and `run` (the two steps), `order` and `scene` (what is asked of
kubeadm, and where it works), `attempt` (what a run does), `record`, `evidence` and `remains` (what an unfinished run left, and
whose it is), `decide` (what to do about it), `failures` (what its output means), `versions` (which kubeadm fits).

May import what steps may import, and modules of this package.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinWorker
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import certificates_directory
from machineadm.errors import ConfigError, HostError
from machineadm.host.facts import Facts
from machineadm.plan.model import Step as Step
from machineadm.plan.model import digest_of
from machineadm.steps.kubeadm.config import LayOutFiles
from machineadm.steps.kubeadm.render import CONFIG, render
from machineadm.steps.kubeadm.run import RunKubeadm
from machineadm.steps.kubeadm.scene import ETCD_DATA, Role, Scene
from machineadm.steps.kubeadm.versions import MISFIT_HINT, MISSING_HINT, misfit

_PATIENCE = 240.0


def plan_kubeadm(
    kubernetes: KubernetesConfig,
    facts: Facts,
    extras: ControlPlaneExtras,
    run_directory: str,
    *,
    may_be_installed: bool = True,
    declared: Iterable[str] = (),
) -> tuple[LayOutFiles, RunKubeadm]:
    """The steps that write kubeadm's files and run it.

    Args:
        kubernetes: Realised and free of findings.
        facts: Include kubeadm's version on this machine.
        extras: What the API server's files need.
        run_directory: Where the files go.
        may_be_installed: Files or commands of the configuration may still install kubeadm.
        declared: Paths that the configuration writes earlier: a reset may remove them, because they are written again.

    Raises:
        HostError: There is no kubeadm, and nothing installs it.
        ConfigError: The installed kubeadm does not fit.
    """
    worker = isinstance(kubernetes.role, JoinWorker)
    _refuse_misfit(kubernetes, facts, worker=worker, may_be_installed=may_be_installed)
    # Rendered for a fixed time and without secrets: a fresh token, or one minute less of its lifetime, must not make the
    # digest of another node, which would be refused (MA4041).
    shown = render(kubernetes, extras, run_directory=run_directory, now=0.0).encode(reveal=False)
    run = RunKubeadm(
        verb="init" if isinstance(kubernetes.role, Initialize) else "join",
        arguments=_arguments(kubernetes, run_directory),
        skip_phases=kubernetes.skip_phases,
        version=kubernetes.version,
        scene=_scene(kubernetes, declared),
        machine=facts.machine_id,
        rendered=digest_of(*(part for name in sorted(shown) for part in (name, shown[name]))),
        external_authority=_external_authority(kubernetes),
        asked=(_without_discovery(kubernetes), facts),
    )
    # The files need the digest of the run, so the run gets its reference to them only afterwards.
    files = LayOutFiles(
        kubernetes=kubernetes,
        extras=extras,
        run_directory=run_directory,
        machine=facts.machine_id,
        purpose=run.digest(),
    )
    return (
        files,
        msgspec.structs.replace(run, tokens=files if _has_expiring_token(kubernetes) else None),
    )


def _without_discovery(kubernetes: KubernetesConfig) -> KubernetesConfig:
    """What a judge of the machine needs: no token, which a plan does not know where a provider gives it."""
    role = kubernetes.role
    if role is None or isinstance(role, Initialize):
        return kubernetes
    # The type stays, because a worker and a control plane are judged differently.
    return msgspec.structs.replace(kubernetes, role=type(role)())


def _has_expiring_token(kubernetes: KubernetesConfig) -> bool:
    role = kubernetes.role
    if not isinstance(role, Initialize) or "bootstrap-token" in kubernetes.skip_phases:
        return False
    # Only those are rendered again right before kubeadm runs: a ttl is counted by kubeadm,
    # `expires` by us.
    return any(token.expires is not None for token in role.bootstrap_tokens)


def emptied_by_reset(kubernetes: KubernetesConfig) -> tuple[str, ...]:
    """Directories that `kubeadm reset` empties, and files that it removes."""
    return _scene(kubernetes, ()).emptied()


def _refuse_misfit(
    kubernetes: KubernetesConfig, facts: Facts, *, worker: bool, may_be_installed: bool
) -> None:
    # Below another root kubeadm cannot be asked; apply asks it on the running machine.
    if facts.offline:
        return
    if facts.kubeadm_version is None:
        if not may_be_installed:
            # An error of the machine (exit code 5) and not of the configuration, which is fine for one with kubeadm.
            raise HostError(
                "MA4101",
                "kubeadm is not on this machine, and nothing in the configuration installs it",
                hint=MISSING_HINT,
            )
        return
    reason = misfit(facts.kubeadm_version, kubernetes.version, worker=worker)
    if reason is not None:
        raise ConfigError("MA4102", reason, hint=MISFIT_HINT)


def _arguments(kubernetes: KubernetesConfig, run_directory: str) -> tuple[str, ...]:
    arguments = [f"--config={run_directory}/{CONFIG}"]
    role = kubernetes.role
    if isinstance(role, Initialize):
        # Without a token in its configuration kubeadm generates one and prints it, and the same goes for a certificate key.
        # Redaction knows only secrets of the configuration, so these would end up in logs and report.
        arguments += ["--skip-token-print", "--skip-certificate-key-print"]
        if role.certificate_key is not None:
            arguments.append("--upload-certs")
    if kubernetes.verbosity is not None:
        arguments.append(f"--v={kubernetes.verbosity}")
    return tuple(arguments)


def _scene(kubernetes: KubernetesConfig, declared: Iterable[str]) -> Scene:
    cluster, node, timeouts = kubernetes.cluster, kubernetes.node, kubernetes.timeouts
    etcd = cluster.etcd.local if cluster is not None and cluster.etcd is not None else None
    wait = timeouts.control_plane_component_health_check if timeouts is not None else None
    return Scene(
        role=_role(kubernetes),
        certificates=certificates_directory(kubernetes),
        etcd_data=(etcd and etcd.data_dir) or ETCD_DATA,
        cri_socket=node.cri_socket if node is not None else None,
        patience=seconds(wait) if wait is not None else _PATIENCE,
        declared=frozenset(declared),
    )


def _role(kubernetes: KubernetesConfig) -> Role:
    if isinstance(kubernetes.role, Initialize):
        return "Initialize"
    return "JoinWorker" if isinstance(kubernetes.role, JoinWorker) else "JoinControlPlane"


def _external_authority(kubernetes: KubernetesConfig) -> bool:
    plane = kubernetes.control_plane
    given = plane.certificates if plane is not None else None
    return given is not None and given.ca is not None and given.ca.key is None
