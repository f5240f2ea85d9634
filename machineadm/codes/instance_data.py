"""Instance data: MA142x in the configuration, MA352x on the machine."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: nothing has been touched."

TABLE: dict[str, Code] = {
    "MA1421": Code(
        "not a string with references",
        "An instanceData refers to nothing, has a `$(` that begins no `$(name)`, or an unknown function.",
        "Write `$(name)`, `$(name|short)` or `$(name|lower)`, and `$$(` for a literal `$(`. A value without references "
        "belongs in the field itself.",
    ),
    "MA1422": Code(
        "no such name of instance data",
        "An instanceData refers to a name that no source knows, or to one that may hold secrets of others (user data), "
        "which is never read.",
        "Use the suggestion; docs/instance-data.md lists all names, and `machineadm facts` their values on a machine.",
    ),
    "MA1423": Code(
        "a file of instance data that cannot be used",
        "The file of `--instance-data` is not YAML or JSON in the form of cloud-init's instance-data.json.",
        "Use a map with v1, ds, env, host or net: `v1: {local_hostname: node-1}`.",
    ),
    "MA3520": Code(
        "a value that no source knows",
        "The configuration refers to instance data, and no source that was asked has it. The message names each source "
        "and its answer. Nothing "
        "was touched: a node can never change its name and provider id, so neither is guessed.",
        "`machineadm facts` shows what there is. Where the platform was not recognised, name the source in "
        "machine.instanceData.sources; a file "
        f"for --instance-data gives values by hand. {_RERUN}",
    ),
    "MA3521": Code(
        "the metadata service does not answer",
        "A request to the platform's metadata service got no complete answer in time, or one that is not HTTP.",
        "Ask it by hand (`curl --noproxy '*' http://169.254.169.254/`): a firewall, a hop limit of 1 in a container, or "
        f"a service that is turned off can be the cause. {_RERUN}",
    ),
}
