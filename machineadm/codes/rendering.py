"""MA16xx: a MachineBootstrap that cannot be rendered, and templates."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1601": Code(
        "no such Secret or ConfigMap",
        "A MachineBootstrap refers to an object that is not among the documents, or is in another "
        "namespace. Nothing was rendered.",
        "Give the object as a further document (`kubectl get secret NAME -o yaml`), or correct the name.",
    ),
    "MA1602": Code(
        "no such key",
        "The Secret or ConfigMap is there, the key that is referred to is not. A template stands under "
        "the key `template`.",
        "Correct the key; the hint names those that there are.",
    ),
    "MA1603": Code(
        "a value that does not fit its place",
        "The value of a Secret or ConfigMap is not UTF-8, and its place takes text.",
        "Look at the value with `base64 -d`. Only the content of a file may be any bytes.",
    ),
    "MA1604": Code(
        "settings that do not go together",
        "A field of the MachineBootstrap has no meaning together with another one.",
        "Change what the message names.",
    ),
    "MA1605": Code(
        "no MachineBootstrap",
        "None of the documents is a MachineBootstrap or a MachineBootstrapTemplate.",
        "Give one, and with it the Secrets and ConfigMaps that it refers to.",
    ),
    "MA1606": Code(
        "a second MachineBootstrap",
        "User data is that of one machine, and the documents are about two.",
        "Render them one by one.",
    ),
    "MA1607": Code(
        "values that are too large together",
        "The Secrets and ConfigMaps that a MachineBootstrap refers to come to more than the 16 MiB that a machine reads, "
        "each counted as often as it is referred to.",
        "Let the machine fetch large files from a source.",
    ),
    "MA1610": Code(
        "template: not well-formed",
        "The template is none to Go's text/template either. Line and column are those in the template.",
        "Fix it there.",
    ),
    "MA1611": Code(
        "template: more than is there",
        "The template uses what Go's text/template has and templates of user data have not: variables, "
        "fields, numbers, range, with, define, Go's own functions.",
        "Use functions, pipelines, string literals, true, false, parentheses, if, else and end.",
    ),
    "MA1612": Code(
        "template: unknown function",
        "The template calls a function that there is not.",
        "docs/rendering.md lists all.",
    ),
    "MA1613": Code(
        "template: wrong argument",
        "A function is given too many values, too few, or one that it cannot take.",
        "base64, gzip and quote take one text, by a pipe or behind their name; machine_config, agent_fetch "
        "and agent_path take none.",
    ),
    "MA1614": Code(
        "template: too large",
        "The template has too many actions, its functions are given too much, it gives more than 16 MiB, or what it has the "
        "machine decompress is more than that. The bounds are those of the whole: one call is cheap, thousands are not.",
        "Look whether the template names machine_config as often as you meant it to; docs/rendering.md has the bounds.",
    ),
    "MA1620": Code(
        "user data too large",
        "The user data is larger than spec.dataSizeLimit. Nothing was rendered.",
        "Let the machine fetch large files from a source, take keys on elliptic curves in place of RSA, or "
        "keep the configuration in a store (spec.infrastructureRef).",
    ),
    "MA1621": Code(
        "user data that is a Jinja template",
        "The template, or a part of it, begins with `## template: jinja` or is of type text/jinja2: cloud-init would run Jinja over all of it, contents of "
        "files included, so that braces in a script are an error or are replaced.",
        "Remove the line. What Jinja knows (instance data) the machine's own configuration can ask for.",
    ),
    "MA1622": Code(
        "user data that its reader would not take",
        "What a template of your own has made is not a cloud-config or an Ignition configuration, or its reader would take it for something "
        "else than stands there: of two equal keys one counts, merge keys and tags change what a map holds, unknown keys are passed over.",
        "Render it with `--template bare` to see the configuration, and look at the place that is named.",
    ),
    "MA1630": Code(
        "warning: a place that cannot be written",
        "The agent would be put below /usr on a system that Ignition sets up.",
        "Leave `destination` out, or choose a place below /opt.",
    ),
    "MA1631": Code(
        "warning: headers in the open",
        "The configuration is encrypted, but the script that fetches the agent holds its headers in the open.",
        "Use a header that gives access to the agent alone, or an image that brings the agent.",
    ),
    "MA1632": Code(
        "warning: a store is named",
        "With spec.infrastructureRef the manager puts the configuration into a store, and the user data fetches "
        "it from there. What was rendered here holds the configuration itself.",
        "Nothing, if that is what you want to look at.",
    ),
    "MA1633": Code(
        "warning: a template that leaves something out",
        "The template has no place for the configuration, or for the script that fetches the agent.",
        "Add what is missing; docs/rendering.md shows a whole template.",
    ),
    "MA1634": Code(
        "warning: the configuration is open",
        "The template writes the configuration, or the fetch script with the headers of a private mirror, where other "
        "users of the machine can read it, or can put a file or a link in its place before.",
        "Write it below /run/machineadm with permissions 0600, as the built-in templates do.",
    ),
    "MA1635": Code(
        "warning: a version without v in a URL",
        "A URL of the agent has `{version}` as a directory, and the version is given without the v that directories of releases "
        "begin with.",
        "Write the version with v; the agent compares the rest.",
    ),
}
