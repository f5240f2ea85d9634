"""Types to CustomResourceDefinitions, JSON Schemas and reference pages.

Here: the walk over msgspec's view of the types, and the texts that come out. Not here: checks of definitions by others
(crdlint). May import: machineadm.api, redaction. Writes only what crdgen.generate.command is asked to write.
"""
