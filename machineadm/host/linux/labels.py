"""SELinux labels: a new file gets the one that the policy's file contexts have for its path.

Without that it has the one that its directory gives to whatever is made in it, which is not the same for a unit file, a key of a
service, or anything that another name of the same directory is meant for. libselinux is asked, as restorecon(8) does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat

_ATTRIBUTE = "security.selinux"
_OF_FILES = 0
"""SELABEL_CTX_FILE."""


class Labels:
    """The file contexts of the policy that /etc/selinux/config names.

    Raises:
        OSError: There is no libselinux, or no policy.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libselinux.so.1", use_errno=True)
        # Declared: ctypes takes a result for an int of 32 bits, and would cut a pointer in half.
        self._library.selabel_open.restype = ctypes.c_void_p
        self._library.selabel_open.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_uint]
        self._library.selabel_lookup_raw.argtypes = [
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.c_char_p,
            ctypes.c_int,
        ]
        self._library.freecon.argtypes = [ctypes.c_void_p]
        self._library.freecon.restype = None
        self._handle = self._library.selabel_open(_OF_FILES, None, 0)
        if not self._handle:
            raise OSError(ctypes.get_errno(), "selabel_open")

    def wanted(self, path: str) -> bytes | None:
        """The label of a regular file at a path, as the attribute holds it; None where the policy has none for it."""
        found = ctypes.c_void_p()
        mode = stat.S_IFREG | 0o644
        if self._library.selabel_lookup_raw(
            self._handle, ctypes.byref(found), os.fsencode(path), mode
        ):
            return None
        try:
            # With its NUL, as restorecon stores it: the kernel shows the attribute as it was
            # written.
            return None if found.value is None else ctypes.string_at(found.value) + b"\0"
        finally:
            self._library.freecon(found)

    def give(self, descriptor: int, path: str) -> None:
        """Label a file that will have this path. A file system without labels, and a policy that forbids it, leave the file as it is."""
        label = self.wanted(path)
        if label is not None:
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, _ATTRIBUTE, label)


def labels_of_this_policy() -> Labels | None:
    """None where there is no library or no policy: then the kernel labels as it does for everybody."""
    try:
        return Labels()
    except OSError:
        return None
