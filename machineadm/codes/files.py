"""Files: MA30xx, and what their entries in a configuration must be."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA1307": Code(
        "content is not encoded as declared",
        "A file's content is not base64, or not gzip in base64.",
        "`base64 -w0 FILE` or `gzip -c FILE | base64 -w0` write it.",
    ),
    "MA1309": Code(
        "a download without a digest",
        "A file is downloaded over http or https, and nothing says what its content must be.",
        "Add the file's sha256 or sha512.",
    ),
    "MA1325": Code(
        "contents too large in total",
        "The decoded contents of all files of the configuration are more than 16 MiB. They are held in memory, and an "
        "alias or gzip can expand a few bytes into a lot.",
        "Use `source` with a digest for large files: they are streamed.",
    ),
    "MA3001": Code(
        "the file system is full",
        "A file could not be written: no space or inodes left, or the quota is used up. The batch's "
        "temporary files were removed; files have their old content or their new one.",
        f"Free some space: `df -h` and `df -i` show what is used up. {_RERUN}",
    ),
    "MA3002": Code(
        "the file system is read-only",
        "A file could not be written because its file system is mounted read-only; after disk "
        "errors the kernel does that itself (`dmesg`).",
        f"Mount it writable, or choose a writable path; /usr is read-only on some systems. {_RERUN}",
    ),
    "MA3003": Code(
        "permission denied",
        "The kernel refused to read or write a file.",
        "Run as root. If you did, check for immutable files (`lsattr`), SELinux or AppArmor "
        f"(`ausearch -m avc`, `dmesg`), and a container that lacks capabilities. {_RERUN}",
    ),
    "MA3004": Code(
        "something that is not a file is in the way",
        "There is a directory, device, pipe or socket where a file should be written or read.",
        f"Look at it (`ls -ld`); remove it or choose another path. {_RERUN}",
    ),
    "MA3005": Code(
        "a part of the path is not a directory",
        "There is a file where the path needs a directory.",
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
        "Container engines mount /etc/hosts, /etc/hostname and /etc/resolv.conf this way.",
        f"Unmount it (`findmnt PATH`, `umount PATH`), or leave the file out. {_RERUN}",
    ),
    "MA3008": Code(
        "a name is too long",
        "A part of the path is longer than its file system allows, 255 bytes on most.",
        "Choose a shorter name.",
    ),
    "MA3009": Code(
        "a file cannot be read or written",
        "The kernel returned an unusual error; the message quotes it.",
        f"An input/output error points to the disk: see `dmesg`. {_RERUN}",
    ),
    "MA3010": Code(
        "the root is not a directory",
        "--root names something that does not exist, cannot be searched, or is not a directory.",
        "Create the directory first, or fix the option.",
    ),
    "MA3011": Code(
        "the owner of a file is unknown",
        "A file should belong to a user or group that the machine (below --root: DIR/etc/passwd and "
        "DIR/etc/group) does not know. Nothing of the batch was written.",
        "Have the image or a boot command create the account, or use numeric ids. " + _RERUN,
    ),
    "MA3012": Code(
        "appending and downloading exclude each other",
        "A file would be downloaded and appended to at once.",
        "Put the lines into `content`, or download to another path.",
    ),
    "MA3013": Code(
        "a user's link leads outside that user's directories",
        "The path goes through a symbolic link that belongs neither to root nor, below --root, to the "
        "owner of DIR, and that does not lead to a directory of the link's own owner. By following it, "
        "root would read or write where a user sent it. Nothing was written there.",
        "`namei -lo PATH` shows the link. Remove it, give the real path in the configuration, or, if "
        f"you trust it, give it to root (`chown -h root LINK`). {_RERUN}",
    ),
    "MA3014": Code(
        "a file is too large to be read",
        "A file to append to, to compare, or to be read by the agent itself is larger than 64 MiB; "
        "a sparse file claims any size without filling a disk.",
        "`ls -ls` shows size and blocks. Empty or remove the file, or leave the entry out; large "
        f"contents belong in `source`, without `append`. {_RERUN}",
    ),
    "MA3015": Code(
        "refused to append to this file",
        "Appending reads a file and writes it again with the same mode and owner. A file with "
        "more hard links, or of a user who owns neither its directory nor, according to the configuration, "
        "the file, may be another user's, linked there under another name.",
        "`ls -li` shows the owner and number of links. Remove the file, or change its owner to root or to its "
        f"directory's owner (`chown`), or write the whole file, without `append`. {_RERUN}",
    ),
    "MA3021": Code(
        "somebody else changed a file",
        "A command of the configuration had changed a declared file, and now the file is neither what the configuration "
        "says nor what the command made of it. Writing either would lose somebody's change, so nothing was written.",
        "The report shows the difference. Put the file back, or remove it: a file that is gone is restored as the command "
        f"left it. {_RERUN}",
    ),
    "MA3022": Code(
        "a command's change to a file is lost",
        "A command had changed or created the file, and what the file must be now was too large to keep (1 MiB a file, 16 MiB "
        "in all). Either it is gone or was reset, or a command that failed has changed it and would change it a second time.",
        "Put the file back: of one that is gone, or have its command run again by changing the command (a comment is enough); of one "
        f"that was changed, as the message says it was. {_RERUN} `machineadm reset` gives up what cannot be put back.",
    ),
    "MA3030": Code(
        "unknown condition to wait for",
        "A step asked for a wait that this release does not know.",
        "This is a bug in machineadm; please report it.",
    ),
    "MA3031": Code(
        "gave up waiting",
        "Something that a step needs (a socket, a unit, a mount, a synchronized clock) did not appear in time.",
        f"The message says what was missing; find out why (`journalctl -b`, `systemctl status`). {_RERUN}",
    ),
}
