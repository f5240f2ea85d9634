"""`start.py` of the packed agent, run by its `__main__.py`: refuses what cannot run it in one line, and starts isolated.

It must compile on every Python that somebody may have, 2.7 and 3.6 included, hence no f-strings, no
annotations. Before the interpreter is known to be isolated it imports built-in modules alone: whatever
else PYTHONPATH and .pth files name is found before the standard library.
"""

import sys

# build/archive.py writes the value.
MACHINE = "unknown"

ARCHIVE = __loader__.archive  # type: ignore[name-defined]  # zipimport's
NEEDED = "needed: CPython 3.10 to 3.14, as in `python3.11 -I -S {}`".format(ARCHIVE)

release = tuple(sys.version_info[:3])
kind = getattr(getattr(sys, "implementation", None), "name", "cpython")
refusal = ""
if kind != "cpython" or not (3, 10) <= release[:2] <= (3, 14):
    refusal = "MA7101 this is {} {}.{}.{}; {}".format(kind, *(release + (NEEDED,)))
else:
    import _imp

    # Names the interpreter's ABI, its architecture and its C library at once.
    ours = ".cpython-{}{}-{}-linux-gnu.so".format(release[0], release[1], MACHINE)
    suffixes = _imp.extension_suffixes()
    if ours not in suffixes:
        theirs = suffixes[0].strip(".").rpartition(".")[0]
        if "-musl" in theirs:
            refusal = (
                "MA7103 this Python ({}) uses musl; needed: one for glibc 2.17 or later".format(
                    theirs
                )
            )
        elif "-{}-linux-gnu".format(MACHINE) in theirs:
            refusal = "MA7101 this is a special build of Python ({}); {}".format(theirs, NEEDED)
        else:
            refusal = "MA7102 this file is for Linux on {}, this Python is for {}".format(
                MACHINE, theirs
            )
    else:
        import posix

        library = (posix.confstr("CS_GNU_LIBC_VERSION") or "").split()
        numbers = [int(part) for part in library[-1].split(".")[:2]] if library else []
        if not library or library[0] != "glibc" or numbers < [2, 17]:
            refusal = "MA7103 this machine has {}; needed: glibc 2.17 or later".format(
                " ".join(library) or "another C library than glibc"
            )
        elif not (sys.flags.isolated and sys.flags.no_site):
            if sys.executable:
                posix.execv(sys.executable, [sys.executable, "-I", "-S", ARCHIVE] + sys.argv[1:])
            refusal = "MA7107 started without -I -S, by an unknown interpreter;  " + NEEDED
if refusal:
    try:
        sys.stderr.write("machineadm: {}\n".format(refusal))
        sys.stderr.flush()
    except (AttributeError, IOError, OSError):
        # Closed, or a full disk. The interpreter must not find that out again when it ends: it would exit with 120.
        sys.stderr = None
    sys.exit(2)

# As `import front` does, but zipimport compiles twice: to tell the module's path, and to run it.
PATH = ARCHIVE + "/front.py"
front = type(sys)("front")
front.__loader__ = __loader__  # type: ignore[name-defined]
front.__file__ = PATH
sys.modules["front"] = front
exec(  # noqa: S102 - a module of this archive
    compile(__loader__.get_data(PATH), PATH, "exec", 0, True),  # type: ignore[name-defined]
    front.__dict__,
)

sys.exit(front.run())
