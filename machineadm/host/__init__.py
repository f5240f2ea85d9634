"""The machine: what it can do (`ports`), what it is (`facts`), and one adapter per platform.

Ports and facts import nothing of ours but errors and redaction. The adapters, in `linux`, are named by `machineadm.agent`
alone. A fake of all ports for tests is in `tests/fakes`.
"""
