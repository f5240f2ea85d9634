"""Passphrases: from files and descriptors that the command line names, a directory in the image, or plugins."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from machineadm.documents.opening import PASSPHRASES, PLUGIN
from machineadm.errors import ConfigError
from machineadm.redaction import Secret
from machineadm.sources.plugins import PluginSource

ALLOW_UNVERIFIED = "--allow-unverified-plugins"
ANY = ""
"""In place of a provider: of all for which nothing else is named."""


class GivenPassphrases:
    """The port `documents.opening.Passphrases`. Each source is read when it is first needed, and once.

    Args:
        files: Path by provider, or by `ANY`.
        descriptors: Open descriptor by provider, or by `ANY`.
        directory: For providers that neither names: one file each, owned by root and readable by root only.
        plugin_directories: Searched first for plugins, which are asked if there is no file.
        allow_unverified: Run a plugin that has no checksum.
    """

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        descriptors: Mapping[str, int] | None = None,
        directory: str = PASSPHRASES,
        plugin_directories: Sequence[str] = (),
        allow_unverified: bool = False,
    ) -> None:
        # Copies: the caller's maps come from a command line that is used again for a resumed run.
        self._files = dict(files or {})
        self._descriptors = dict(descriptors or {})
        self._directory = directory
        # By source and not by provider: a file that serves all providers is read once.
        self._known: dict[str, Secret] = {}
        self.used_files: set[str] = set()
        """Those that the command line names and that were read, by their real paths."""

        self.used_descriptor = False
        self.used_plugins: set[str] = set()
        """Executables that were asked, by their paths."""

        self.log: Callable[[str], None] = lambda _: None
        """Gets what a plugin logs."""

        self.plugins = PluginSource(
            tuple(map(_real, plugin_directories)), allow_unverified=allow_unverified
        )
        """Asked for what is needed before a configuration can be read."""

        self._plugin_directories = tuple(map(_real, plugin_directories))
        self._allow_unverified = allow_unverified

    @property
    def options(self) -> tuple[str, ...]:
        """Return the files as command line options, for a run that continues later."""
        # Real and absolute, for a unit has another working directory.
        files = {name: _real(path) for name, path in self._files.items()}
        named = (f"{name}={path}" if name else path for name, path in files.items())
        words = [word for path in named for word in ("--passphrase-file", path)]
        # Only then: a directory of plugins that nobody asked need not exist at the next boot.
        if self.used_plugins:
            words += [w for path in self._plugin_directories for w in ("--plugin-dir", path)]
            words += [ALLOW_UNVERIFIED] if self._allow_unverified else []
        return tuple(words)

    @property
    def known(self) -> tuple[Secret, ...]:
        """Return all passphrases that were read, for masking."""
        return tuple(self._known.values())

    def passphrase(self, provider: str) -> Secret | None:
        """See the port.

        Raises:
            ConfigError: MA1510: It cannot be read. MA1511: Other users can read or replace it. MA1512: It is empty or
                too long.
            PluginError: There is a plugin of that name, but it is not trusted or does not answer.
        """
        # What is named for the provider wins over what is named for all, in files and descriptors
        # alike.
        for name in (provider, ANY):
            if name in self._files:
                self.used_files.add(_real(self._files[name]))
                # Not judged by owner and mode: whoever named it on the command line has chosen it,
                # and it may be a pipe.
                return self._from_file(self._files[name], private=False)
            if name in self._descriptors:
                self.used_descriptor = True
                return self._from_descriptor(self._descriptors[name])
        path = f"{self._directory}/{provider}"
        # lexists: a broken link is a mistake to report, not the absence of a passphrase.
        if os.path.lexists(path):
            return self._from_file(path, private=True)
        # Last, because a process that is started is dearer than a file and may need a network.
        return self._from_plugin(provider)

    def _from_plugin(self, provider: str) -> Secret | None:
        """Ask the provider's plugin, if there is one; the code for it is loaded only then."""
        from machineadm.plugins.discovery import Places, find
        from machineadm.sources.plugins import fetching

        name = f"{PLUGIN}{provider}"
        if name not in self._known:
            places = Places(
                given=self._plugin_directories,
                allow_unverified=self._allow_unverified,
                fetch=fetching(allow_unverified=self._allow_unverified, log=self.log),
            )
            found = find("encryption-provider", provider, places)
            if found is None:
                return None
            from machineadm.plugins.asking import ask_passphrase

            self._known[name] = ask_passphrase(provider, found, self.log)
            self.used_plugins.add(found.path)
        return self._known[name]

    def _from_file(self, path: str, *, private: bool) -> Secret:
        if path not in self._known:
            # For the directory's own files no link is followed, and O_NONBLOCK keeps a pipe from
            # waiting for a writer before it is refused.
            flags = os.O_RDONLY | os.O_CLOEXEC | ((os.O_NOFOLLOW | os.O_NONBLOCK) if private else 0)
            try:
                descriptor = os.open(path, flags)
            except (OSError, ValueError) as error:
                _unreadable(repr(path), error)
            try:
                if private:
                    # By the descriptor: what is judged is what is read.
                    _require_private(path, os.fstat(descriptor))
                self._known[path] = _read(descriptor, repr(path))
            finally:
                os.close(descriptor)
        return self._known[path]

    def _from_descriptor(self, number: int) -> Secret:
        name = f"descriptor {number}"
        if name not in self._known:
            # Kept, because a pipe gives its content only once.
            self._known[name] = _read(number, name)
            # Closed, so that no command that a step runs inherits the passphrase.
            if number > 2:
                os.close(number)
        return self._known[name]


def _real(path: str) -> str:
    """Return an absolute path for messages and options; never open it: for a pipe it is not a path."""
    return os.path.realpath(path)


def _read(descriptor: int, name: str) -> Secret:
    from machineadm.documents.encryption import MAX_PASSPHRASE, passphrase_of

    data = b""
    try:
        # A pipe returns parts, and a device never ends: read up to one byte more than is allowed.
        while len(data) <= MAX_PASSPHRASE + 1 and (more := os.read(descriptor, MAX_PASSPHRASE + 2)):
            data += more
    except OSError as error:
        _unreadable(name, error)
    return passphrase_of(data, name=name)


def _require_private(path: str, found: os.stat_result) -> None:
    """Refuse a file that other users may have read or written.

    Raises:
        ConfigError: It is one.
    """
    what = ""
    if not stat.S_ISREG(found.st_mode):
        what = "is not a file"
    # An owner can always give himself access, whatever the mode says.
    elif found.st_uid != 0:
        what = f"belongs to user {found.st_uid}, not to root"
    elif found.st_mode & 0o077:
        what = f"has mode {stat.S_IMODE(found.st_mode):04o}, so others can access it"
    if what:
        raise ConfigError(
            "MA1511", f"{path} {what}", hint="if nobody else has read it: chown root, chmod 0600"
        )


def _unreadable(name: str, error: OSError | ValueError) -> NoReturn:
    reason = error.strerror if isinstance(error, OSError) else "a path cannot contain a NUL"
    number = (isinstance(error, OSError) and error.errno) or 0
    hint = {
        errno.ELOOP: "it is a link; it must be the file itself",
        errno.EBADF: "it must be open for reading when the agent starts: 3< FILE",
    }.get(number, "check the path and its permissions")
    raise ConfigError(
        "MA1510", f"cannot read the passphrase in {name}: {reason}", hint=hint
    ) from error
