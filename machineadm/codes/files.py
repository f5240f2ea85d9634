"""Files: MA30xx, and what their entries in a configuration must be."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA1307": Code(
        "content is not encoded as it says",
        "A file's content is not base64, or not gzip in base64.",
        "`base64 -w0 FILE` or `gzip -c FILE | base64 -w0` write it.",
    ),
    "MA1309": Code(
        "a download without a digest",
        "A file comes over http or https, and nothing says which bytes it must have.",
        "Add sha256 or sha512 of the file.",
    ),
    "MA1325": Code(
        "contents that are too large together",
        "Decoded, the contents of all files of the configuration are more than 16 MiB. They are held in memory, and an "
        "alias or gzip makes a lot of a few bytes.",
        "Give large files by `source`, with their digest: they are streamed.",
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
        "something that is not a file is in the way",
        "A directory, device, pipe or socket is where a file is to be written or read.",
        f"Look at it (`ls -ld`); remove it or choose another path. {_RERUN}",
    ),
    "MA3005": Code(
        "a part of the path is not a directory",
        "A file is where the path needs a directory.",
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
        "the root is not a directory",
        "--root names something that does not exist, cannot be entered, or is not a directory.",
        "Make the directory first, or fix the option.",
    ),
    "MA3011": Code(
        "the owner of a file is not known",
        "A file should belong to a user or group that the machine (below --root: DIR/etc/passwd and "
        "DIR/etc/group) does not know. Nothing of the batch was written.",
        "Have the image or a boot command make the account, or give numbers in place of names. "
        + _RERUN,
    ),
    "MA3012": Code(
        "appending and downloading exclude each other",
        "A file would be downloaded and appended to at once.",
        "Give the lines in `content`, or download to a path of its own.",
    ),
    "MA3013": Code(
        "a user's link leads where that user must not",
        "The path goes through a symbolic link that belongs neither to root nor, below --root, to the "
        "owner of DIR, and that does not lead to a directory of the link's own owner. Following it, "
        "root would read or write where a user has sent it. Nothing was written there.",
        "`namei -lo PATH` shows the link. Remove it, give the real path in the configuration, or, if "
        f"you trust it, make it root's (`chown -h root LINK`). {_RERUN}",
    ),
    "MA3014": Code(
        "a file is too large to be read",
        "A file that is to be appended to, compared, or read by the agent itself is larger than 64 MiB; "
        "a sparse file claims any size without filling a disk.",
        "`ls -ls` shows size and blocks. Empty or remove the file, or leave the entry out; large "
        f"contents belong in `source`, without `append`. {_RERUN}",
    ),
    "MA3015": Code(
        "this file is not appended to",
        "What is appended to is read and written again with the mode and owner it has. A file with "
        "further hard links, or of a user who owns neither its directory nor, by the configuration, "
        "the file, may be somebody else's, put there under another name.",
        "`ls -li` shows owner and number of links. Remove the file, or make it root's or its "
        f"directory's owner's (`chown`), or write it whole, without `append`. {_RERUN}",
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
}
