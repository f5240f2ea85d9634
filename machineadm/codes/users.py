"""Users and groups."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA3501": Code(
        "an account that is there is another one",
        "A group of that name has another id than the configuration says, or a user its home elsewhere. It stays as it is: files may belong to it.",
        f"Take the id or the home that it has, or another name. {_RERUN}",
    ),
    "MA3502": Code(
        "an account cannot be made or changed",
        "groupadd, useradd, usermod, chpasswd or install failed; the report has its words. What was there stays.",
        "A group with that id, or a shell or a home directory that is refused, is named there; a lock of /etc/passwd goes away by itself. "
        f"A system without these programs needs its accounts in the image. {_RERUN}",
    ),
    "MA3503": Code(
        "rules for sudo that visudo refuses",
        "The rules of the users are checked before they are written: a file that sudo cannot read turns it off for everybody. None was written.",
        f"Fix the user's `sudo`: what stands behind the name in sudoers(5). {_RERUN}",
    ),
}
