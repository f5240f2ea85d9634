"""The stream as a whole, the run itself, the command line, and machineadm's own faults."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1220": Code(
        "no MachineConfiguration",
        "The stream has no document of kind MachineConfiguration, so there is nothing to do.",
        "Look whether --path names all files of the stream; start with one of examples/.",
    ),
    "MA1221": Code(
        "two MachineConfigurations",
        "All --path together are one stream of documents, and it says twice what the machine is.",
        "Leave one of the documents out, or merge them.",
    ),
    "MA1222": Code(
        "a document that does not belong there",
        "The kind is known, but it is not part of a configuration.",
        "Leave the document out.",
    ),
    "MA2010": Code(
        "the configuration is for another agent",
        "spec.agent says which agent the configuration was made for, and this one has another "
        "version or digest. Nothing was touched.",
        "Install that agent on the machine, or fix spec.agent. `machineadm version --digest` "
        "shows what this one is.",
    ),
    "MA6001": Code(
        "another run holds the lock",
        "One run at a time works on a machine. The lock is held by an agent that runs, or by a "
        "program that it started and that still runs. Nothing was touched.",
        "Wait for it: `machineadm status --wait`. If no agent runs, look for what it started: "
        "`fuser` on the lock file in the run directory names it.",
    ),
    "MA6002": Code(
        "interrupted",
        "A signal ended the run (SIGTERM, SIGINT). The running program was ended; the journal says "
        "what is done, and the next run goes on from there.",
        "Run the same command again; after a reboot the resume unit does so by itself.",
    ),
    "MA6003": Code(
        "out of time",
        "The run took longer than --deadline. The running program was ended; the journal says what "
        "is done, and the next run goes on from there.",
        "Look at the step that the report names. Give more time with --deadline, then run the same "
        "command again; after a reboot the resume unit does so by itself.",
    ),
    "MA6004": Code(
        "journal is damaged",
        "A line of journal.jsonl in the state directory is unreadable, and it is not the last one, "
        "so a power loss does not explain it. Nothing was touched.",
        "Replace the machine if you can. Otherwise find out what wrote to the file; moving it away "
        "starts over, and commands that ran once will run again.",
    ),
    "MA6005": Code(
        "the machine is bootstrapped already, as something else",
        "The journal says that this machine has become a node, and the configuration now asks for "
        "another role, cluster or Kubernetes version. Nothing was touched.",
        "Machines are replaced, not converted. To upgrade a node use kubeadm upgrade. To use the "
        "machine for something else: `kubeadm reset`, then remove the state directory.",
    ),
    "MA6006": Code(
        "the report cannot be written",
        "status.json or a sentinel could not be written. At the start nothing else was touched; at "
        "the end all steps are done, but the run does not count as succeeded.",
        "Look at the run directory and at /run/cluster-api: full, read-only, no permission? Then "
        "run the same command again: it finds the work done and reports it.",
    ),
    "MA6007": Code(
        "the last report is not readable",
        "status.json is not what this release writes: another release, or something else, wrote it.",
        "Look at status.json in the run directory and in the state directory.",
    ),
    "MA6008": Code(
        "nothing ever ran",
        "`status` found no report, neither in the run directory nor in the state directory.",
        "Check --root, --run-dir and --state-dir, and whether the machine's user data called "
        "`machineadm bootstrap` at all (/var/log/cloud-init-output.log).",
    ),
    "MA6009": Code(
        "the wait is over, the run is not",
        "`status --wait --timeout` ran out of time while the bootstrap still ran.",
        "Wait longer, or look at the step that `machineadm status` shows as running.",
    ),
    "MA6010": Code(
        "the run is gone without an end",
        "The report says that a bootstrap is at work, but no process holds its lock: it was killed, or the machine "
        "went down. Nothing is lost: the journal knows what was done.",
        "Run the same command again: it goes on where the last one stopped. After a reboot "
        "machineadm-resume.service does so by itself.",
    ),
    "MA6011": Code(
        "others may write to the agent's own directory",
        "The run or state directory belongs to somebody else, or its group or everybody may write to it. "
        "Whatever is in it may be forged: a journal that says steps are done, a configuration for the "
        "next boot. Nothing of it was read.",
        "Look who made it (`ls -ld`), and into it. If it may all be lost, remove it: the next run starts "
        "from the beginning. Else `chown root DIR; chmod 0700 DIR`, and run the same command again.",
    ),
    "MA7001": Code(
        "the command line is not understood",
        "An option or argument is unknown, missing or has a value of the wrong form. The same "
        "holds for environment variables MACHINEADM_<OPTION>. Nothing was touched.",
        "`machineadm --help` and `machineadm COMMAND --help` list what there is.",
    ),
    "MA7002": Code(
        "nothing is known by that name",
        "`explain` or `schema` was asked for a code, a kind or a field that this release does not have.",
        "Codes are MA and four digits, as printed in front of an error's message; `schema` lists the kinds, and "
        "`explain KIND` their fields.",
    ),
    "MA7003": Code(
        "needs root",
        "Bootstrapping the running system changes it as root only. Nothing was touched.",
        "Run as root, or prepare another tree with --root DIR.",
    ),
    "MA7004": Code(
        "configuration cannot be read",
        "A --path names a file that does not exist, cannot be read or is too large.",
        "Check the path and its permissions; `-` reads standard input.",
    ),
    "MA7005": Code(
        "the output cannot be written",
        "Standard output is a file or a device that is full. A run of `bootstrap` does not end "
        "for that; every other command has nothing else to do than to print.",
        "Make room, or redirect the output elsewhere.",
    ),
    "MA7006": Code(
        "the agent cannot load its libraries",
        "The libraries are unpacked below /var/cache (root) or ~/.cache, whole and unchanged, and the system "
        "does not load them: a security policy forbids it, or a library that they need is missing.",
        "The message names the library: `ldd` shows what it lacks, the audit log what was forbidden. MACHINEADM_CACHE names "
        "another directory; units that start the agent again keep it.",
    ),
    "MA6020": Code(
        "the state was written by a later release",
        "The journal or the ledger in the state directory has a format that this release does not know. Nothing was changed.",
        "Run the release that wrote it, or a later one, on this machine.",
    ),
    "MA6021": Code(
        "the machine reboots",
        "Steps asked for a reboot, the configuration allows it, and the run goes on at the next boot by itself.",
        "Nothing, unless the machine does not come up again.",
    ),
    "MA6022": Code(
        "the ledger is damaged",
        "The file in which the agent keeps what it owns on this machine cannot be read, and no power loss explains it.",
        "If nothing but this machine's bootstrap wrote it, replace the machine. To start over, move the file away.",
    ),
    "MA9001": Code(
        "a fault of machineadm itself",
        "Something happened that the program does not foresee. What was done is in the journal; "
        "the next run goes on from there.",
        "Please report it, with internal-error.txt from the run directory "
        "(look through it for secrets first).",
    ),
    "MA9002": Code(
        "a check tried to act",
        "A check, which only looks at the machine, tried to change it. Nothing was changed.",
        "Please report it: it is a fault of machineadm itself.",
    ),
}
