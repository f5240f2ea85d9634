"""The kernel's command line."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3621": Code(
        "nobody here can set kernel arguments",
        "The running kernel lacks arguments of the configuration, and the machine has neither update-grub nor grubby, which would add them to the "
        "boot loader's configuration.",
        "Put them into the image, or set them with the boot loader's own program in `commands.boot` (Flatcar: /oem/grub.cfg; systemd-boot: "
        "/etc/kernel/cmdline and `kernel-install`), and reboot.",
    ),
    "MA3622": Code(
        "kernel arguments do not arrive",
        "The arguments were added to the boot loader's configuration in an earlier boot, and the kernel that was started since lacks them.",
        "`cat /proc/cmdline` shows what it has. Is GRUB's configuration the one that this machine boots by? Where a hypervisor, a container or a unified "
        "kernel image gives the command line, set them there.",
    ),
    "MA3623": Code(
        "grubby failed",
        "grubby could not add arguments to the boot entries.",
        "Its words are in the report; `grubby --info=ALL` shows the entries. Then run the same command again.",
    ),
}
