"""Starting a plugin, connecting to it and ending it, whatever happens.

Here: processes, sockets, the ladder from a request to SIGKILL. Not here: whether a file may be run (trust).
May import: wire, errors.
"""
