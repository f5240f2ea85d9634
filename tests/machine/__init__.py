"""Throw-away machines: systemd as PID 1 over a Debian 12 root, in a container; and how a test uses one."""
