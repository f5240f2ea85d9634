"""What programs say of a certificate or a signed list whose time has not come, or is over, by this machine's clock.

Go's crypto/x509 (containerd, crictl, kubeadm), OpenSSL and GnuTLS (curl, apt, dnf), and apt of its lists.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from machineadm.host.ports import Host

NOT_YET: Final = (
    r"certificate is not (?:yet valid|valid yet|yet activated)|current time \S+ is before \S+|"
    r"not yet activated|is not valid yet \(invalid for another"
)
OVER: Final = (
    r"current time \S+ is after \S+|certificate has expired(?! or)|certificate chain .{0,80}has expired|"
    r"Release file for \S+ is expired"
)


def blamed_on_the_clock(output: str) -> str:
    """The code of a failure that is about this machine's clock: MA4032 if it is behind, MA4033 if it is ahead; or empty.

    Args:
        output: What a program said.
    """
    if re.search(NOT_YET, output):
        return "MA4032"
    return "MA4033" if re.search(OVER, output) else ""


def told_time(host: Host) -> str:
    """What this machine's clock says, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(host.clock.now()))


HINTS: Final = {
    "MA4032": "set the clock before the run: linuxConfiguration.ntp with requireSync waits until it is set",
    "MA4033": "compare it with the real time: set the clock, or have what has expired renewed",
}
"""What to do, by code."""
