"""A machine that nothing happens to: queries pass, and effects that are laid over it are seen by later queries.

One file a port, as in `machineadm.host.ports`. Nothing here acts: what a check must not do (run a program, write a file) is an
internal error. May import `machineadm.host.ports`, `machineadm.host.effects` and errors.
"""
