"""The stream as a whole, the run itself, the command line, and machineadm's own faults."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1220": Code(
        "no MachineConfiguration",
        "The stream has no document of kind MachineConfiguration, so there is nothing to do.",
        "Check that --path names all files of the stream; examples/ has some to start from.",
    ),
    "MA1221": Code(
        "two MachineConfigurations",
        "All --path files together are one stream of documents, and they describe the machine twice.",
        "Remove one of the documents, or merge them.",
    ),
    "MA1222": Code(
        "a document that does not belong here",
        "The kind is known, but it is not part of a configuration.",
        "Remove the document.",
    ),
    "MA2010": Code(
        "the configuration is for another agent",
        "spec.agent says which agent the configuration was made for, and this one has another "
        "version or digest. Nothing was changed.",
        "Install that agent on the machine, or fix spec.agent. `machineadm version --digest` "
        "shows what this one is.",
    ),
    "MA6001": Code(
        "another run holds the lock",
        "One run at a time works on a machine. The lock is held by a running agent, or by a program that it started and "
        "that is still running. Nothing was changed.",
        "Wait for it: `machineadm status --wait`. If no agent is running, look for what it started: "
        "`fuser` on the lock file in the run directory names it.",
    ),
    "MA6002": Code(
        "interrupted",
        "A signal ended the run (SIGTERM, SIGINT). The running program was stopped; the journal says "
        "what is done, and the next run continues from there.",
        "Run the same command again; after a reboot the resume unit does so.",
    ),
    "MA6003": Code(
        "out of time",
        "The run took longer than --deadline. The running program was stopped; the journal says what "
        "is done, and the next run continues from there.",
        "Check the step that the report names. Allow more time with --deadline, then run the same "
        "command again; after a reboot the resume unit does so.",
    ),
    "MA6004": Code(
        "journal is damaged",
        "A line of journal.jsonl in the state directory is unreadable, and it is not the last one, "
        "so a power loss does not explain it. Nothing was changed.",
        "Replace the machine if you can. Otherwise find out what wrote to the file. Moving it away "
        "starts over, so commands that already ran will run again.",
    ),
    "MA6005": Code(
        "the machine is already bootstrapped as something else",
        "The journal says that this machine has become a node, and the configuration now asks for "
        "another role, cluster or Kubernetes version. Nothing was changed.",
        "Machines are replaced, not converted. To upgrade a node use kubeadm upgrade. To use the "
        "machine for something else: `machineadm reset`.",
    ),
    "MA6006": Code(
        "the report cannot be written",
        "status.json or a sentinel could not be written. At the start, nothing was changed; at "
        "the end, all steps are done, but the run does not count as succeeded.",
        "Check the run directory and /run/cluster-api: full, read-only, no permission? Then "
        "run the same command again: it finds everything done and reports it.",
    ),
    "MA6007": Code(
        "the last report is not readable",
        "status.json is not in this release's format: another release, or something else, wrote it.",
        "Check status.json in the run directory and in the state directory.",
    ),
    "MA6008": Code(
        "no bootstrap has run",
        "`status` found no report in the run directory or the state directory.",
        "Check --root, --run-dir and --state-dir, and that the machine's user data called "
        "`machineadm bootstrap` at all (/var/log/cloud-init-output.log).",
    ),
    "MA6009": Code(
        "timed out waiting for the run",
        "`status --wait --timeout` ran out of time while the bootstrap still ran.",
        "Wait longer, or check the step that `machineadm status` shows as running.",
    ),
    "MA6010": Code(
        "the run was cut off",
        "The report says that a bootstrap is running, but no process holds its lock: it was killed, or the machine "
        "went down. Nothing is lost: the journal says what was done.",
        "Run the same command again: it continues where the last one stopped. After a reboot "
        "machineadm-resume.service does so.",
    ),
    "MA6011": Code(
        "others may write to the agent's own directory",
        "The run or state directory belongs to somebody else, or is writable by its group or everyone. "
        "Its content may be forged: a journal that says steps are done, a configuration for the "
        "next boot. Nothing in it was read.",
        "Find out who made it (`ls -ld`), and check its content. If nothing in it matters, remove it: the next run starts "
        "from the beginning. Otherwise `chown root DIR; chmod 0700 DIR`, and run the same command again.",
    ),
    "MA7001": Code(
        "the command line is wrong",
        "An option or argument is unknown, missing or has an invalid value. The same "
        "goes for environment variables MACHINEADM_<OPTION>. Nothing was changed.",
        "See `machineadm --help` and `machineadm COMMAND --help`.",
    ),
    "MA7002": Code(
        "unknown name",
        "This release does not have the code, kind or field that `explain` or `schema` was asked for.",
        "A code is MA and four digits, as printed before an error's message; `schema` lists the kinds, and "
        "`explain KIND` their fields.",
    ),
    "MA7003": Code(
        "needs root",
        "Only root can bootstrap the running system. Nothing was changed.",
        "Run as root, or work on another tree with --root DIR.",
    ),
    "MA7004": Code(
        "configuration cannot be read",
        "A --path names a file that does not exist, cannot be read or is too large.",
        "Check the path and its permissions; `-` reads standard input.",
    ),
    "MA7005": Code(
        "the output cannot be written",
        "Standard output is a file or device that is full. A run of `bootstrap` does not stop "
        "for that; every other command only prints.",
        "Free some space, or redirect the output elsewhere.",
    ),
    "MA7006": Code(
        "the agent cannot load its libraries",
        "The libraries are unpacked below /var/cache (root) or ~/.cache, complete and unchanged, but the system "
        "does not load them: a security policy forbids it, or a library that they need is missing.",
        "The message names the library: `ldd` shows what it lacks, the audit log what was denied. MACHINEADM_CACHE names "
        "another directory; units that start the agent again keep it.",
    ),
    "MA6014": Code(
        "the archive of support-bundle cannot be written",
        "The file exists already, or its directory cannot be written to. Nothing was overwritten.",
        "Name another file with --to, or write to standard output: `machineadm support-bundle --to - > FILE`.",
    ),
    "MA6020": Code(
        "the state was written by a later release",
        "The journal or ledger in the state directory has a format that this release does not know. Nothing was changed.",
        "Run the release that wrote it, or a later one, on this machine.",
    ),
    "MA6030": Code(
        "the report does not arrive elsewhere",
        "spec.reporting asks for reports at a URL or by a plugin, and the last one did not arrive there. The run itself "
        "was not affected: its own report (status.json) has the condition Reported with the reason.",
        "Check the URL, its headers and certificates, or the plugin's log. `machineadm status` shows the report on the machine.",
    ),
    "MA6031": Code(
        "a reset was started and did not finish",
        "`machineadm reset` was killed, or failed, before it had taken everything back. What is left is neither what the "
        "configuration made nor what was there before, so no bootstrap starts. Nothing was changed.",
        "Run `machineadm reset` again: it continues where it stopped.",
    ),
    "MA6032": Code(
        "a reset must be confirmed",
        "`kubeadm reset` would remove more than the remains of an unfinished bootstrap of machineadm: a finished node, "
        "or what somebody else created or restored. Nothing was changed.",
        "Look at `machineadm reset --dry-run`, save what is needed, and confirm with --yes; at a terminal you are asked.",
    ),
    "MA6033": Code(
        "a node below another root cannot be reset",
        "The tree (`--root`) has files of kubeadm, which can be reset only on the running machine. Nothing was changed.",
        "Boot the machine and run `machineadm reset` there, or create the tree again.",
    ),
    "MA6034": Code(
        "there is no kubeadm to reset the node",
        "The machine has files of kubeadm, which only kubeadm removes, but there is no kubeadm on PATH. Nothing was changed.",
        "Install the kubeadm of the node's version, or put it on PATH, and run `machineadm reset` again.",
    ),
    "MA6021": Code(
        "the machine reboots",
        "Steps asked for a reboot, the configuration allows it, and the run continues after it.",
        "Wait; nothing to do unless the machine does not come up again.",
    ),
    "MA6022": Code(
        "the ledger is damaged",
        "The file that records what the agent owns on this machine cannot be read, and a power loss does not explain it.",
        "Replace the machine if you can. To start over, move the file away.",
    ),
    "MA9001": Code(
        "a bug in machineadm",
        "Something unexpected happened. The journal says what was done; "
        "the next run continues from there.",
        "Please report it, with internal-error.txt from the run directory "
        "(check it for secrets first).",
    ),
    "MA9002": Code(
        "a check tried to act",
        "A check, which must only look at the machine, tried to change it. Nothing was changed.",
        "Please report it: this is a bug in machineadm.",
    ),
}
