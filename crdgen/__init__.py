"""From types to everything that others read of them.

Here: the generator (generate), and crdlint/, a distribution of its own, which checks CustomResourceDefinitions and knows
nothing of the generator; `crdgen check` calls it. Not here: the agent; nothing of this is in its file. May import:
machineadm.api, errors, redaction. Needs Python 3.11.
"""
