"""Packages: where they come from, and which must be there."""

from __future__ import annotations

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import repository_files
from machineadm.errors import StepError
from machineadm.host.ports import Distribution
from machineadm.plan.model import Phase, Step
from machineadm.steps.packages.install import InstallPackages
from machineadm.steps.packages.managers import manager_of


def plan_packages(
    linux: LinuxConfiguration, distribution: Distribution | None, named: str
) -> tuple[Step, ...]:
    """The steps of repositories and packages, or none.

    Args:
        linux: Judged by the rules; a repository whose keys are not known yet is left out.
        distribution: What the machine is; None: not a known one.
        named: What it calls itself, for a message.

    Raises:
        StepError: Nothing on this machine installs packages, or not in the format that is asked for.
    """
    repositories = [one for one in linux.package_repositories if one.key is not None]
    if not repositories and not linux.packages:
        return ()
    format_ = distribution.packages if distribution is not None else ""
    if not format_:
        raise StepError(
            "MA3635",
            f"packages: it is not known what installs packages on {named or 'this distribution'}",
            hint="known are apt, dnf and zypper on Debian, Ubuntu, the RHEL family, Amazon Linux and SUSE; elsewhere use archives, or an "
            "image that brings them",
        )
    other = next((one for one in repositories if one.format != format_), None)
    if other is not None:
        raise StepError(
            "MA3636",
            f"packages: the repository {other.name} is for {other.format}, and {named or 'this machine'} has {format_}",
            hint=f"give a repository with format: {format_}",
        )
    loose = next((one for one in linux.packages if (one.version or "").endswith("*")), None)
    if loose is not None and format_ == "zypper":
        raise StepError(
            "MA3637",
            f"packages: {loose.name} has the version {loose.version}, and zypper takes no `*`",
            hint="name the version, or leave it out",
        )
    steps: list[Step] = []
    keys: list[str] = []
    files: list[PlannedFile] = []
    manager = manager_of(format_)
    for one in repositories:
        path, key = repository_files(one.format, one.name)
        keys.append(key)
        content = f"# machineadm\n{manager.describe(one, key)}".encode()
        # The keys first: with the repository alone every installation would fail.
        files += [
            PlannedFile(path=key, content=f"{(one.key or '').strip()}\n".encode()),
            PlannedFile(path=path, content=content),
        ]
    if files:
        steps.append(
            WriteFiles(name="packages/repositories", phase=Phase.PREPARE, files=tuple(files))
        )
    if linux.packages:
        steps.append(InstallPackages(packages=linux.packages, format=format_, keys=tuple(keys)))
    return tuple(steps)
