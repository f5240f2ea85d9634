"""The components of the control plane that kubeadm starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.control_plane import ApiServer, Component, ControlPlaneConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.concerns.kubeadm.mounts import files_are_seen, mounts_fit
from machineadm.config.rules.model import Context, Rules, finding
from machineadm.config.rules.names import names_come_once, names_fit


def _certificate_names(server: ApiServer, _context: Context) -> Iterator[Finding]:
    # x509 would take more; kubeadm validates them before it signs (ValidateCertSANs).
    yield from names_fit(server.cert_sans, "certSANs")


def _the_last_of_a_name_counts(
    component: ApiServer | Component, _context: Context
) -> Iterator[Finding]:
    yield from names_come_once(component.extra_env, "extraEnv")


def _policy_file_with_its_mode(
    control_plane: ControlPlaneConfig, _context: Context
) -> Iterator[Finding]:
    """Mode ABAC reads a file that an argument names; without the mode the API server refuses the argument."""
    # There is no field for the file: ABAC is too rare to have one, and its argument is passed on.
    server, authorization = control_plane.api_server, control_plane.authorization
    given = [
        (index, argument)
        for index, argument in enumerate(server.extra_args if server is not None else ())
        if argument.name in {"authorization-policy-file", "authorization-mode"}
    ]
    files = [(index, one) for index, one in given if one.name == "authorization-policy-file"]
    if any(argument.value is None for _, argument in given):
        return  # the machine itself says what it is
    # The argument wins over the field, as kubeadm lays extraArgs over its own.
    written = [one.value or "" for _, one in given if one.name == "authorization-mode"]
    modes = (
        tuple(",".join(written).split(","))
        if written
        else (authorization.modes if authorization is not None else ())
    )
    # Of a repeated argument the last one counts.
    file = files[-1][1].value if files else ""
    if "ABAC" in modes and not file:
        yield finding(
            "MA1303",
            "authorization.modes" if not written else "apiServer.extraArgs",
            "ABAC needs the argument authorization-policy-file",
            "add it to apiServer.extraArgs, and the file's directory to apiServer.extraVolumes",
        )
    if file and "ABAC" not in modes:
        yield finding(
            "MA1323",
            f"apiServer.extraArgs[{files[-1][0]}].name",
            "authorization-policy-file goes with mode ABAC only",
            "add ABAC to authorization.modes",
        )


def _pods_mount_each_place_once(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    yield from mounts_fit(kubernetes)


def _pods_see_their_files(kubernetes: KubernetesConfig, _context: Context) -> Iterator[Finding]:
    yield from files_are_seen(kubernetes)


RULES: Final[Rules] = {
    ApiServer: (_certificate_names, _the_last_of_a_name_counts),
    Component: (_the_last_of_a_name_counts,),
    ControlPlaneConfig: (_policy_file_with_its_mode,),
    KubernetesConfig: (_pods_mount_each_place_once, _pods_see_their_files),
}
