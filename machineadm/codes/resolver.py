"""Name resolution of the host."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3551": Code(
        "/etc/resolv.conf belongs to another program",
        "It is a link to another program's file, or NetworkManager has written it: anything written there would be "
        "overwritten at the next change of the network. It was left as it is.",
        "Set the name servers in that program, with `files` or in the image (NetworkManager: `[global-dns]` in a file below "
        "/etc/NetworkManager/conf.d), and leave `resolver` out; or use an image with systemd-resolved.",
    ),
    "MA3552": Code(
        "systemd-resolved does not use the name servers",
        "systemd-resolved was restarted with the name servers and search domains of the configuration, but some are "
        "missing from /run/systemd/resolve/resolv.conf, which programs read.",
        "`resolvectl status` shows what it uses. A later file below /etc/systemd/resolved.conf.d, or one in /run, may "
        "say otherwise: remove it, "
        "and run the same command again.",
    ),
}
