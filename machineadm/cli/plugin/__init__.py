"""Find, install, verify and try plugins; log in by those that hand out tokens; for their authors: conformance and fixes."""

from __future__ import annotations

COMMANDS = {
    "list": "list the installed plugins, or those in the cache",
    "describe": "start a plugin and show what it says about itself",
    "verify": "check that installed plugins may be started and match the lock",
    "install": "bring a plugin from a catalog into a plugin directory",
    "remove": "remove a plugin from a plugin directory, and from the cache",
    "call": "call a method of a plugin with JSON",
    "login": "log in with an auth handler",
    "logout": "forget a login",
    "auth-status": "show whether auth handlers are logged in, and as whom",
    "tokens": "list the tokens of an auth handler",
    "fix": "bring an author's project to this release of the SDK",
    "conformance": "run all checks of a plugin's kind",
}
