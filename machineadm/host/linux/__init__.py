"""The Linux adapter of the ports: files below a root, commands, modules, sysctl, services.

Only machineadm.agent may import this package. May import: host.ports, host.facts and below.
"""
