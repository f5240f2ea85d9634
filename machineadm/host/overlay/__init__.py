"""A machine to which nothing happens: queries pass through, and effects laid over it are seen by later queries.

One file for each port, as in `machineadm.host.ports`. Nothing here acts: whatever a check must not do (run a program, write a
file) is an internal error. May import `machineadm.host.ports`, `machineadm.host.effects` and errors.
"""
