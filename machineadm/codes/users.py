"""Users and groups."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3501": Code(
        "an existing account differs",
        "A group has another id than the configuration says, or a user another home directory. It was left as it is: "
        "files may belong to it.",
        f"Use its id or home directory, or another name. {_RERUN}",
    ),
    "MA3502": Code(
        "an account cannot be created or changed",
        "groupadd, useradd, usermod, chpasswd or install failed; the report has its output. Nothing existing was removed.",
        "The output names a taken id, or a shell or home directory that is refused; a lock of /etc/passwd goes away by itself. "
        f"A system without these programs needs its accounts in the image. {_RERUN}",
    ),
    "MA3503": Code(
        "rules for sudo that visudo refuses",
        "The rules of the users are checked before they are written: a file that sudo cannot read turns it off for "
        "everybody. None was written.",
        f"Fix the user's `sudo`: the part of a rule after the name, as in sudoers(5). {_RERUN}",
    ),
}
