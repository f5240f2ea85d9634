"""Where the options say that passphrases come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.sources.passphrases import GivenPassphrases

# A label of DNS (RFC 1123), as plugins are named.
PROVIDER = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def passphrases_of(arguments: Namespace) -> GivenPassphrases:
    """The sources that the options name.

    Raises:
        UsageError: Two are for the same provider, or one is not what the option takes.
    """
    from machineadm.sources.passphrases import GivenPassphrases

    # Both options first, so that a conflict is found before anything is opened.
    files = _by_provider("--passphrase-file", arguments.passphrase_file)
    numbers = _by_provider("--passphrase-fd", arguments.passphrase_fd)
    if both := files.keys() & numbers.keys():
        named = f"provider {min(both)}" if min(both) else "all providers"
        raise UsageError("MA7001", f"a passphrase file and a descriptor for {named}; give one")
    descriptors = {provider: _number(text) for provider, text in numbers.items()}
    # A pipe gives its content once; the second provider would wait for ever, or get an empty
    # passphrase.
    if len(set(descriptors.values())) < len(descriptors):
        raise UsageError("MA7001", "--passphrase-fd: a descriptor can be read only once")
    # Descriptor 0 is standard input: the configuration and the passphrase cannot both come from it.
    if 0 in descriptors.values() and "-" in arguments.path:
        raise UsageError("MA7004", "standard input can be read only once")
    return GivenPassphrases(
        files=files,
        descriptors=descriptors,
        plugin_directories=arguments.plugin_dir or (),
        allow_unverified=arguments.allow_unverified_plugins,
    )


def _by_provider(option: str, given: list[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        before, equals, behind = text.partition("=")
        # A path may hold an equals sign as well: only what looks like a provider's name is one.
        named = equals and re.fullmatch(PROVIDER, before)
        provider, value = (before, behind) if named else ("", text)
        if not value:
            raise UsageError("MA7001", f"{option}: {text!r} is empty or has no path")
        if provider in found:
            twice = f"provider {provider!r}" if provider else "all providers"
            raise UsageError("MA7001", f"{option}: given twice for {twice}")
        found[provider] = value
    return found


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise UsageError(
            "MA7001",
            # The value is not repeated: whoever mistakes the option has typed the passphrase
            # itself.
            "--passphrase-fd: that is not a descriptor number",
            hint="never put the passphrase itself on a command line",
        )
    return int(text)
