"""Find, install, verify and try plugins; log in by those that hand out tokens; for their authors: conformance and fixes."""

from __future__ import annotations

COMMANDS = {
    "list": "the plugins that are installed, or those in the cache",
    "describe": "start a plugin and show what it says of itself",
    "verify": "whether installed plugins may be started, and are those of the lock",
    "install": "bring a plugin from a catalog into a plugin directory",
    "remove": "remove a plugin from a plugin directory, and from the cache",
    "call": "call a method of a plugin with JSON",
    "login": "log in by an auth handler",
    "logout": "forget a login",
    "auth-status": "whether and as whom auth handlers are logged in",
    "tokens": "the tokens that an auth handler keeps",
    "fix": "bring an author's project to this release of the SDK",
    "conformance": "drive a plugin through all checks of its kind",
}
