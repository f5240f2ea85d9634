"""MA72xx: plugins."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA7202": Code(
        "plugin is not trusted",
        "A plugin works as root, and this one's file, its checksum, plugins.yaml or a directory above them could have been "
        "written by somebody else than root, or is a link. It was not started.",
        "Find out who wrote it. If it is what you installed: chown root and chmod go-w what the message names.",
    ),
    "MA7203": Code(
        "plugin has no checksum",
        "The file FILE_SHA256SUM beside a plugin is missing, or does not hold one SHA-256; plugins.yaml names no digest "
        "either. It was not started.",
        "Install the checksum from where the plugin is published: what `sha256sum FILE` prints. "
        "--allow-unverified-plugins does without; no environment variable can.",
    ),
    "MA7204": Code(
        "plugin has another checksum",
        "The plugin's file is not the one that its checksum was made of: it was replaced, damaged, or updated without "
        "its checksum. It was not started.",
        "Install the plugin and its checksum again, both from where its author publishes them.",
    ),
    "MA7206": Code(
        "plugins.yaml is unfit",
        "/etc/machineadm/plugins.yaml is not a fit PluginConfiguration. No plugin was started.",
        "Correct it at the line that the message names; the report has all its problems.",
    ),
    "MA7208": Code(
        "no place for plugins",
        "The directory in which plugins have their sockets and temporary files cannot be made. No plugin was started.",
        "Make room in the temporary directory (/tmp, or what TMPDIR names), and look whether it is writable.",
    ),
    "MA7210": Code(
        "plugin cannot be started",
        "The kernel does not execute the plugin's file. The message names the cause: another architecture or system, a "
        "missing interpreter or loader, permissions, a file that is no program.",
        "Do what the hint says. `file PATH` tells what the file is, `ldd PATH` what it lacks.",
    ),
    "MA7211": Code(
        "plugin ended before its handshake",
        "The plugin was started and ended, or closed its output, before it said that it serves. The last lines of its "
        "log are in the report.",
        "Read the lines of its log. A plugin of another program refuses our cookie and ends.",
    ),
    "MA7212": Code(
        "plugin does not come up",
        "The plugin was started and did not serve in time. It was killed.",
        "Run it by hand with its cookie in the environment: it has to print its handshake line at once. If it needs a "
        "network to start, look whether there is one.",
    ),
    "MA7213": Code(
        "not a plugin's handshake",
        "The first line that the program printed is not the line that a plugin prints.",
        "Look whether the file is a plugin. A plugin must print nothing to its standard output before its handshake.",
    ),
    "MA7214": Code(
        "plugin of another protocol version",
        "The plugin and this machineadm have no version of the protocol in common.",
        "Take a release of the plugin that fits this machineadm; both sides' versions are in the message.",
    ),
    "MA7215": Code(
        "plugin speaks another protocol",
        "The plugin does not speak gRPC over a unix or TCP socket. Plugins that speak Go's net/rpc are not supported.",
        "Build the plugin with go-plugin's GRPCServer, or with the SDK of machineadm.",
    ),
    "MA7216": Code(
        "plugin's certificate is unfit",
        "The connection to a plugin is encrypted with certificates that both sides make for one start. The plugin sent "
        "none, one that cannot be read, or answered with another one than it sent.",
        "Build the plugin with a current release of its library. If the certificate changes between handshake and "
        "connection, somebody stands between.",
    ),
    "MA7217": Code(
        "plugin does not multiplex",
        "The host asked for one connection that carries all, and the plugin's library does not know that.",
        "Build the plugin with go-plugin 1.6 or later.",
    ),
    "MA7218": Code(
        "plugin does not serve",
        "The plugin said where it listens, and nobody answers there as a plugin does.",
        "Read the last lines of its log: it may have ended right after its handshake.",
    ),
    "MA7220": Code(
        "plugin does not give what it was asked for",
        "The plugin serves, and answered with an error: the text behind the colon is its own.",
        "Read what it says, and the last lines of its log.",
    ),
    "MA7221": Code(
        "plugin does not answer in time",
        "The plugin serves, and did not answer a call before its deadline. It was ended.",
        "Look at the last lines of its log: what it asks itself, over a network, may be out of reach.",
    ),
    "MA7222": Code(
        "plugin ended in a call",
        "The plugin's process ended while it was asked for something.",
        "Read the last lines of its log; a panic is a fault of the plugin for its author to fix.",
    ),
    "MA7223": Code(
        "plugin is of another kind",
        "The plugin serves, and does not know what it was asked for.",
        "Look at the name it is installed by: machineadm-plugin-KIND-NAME. It may be too old, too.",
    ),
    "MA7224": Code(
        "plugin's answer is unfit",
        "The plugin answered with something that cannot be used, such as an empty passphrase.",
        "Look at what the plugin reads it from.",
    ),
    "MA7225": Code(
        "plugin refuses its settings",
        "The settings of the plugin in /etc/machineadm/plugins.yaml are not what it takes; the message has its words.",
        "Correct the settings; the plugin's author says which there are.",
    ),
    "MA7230": Code(
        "no plugin to reattach to",
        "Nobody serves at the address of a plugin that should run already. Nothing was ended.",
        "Start the plugin again, and take the address that it prints.",
    ),
}
