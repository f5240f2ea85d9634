"""From a plugin that was found to its answer: start it, ask it, end it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from machineadm.plugins.discovery import Found
from machineadm.plugins.host import Host
from machineadm.plugins.kinds import encryption_provider
from machineadm.plugins.kinds.common import start
from machineadm.plugins.wire.logs import Record
from machineadm.redaction import Redactor, Secret

MOST_RECORDS: Final = 200
"""Entries of its log that are shown, the last ones; a plugin that floods it fills no memory."""


def ask_passphrase(
    provider: str, found: Found, log: Callable[[str], None] = lambda _: None
) -> Secret:
    """Ask the plugin of a provider for its passphrase.

    Args:
        provider: As in EncryptedData.spec.provider.
        found: Its plugin.
        log: Gets the plugin's log from level info on, line by line, without the passphrase.

    Raises:
        PluginError: It does not start, or does not answer.
    """
    records: deque[Record] = deque(maxlen=MOST_RECORDS)
    with Host(listen=lambda _, record: records.append(record)) as host:
        plugin = start(host, encryption_provider.KIND, found)
        passphrase = encryption_provider.fetch_passphrase(plugin, provider)
    # Printed only now that it is known what must not be.
    redactor = Redactor([passphrase])
    for record in records:
        if record.level not in ("trace", "debug"):
            log(redactor.text(f"plugin {found.name}: {record}"))
    return passphrase
