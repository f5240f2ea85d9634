"""MA724x, MA725x: where plugins come from."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA7240": Code(
        "not a plugin, a version or a catalog",
        "The command line, plugins.yaml or a configuration has something that is not KIND/NAME of a plugin, not a "
        "constraint of versions, not a platform, "
        "or not the address of a catalog. Nothing was asked for.",
        "Write it as the hint shows: encryption-provider/vault@^1.2, linux/arm64, oci://registry.example/plugins.",
    ),
    "MA7241": Code(
        "no catalog has the plugin",
        "All catalogs were asked, and none has the plugin in a version that fits.",
        "Check the name and the versions; --catalog names more catalogs, plugins.yaml those of the machine.",
    ),
    "MA7242": Code(
        "plugin is not there for this platform",
        "The catalog has the plugin in this version, but only for other platforms. No other catalog was asked: it might have another "
        "plugin of the same name.",
        "Ask for another version, or have its author build it for the platform.",
    ),
    "MA7243": Code(
        "catalog cannot be read",
        "A catalog's directory or registry is not there, cannot be read, is not trusted, or is not one.",
        "Check the address. For a registry with your own CA, use --ca-file.",
    ),
    "MA7244": Code(
        "catalog refuses access",
        "The registry requires credentials, and there are none for it, or it refuses them.",
        "Give --credentials FILE, a file such as `docker login` writes, with this registry in it. Never put credentials "
        "on a command line.",
    ),
    "MA7245": Code(
        "a catalog's answer cannot be used",
        "The catalog answers, but not with a plugin: the answer is not a manifest, is too large, names no digest, or is "
        "the image of something other than a plugin.",
        "Check that the address is a catalog of plugins, and how the plugin was published.",
    ),
    "MA7246": Code(
        "plugin is not the one that was named",
        "The download has another digest or length than the configuration, the lock or the catalog says. Nothing was kept or run.",
        "Find out first who changed the plugin: a published version never changes. Fill a damaged mirror again.",
    ),
    "MA7247": Code(
        "download of a plugin broke off",
        "The registry did not answer, answered that it is busy or broken, or ended in the middle, each time it was asked.",
        "Try again: the next try continues where this one stopped. Check the network and the registry.",
    ),
    "MA7248": Code(
        "no place for a plugin",
        "A plugin cannot be written to the cache or the plugin directory: no room, no permission, a read-only file "
        "system. No partial file has a plugin's name.",
        "Free some space, or name other directories: --cache-dir, --plugin-dir.",
    ),
    "MA7249": Code(
        "the lock file cannot be used",
        "The lock file of plugins cannot be read or written, or is not one. Nothing was installed.",
        "Restore it from where it is kept. Without it, versions are chosen again.",
    ),
    "MA7250": Code(
        "plugin is not locked",
        "--strict installs only what the lock names by digest, and it does not name this plugin, this version or this platform. Or a "
        "configuration declares a plugin by its catalog, and neither its entry nor the machine's lock has its digest. "
        "Nothing was fetched.",
        "Install it once without --strict, look at what the lock has now, and keep it with the configuration. Give a "
        "declared plugin its `digest`.",
    ),
    "MA7251": Code(
        "fetching a plugin takes too long",
        "The time for fetching is over. The next try continues where this one stopped.",
        "Try again, or allow more time with --timeout.",
    ),
    "MA7252": Code(
        "plugin is not installed",
        "The command is about a plugin that is in none of the plugin directories and not in plugins.yaml.",
        "`machineadm plugin list` shows what is installed; `machineadm plugin install` installs.",
    ),
    "MA7253": Code(
        "plugin does not have this method",
        "The plugin's kind has no such method, or the input is not a request of the method. The plugin was not asked.",
        "`machineadm plugin describe` lists the methods; the request's fields are in docs/plugins.md.",
    ),
    "MA7254": Code(
        "installed plugins fail verification",
        "A plugin's file is not trusted, has another checksum, or is not what the lock says. It will not be started.",
        "Install it again from its catalog. If nobody changed it on purpose, find out who did.",
    ),
    "MA7255": Code(
        "plugin does not conform",
        "The plugin failed some checks of its kind; the table says which, and how.",
        "Its author must fix it: the last column says what was expected.",
    ),
    "MA7256": Code(
        "project of a plugin cannot be fixed",
        "The directory is not a project of a plugin in Python, or pins the SDK in a way that machineadm does not change.",
        "Change what the message names by hand.",
    ),
}
