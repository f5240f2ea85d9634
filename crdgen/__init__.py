"""From types to everything that others read of them, and checks of what is to be applied to a cluster.

Here: the generator (generate) and the checks of CustomResourceDefinitions (check), which know nothing of each other.
Not here: the agent; nothing of this is in its file. May import: machineadm.api, errors, redaction. Needs Python 3.11.
"""
