"""What a machine can do: the ports, the facts, and one adapter per platform.

Here: ports, facts, recording, state, and below linux/ the only code that changes a machine. Not
here: decisions about what a node needs (steps). May import: config and below.
"""
