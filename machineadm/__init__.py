"""machineadm: turns a bare machine into a Kubernetes node.

Nothing is imported or re-exported here: the agent starts once, cold, and pays for what it uses only.
"""
