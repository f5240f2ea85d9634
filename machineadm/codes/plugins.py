"""MA72xx: plugins."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA7204": Code(
        "plugin has another checksum",
        "The plugin's file is not the one that its checksum was made of: it was replaced, damaged, or updated without "
        "its checksum. It was not started.",
        "Install the plugin and its checksum again, both from where its author publishes them.",
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
    "MA7230": Code(
        "no plugin to reattach to",
        "Nobody serves at the address of a plugin that should run already. Nothing was ended.",
        "Start the plugin again, and take the address that it prints.",
    ),
}
