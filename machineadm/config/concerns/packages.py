"""Rules for package repositories and packages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.packages import PackageRepository
from machineadm.config.machine_paths import repository_files
from machineadm.config.rules.model import Context, Rules, finding

_SCHEMES: Final = ("https://", "http://", "file:///")
# Only ASCII armor: keys come in YAML, and apt reads .asc in Signed-By since 1.4.
_ARMOR: Final = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END: Final = "-----END PGP PUBLIC KEY BLOCK-----"


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    for index, one in enumerate(linux.package_repositories if linux is not None else ()):
        # Its keys are a file, too, since trust in them must not reach beyond this repository.
        for path in repository_files(one.format, one.name):
            yield path, f"linuxConfiguration.packageRepositories[{index}]"


def is_flat(repository: PackageRepository) -> bool:
    """Whether a repository for apt has no `dists`, and so no components."""
    # sources.list(5): a suite with a last slash is a path, and then there must be no components.
    return all(suite.endswith("/") for suite in repository.suites)


def _are_for_one_program(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    # Compared with the first and not with the machine: that is not known here.
    first = next(iter(linux.package_repositories), None)
    for index, one in enumerate(linux.package_repositories):
        if first is not None and one.format != first.format:
            yield finding(
                "MA1323",
                f"packageRepositories[{index}].format",
                f"is {one.format}, and packageRepositories[0] is for {first.format}",
                "a machine has one of these programs",
            )


def _has_what_its_program_needs(
    repository: PackageRepository, _context: Context
) -> Iterator[Finding]:
    if repository.format != "apt":
        for field in ("suites", "components"):
            if getattr(repository, field):
                yield finding("MA1304", field, "is only allowed with format: apt")
        return
    if not repository.suites:
        yield finding("MA1303", "suites", "is required with format: apt", "a flat repository has suites: [/]")  # fmt: skip
    elif is_flat(repository) and repository.components:
        yield finding("MA1323", "components", "do not go with a suite that ends with /")
    elif not is_flat(repository) and not repository.components:
        yield finding("MA1303", "components", "is required unless each suite ends with /")


def _can_be_reached(repository: PackageRepository, _context: Context) -> Iterator[Finding]:
    if not repository.url.startswith(_SCHEMES):
        yield finding("MA1323", "url", "not a https, http or file URL")
    # Files of repositories are mode 0644; apt_auth.conf(5) has the place for logins.
    elif "@" in repository.url.partition("://")[2].partition("/")[0]:
        yield finding(
            "MA1323",
            "url",
            "has a user, which everybody on the machine could read",
            "write the login as a file of mode 0600: /etc/apt/auth.conf.d/NAME.conf",
        )


def _has_keys(repository: PackageRepository, _context: Context) -> Iterator[Finding]:
    key = repository.key
    if key is None:
        return
    # Before the form: whoever pastes it must learn that it is out, and not that its armor is wrong.
    if "PRIVATE KEY" in key:
        yield finding("MA1351", "key", "is a private key", "revoke it, and give its public key")
    elif _ARMOR not in key or _END not in key:
        yield finding(
            "MA1351",
            "key",
            "is not an OpenPGP public key in ASCII armor",
            "`gpg --export --armor KEY` prints one; `gpg --enarmor` converts a binary one",
        )


RULES: Final[Rules] = {
    LinuxConfiguration: (_are_for_one_program,),
    PackageRepository: (_has_what_its_program_needs, _can_be_reached, _has_keys),
}
