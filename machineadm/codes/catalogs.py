"""MA724x, MA725x: where plugins come from."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA7240": Code(
        "not a plugin, a version or a catalog",
        "What the command line, plugins.yaml or a configuration names is not KIND/NAME of a plugin, not a constraint of versions, not a platform, "
        "or not the address of a catalog. Nothing was asked for.",
        "Write it as the hint shows: encryption-provider/vault@^1.2, linux/arm64, oci://registry.example/plugins.",
    ),
    "MA7241": Code(
        "no catalog has the plugin",
        "All catalogs were asked, and none has the plugin in a version that fits.",
        "Look at the name and the versions; --catalog names further catalogs, plugins.yaml those of the machine.",
    ),
    "MA7242": Code(
        "plugin is not there for this platform",
        "The catalog has the plugin in this version, for other platforms alone. No other catalog was asked: it might have another "
        "plugin of the same name.",
        "Ask for another version, or have its author build it for the platform.",
    ),
    "MA7243": Code(
        "catalog cannot be read",
        "A catalog's directory or registry is not there, cannot be read, is not trusted, or is not one.",
        "Look at the address. For a registry with a certificate of your own give --ca-file.",
    ),
    "MA7244": Code(
        "catalog refuses access",
        "The registry wants credentials, and there are none for it, or it refuses them.",
        "Give --credentials FILE, a file such as `docker login` writes, with this registry in it. Credentials never stand on a command line.",
    ),
    "MA7245": Code(
        "catalog gives what is unfit",
        "The catalog answers, but not with a plugin: the answer is not a manifest, is too large, names no digest, or is the image of "
        "something else.",
        "Look whether the address is a catalog of plugins, and how the plugin was published.",
    ),
    "MA7246": Code(
        "plugin is not the one that was named",
        "The bytes that came have another digest or length than the configuration, the lock or the catalog says. Nothing of them was kept or run.",
        "Find out who has changed the plugin before anything else: a published version never changes. A damaged mirror must be filled anew.",
    ),
    "MA7247": Code(
        "download of a plugin broke off",
        "The registry did not answer, answered that it is busy or broken, or ended in the middle, each time it was asked.",
        "Try again: what came is kept, and the next try goes on from there. Look at the network and the registry.",
    ),
    "MA7248": Code(
        "no place for a plugin",
        "A plugin cannot be written to the cache or the plugin directory: no room, no permission, a read-only file system. No half file has "
        "a plugin's name.",
        "Make room, or name other directories: --cache-dir, --plugin-dir.",
    ),
    "MA7249": Code(
        "lock file is unfit",
        "The lock file of plugins cannot be read or written, or is not one. Nothing was installed.",
        "Restore it from where it is kept. Without it the versions are decided anew.",
    ),
    "MA7250": Code(
        "plugin is not locked",
        "--strict installs what the lock names by digest alone, and it does not name this plugin, this version or this platform. Or a "
        "configuration declares a plugin by its catalog, and neither its entry nor the machine's lock has its digest. Nothing was fetched.",
        "Install it once without --strict, look at what the lock has now, and keep it with the configuration. Give a declared plugin its `digest`.",
    ),
    "MA7251": Code(
        "fetching a plugin takes too long",
        "The time for fetching is over. What came is kept for the next try.",
        "Try again, or give more time by --timeout.",
    ),
    "MA7252": Code(
        "plugin is not installed",
        "The command is about a plugin that is in none of the plugin directories and not in plugins.yaml.",
        "`machineadm plugin list` shows what is installed; `machineadm plugin install` installs.",
    ),
    "MA7253": Code(
        "plugin does not have this method",
        "What was called is not a method of the plugin's kind, or the input is not a request of it. The plugin was not asked.",
        "`machineadm plugin describe` lists the methods; the request's fields are in docs/plugins.md.",
    ),
    "MA7254": Code(
        "installed plugins are not as they should be",
        "Some plugin's file is not trusted, has another checksum, or is not what the lock says. It is not started as it is.",
        "Install it again from its catalog; if nobody has changed it on purpose, find out who did.",
    ),
    "MA7255": Code(
        "plugin does not conform",
        "The plugin was driven through the checks of its kind, and failed some; the table says which, and how.",
        "It is for its author to fix: the last column says what was expected.",
    ),
    "MA7256": Code(
        "project of a plugin cannot be fixed",
        "The directory is not a project of a plugin in Python, or pins the SDK in a way that is not machineadm's to change.",
        "Read what the message names, and change that by hand.",
    ),
}
