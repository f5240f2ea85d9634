"""MA72xx: plugins."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA7202": Code(
        "plugin is not trusted",
        "A plugin runs as root, and this one's file, its checksum, plugins.yaml or a directory above them can be "
        "written by somebody other than root, or is a link. It was not started.",
        "Find out who wrote it. If it is what you installed, run `chown root` and `chmod go-w` on what the message names.",
    ),
    "MA7203": Code(
        "plugin has no checksum",
        "The file FILE_SHA256SUM beside a plugin is missing, or does not contain one SHA-256, and plugins.yaml has no digest "
        "either. It was not started.",
        "Install the checksum (the output of `sha256sum FILE`) from where the plugin is published. "
        "--allow-unverified-plugins skips the check; no environment variable does.",
    ),
    "MA7204": Code(
        "plugin has another checksum",
        "The plugin's file does not match its checksum: it was replaced, damaged, or updated without "
        "its checksum. It was not started.",
        "Install the plugin and its checksum again, both from where its author publishes them.",
    ),
    "MA7206": Code(
        "plugins.yaml is invalid",
        "/etc/machineadm/plugins.yaml is not a valid PluginConfiguration. No plugin was started.",
        "Fix it at the line that the message names; the report lists all its problems.",
    ),
    "MA7208": Code(
        "no directory for plugins",
        "The directory for the plugins' sockets and temporary files cannot be created. No plugin was started.",
        "Free space in the temporary directory (/tmp, or TMPDIR), and check that it is writable.",
    ),
    "MA7210": Code(
        "plugin cannot be started",
        "The kernel did not execute the plugin's file. The message names the cause: another architecture or system, a "
        "missing interpreter or loader, permissions, a file that is not a program.",
        "Follow the hint. `file PATH` shows what the file is, `ldd PATH` what it lacks.",
    ),
    "MA7211": Code(
        "plugin ended before its handshake",
        "The plugin exited, or closed its output, before its handshake. The last lines of its "
        "log are in the report.",
        "Read its log. A plugin of another program refuses our cookie and exits.",
    ),
    "MA7212": Code(
        "the plugin does not become ready",
        "The plugin was started and did not become ready in time. It was killed.",
        "Run it yourself with its cookie in the environment: it must print its handshake line at once. If it needs a "
        "network to start, check that there is one.",
    ),
    "MA7213": Code(
        "not a plugin's handshake",
        "The first line that the program printed is not the line that a plugin prints.",
        "Check that the file is a plugin. A plugin must not print anything to standard output before its handshake.",
    ),
    "MA7214": Code(
        "plugin of another protocol version",
        "The plugin and this machineadm have no version of the protocol in common.",
        "Use a release of the plugin that fits this machineadm; the message has both sides' versions.",
    ),
    "MA7215": Code(
        "plugin speaks another protocol",
        "The plugin does not speak gRPC over a Unix or TCP socket. Plugins that use Go's net/rpc are not supported.",
        "Build the plugin with go-plugin's GRPCServer, or with the SDK of machineadm.",
    ),
    "MA7216": Code(
        "plugin's certificate is invalid",
        "The connection to a plugin is encrypted with certificates that both sides create at each start. The plugin sent "
        "no certificate or a damaged one, or then used a different one.",
        "Build the plugin with a current release of its library. If the certificate changes between handshake and "
        "connection, somebody is in the middle.",
    ),
    "MA7217": Code(
        "plugin does not multiplex",
        "The host asked for multiplexing over one connection, which the plugin's library does not support.",
        "Build the plugin with go-plugin 1.6 or later.",
    ),
    "MA7218": Code(
        "plugin does not serve",
        "The plugin announced an address, but nothing at that address answers like a plugin.",
        "Read the last lines of its log: it may have exited right after its handshake.",
    ),
    "MA7220": Code(
        "plugin returned an error",
        "The plugin answered with an error: the text after the colon is its own.",
        "Read what it says, and the last lines of its log.",
    ),
    "MA7221": Code(
        "plugin does not answer in time",
        "The plugin runs, but did not answer a call before its deadline. It was stopped.",
        "Read the last lines of its log: a service that it depends on may be unreachable.",
    ),
    "MA7222": Code(
        "plugin exited during a call",
        "The plugin's process exited before it answered a call.",
        "Read the last lines of its log; a panic is a bug that the plugin's author must fix.",
    ),
    "MA7223": Code(
        "plugin is of another kind",
        "The plugin runs, but does not implement what it was asked for.",
        "Check the name it is installed under: machineadm-plugin-KIND-NAME. It may also be too old.",
    ),
    "MA7224": Code(
        "plugin's answer is invalid",
        "The plugin answered with something that cannot be used, such as an empty passphrase.",
        "Check where the plugin gets it from.",
    ),
    "MA7225": Code(
        "plugin refuses its settings",
        "The plugin does not accept its settings in /etc/machineadm/plugins.yaml; the message quotes it.",
        "Fix the settings; see the plugin's own documentation.",
    ),
    "MA7226": Code(
        "no plugin of that name",
        "The configuration names a provider, a handler or another plugin, and neither machine.plugins nor plugins.yaml "
        "nor the directories of "
        "plugins have one. Declared plugins were asked whether they serve that name; broken ones were skipped, and the "
        "report lists them. Nothing was touched.",
        "Check the name. Install the plugin with its checksum, or add it to machine.plugins.",
    ),
    "MA7227": Code(
        "inputs that a provider refuses",
        "The inputs do not match the provider's own schema: one is missing, unknown, or of another kind. It was not executed.",
        "Correct the inputs as the message says; the provider's author documents them.",
    ),
    "MA7228": Code(
        "a provider's result does not fit",
        "The provider answered, but its result lacks the field that `output` names, or is an object where a string is needed.",
        "Set `output` to the field of the result that is the value, with dots between names: `data.password`.",
    ),
    "MA7229": Code(
        "providers depend on each other",
        "Each of these providers needs the result of another one. None was asked.",
        "Change the inputs to break the circle in the message.",
    ),
    "MA7230": Code(
        "no plugin to reattach to",
        "Nothing listens at the address of a plugin that should be running. Nothing was stopped.",
        "Start the plugin again, and use the address that it prints.",
    ),
    "MA7231": Code(
        "no container engine",
        "A plugin runs in a container, and nothing on this machine serves the Docker Engine API: no Docker, and no podman with its "
        "socket. containerd alone, as many nodes have it, does not serve it. Nothing was touched.",
        "Install Docker, or podman and `systemctl enable --now podman.socket`; or name the plugin by path or catalog, as a process.",
    ),
    "MA7232": Code(
        "container engine refuses",
        "The container engine refused what a plugin's container needs; the text after the colon is its own. No container is left.",
        "Compare the fields of `container` (runtime, cgroupParent, cpus, memory, endpoints, entrypoint) with what the engine has.",
    ),
    "MA7233": Code(
        "image is not there",
        "The container engine does not have the image of a plugin, and nothing is pulled. Nothing was touched.",
        "Bring the image with the machine's image (`podman load`, `docker load`), or pull it before the run.",
    ),
    "MA7234": Code(
        "image has another id",
        "The image of that name is not the one that container.sha256 pins: it was replaced, or updated. It was not started.",
        "Bring the image that was meant; if it was updated, set container.sha256 to its id.",
    ),
    "MA7235": Code(
        "container engine does not answer",
        "Something listens at the socket of the container engine, but does not answer as one does.",
        "Look at its service: `systemctl status docker podman.socket`.",
    ),
    "MA7236": Code(
        "containers need Linux",
        "A plugin runs in a container, which is possible on Linux alone: both sides meet at sockets in a directory. Nothing was touched.",
        "Name the plugin by path or catalog.",
    ),
    "MA7237": Code(
        "container engine is not trusted",
        "The container engine belongs to another user, who would see all that the plugin is told. Nothing was started.",
        "Use an engine that root runs. A user other than root may also use their own.",
    ),
}
