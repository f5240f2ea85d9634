"""A MachineBootstrap to user data: for cloud-init, Ignition and plain systemd, and by templates of one's own.

Here: references inlined, documents put together, the template language, sizes. Not here: files, the network, the
management cluster; what renders gives Secrets and ConfigMaps as values. Opens no file, runs nothing, reads no clock:
`machineadm render` and the manager call the same functions. May import: config, documents, verification, api, errors,
redaction.
"""
