"""Package repositories and packages."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again."

TABLE: dict[str, Code] = {
    "MA1351": Code(
        "not the public key of a repository",
        "A repository needs the OpenPGP public keys that sign it, in ASCII armor (BEGIN PGP PUBLIC KEY BLOCK).",
        "`gpg --export --armor KEY` prints a key. Many repositories publish theirs as Release.key or repomd.xml.key.",
    ),
    "MA3631": Code(
        "the program that installs packages is missing",
        "The distribution's package manager is not on this machine. Nothing was changed.",
        "Use an image that has it, or one that brings the packages, and leave `packages` out.",
    ),
    "MA3632": Code(
        "the package manager failed",
        "The program that installs packages failed, for a reason that its output tells. What may pass (a lock, a server that does "
        "not answer) was tried again for five minutes.",
        f"Read the end of its output in the report. A repository that is not signed by its key is refused. {_RERUN}",
    ),
    "MA3633": Code(
        "no repository has the package, or not in that version",
        "The package manager knows no package of that name and version in the repositories of this machine.",
        "Look at packageRepositories, and list the versions: `apt-cache madison NAME`, `dnf --showduplicates list NAME`, "
        f"`zypper search -s NAME`. {_RERUN}",
    ),
    "MA3634": Code(
        "a package is not as it must be after its installation",
        "The package manager succeeded, but a package is missing, of another version, or not held.",
        "Run it yourself. A name that other packages provide is not the name of a package.",
    ),
    "MA3635": Code(
        "nothing is known that installs packages here",
        "machineadm knows apt, dnf and zypper. This distribution has none of them, or is not known by ID and ID_LIKE of /etc/os-release. "
        "Nothing was changed.",
        "Use `archives`, or an image that brings the programs.",
    ),
    "MA3636": Code(
        "a repository of another format",
        "The configuration has a repository for another package manager than the machine's. Nothing was changed.",
        "Give the repository in the format of the machine's distribution.",
    ),
    "MA3637": Code(
        "zypper takes no part of a version",
        "A version with `*` at its end stands for several, which apt and dnf understand. Nothing was changed.",
        "Name the version, or leave it out.",
    ),
}
