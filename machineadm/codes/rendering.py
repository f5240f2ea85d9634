"""MA16xx: a MachineBootstrap that cannot be rendered, and templates."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1601": Code(
        "no such Secret or ConfigMap",
        "The MachineBootstrap refers to an object that is not among the documents, or is in another "
        "namespace. Nothing was rendered.",
        "Add the object to the documents (`kubectl get secret NAME -o yaml`), or fix the name.",
    ),
    "MA1602": Code(
        "no such key",
        "The Secret or ConfigMap exists, but does not have the key. A template is under "
        "the key `template`.",
        "Fix the key; the hint lists the existing ones.",
    ),
    "MA1603": Code(
        "a value that does not fit its field",
        "A value of a Secret or ConfigMap is not UTF-8, and the field that refers to it takes text.",
        "Check the value with `base64 -d`. Only the content of a file may be binary.",
    ),
    "MA1604": Code(
        "settings that do not go together",
        "A field of the MachineBootstrap has no effect together with another one.",
        "Change what the message names.",
    ),
    "MA1605": Code(
        "no MachineBootstrap",
        "None of the documents is a MachineBootstrap or a MachineBootstrapTemplate.",
        "Add one, with the Secrets and ConfigMaps that it refers to.",
    ),
    "MA1606": Code(
        "a second MachineBootstrap",
        "User data is for one machine, and there are two MachineBootstraps.",
        "Render them one by one.",
    ),
    "MA1607": Code(
        "values too large in total",
        "The Secrets and ConfigMaps that the MachineBootstrap refers to exceed the 16 MiB that a machine reads; "
        "each counts every time it is referred to.",
        "Have the machine fetch large files from a source.",
    ),
    "MA1610": Code(
        "template: not well-formed",
        "Go's text/template would refuse this template, too. Line and column are those in the template.",
        "Fix it there.",
    ),
    "MA1611": Code(
        "template: unsupported feature",
        "The template uses features of Go's text/template that user data templates do not have: variables, "
        "fields, numbers, range, with, define, Go's own functions.",
        "Use only functions, pipelines, string literals, true, false, parentheses, if, else and end.",
    ),
    "MA1612": Code(
        "template: unknown function",
        "The template calls a function that does not exist.",
        "docs/rendering.md lists all functions.",
    ),
    "MA1613": Code(
        "template: wrong argument",
        "A function has too many arguments, too few, or one of the wrong type.",
        "base64, gzip and quote take one string, from a pipe or after their name; machine_config, agent_fetch "
        "and agent_path take no arguments.",
    ),
    "MA1614": Code(
        "template: too large",
        "The template has too many actions, its functions process too much, its output is above 16 MiB, or the machine "
        "would decompress more than that. The limits are for the whole template: one call is cheap, thousands are not.",
        "Check how often the template uses machine_config; docs/rendering.md lists the limits.",
    ),
    "MA1620": Code(
        "user data too large",
        "The user data is larger than spec.dataSizeLimit. Nothing was rendered.",
        "Have the machine fetch large files from a source, use elliptic curve keys instead of RSA, or "
        "keep the configuration in a store (spec.infrastructureRef).",
    ),
    "MA1621": Code(
        "user data that is a Jinja template",
        "The template, or a part of it, begins with `## template: jinja` or is of type text/jinja2: cloud-init would "
        "run Jinja over all of it, including contents of "
        "files, so that braces in a script fail or are replaced.",
        "Remove the line. If you need instance data, read it on the machine, in a command.",
    ),
    "MA1622": Code(
        "user data that its reader would refuse or misread",
        "Your template's output is not a cloud-config or an Ignition configuration, or its reader would read it as "
        "something else: of two equal keys only one counts, merge keys and tags change what a map contains, unknown "
        "keys are ignored.",
        "Render it with `--template bare` to see the configuration, and check the position that the message names.",
    ),
    "MA1623": Code(
        "the additional Ignition configuration cannot be merged",
        "`spec.ignition.additionalConfig` is not JSON that Ignition reads, has keys that Ignition does not know, or is of a version that does not fit the "
        "rendered configuration.",
        "Have Butane write it (`butane --strict`), for the version that `ignitionVersion` says. `ignition-validate` judges it by itself.",
    ),
    "MA1624": Code(
        "the additional Ignition configuration and machineadm write the same",
        "`spec.ignition.additionalConfig` has a file, unit or setting that the rendered configuration has, too. Nothing of either is dropped silently.",
        "Take it out. To change how the agent's unit starts, give it drop-ins.",
    ),
    "MA1630": Code(
        "warning: a path that cannot be written",
        "The agent would be installed below /usr on a system that Ignition sets up.",
        "Leave `destination` out, or choose a path below /opt.",
    ),
    "MA1631": Code(
        "warning: headers in clear text",
        "The configuration is encrypted, but the script that fetches the agent has its headers in clear text.",
        "Use a header that gives access to the agent alone, or an image that brings the agent.",
    ),
    "MA1632": Code(
        "warning: a store is named",
        "With spec.infrastructureRef the manager puts the configuration into a store, and the user data fetches "
        "it from there. The output here contains the configuration itself.",
        "Nothing, if you wanted to see the configuration.",
    ),
    "MA1633": Code(
        "warning: a template that leaves something out",
        "The template does not include the configuration, or the script that fetches the agent.",
        "Add what is missing; docs/rendering.md shows a whole template.",
    ),
    "MA1634": Code(
        "warning: others can read the configuration",
        "The template writes the configuration, or the fetch script with the headers of a private mirror, where other "
        "users of the machine can read it, or can plant a file or link first.",
        "Write it below /run/machineadm with permissions 0600, as the built-in templates do.",
    ),
    "MA1635": Code(
        "warning: a version without v in a URL",
        "A URL of the agent has `{version}` as a directory, and the version lacks the v that release directories "
        "begin with.",
        "Write the version with v; the agent ignores it when it compares versions.",
    ),
}
