"""MA20xx digests, MA30xx files, MA31xx downloads, MA32xx commands, MA33xx kernel, MA34xx services."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA2001": Code(
        "a download is not what it must be",
        "The content behind a URL has another digest than the configuration says. It never got its "
        "name; a file that was there before is still there.",
        "Find out which of the two is right: compute the digest of the file that you mean "
        "(sha256sum, sha512sum). If the URL gives something else, somebody changed it.",
    ),
    "MA3001": Code(
        "the file system is full",
        "A file could not be written: no space, no inodes, or the quota is used up. The batch's "
        "temporary files were removed; files have their old content or their new one.",
        f"`df -h` and `df -i` show which it is; free some. {_RERUN}",
    ),
    "MA3002": Code(
        "the file system is read-only",
        "A file could not be written because its file system is mounted read-only; after disk "
        "errors the kernel does so by itself (`dmesg`).",
        f"Mount it writable, or choose a path that is; /usr is read-only on some systems. {_RERUN}",
    ),
    "MA3003": Code(
        "permission denied",
        "The kernel refused to read or write a file.",
        "Run as root. As root look for immutable files (`lsattr`), at SELinux or AppArmor "
        f"(`ausearch -m avc`, `dmesg`) and for a container that lacks capabilities. {_RERUN}",
    ),
    "MA3004": Code(
        "something that is no file is in the way",
        "A folder, device, pipe or socket lies where a file is to be written or read.",
        f"Look at it (`ls -ld`); remove it or choose another path. {_RERUN}",
    ),
    "MA3005": Code(
        "a part of the path is not a folder",
        "A file lies where the path needs a folder.",
        f"Look at each part of the path (`namei -l PATH`). {_RERUN}",
    ),
    "MA3006": Code(
        "too many symbolic links",
        "More than 40 links had to be followed: they point at each other.",
        f"`namei -l PATH` shows them; remove one. {_RERUN}",
    ),
    "MA3007": Code(
        "a mount point cannot be replaced",
        "Files are replaced atomically, by renaming, and something is mounted over this one. "
        "Container engines mount /etc/hosts, /etc/hostname and /etc/resolv.conf so.",
        f"Unmount it (`findmnt PATH`, `umount PATH`), or leave the file out. {_RERUN}",
    ),
    "MA3008": Code(
        "a name is too long",
        "A part of the path is longer than its file system takes, 255 bytes on most.",
        "Choose a shorter name.",
    ),
    "MA3009": Code(
        "a file cannot be read or written",
        "The kernel gave an error that is not one of the usual ones; the message has its words.",
        f"An input/output error points at the disk: look at `dmesg`. {_RERUN}",
    ),
    "MA3010": Code(
        "the root is not a folder",
        "--root names something that does not exist, cannot be entered, or is no folder.",
        "Make the folder first, or mend the option.",
    ),
    "MA3011": Code(
        "the owner of a file is not known",
        "A file is to belong to a user or group that the machine (below --root: DIR/etc/passwd and "
        "DIR/etc/group) does not know. Nothing of the batch was written.",
        "Have the image or a boot command make the account, or give numbers in place of names. "
        + _RERUN,
    ),
    "MA3012": Code(
        "appending and downloading exclude each other",
        "A file is to be downloaded and to be appended to at once.",
        "Give the lines in `content`, or download to a path of its own.",
    ),
    "MA3021": Code(
        "a file was changed by somebody else",
        "A command of the configuration had changed a declared file, and now the file is neither what the configuration "
        "says nor what the command made of it. Writing either would lose somebody's change, so nothing was written.",
        "The report shows the difference. Put the file back, or remove it: a file that is gone is restored as the command "
        f"left it. {_RERUN}",
    ),
    "MA3022": Code(
        "what a command made of a file is lost",
        "A command had changed or made the file, the file is gone or was reset, and its content was too large to be kept "
        "(1 MiB a file, 16 MiB in all).",
        f"Put the file back, or have the command run again by changing it; a comment is enough. {_RERUN}",
    ),
    "MA3030": Code(
        "there is no such condition to wait for",
        "A step asked for a wait that this release does not know.",
        "This is a fault of machineadm itself; please report it.",
    ),
    "MA3031": Code(
        "a wait was in vain",
        "Something that a step needs (a socket, a unit, a mount, a clock that is set) was not there within its budget.",
        f"The message says what for and why; find out what keeps it (`journalctl -b`, `systemctl status`). {_RERUN}",
    ),
    "MA3101": Code(
        "unknown kind of URL",
        "A URL has a scheme that this release does not fetch.",
        "Use https; http and file work, too. For a configuration: a path, -, data, file, http, https.",
    ),
    "MA3102": Code(
        "the server cannot be reached",
        "Name resolution, connection or the TLS handshake failed, several times over.",
        "`getent hosts NAME`, `curl -v URL` on the machine; look at routes, firewalls, and the "
        f"proxy variables (https_proxy, no_proxy). {_RERUN}",
    ),
    "MA3103": Code(
        "a download broke off",
        "The connection ended, or was silent for too long, before the whole content had come; "
        "beginning anew did not help. Nothing of it got its name.",
        f"Look for a proxy or firewall that cuts long answers. {_RERUN}",
    ),
    "MA3104": Code(
        "the server refuses",
        "The server answered with an HTTP error. 429 and 5xx were tried again, others not.",
        "401 and 403: credentials (headers), or an expired pre-signed URL. 404: the URL. "
        f"5xx: the server's own log. {_RERUN}",
    ),
    "MA3105": Code(
        "the server's certificate is not trusted",
        "The certificate is signed by nobody whom the machine trusts, has expired, or is for "
        "another name.",
        "Give the CA bundle that signed it, or add it to the system's. A clock that is wrong "
        f"makes every certificate invalid: `date`. {_RERUN}",
    ),
    "MA3106": Code(
        "malformed URL or headers",
        "A request could not be made: a header or the URL holds line breaks, blanks or the like.",
        "Mend it; values taken from files often end in a line break.",
    ),
    "MA3107": Code(
        "nothing can be downloaded here",
        "A file has a source, and this kind of host has no downloads.",
        "Give the content in the configuration.",
    ),
    "MA3108": Code(
        "the CA bundle cannot be used",
        "The file does not exist, cannot be read, or holds no certificate in PEM.",
        "Look at the path; `openssl x509 -in FILE -noout -subject` must print a subject.",
    ),
    "MA3109": Code(
        "a redirect is not followed",
        "The server redirects from https to http, or to something that is no web address.",
        "Give the final URL yourself if you trust it: `curl -sIL URL` shows it.",
    ),
    "MA3110": Code(
        "a download is too large",
        "More bytes came than any file of this kind may have.",
        "Look at what the URL gives.",
    ),
    "MA3111": Code(
        "a file URL cannot be read",
        "The file that a file URL names does not exist, cannot be read, or is no regular file.",
        f"Look at the path, on the machine that the agent runs on. {_RERUN}",
    ),
    "MA3113": Code(
        "malformed URI of a configuration",
        "The URI given with --path is not of the form that its scheme has.",
        "data:,TEXT with percent-encoding, data:;base64,TEXT, or file:///PATH.",
    ),
    "MA3201": Code(
        "no such program",
        "A program that is to be run is not on the machine, or not on the agent's PATH.",
        f"Install it, have an earlier command install it, or give its full path. {_RERUN}",
    ),
    "MA3202": Code(
        "a program cannot be started",
        "The program is there, and the kernel refuses to start it: mode, #! line, architecture.",
        "`ls -l`, `head -1` and `file` of the program tell. For argv: no NUL, and not more than "
        f"the kernel takes. {_RERUN}",
    ),
    "MA3203": Code(
        "no such working directory",
        "The folder in which a command is to run does not exist.",
        f"Have an earlier command make it, or mend workingDirectory. {_RERUN}",
    ),
    "MA3204": Code(
        "a command failed",
        "A command of the configuration ended with an exit code that does not mean success, at its "
        "last attempt. Commands before it are done and are not run again.",
        "Its last output is in the report (logTail) and in the journal of the unit. Mend the "
        "command; `onFailure: Continue` lets the run go on in spite of it.",
    ),
    "MA3205": Code(
        "a command timed out",
        "A command did not end within its timeout; it and all it started were killed.",
        "Its last output tells what it waited for. Give it more time (timeout), or attempts "
        "(retries). Commands must not wait for input: there is none.",
    ),
    "MA3206": Code(
        "no command can be run below another root",
        "With --root commands are left for the machine itself.",
        "This is a fault of machineadm: such steps are deferred. Please report it.",
    ),
    "MA3301": Code(
        "a kernel module does not load",
        "modprobe failed; the message has its last words.",
        "`modinfo NAME`: is it built for the running kernel (`uname -r`)? Some distributions have "
        f"it in a package of its own (kernel-modules-extra). {_RERUN}",
    ),
    "MA3302": Code(
        "the running kernel is not this root's",
        "With --root modules, parameters and the host name are left for the machine itself.",
        "This is a fault of machineadm: such steps are deferred. Please report it.",
    ),
    "MA3303": Code(
        "a kernel parameter cannot be read",
        "It exists, and reading it fails: some parameters can only be written.",
        "Leave it out of sysctls, and set it with a command.",
    ),
    "MA3304": Code(
        "no such kernel parameter",
        "The running kernel has no parameter of that name.",
        "Mend the name (`sysctl -a`). net.bridge.* comes with the module br_netfilter, "
        f"net.netfilter.* with nf_conntrack: name the module in kernelModules. {_RERUN}",
    ),
    "MA3305": Code(
        "the kernel refuses a value",
        "Setting a parameter failed; the message has the kernel's words.",
        "Invalid argument: the value is out of its range. Permission denied, read-only: a container "
        f"may not set it. {_RERUN}",
    ),
    "MA3306": Code(
        "the host name cannot be set",
        "The kernel refused the running host name; /etc/hostname has the new one.",
        f"Run as root; a container needs CAP_SYS_ADMIN. {_RERUN}",
    ),
    "MA3307": Code(
        "a kernel parameter does not keep its value",
        "It was set without an error, and reads otherwise afterwards.",
        "The kernel rounds or limits it, another parameter of the list changes it "
        "(net.ipv4.ip_forward resets others: put it first), or a service sets it.",
    ),
    "MA3401": Code(
        "systemctl failed",
        "A unit could not be enabled, started, restarted or stopped.",
        f"`systemctl status UNIT` and `journalctl -u UNIT` tell why. {_RERUN}",
    ),
    "MA3402": Code(
        "no unit or program can be acted on below another root",
        "A step needs the init system or a program of the running system, and this is a tree (`--root`).",
        "This is a fault of machineadm itself, which defers such steps; please report it.",
    ),
    "MA3410": Code(
        "a program that had to follow a change failed",
        "A change on the machine asked for a program to be run after it (a trust store to be rebuilt), and that failed.",
        f"Run the program by hand to see what it says. {_RERUN}",
    ),
    "MA3411": Code(
        "a restart failed, and the change before it was taken back",
        "Files were changed, the unit that reads them did not come up with them, and they were put back as they were before "
        "this run, where that was kept. The unit was started again with the old files.",
        "Fix what the configuration says in those files; `journalctl -u` of the unit names its reason. Then run again.",
    ),
    "MA3412": Code(
        "the machine was rebooted too often",
        "Steps ask for a reboot although the agent rebooted the machine three times.",
        "Something undoes at every boot what the configuration asks for; the step's message says what it is.",
    ),
}
