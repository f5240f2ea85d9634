"""The management cluster's side: it makes the bootstrap data of MachineBootstraps.

Never in the agent's one file. Needs Python 3.11 or later and the extra `controller`.
"""
